//! One cell: one message of a rotation, and what the network does to it.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::consumer::{Consumers, Temper};
use crate::harness::{Chance, Run, literal, server, single, wait_until};
use crate::matrix::Staged;
use crate::network::{Fault, FaultyNetwork, Line, Message, Plan, Speaker};
use crate::promises::{Ended, RECOVER, ROTATE, rotate_again, settle};
use crate::shop::{Shop, ShopOptions};

/// One message, and what the network does to it.
pub(crate) struct NetworkCell {
    plan: Plan,
}

impl NetworkCell {
    fn new(message: Message, fault: Fault) -> Self {
        Self {
            plan: Plan { message, fault },
        }
    }
}

impl Staged for NetworkCell {
    fn told(&self) -> [String; 3] {
        let message = &self.plan.message;
        let (sent, from) = match message.speaker {
            Speaker::Program => ("→", "program"),
            Speaker::Server => ("←", "server"),
        };
        let fault = match self.plan.fault {
            Fault::Drop => "drop",
            Fault::Reset => "reset",
            Fault::Stall => "stall",
            Fault::Delay => "delay",
            Fault::ReplyLost => "reply lost",
        };
        let line = match message.line {
            Line::Managing => format!("managing, {from}"),
            Line::Verify => format!("verifying, {from}"),
        };
        let place = format!("{sent} {} {}", message.kind, message.number);
        [place, fault.to_owned(), line]
    }

    fn run(&self) -> Ended {
        let lane = Lane::take();
        let ended = self.run_in(&lane);
        // A lane in which a promise broke is not used again.
        lane.give_back();
        ended
    }
}

impl NetworkCell {
    fn run_in(&self, lane: &Lane) -> Ended {
        let (shop, network) = (&lane.shop, &lane.network);
        let logins_before = lane.consumers.seen().logins;
        let (stopped, verifiers) = self.strike(lane);
        if matches!(stopped.code(), Some(4 | 6)) {
            let now = verifiers_of(shop);
            assert_eq!(now, verifiers, "nothing was changed, it says: {stopped:#?}");
        }
        if self.plan.fault == Fault::Delay {
            assert_eq!(stopped.code(), Some(0), "late is not lost: {stopped:#?}");
        }
        // The messages of the change itself are looked at longest.
        let kind = &self.plan.message.kind;
        let decisive = ["ALTER", "COMMIT"].iter().any(|word| kind.contains(word));
        let ended = settle(shop, Some(&stopped), if decisive { 5 } else { 2 });
        network.hang_up();
        if self.plan.fault == Fault::Stall {
            wait_until("the stalled sessions have ended", || {
                session_count(shop) == 0
            });
        }
        if ended.parked {
            let recovered = shop.run(&RECOVER);
            assert_eq!(recovered.code(), Some(0), "on a sound line: {recovered:#?}");
        }
        if decisive {
            rotate_again(shop);
        }
        let tally = lane.consumers.seen();
        assert!(
            tally.refused.is_empty(),
            "consumers were refused: {tally:?}"
        );
        Ended {
            logins: tally.logins - logins_before,
            ..ended
        }
    }

    /// Rotates until the fault meets its message. A row that is about our own sessions is
    /// not always there; without it the rotation is like any other and succeeds. Answers the rotation
    /// that it met, and what the server kept for the passwords before that.
    fn strike(&self, lane: &Lane) -> (Run, [String; 2]) {
        for _ in 0..10 {
            let verifiers = verifiers_of(&lane.shop);
            lane.network.arm(Some(self.plan.clone()));
            let stopped = lane.shop.run(&ROTATE);
            if lane.network.struck() {
                return (stopped, verifiers);
            }
            assert_eq!(stopped.code(), Some(0), "nothing was met: {stopped:#?}");
        }
        panic!("{:?} was not met in ten rotations", self.plan.message);
    }
}

/// A shop behind a network of its own, in which one cell follows another, and a consumer
/// that logs in all the while, at the server itself. A rotation that is only delayed has
/// to succeed, whatever the cells before it left.
struct Lane {
    shop: Arc<Shop>,
    network: FaultyNetwork,
    consumers: Consumers,
}

/// Lanes that no cell is in.
static FREE: Mutex<Vec<Lane>> = Mutex::new(Vec::new());

impl Lane {
    fn take() -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.unwrap_or_else(|| {
            let network = FaultyNetwork::start(plain_port());
            let shop = Arc::new(shop_behind(&network, "network"));
            // Rotations follow each other sooner than a patient consumer is ready for.
            let tempers = [Temper::Calm];
            let consumers = Consumers::start(&shop, &tempers, &mut Chance::from_environment());
            Self {
                shop,
                network,
                consumers,
            }
        })
    }

    fn give_back(self) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(self);
    }
}

