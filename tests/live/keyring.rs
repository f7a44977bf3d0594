//! A master key in a real keyring, on a session bus of the test's own.
//!
//! The bus knows no service that it could start by itself, so that the test decides
//! whether there is a keyring, and whether it is unlocked.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::{Run, Running, wait_until};
use crate::shop::{Shop, ShopOptions};

/// A child that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A session bus with a home of its own for keyrings.
struct Session {
    home: TempDir,
    address: String,
    _bus: Server,
}

fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).exists())
    })
}

impl Session {
    /// `None` only where the keyring was left out by name: a missing one is a failure,
    /// since a test that did not run must not look like one that passed.
    fn start() -> Option<Self> {
        if std::env::var("HANDOVER_TESTS_WITHOUT").is_ok_and(|names| names.contains("keyring")) {
            println!("LEFT OUT by name: keyring");
            return None;
        }
        assert!(
            is_installed("dbus-daemon") && is_installed("gnome-keyring-daemon"),
            "dbus-daemon or gnome-keyring-daemon is missing: `make servers` installs them, \
             HANDOVER_TESTS_WITHOUT=keyring leaves them out"
        );
        let home = tempfile::tempdir().expect("makes a folder");
        let socket = home.path().join("bus");
        let configuration = home.path().join("bus.conf");
        fs::write(
            &configuration,
            format!(
                "<busconfig><type>session</type><listen>unix:path={}</listen>\
                 <auth>EXTERNAL</auth><policy context=\"default\">\
                 <allow send_destination=\"*\" eavesdrop=\"true\"/>\
                 <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
                socket.display()
            ),
        )
        .expect("writes");
        let mut bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", configuration.display()))
            .args(["--nofork", "--print-address"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts a bus");
        let mut address = String::new();
        let said = bus.stdout.take().expect("a pipe");
        BufReader::new(said).read_line(&mut address).expect("reads");
        Some(Self {
            home,
            address: address.trim().to_owned(),
            _bus: Server(bus),
        })
    }

    /// A keyring whose data lie in the folder `name`, unlocked or as it starts: locked.
    fn keyring(&self, name: &str, unlocked: bool) -> Server {
        let data = self.folder(name);
        let runtime = self.folder("runtime");
        let mut command = Command::new("gnome-keyring-daemon");
        command
            .args(["--foreground", "--components=secrets"])
            .args(unlocked.then_some("--unlock"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &data)
            .env("XDG_DATA_HOME", &data)
            .env("XDG_RUNTIME_DIR", &runtime)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut daemon = command.spawn().expect("starts a keyring");
        daemon
            .stdin
            .take()
            .expect("a pipe")
            .write_all(b"the login password")
            .expect("writes");
        let daemon = Server(daemon);
        wait_until("the keyring is on the bus", || self.has_keyring());
        daemon
    }

    fn has_keyring(&self) -> bool {
        let asked = Command::new("dbus-send")
            .args(["--print-reply", "--dest=org.freedesktop.DBus"])
            .arg(format!("--bus={}", self.address))
            .args(["/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner"])
            .arg("string:org.freedesktop.secrets")
            .output()
            .expect("asks the bus");
        String::from_utf8_lossy(&asked.stdout).contains("true")
    }

    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.home.path().join(name);
        fs::create_dir_all(&folder).expect("makes a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("protects");
        folder
    }
}

fn run_on(shop: &Shop, address: &str, arguments: &[&str]) -> Run {
    let mut command = shop.command(arguments);
    command.env("DBUS_SESSION_BUS_ADDRESS", address);
    Running::start(command).finish()
}

#[track_caller]
fn assert_fails(run: Run, codes: &[&str], told: &[&str]) {
    assert_eq!(run.code(), Some(1), "{run:#?}");
    let code = run.json()["error"]["code"].clone();
    assert!(
        codes.iter().any(|expected| code == *expected),
        "not {codes:?}: {run:#?}"
    );
    run.expect_told(told);
}

/// What is below a keyring's folder, to see that a failure stored nothing there.
fn keyring_files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let keyrings = folder.join("keyrings");
    let mut files: Vec<_> = fs::read_dir(keyrings)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| (entry.path(), entry.metadata().map_or(0, |data| data.len())))
        .collect();
    files.sort();
    files
}

#[test]
fn a_key_in_the_keyring_opens_the_store_and_every_failure_is_told_apart() {
    let Some(session) = Session::start() else {
        return;
    };
    let bus = session.address.clone();
    let shop = Shop::bare("keyring", ShopOptions::default());
    let init = &["key", "init", "--keyring", "--output", "json"][..];
    let open = &[
        "env",
        "open",
        "shop/managing",
        "db.password",
        "--output",
        "json",
    ][..];

    // A bus without a keyring, no bus at all: nothing is made.
    assert_fails(
        run_on(&shop, &bus, init),
        &["keyring-unreachable"],
        &["keyring"],
    );
    let none = "unix:path=/nonexistent/bus";
    assert_fails(
        run_on(&shop, none, init),
        &["keyring-unreachable"],
        &["keyring"],
    );
    assert!(!shop.store().exists());

    let keyring = session.keyring("first", true);
    let report = run_on(&shop, &bus, init).expect_code(0).json();
    assert_eq!(report["kind"], "keyring", "{report:#}");
    assert!(report["file"].is_null(), "{report:#}");
    let file = shop.file("managing.yaml").display().to_string();
    run_on(&shop, &bus, &["env", "init", "shop/managing", "-f", &file]).expect_code(0);
    let opened = run_on(&shop, &bus, open).expect_code(0);
    assert_eq!(opened.json(), shop.managing.password.expose());
    drop(keyring);

    // Locked: it reads like an empty one, and only a write tells.
    let keyring = session.keyring("first", false);
    let before = keyring_files(&session.folder("first"));
    assert!(!before.is_empty(), "the key lies in a file of the keyring");
    assert_fails(
        run_on(&shop, &bus, open),
        &["keyring-locked", "key-missing"],
        &["slot 1", "locked", "key rotate"],
    );
    let other = Shop::bare("keyringlocked", ShopOptions::default());
    assert_fails(run_on(&other, &bus, init), &["keyring-locked"], &["locked"]);
    assert!(!other.store().exists());
    assert_eq!(keyring_files(&session.folder("first")), before);
    drop(keyring);

    // Unlocked and empty: missing, and no new key is made.
    let keyring = session.keyring("second", true);
    let missing = run_on(&shop, &bus, open);
    assert_fails(
        missing,
        &["key-missing"],
        &["slot 1", "no such entry, or it is locked"],
    );
    drop(keyring);

    // Nothing was lost; the key can move to a file, and the store no longer asks.
    let keyring = session.keyring("first", true);
    let file = shop.key_file().display().to_string();
    run_on(&shop, &bus, open).expect_code(0);
    run_on(&shop, &bus, &["key", "rotate", "--keyring"]).expect_code(0);
    run_on(&shop, &bus, open).expect_code(0);
    run_on(&shop, &bus, &["key", "rotate", "--file", &file]).expect_code(0);
    drop(keyring);
    let opened = shop.run(open).expect_code(0);
    assert_eq!(opened.json(), shop.managing.password.expose());
    shop.run(&["audit", "verify"]).expect_code(0);
}

#[test]
fn a_keyring_that_never_answers_is_left_after_a_while() {
    let shop = Shop::bare("keyringsilent", ShopOptions::default());
    let socket = shop.home().join("silent");
    // The system takes the connection; nobody ever answers on it.
    let _listener = UnixListener::bind(&socket).expect("listens");
    let begun = Instant::now();
    let address = format!("unix:path={}", socket.display());
    let run = run_on(
        &shop,
        &address,
        &["key", "init", "--keyring", "--output", "json"],
    );
    assert_fails(run, &["keyring-silent"], &["did not answer within 5 s"]);
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    assert!(!shop.store().exists());
}
