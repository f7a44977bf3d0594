//! The room that starts the servers, for MySQL and MariaDB: they are real, and none outlives
//! the program. Each test runs for both.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use handover::sandbox::{
    Authority, LoginOutcome, MysqlDoor, MysqlFlavour, MysqlOptions, MysqlServer, SandboxError,
};
use handover::secret::Secret;
use mysql_async::{Conn, OptsBuilder};

use crate::harness::mysql::{mariadb, mysql, mysql_options, shared_mysql};
use crate::harness::wait_until;

/// Set for the copy of this program that is killed.
const KILLED_COPY: &str = "HANDOVER_TEST_KILLED_MYSQL_COPY";

/// One test of each name for MySQL, and one for MariaDB.
macro_rules! for_both {
    ($($name:ident)*) => {
        mod mysql {
            $(#[test] fn $name() { super::$name(super::MysqlFlavour::MySql); })*
        }
        mod mariadb {
            $(#[test] fn $name() { super::$name(super::MysqlFlavour::MariaDb); })*
        }
    };
}

for_both! {
    a_server_speaks_verified_tls_and_refuses_a_wrong_password
    a_server_keeps_its_data_over_a_stop_answers_after_a_pause_and_is_gone_after_drop
    a_server_that_cannot_start_says_why_and_leaves_nothing
    a_killed_program_leaves_no_server_and_no_folder
    statements_may_be_run_within_a_runtime_and_none_that_fails_is_passed_over
    a_server_has_the_defaults_that_its_tests_rely_on
    a_replica_follows_its_primary_unless_it_is_held_back
}

fn a_server_speaks_verified_tls_and_refuses_a_wrong_password(flavour: MysqlFlavour) {
    let Some(server) = shared_mysql(flavour) else {
        return;
    };
    let user = "sandbox_fresh_user";
    let right = Secret::new("first-password".to_owned());
    let wrong = Secret::new("not-the-password".to_owned());
    server
        .sql(&format!(
            "CREATE USER '{user}'@'%' IDENTIFIED BY 'first-password'"
        ))
        .expect("creates a user");
    assert_eq!(server.login(user, &right), LoginOutcome::Accepted);
    let refused = LoginOutcome::Refused("1045".to_owned());
    assert_eq!(server.login(user, &wrong), refused);
    let superuser = server.superuser();
    assert_eq!(server.login(&superuser.name, &wrong), refused);

    let cipher = server
        .sql("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        .expect("answers");
    let cipher = cipher[0][1].as_deref().expect("is set");
    assert!(cipher.starts_with("TLS_"), "not encrypted: {cipher:?}");
    let stranger = Authority::new("somebody else").expect("makes an authority");
    let outcome = MysqlDoor::new(server.port(), &stranger.pem())
        .login_blocking(&superuser.name, &superuser.password);
    assert!(
        matches!(&outcome, LoginOutcome::Unreachable(why) if why.contains("certificate")),
        "another authority must not be trusted: {outcome:?}"
    );
    for log in [server.server_log(), server.general_log()] {
        assert!(!log.contains(superuser.password.expose()), "{log}");
    }
    assert!(server.general_log().contains("SHOW SESSION STATUS"));
    let binlog = server.binlog_files().expect("lists");
    let binlog = std::fs::read(binlog.last().expect("there is one")).expect("reads");
    assert!(
        String::from_utf8_lossy(&binlog).contains(user),
        "the binary log has the statement"
    );
}

fn a_server_keeps_its_data_over_a_stop_answers_after_a_pause_and_is_gone_after_drop(
    flavour: MysqlFlavour,
) {
    let Some(options) = mysql_options(flavour) else {
        return;
    };
    let server = MysqlServer::start(&options).expect("starts");
    let (port, folder) = (server.port(), server.folder().to_owned());
    assert!(port < 32_768, "port {port}");
    let mode = std::fs::metadata(&folder).expect("is there").permissions();
    assert_eq!(mode.mode() & 0o7777, 0o700, "only its user may look in");
    assert_ne!(
        process_group_of(server.process().expect("runs")),
        process_group_of(0),
        "ctrl-C in the terminal would end the server before the program"
    );
    server
        .sql(
            "CREATE DATABASE kept; CREATE TABLE kept.numbers (x INT) ENGINE = InnoDB; \
             INSERT INTO kept.numbers VALUES (7); \
             CREATE USER 'keeper'@'%' IDENTIFIED BY 'first-password'",
        )
        .expect("writes");

    server.stop().expect("stops");
    assert_eq!(server.process(), None);
    assert!(server.sql("SELECT 1").is_err(), "a stopped server answers");
    server.start_again().expect("starts again");
    assert_eq!(server.port(), port);
    let rows = server.sql("SELECT x FROM kept.numbers").expect("answers");
    assert_eq!(rows, vec![vec![Some("7".to_owned())]]);
    let password = Secret::new("first-password".to_owned());
    assert_eq!(server.login("keeper", &password), LoginOutcome::Accepted);

    server.pause().expect("pauses");
    let silence = std::net::TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
        use std::io::Read;
        // A server that is awake speaks first.
        stream.set_read_timeout(Some(std::time::Duration::from_millis(200)))?;
        stream.read(&mut [0; 1])
    });
    server.resume().expect("goes on");
    assert!(silence.is_err(), "a paused server answered: {silence:?}");
    server.sql("SELECT 1").expect("answers again");

    let process = server.process().expect("runs");
    server.pause().expect("pauses");
    drop(server);
    assert!(!process_exists(process), "process {process} outlived drop");
    assert!(!folder.exists(), "{} outlived drop", folder.display());
}

fn a_server_that_cannot_start_says_why_and_leaves_nothing(flavour: MysqlFlavour) {
    let Some(options) = mysql_options(flavour) else {
        return;
    };
    let parent = tempfile::tempdir().expect("makes a folder");
    std::fs::set_permissions(parent.path(), std::fs::Permissions::from_mode(0o777))
        .expect("lets the server's user in");
    let options = MysqlOptions {
        parent_folder: parent.path().to_owned(),
        configuration: vec!["no_such_setting_of_a_server = 1".to_owned()],
        ..options
    };
    let error = MysqlServer::start(&options).err().expect("fails");
    assert!(matches!(error, SandboxError::Server { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("no_such_setting_of_a_server"), "{text}");
    let left = std::fs::read_dir(parent.path()).expect("lists").count();
    assert_eq!(left, 0, "the folder is removed after a failure too");
}

/// This test plays two parts. The copy of it that finds [`KILLED_COPY`] set starts a
/// server, says so and waits; the other one starts that copy and kills it.
fn a_killed_program_leaves_no_server_and_no_folder(flavour: MysqlFlavour) {
    let Some(options) = mysql_options(flavour) else {
        return;
    };
    if std::env::var_os(KILLED_COPY).is_some() {
        let server = MysqlServer::start(&options).expect("starts");
        println!(
            "\nsandbox {} {}",
            server.process().expect("runs"),
            server.folder().display()
        );
        // Standard input never ends before the kill.
        let _ = std::io::stdin().read_line(&mut String::new());
        panic!("this copy was to be killed");
    }
    let module = match flavour {
        MysqlFlavour::MySql => "mysql",
        MysqlFlavour::MariaDb => "mariadb",
    };
    let name = format!("sandbox_mysql::{module}::a_killed_program_leaves_no_server_and_no_folder");
    let mut copy = Command::new(std::env::current_exe().expect("knows its own path"))
        .args(["--exact", &name, "--nocapture"])
        .env(KILLED_COPY, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts a copy of this program");
    let output = BufReader::new(copy.stdout.take().expect("piped"));
    let (process, folder) = output
        .lines()
        .map_while(Result::ok)
        .find_map(|line| {
            let (process, folder) = line.strip_prefix("sandbox ")?.split_once(' ')?;
            Some((process.parse::<i32>().ok()?, PathBuf::from(folder)))
        })
        .expect("the copy names its server");
    assert!(process_exists(process), "the server runs before the kill");
    assert!(folder.exists(), "the folder is there before the kill");

    copy.kill().expect("kills");
    copy.wait().expect("ends");
    wait_until("the server and its folder are gone", || {
        !process_exists(process) && !folder.exists()
    });
}

fn statements_may_be_run_within_a_runtime_and_none_that_fails_is_passed_over(
    flavour: MysqlFlavour,
) {
    let Some(server) = shared_mysql(flavour) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let rows = runtime.block_on(async {
        server
            .sql("SELECT 1 + 1, NULL; DO 1; SELECT 'a' UNION ALL SELECT 'b'")
            .expect("answers")
    });
    let some = |text: &str| Some(text.to_owned());
    let expected = vec![vec![some("2"), None], vec![some("a")], vec![some("b")]];
    assert_eq!(rows, expected);
    let error = server
        .sql("SELECT 1; SELECT x FROM no_such.numbers; SELECT 2")
        .expect_err("the second one fails");
    assert!(error.to_string().contains("no_such"), "{error}");
}

fn a_server_has_the_defaults_that_its_tests_rely_on(flavour: MysqlFlavour) {
    let Some(server) = shared_mysql(flavour) else {
        return;
    };
    let value = |name: &str| {
        let rows = server
            .sql(&format!("SELECT @@global.{name}"))
            .expect("answers");
        rows[0][0].clone().expect("is set")
    };
    println!("the tests run on {flavour} {}", value("version"));
    assert_eq!(value("log_bin"), "1");
    match flavour {
        MysqlFlavour::MySql => {
            assert_eq!(value("gtid_mode"), "ON");
            assert_eq!(value("enforce_gtid_consistency"), "ON");
            assert_eq!(value("performance_schema"), "1");
            assert_eq!(value("require_secure_transport"), "1");
            let unencrypted = tokio::runtime::Runtime::new()
                .expect("a runtime")
                .block_on(Conn::new(
                    OptsBuilder::default()
                        .ip_or_hostname("127.0.0.1")
                        .tcp_port(server.port())
                        .user(Some("root"))
                        .pass(Some(server.superuser().password.expose()))
                        .prefer_socket(false),
                ))
                .expect_err("is refused")
                .to_string();
            assert!(unencrypted.contains("3159"), "{unencrypted}");
        }
        MysqlFlavour::MariaDb => {
            assert_eq!(value("gtid_strict_mode"), "1");
            assert_eq!(value("performance_schema"), "0");
            let user = "sandbox_ed25519";
            server
                .sql(&format!(
                    "CREATE USER '{user}'@'%' IDENTIFIED VIA ed25519 \
                     USING PASSWORD('first-password')"
                ))
                .expect("the plugin is there");
            let password = Secret::new("first-password".to_owned());
            // The driver answers one challenge in 256 wrongly: one that ends with a NUL.
            let mut logins = (0..3).map(|_| server.login(user, &password));
            assert!(
                logins.any(|outcome| outcome.is_accepted()),
                "no login works"
            );
        }
    }
}

/// On a server of its own: a replica that nobody has named shuts the gate of every other test.
fn a_replica_follows_its_primary_unless_it_is_held_back(flavour: MysqlFlavour) {
    let Some(options) = mysql_options(flavour) else {
        return;
    };
    let primary = &MysqlServer::start(&options).expect("starts");
    let user = "sandbox_replicated";
    let old = Secret::new("first-password".to_owned());
    let new = Secret::new("second-password".to_owned());
    primary
        .sql(&format!(
            "CREATE USER '{user}'@'%' IDENTIFIED BY '{}'",
            old.expose()
        ))
        .expect("creates a user");
    let replica = primary.start_replica(2, &[]).expect("starts");
    replica.wait_until_it_has_all_of(primary).expect("follows");
    assert_eq!(replica.login(user, &old), LoginOutcome::Accepted);

    replica.pause_applying().expect("pauses");
    primary
        .sql(&format!(
            "ALTER USER '{user}'@'%' IDENTIFIED BY '{}'",
            new.expose()
        ))
        .expect("alters");
    assert_eq!(primary.login(user, &new), LoginOutcome::Accepted);
    assert_eq!(replica.login(user, &old), LoginOutcome::Accepted);
    replica.resume_applying().expect("goes on");
    replica.wait_until_it_has_all_of(primary).expect("follows");
    assert_eq!(replica.login(user, &new), LoginOutcome::Accepted);
    assert!(!replica.login(user, &old).is_accepted());

    replica.stop().expect("stops");
    primary
        .sql(&format!("DROP USER '{user}'@'%'"))
        .expect("drops");
    replica.start_again().expect("starts again");
    replica.wait_until_it_has_all_of(primary).expect("follows");
    assert!(!replica.login(user, &new).is_accepted());

    for log in [replica.general_log(), replica.server_log()] {
        assert!(
            !log.contains(primary.superuser().password.expose()),
            "{log}"
        );
    }
}

#[test]
fn the_shared_servers_are_what_they_are_called() {
    for (server, flavour) in [
        (mysql(), MysqlFlavour::MySql),
        (mariadb(), MysqlFlavour::MariaDb),
    ] {
        let Some(server) = server else { continue };
        let version = server.sql("SELECT VERSION()").expect("answers");
        let version = version[0][0].clone().expect("is set");
        assert_eq!(
            version.contains("MariaDB"),
            flavour == MysqlFlavour::MariaDb,
            "{version}"
        );
        assert_eq!(server.flavour(), flavour);
    }
}

fn process_exists(process: i32) -> bool {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), None).is_ok()
}

/// Zero names this program itself.
fn process_group_of(process: i32) -> i32 {
    nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(process)))
        .expect("has a process group")
        .as_raw()
}
