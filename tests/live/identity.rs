//! Which server answers: copies, restores, fail-overs and other servers are told from the
//! recorded one, accepted by the doctor, and then the rotation goes on.

use std::fs;
use std::path::Path;
use std::process::Command;

use handover::sandbox::{PostgresOptions, PostgresServer, Superuser};
use serde_json::Value;

use crate::harness::{Run, identifier, literal, postgres_options, wait_until};
use crate::shop::{Account, Shop, ShopOptions};

const PORT: &str = "db[\"fn::rotate::postgres\"].inputs.database.port";

/// A shop on a server of its own, which the test may copy, stop and replace.
struct PrivateShop {
    shop: Shop,
    server: PostgresServer,
}

/// What it has confirmed survives a crash, as on any server that matters.
pub(crate) fn start_server() -> PostgresServer {
    let options = PostgresOptions {
        configuration: vec!["synchronous_commit = on".to_owned()],
        ..postgres_options()
    };
    PostgresServer::start(&options).expect("PostgreSQL starts")
}

/// Statements of one session, which goes on when its role gets another password.
pub(crate) struct SuperuserSession {
    client: tokio_postgres::Client,
    runtime: tokio::runtime::Runtime,
}

impl SuperuserSession {
    pub(crate) fn open(server: &PostgresServer) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("makes a runtime");
        let Superuser { name, password } = server.superuser();
        let client = runtime
            .block_on(server.door().connect(name, password, "postgres"))
            .expect("logs in");
        Self { client, runtime }
    }

    /// The sandbox logs in to each of its servers with that server's own password.
    fn take_password_of(&self, server: &PostgresServer) {
        let Superuser { name, password } = server.superuser();
        let password = literal(password.expose());
        self.run(&format!("ALTER ROLE {name} PASSWORD {password}"));
    }

    pub(crate) fn run(&self, statement: &str) {
        let run = self.client.batch_execute(statement);
        self.runtime.block_on(run).expect("the server takes it");
    }
}

impl PrivateShop {
    /// Ready to be rotated; `also` is a server that its settings trust as well.
    fn open(name: &str, also: Option<&PostgresServer>) -> Self {
        let mut shop = Shop::bare(name, ShopOptions::default());
        let server = start_server();
        make_roles(&shop, &server);
        shop.port = server.port();
        shop.write_orders();
        let mut authorities = server.ca_pem().to_owned();
        if let Some(also) = also {
            authorities.push_str(also.ca_pem());
        }
        fs::write(shop.file("ca.pem"), authorities).expect("writes");
        shop.init_key();
        shop.init_managing().expect_code(0);
        shop.init_orders().expect_code(0);
        Self { shop, server }
    }

    /// Rotates and checks that what consumers read logs in.
    #[track_caller]
    fn rotate(&self, server: &PostgresServer) {
        self.shop.rotate(&[]).expect_code(0);
        let current = self.shop.current();
        assert!(server.login(&current.name, &current.password).is_accepted());
    }

    /// Rotating is refused since it is another server; nothing was changed.
    #[track_caller]
    fn expect_other_server(&self, words: &[&str]) {
        let revisions = self.shop.revision_count();
        let run = self.shop.rotate(&[]).expect_code(4);
        let report = run.json();
        assert_eq!(report["status"], "refused", "{report:#}");
        assert_eq!(report["paths"][0]["case"], "other-server", "{report:#}");
        let accept = "handover doctor shop/orders --accept-server";
        run.expect_told(words).expect_told(&[accept]);
        assert_eq!(self.shop.revision_count(), revisions);
        let run = self
            .shop
            .run(&["doctor", "shop/orders", "--output", "json"]);
        assert!(matches!(run.code(), Some(4 | 5)), "{run:#?}");
        let finding = finding(&run.json(), "server");
        assert_eq!(finding["status"], "problem", "{finding:#}");
    }

    fn accept(&self, more: &[&str]) -> Run {
        let accept = [
            "doctor",
            "shop/orders",
            "--accept-server",
            "--output",
            "json",
        ];
        self.shop.run(&[&accept[..], more].concat())
    }

    /// Not without the name, then with it, and then there is nothing left to accept.
    #[track_caller]
    fn expect_accepted(&self, status: &str, consumers: &str) {
        let run = self.accept(&[]).expect_code(4);
        assert_eq!(run.json()["error"]["code"], "not-confirmed");
        let run = self.accept(&["--confirm", "shop/order"]).expect_code(4);
        assert_eq!(run.json()["error"]["code"], "name-differs");
        let before = self.audited();
        let run = self.accept(&["--confirm", "shop/orders"]).expect_code(0);
        let path = &run.json()["paths"][0];
        assert_eq!(path["status"], "accepted", "{path:#}");
        assert_eq!(path["consumers"], consumers, "{path:#}");
        assert_ne!(path["recorded"], path["seen"], "{path:#}");
        assert_eq!(self.audited(), before + 1, "the acceptance is audited");
        let again = self.accept(&[]).expect_code(0);
        assert_eq!(again.json()["paths"][0]["status"], "same", "after {status}");
        assert_eq!(self.audited(), before + 1);
    }

