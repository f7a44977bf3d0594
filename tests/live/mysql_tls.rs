//! How the line to MySQL and MariaDB is protected, and what becomes of clients that have
//! no TLS.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use handover::secret::Secret;
use mysql_async::{Conn, OptsBuilder};

use crate::contract::assert_refused;
use crate::mysql_scenarios::expect_no_foreign_words;
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};

for_both! {
    weaker_modes_rotate_and_are_called_weak
    without_tls_no_password_is_on_the_wire
}

/// A server of the test's own that lets clients without TLS in.
fn open(engine: ShopEngine, name: &str) -> Option<Shop> {
    let options = ShopOptions {
        own_server: true,
        ..ShopOptions::default()
    };
    let shop = Shop::open_on(engine, name, options)?;
    shop.run_sql("SET GLOBAL require_secure_transport = OFF");
    Some(shop)
}

/// Puts the connection's settings in place of `verify-full`.
#[track_caller]
fn set_tls(shop: &Shop, tls: &str) {
    let path = shop.file("settings.yaml");
    let text = std::fs::read_to_string(&path).expect("reads");
    let mut lines: Vec<&str> = text.lines().collect();
    let tls = format!("    tls: {{{tls}}}");
    let at = lines.iter().position(|line| line.contains("tls: {"));
    lines[at.expect("has a line of TLS")] = &tls;
    std::fs::write(&path, lines.join("\n")).expect("writes");
    let path = path.display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &path])
        .expect_code(0);
}

fn weaker_modes_rotate_and_are_called_weak(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "modes", ShopOptions::default()) else {
        return;
    };
    let ca = shop.file("ca.pem").display().to_string();
    let modes = [
        (format!("mode: verify-full, ca: {ca}"), None),
        (format!("mode: verify-ca, ca: {ca}"), Some("verify-ca: ")),
        ("mode: require".to_owned(), Some("require: encrypted, but")),
    ];
    for (tls, weakness) in modes {
        set_tls(&shop, &tls);
        shop.rotate(&[]).expect_code(0);
        shop.assert_current_logs_in(&tls);
        let doctor = shop.run(&["doctor", "shop/orders"]).expect_code(0);
        expect_no_foreign_words(&doctor);
        match weakness {
            Some(weakness) => drop(doctor.expect_told(&[weakness])),
            None => assert!(
                doctor
                    .told()
                    .contains("verify-full: the certificate is trusted")
            ),
        }
    }
    // Another authority is refused by the modes that verify, and nothing is tried without.
    let other = handover::sandbox::Authority::new("another authority").expect("makes one");
    std::fs::write(shop.file("ca.pem"), other.pem()).expect("writes");
    let before = [&shop.first, &shop.second].map(|account| shop.stored_hash_of(account));
    for mode in ["verify-full", "verify-ca"] {
        set_tls(&shop, &format!("mode: {mode}, ca: {ca}"));
        let run = shop.rotate(&[]).expect_code(6);
        expect_no_foreign_words(&run);
        run.expect_told(&["databases.\"*\".tls", "certificate"]);
    }
    let after = [&shop.first, &shop.second].map(|account| shop.stored_hash_of(account));
    assert_eq!(after, before, "nothing changed");
}

