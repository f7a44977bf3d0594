//! What scenarios on MySQL and MariaDB have beside a shop: an address behind which the server
//! may be another one from one moment to the next, and questions to any of the servers.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use handover::sandbox::{MysqlFlavour, MysqlServer};
use serde_json::Value;

use crate::contract::result_of;
use crate::harness::Run;
use crate::mysql_scenarios::expect_no_foreign_words;
use crate::scenes::{expect_case, expect_parked};
use crate::shop::mysql::HeldMysqlSession;
use crate::shop::{Account, Shop, ShopOptions, account_at};

/// An address that stands for one server, and later for another: a name or a virtual address
/// after a fail-over. It ends with the test program.
pub(crate) struct Address {
    pub(crate) port: u16,
    behind: Arc<AtomicU16>,
}

impl Address {
    pub(crate) fn of(server: &MysqlServer) -> Self {
        let listener = listen();
        let port = listener.local_addr().expect("an address").port();
        let behind = Arc::new(AtomicU16::new(server.port()));
        let target = Arc::clone(&behind);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Where nobody listens the client is let go, as it would be there.
                let to = ("127.0.0.1", target.load(Ordering::SeqCst));
                if let Ok(there) = TcpStream::connect(to) {
                    join(client, there);
                }
            }
        });
        Self { port, behind }
    }

    pub(crate) fn point_to(&self, server: &MysqlServer) {
        self.behind.store(server.port(), Ordering::SeqCst);
    }
}

/// Below the ports that a system gives to clients.
fn listen() -> TcpListener {
    let begin = 20_000 + std::process::id() % 5000;
    let mut ports = (begin..32_768).filter_map(|port| u16::try_from(port).ok());
    let listener = ports.find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    listener.expect("a port is free")
}

fn join(client: TcpStream, there: TcpStream) {
    let ways = [
        (
            client.try_clone().expect("clones"),
            there.try_clone().expect("clones"),
        ),
        (there, client),
    ];
    for (mut from, mut to) in ways {
        thread::spawn(move || {
            // An end that is gone ends the other one, too.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}

/// A shop on a server of its own that is reached through an address, and what else it trusts.
pub(crate) fn behind_an_address(shop: &mut Shop, trusted: &[&MysqlServer]) -> Address {
    let address = Address::of(shop.mysql_server());
    shop.port = address.port;
    shop.write_orders();
    let authorities: Vec<&str> = trusted.iter().map(|server| server.ca_pem()).collect();
    let authorities = format!("{}{}", shop.mysql_server().ca_pem(), authorities.concat());
    std::fs::write(shop.file("ca.pem"), authorities).expect("writes");
    address
}

/// A server that the test may stop, copy and replace, and whose changes may wait.
pub(crate) fn private() -> ShopOptions {
    ShopOptions {
        own_server: true,
        lock_timeout: "60s",
        statement_timeout: "60s",
        ..ShopOptions::default()
    }
}

/// Makes a replica a server of its own that takes writes.
pub(crate) fn promote(replica: &MysqlServer) {
    let statements = match replica.flavour() {
        MysqlFlavour::MySql => {
            "STOP REPLICA; RESET REPLICA ALL; SET GLOBAL super_read_only = OFF; \
             SET GLOBAL read_only = OFF"
        }
        MysqlFlavour::MariaDb => "STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = OFF",
    };
    replica.sql(statements).expect("is promoted");
}

pub(crate) fn accepts(server: &MysqlServer, account: &Account) -> bool {
    server.login(&account.name, &account.password).is_accepted()
}

/// Reads `current`, which a server that is not the shop's own has to accept.
#[track_caller]
pub(crate) fn assert_current_logs_in_at(server: &MysqlServer, shop: &Shop, when: &str) -> Account {
    let current = shop.current();
    let outcome = server.login(&current.name, &current.password);
    assert!(
        outcome.is_accepted(),
        "{when}: {} {outcome:?}",
        current.name
    );
    current
}

/// A session at a server that is not the shop's own; it ends when it is dropped.
pub(crate) fn hold_session_at(server: &MysqlServer, account: &Account) -> impl Drop {
    HeldMysqlSession::open(server, &account.name, &account.password)
}

/// What `env open` answers for one of the pair.
pub(crate) fn opened(shop: &Shop, label: &str) -> Account {
    let words = ["env", "open", "shop/orders", "db", "--output", "json"];
    let run = shop.run(&words).expect_code(0);
    account_at(&run.json(), &format!("/{label}"))
}

pub(crate) fn accept_server(shop: &Shop) -> Run {
    let words = ["doctor", "shop/orders", "--accept-server"];
    // Not without the name.
    shop.run(&words).expect_code(4);
    shop.run(&[&words[..], &["--confirm", "shop/orders"]].concat())
}

/// Prints what an operator reads, where a person wants to judge it: `HANDOVER_SHOW_WORDS`.
pub(crate) fn show(run: &Run) {
    if std::env::var_os("HANDOVER_SHOW_WORDS").is_some() {
        println!("{}{}", run.stdout, run.stderr);
    }
}

/// The case is named with this evidence and this remedy, in words of the engine, `recover`
/// parks in it, and nothing is changed by either.
#[track_caller]
pub(crate) fn expect_needs_human(shop: &Shop, case: &str, evidence: &[&str], remedy: &[&str]) {
    let result = expect_case(shop, case, 5, evidence);
    let told = result["paths"][0]["error"]["remedy"].as_str();
    let told = told.unwrap_or_else(|| panic!("no remedy: {result:#}"));
    for word in remedy {
        assert!(told.contains(word), "no `{word}` in {told}");
    }
    let run = shop.run(&["recover", "shop/orders", "--explain"]);
    show(&run);
    expect_no_foreign_words(&run);
    let parked = expect_parked(shop, case);
    show(&parked);
    expect_no_foreign_words(&parked);
    if result["rotation"].is_null() {
        let parked = result_of(&parked);
        assert_eq!(parked["rotation"], Value::Null, "{parked:#}");
        assert_eq!(parked["status"], "parked", "{parked:#}");
    }
}