    fn audited(&self) -> usize {
        let run = self.shop.run(&["audit", "ls", "--output", "json"]);
        let value = run.expect_code(0).json();
        let entries = value["entries"].as_array().expect("a list");
        let mut count = 0;
        for entry in entries {
            count += usize::from(entry["action"] == "server.accepted");
        }
        count
    }

    /// Puts the password that consumers read back into a server that has an older one, as
    /// a superuser would.
    fn give_current_to(&self, server: &PostgresServer) {
        let current = self.shop.current();
        let salt = [9; handover::secret::SCRAM_SALT_LENGTH];
        let verifier = handover::secret::ScramVerifier::derive(&current.password, &salt);
        server
            .sql(&format!(
                "ALTER ROLE {} PASSWORD {}",
                identifier(&current.name),
                literal(verifier.expect("derives").as_str())
            ))
            .expect("alters");
    }
}

fn finding(value: &Value, check: &str) -> Value {
    let findings = value["environments"][0]["paths"][0]["findings"].as_array();
    let mut all = findings.expect("a list").iter();
    let found = all.find(|one| one["check"] == check);
    found
        .unwrap_or_else(|| panic!("no {check}: {value:#}"))
        .clone()
}

/// The roles of a shop on another server than the shared one, with the same passwords.
pub(crate) fn make_roles(shop: &Shop, server: &PostgresServer) {
    let make = |account: &Account, attributes: &str| {
        let create = format!(
            "CREATE ROLE {} {attributes} PASSWORD {}",
            identifier(&account.name),
            literal(&shop.verifier_of(account))
        );
        server.sql(&create).expect("creates a role");
    };
    make(&shop.first, "LOGIN");
    make(&shop.second, "LOGIN");
    make(&shop.managing, "LOGIN SUPERUSER");
}

/// A data folder with its owner and modes, in place of whatever is there.
pub(crate) fn copy_data(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("removes");
    }
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.expect("runs cp").success());
    // A copy of a running server has the lock of the original.
    let _ = fs::remove_file(to.join("postmaster.pid"));
}

/// Makes `copy` a running copy of `original`, which goes on. Nothing writes meanwhile, and
/// everything before is in the files.
fn clone_beside(original: &PostgresServer, copy: &PostgresServer) {
    copy.stop().expect("stops");
    let session = SuperuserSession::open(original);
    session.take_password_of(copy);
    session.run("CHECKPOINT");
    copy_data(&original.data_folder(), &copy.data_folder());
    session.take_password_of(original);
    copy.start_again().expect("starts");
}

/// What a server in use does between two rotations.
pub(crate) fn go_on(server: &PostgresServer) {
    let statement = "CREATE TABLE went_on AS SELECT generate_series(1, 10000)";
    server.sql(statement).expect("the server takes it");
}

#[test]
fn a_clone_beside_the_original_is_another_server() {
    let copy = start_server();
    let world = PrivateShop::open("clone", Some(&copy));
    world.rotate(&world.server);
    clone_beside(&world.server, &copy);
    // The original goes on: the mark is past the copy from here on.
    go_on(&world.server);
    world.rotate(&world.server);

    let port = copy.port().to_string();
    world
        .shop
        .run(&["env", "set", "shop/orders", PORT, &port])
        .expect_code(0);
    world.expect_other_server(&["a clone", "does not log in there"]);
    world.expect_accepted("went-back", "refused");

    // The server is known now, and the next thing that is wrong is named.
    let run = world.shop.rotate(&[]).expect_code(5);
    assert_eq!(run.json()["paths"][0]["case"], "current-dead");
    world.give_current_to(&copy);
    world.rotate(&copy);
}

#[test]
fn a_snapshot_that_was_restored_is_another_server() {
    let world = PrivateShop::open("snapshot", None);
    world.rotate(&world.server);
    let data = world.server.data_folder();
    let kept = world.server.folder().join("snapshot");
    world.server.stop().expect("stops");
    copy_data(&data, &kept);
    world.server.start_again().expect("starts");
    go_on(&world.server);
    world.rotate(&world.server);

    world.server.stop().expect("stops");
    copy_data(&kept, &data);
    world.server.start_again().expect("starts");
    world.expect_other_server(&["a snapshot that was restored", "does not log in there"]);
    world.expect_accepted("went-back", "refused");
    world.give_current_to(&world.server);
    world.rotate(&world.server);
}

