//! The room that starts the servers: they are real, and none outlives the program.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use handover::sandbox::{
    Authority, Door, LoginOutcome, PostgresOptions, PostgresServer, SandboxError,
};
use handover::secret::Secret;

use crate::harness::{postgres_options, server, wait_until};

/// Set for the copy of this program that is killed.
const KILLED_COPY: &str = "HANDOVER_TEST_KILLED_COPY";

#[test]
fn a_server_speaks_verified_tls_refuses_a_wrong_password_and_is_gone_after_drop() {
    let server = PostgresServer::start(&postgres_options()).expect("starts");
    let process = server.process().expect("runs");
    let folder = server.folder().to_owned();
    assert!(server.port() < 32_768, "port {}", server.port());
    assert_eq!(
        mode_of(&folder),
        0o700,
        "only the server's user may look in"
    );

    assert_ne!(
        process_group_of(process),
        process_group_of(0),
        "ctrl-C in the terminal would end the server before the program"
    );

    let rows = server
        .sql("SELECT ssl, current_user FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        .expect("answers");
    let expected = vec![vec![Some("t".to_owned()), Some("postgres".to_owned())]];
    assert_eq!(rows, expected);

    let superuser = server.superuser();
    let wrong = Secret::new("not-the-password".to_owned());
    assert_eq!(
        server.login(&superuser.name, &wrong),
        LoginOutcome::Refused("28P01".to_owned())
    );
    let stranger = Authority::new("somebody else").expect("makes an authority");
    let outcome = Door::new(server.port(), &stranger.pem()).login_blocking(
        &superuser.name,
        &superuser.password,
        "postgres",
    );
    assert!(
        matches!(outcome, LoginOutcome::Unreachable(_)),
        "another authority must not be trusted: {outcome:?}"
    );
    assert!(
        !server.server_log().contains(superuser.password.expose()),
        "the log shows no password"
    );

    drop(server);
    assert!(!process_exists(process), "process {process} outlived drop");
    assert!(!folder.exists(), "{} outlived drop", folder.display());
}

#[test]
fn a_server_keeps_its_data_and_its_port_over_a_stop_and_answers_again_after_a_pause() {
    let server = PostgresServer::start(&postgres_options()).expect("starts");
    server.sql("CREATE TABLE kept (x int)").expect("creates");
    server.sql("CHECKPOINT").expect("writes");
    let port = server.port();

    server.stop().expect("stops");
    assert_eq!(server.process(), None);
    assert!(server.sql("SELECT 1").is_err(), "a stopped server answers");
    server.start_again().expect("starts again");
    assert_eq!(server.port(), port);
    server
        .sql("SELECT * FROM kept")
        .expect("the table is there");

    server.pause().expect("pauses");
    let silence = std::net::TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
        use std::io::{Read, Write};
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        // An SSLRequest: a server that is awake answers it with one byte.
        stream.write_all(&[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f])?;
        stream.read(&mut [0; 1])
    });
    server.resume().expect("goes on");
    assert!(silence.is_err(), "a paused server answered: {silence:?}");
    server.sql("SELECT 1").expect("answers again");
}

#[test]
fn a_paused_server_can_be_dropped() {
    let server = PostgresServer::start(&postgres_options()).expect("starts");
    let process = server.process().expect("runs");
    server.pause().expect("pauses");
    drop(server);
    assert!(!process_exists(process), "process {process} outlived drop");
}

#[test]
fn a_server_that_cannot_start_says_why_and_leaves_nothing() {
    let parent = tempfile::tempdir().expect("makes a folder");
    std::fs::set_permissions(parent.path(), std::fs::Permissions::from_mode(0o777))
        .expect("lets the server's user in");
    let options = PostgresOptions {
        parent_folder: parent.path().to_owned(),
        configuration: vec!["no_such_setting_of_a_server = on".to_owned()],
        ..postgres_options()
    };
    let error = PostgresServer::start(&options).err().expect("fails");
    assert!(matches!(error, SandboxError::Server { .. }), "{error}");
    assert!(
        error.to_string().contains("no_such_setting_of_a_server"),
        "{error}"
    );
    let left = std::fs::read_dir(parent.path()).expect("lists").count();
    assert_eq!(left, 0, "the folder is removed after a failure too");
}

#[tokio::test]
async fn statements_may_be_run_within_a_runtime() {
    let rows = server().sql("SELECT 1 + 1").expect("answers");
    assert_eq!(rows, vec![vec![Some("2".to_owned())]]);
}

/// This test plays two parts. The copy of it that finds [`KILLED_COPY`] set starts a
/// server, says so and waits; the other one starts that copy and kills it.
#[test]
fn a_killed_program_leaves_no_server_and_no_folder() {
    if std::env::var_os(KILLED_COPY).is_some() {
        let server = PostgresServer::start(&postgres_options()).expect("starts");
        println!(
            "\nsandbox {} {}",
            server.process().expect("runs"),
            server.folder().display()
        );
        // Standard input never ends before the kill.
        let _ = std::io::stdin().read_line(&mut String::new());
        panic!("this copy was to be killed");
    }
    let mut copy = Command::new(std::env::current_exe().expect("knows its own path"))
        .args([
            "--exact",
            "sandbox_room::a_killed_program_leaves_no_server_and_no_folder",
            "--nocapture",
        ])
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
    let status = copy.wait().expect("ends");
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(9),
        "the copy ended by the kill and not by itself"
    );
    wait_until("the server and its folder are gone", || {
        !process_exists(process) && !folder.exists()
    });
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

fn mode_of(path: &Path) -> u32 {
    let permissions = std::fs::metadata(path).expect("is there").permissions();
    permissions.mode() & 0o7777
}