/// What clients sent through it.
struct Tap {
    port: u16,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    fn before(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("binds");
        let tap = Self {
            port: listener.local_addr().expect("an address").port(),
            sent: Arc::default(),
        };
        let sent = Arc::clone(&tap.sent);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let there = TcpStream::connect(("127.0.0.1", port)).expect("connects");
                let halves = (
                    client.try_clone().expect("clones"),
                    there.try_clone().expect("clones"),
                );
                let sent = Arc::clone(&sent);
                thread::spawn(move || {
                    carry(halves.0, halves.1, |bytes| {
                        sent.lock()
                            .expect("no test failed")
                            .extend_from_slice(bytes);
                    });
                });
                thread::spawn(move || carry(there, client, |_| {}));
            }
        });
        tap
    }

    #[track_caller]
    fn expect_no(&self, password: &Secret) {
        let sent = self.sent.lock().expect("no test failed");
        assert!(!sent.is_empty(), "nobody came by");
        let word = password.expose().as_bytes();
        assert!(
            !sent.windows(word.len()).any(|window| window == word),
            "a password was sent"
        );
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, see: impl Fn(&[u8])) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        see(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// MariaDB's native way proves a password without sending it. MySQL's asks for the password
/// itself where it was not seen yet, and does not get it.
fn without_tls_no_password_is_on_the_wire(engine: ShopEngine) {
    let options = ShopOptions {
        own_server: true,
        ..ShopOptions::default()
    };
    let Some(mut shop) = Shop::bare_on(engine, "open", options) else {
        return;
    };
    shop.run_sql("SET GLOBAL require_secure_transport = OFF");
    let tap = Tap::before(shop.port);
    shop.port = tap.port;
    shop.write_orders();
    shop.init();
    set_tls(&shop, "mode: disable");
    let before = shop.stored_hash_of(&shop.second);
    if engine == ShopEngine::MySql {
        let run = shop.rotate(&[]).expect_code(6);
        expect_no_foreign_words(&run);
        println!("{}", run.told());
        run.expect_told(&["can only be proven over TLS", "tls.mode"]);
        assert_eq!(shop.stored_hash_of(&shop.second), before, "nothing changed");
    } else {
        shop.rotate(&[]).expect_code(0);
        shop.assert_current_logs_in("after a rotation without TLS");
        shop.run(&["doctor", "shop/orders"])
            .expect_code(0)
            .expect_told(&["disabled: anybody on the way can read"]);
        let current = shop.current();
        tap.expect_no(&current.password);
        // A server that wants TLS is told apart from a wrong password.
        shop.run_sql("SET GLOBAL require_secure_transport = ON");
        let run = shop.rotate(&[]);
        expect_no_foreign_words(&run);
        run.expect_told(&["TLS"]);
    }
    for account in [&shop.managing, &shop.first, &shop.second] {
        tap.expect_no(&account.password);
    }
}

/// Logs in without TLS, as an application may, and keeps the session.
struct OpenSession {
    conn: Option<Conn>,
    runtime: tokio::runtime::Runtime,
}

impl OpenSession {
    fn of(shop: &Shop, account: &Account) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("makes a runtime");
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(shop.port)
            .prefer_socket(false)
            .user(Some(account.name.as_str()))
            .pass(Some(account.password.expose()))
            .connect_attribute("program_name", "nightly-report");
        let conn = runtime.block_on(Conn::new(options)).expect("logs in");
        Self {
            conn: Some(conn),
            runtime,
        }
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            let _ = self.runtime.block_on(conn.disconnect());
        }
    }
}

/// Whoever has no TLS is refused with a password that nobody has shown over TLS. Our own
/// login does, before consumers read it.
#[test]
fn a_new_password_is_warm_before_consumers_read_it() {
    let Some(shop) = open(ShopEngine::MySql, "warm") else {
        return;
    };
    let remark = "may log in without TLS";
    shop.plan().expect_code(0);
    let plan = shop
        .run(&["rotate", "shop/orders", "--plan"])
        .expect_code(0);
    println!("{}", plan.told());
    plan.expect_told(&[remark, "2061"]);
    shop.rotate(&[]).expect_code(0);
    // handover without TLS is such a client, which never sends the password itself.
    set_tls(&shop, "mode: disable");
    let look = || shop.run(&["doctor", "shop/orders"]);
    let line = |text: &str| {
        let found = text.lines().find(|line| line.contains("current-login"));
        found.expect("a line").to_owned()
    };
    assert!(line(&look().told()).contains("logs in"), "{:#?}", look());
    // The same client when the server has forgotten it.
    shop.run_sql("FLUSH PRIVILEGES");
    let cold = look();
    println!("{}", cold.told());
    assert!(!line(&cold.told()).contains("logs in"), "{cold:#?}");
}

/// MySQL keeps what an application calls itself.
#[test]
fn a_session_is_named_by_its_application() {
    let Some(shop) = open(ShopEngine::MySql, "named") else {
        return;
    };
    // The password is shown over TLS first.
    assert!(shop.logs_in(&shop.second));
    let session = OpenSession::of(&shop, &shop.second);
    let run = shop.rotate(&[]);
    assert_refused(&run, "not-drained");
    run.expect_told(&["\"nightly-report\" from 127.0.0.1"]);
    drop(session);
}