/// Ends all lanes; each of their consumers has logged in.
pub(crate) fn close_lanes() {
    let lanes = std::mem::take(&mut *FREE.lock().unwrap_or_else(PoisonError::into_inner));
    for lane in lanes {
        rotate_again(&lane.shop);
        let tally = lane.consumers.stop();
        assert!(tally.refused.is_empty(), "at the end: {tally:?}");
        assert!(tally.logins > 0, "the consumer did not log in: {tally:?}");
    }
}

/// The cells. The messages of the change, and those that verify it once logged in, meet
/// every fault. The many of the logins and of S1, where nothing has been changed yet, meet
/// one fault each, in turn; with `HANDOVER_EVERY_FAULT` set they meet every one, too.
pub(crate) fn cells() -> Vec<NetworkCell> {
    let every_fault = std::env::var_os("HANDOVER_EVERY_FAULT").is_some();
    let mut decisive = BTreeSet::new();
    let mut cells = Vec::new();
    for (index, message) in messages().into_iter().enumerate() {
        let begins = match message.line {
            Line::Managing => message.kind == "Query BEGIN",
            Line::Verify => message.kind == "ReadyForQuery",
        };
        if begins {
            decisive.insert(message.line);
        }
        let faults = faults_of(&message);
        let chosen = match every_fault || decisive.contains(&message.line) {
            true => &faults[..],
            false => &faults[index % faults.len()..][..1],
        };
        for fault in chosen {
            cells.push(NetworkCell::new(message.clone(), *fault));
        }
    }
    cells
}

/// What can happen to a message. Only what asks for an answer can lose it, and nobody
/// waits for a goodbye.
fn faults_of(message: &Message) -> Vec<Fault> {
    let mut faults = vec![Fault::Drop, Fault::Reset, Fault::Stall, Fault::Delay];
    let asks = ["StartupMessage", "SASL", "Query", "Parse to Sync"];
    if message.speaker == Speaker::Program && asks.iter().any(|kind| message.kind.starts_with(kind))
    {
        faults.push(Fault::ReplyLost);
    }
    faults
}

/// Every message of a rotation on a sound network, of the lines that are broken.
fn messages() -> Vec<Message> {
    let network = FaultyNetwork::start(plain_port());
    let shop = shop_behind(&network, "networksound");
    network.arm(None);
    shop.rotate(&[]).expect_code(0);
    let seen = network.seen();
    for kind in ["Query BEGIN", "Query ALTER", "CommandComplete COMMIT"] {
        let of_kind = seen.iter().filter(|message| message.kind == kind);
        assert_eq!(of_kind.count(), 1, "one {kind} in {seen:#?}");
    }
    let verified = seen.iter().any(|message| message.line == Line::Verify);
    assert!(verified, "the new password is tried: {seen:#?}");
    seen
}

/// A shop whose program finds the server behind the network only.
fn shop_behind(network: &FaultyNetwork, name: &str) -> Shop {
    let options = ShopOptions {
        connect_timeout: "3s",
        statement_timeout: "3s",
        lock_timeout: "1s",
        ..ShopOptions::default()
    };
    let mut shop = Shop::bare(name, options);
    shop.port = network.port();
    shop.write_orders();
    fs::write(shop.file("ca.pem"), network.ca_pem()).expect("writes");
    shop.init_key();
    shop.init_managing().expect_code(0);
    shop.init_orders().expect_code(0);
    shop
}

fn verifiers_of(shop: &Shop) -> [String; 2] {
    [&shop.first, &shop.second].map(|account| shop.verifier_of(account))
}

/// How many sessions this shop's three roles have.
fn session_count(shop: &Shop) -> u32 {
    let names = [&shop.managing, &shop.first, &shop.second].map(|role| literal(&role.name));
    single(&format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename IN ({})",
        names.join(", ")
    ))
    .parse()
    .expect("a count")
}

/// The server's port, at which it lets in the network, which speaks without TLS.
fn plain_port() -> u16 {
    static PORT: LazyLock<u16> = LazyLock::new(|| {
        let rules = server().data_folder().join("pg_hba.conf");
        let mut text = fs::read_to_string(&rules).expect("reads the access rules");
        text.push_str("hostnossl all all 127.0.0.1/32 scram-sha-256\n");
        fs::write(rules, text).expect("writes the access rules");
        server().sql("SELECT pg_reload_conf()").expect("reloads");
        let superuser = server().superuser();
        let login = format!(
            "host=127.0.0.1 port={} dbname=postgres sslmode=disable user={} password={}",
            server().port(),
            superuser.name,
            superuser.password.expose()
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("makes a runtime");
        wait_until("the server takes logins without TLS", || {
            runtime
                .block_on(tokio_postgres::connect(&login, tokio_postgres::NoTls))
                .is_ok()
        });
        server().port()
    });
    *PORT
}