#[test]
fn a_standby_that_was_promoted_is_another_server() {
    let world = PrivateShop::open("failover", None);
    world.rotate(&world.server);
    world.server.stop().expect("stops");
    // The former primary's own files stand for the standby's: both have the same log.
    let signal = world.server.data_folder().join("standby.signal");
    fs::write(&signal, "").expect("writes");
    world.server.start_again().expect("starts");

    // While it is a standby, that is what is said.
    let run = world.shop.rotate(&[]).expect_code(4);
    assert_eq!(run.json()["paths"][0]["case"], "no-right", "{run:#?}");

    // At once after the promotion, before any checkpoint has recorded the new timeline.
    world.server.sql("SELECT pg_promote()").expect("promotes");
    world.expect_other_server(&["timeline 2", "fail-over", "logs in there"]);
    world.expect_accepted("other", "valid");
    world.rotate(&world.server);
}

/// What `pg_upgrade` leaves, as far as it can be told from outside: another system
/// identifier at the same address with the same roles. The version stays the same.
#[test]
fn another_cluster_at_the_same_address_is_another_server() {
    let world = PrivateShop::open("replaced", None);
    world.rotate(&world.server);
    let other = start_server();
    make_roles(&world.shop, &other);
    world.give_current_to(&other);
    SuperuserSession::open(&other).take_password_of(&world.server);
    other.stop().expect("stops");
    world.server.stop().expect("stops");
    copy_data(&other.data_folder(), &world.server.data_folder());
    world.server.start_again().expect("starts");
    world.expect_other_server(&["another server", "logs in there"]);
    world.expect_accepted("other", "valid");
    world.rotate(&world.server);
}

#[test]
fn a_server_that_crashed_is_still_the_same() {
    let world = PrivateShop::open("crashed", None);
    world.rotate(&world.server);
    // SIGQUIT to the postmaster: a crash, after which the log is replayed.
    world.server.stop().expect("stops");
    world.server.start_again().expect("starts");
    world.rotate(&world.server);
    let run = world.accept(&[]).expect_code(0);
    assert_eq!(run.json()["paths"][0]["status"], "same", "{run:#?}");
}

#[test]
fn a_first_contact_and_a_silent_server_have_nothing_to_accept() {
    let world = PrivateShop::open("silent", None);
    let run = world.accept(&["--confirm", "shop/orders"]).expect_code(0);
    assert_eq!(run.json()["paths"][0]["status"], "not-known");
    world.server.stop().expect("stops");
    wait_until("the server is gone", || world.server.process().is_none());
    let run = world.accept(&["--confirm", "shop/orders"]).expect_code(6);
    assert_eq!(run.json()["paths"][0]["status"], "unreachable");
    world
        .shop
        .run(&["doctor", "shop/managing", "--accept-server"])
        .expect_code(2);
}

#[test]
fn a_changed_certificate_is_told_once_where_the_name_is_verified_and_refused_elsewhere() {
    let other = start_server();
    let world = PrivateShop::open("certificate", Some(&other));
    let shop = &world.shop;
    let warns = || {
        let run = shop
            .run(&["rotate", "shop/orders", "--plan"])
            .expect_code(0);
        run.told().contains("another certificate")
    };
    world.rotate(&world.server);
    assert!(!warns());
    for name in ["server.crt", "server.key"] {
        let (from, to) = (other.folder().join(name), world.server.folder().join(name));
        let status = Command::new("cp").arg("-p").arg(from).arg(to).status();
        assert!(status.expect("runs cp").success());
    }
    let reload = "SELECT pg_reload_conf()";
    world.server.sql(reload).expect("the server takes it");
    wait_until("the server shows its new certificate", warns);
    let run = shop.run(&["doctor", "shop/orders", "--output", "json"]);
    let finding = finding(&run.expect_code(0).json(), "certificate");
    assert_eq!(finding["status"], "warning", "{finding:#}");

    let settings = shop.file("settings.yaml");
    let set_mode = |from: &str, to: &str| {
        let text = fs::read_to_string(&settings).expect("reads");
        assert!(text.contains(from), "{text}");
        fs::write(&settings, text.replace(from, to)).expect("writes");
        let file = settings.display().to_string();
        shop.run(&["env", "settings", "set", "shop/orders", "-f", &file])
            .expect_code(0);
    };
    set_mode("verify-full", "verify-ca");
    let run = shop.rotate(&[]).expect_code(4);
    assert_eq!(run.json()["paths"][0]["case"], "other-server", "{run:#?}");
    set_mode("verify-ca", "verify-full");
    shop.rotate(&[]).expect_code(0);
    assert!(!warns(), "the rotation has recorded it");
}
