//! What every live test needs: the shared server, the program as a child process with a
//! deadline, sessions held open on purpose, and a replayable source of chance.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use handover::sandbox::{PostgresOptions, PostgresServer};
use handover::secret::Secret;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

// Named, because this file is a module of two test programs.
#[path = "harness_mysql.rs"]
pub(crate) mod mysql;

/// Generous, because a loaded machine is slow and a hang is still a hang.
const DEADLINE: Duration = Duration::from_secs(90);

/// The one server that most tests share; statics are never dropped, so its watchdog ends
/// it together with this program.
pub(crate) fn server() -> &'static PostgresServer {
    static SERVER: LazyLock<PostgresServer> = LazyLock::new(|| {
        let options = PostgresOptions {
            configuration: vec![
                "shared_preload_libraries = 'pg_stat_statements'".to_owned(),
                "pg_stat_statements.track = 'all'".to_owned(),
            ],
            ..postgres_options()
        };
        let server = PostgresServer::start(&options).expect("PostgreSQL starts");
        if version_of(&server) >= RESERVES {
            // Needs a restart, and an older server would not start with such a line.
            server
                .sql("ALTER SYSTEM SET reserved_connections = 3")
                .expect("reserves connections");
            server.stop().expect("stops");
            server.start_again().expect("starts again");
        }
        // After the restart, which loses what was not yet written.
        server
            .sql("CREATE EXTENSION pg_stat_statements")
            .expect("pg_stat_statements belongs to PostgreSQL's contrib modules");
        server
    });
    &SERVER
}

/// Since this version connections can be reserved for others than superusers, and the right
/// to alter a role is the ADMIN option on it.
const RESERVES: u32 = 160_000;

fn version_of(server: &PostgresServer) -> u32 {
    let rows = server
        .sql("SHOW server_version_num")
        .expect("the server answers");
    let version = rows[0][0].as_ref().expect("is set");
    version.parse().expect("a number")
}

/// Whether the shared server knows the rights of PostgreSQL 16 and newer.
pub(crate) fn has_rights_since_16() -> bool {
    version_of(server()) >= RESERVES
}

/// The defaults, with the server's programs where the caller of the tests wants them from.
pub(crate) fn postgres_options() -> PostgresOptions {
    PostgresOptions {
        binaries: postgres_binaries(),
        ..PostgresOptions::default()
    }
}

/// The folder of the server's programs: `HANDOVER_POSTGRES_BIN`, or those of PostgreSQL 18
/// where `HANDOVER_TEST_POSTGRES=18` asks for it; else the system's own.
///
/// A version that was asked for and is missing is a failure, since a run on the system's
/// version must not look like one on the other.
pub(crate) fn postgres_binaries() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("HANDOVER_POSTGRES_BIN") {
        return Some(PathBuf::from(folder));
    }
    let version = std::env::var_os("HANDOVER_TEST_POSTGRES")?;
    assert_eq!(version, "18", "HANDOVER_TEST_POSTGRES knows 18 alone");
    let folder = cache_folder().join("postgres-18/native/bin");
    assert!(
        folder.join("postgres").is_file(),
        "PostgreSQL 18 is not in {}: `make servers` gets it, \
         HANDOVER_TESTS_WITHOUT=postgres-18 leaves it out of `make test`",
        folder.display()
    );
    Some(folder)
}

/// Where tests/install-servers.sh keeps what it has fetched. A server that root starts runs
/// as another user, who may not look into root's home.
pub(crate) fn cache_folder() -> PathBuf {
    let cache = if nix::unistd::geteuid().is_root() {
        PathBuf::from("/var/cache")
    } else {
        let named = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty());
        named.map_or_else(
            || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cache"),
            PathBuf::from,
        )
    };
    cache.join("handover-tests")
}

/// Looks again and again until `condition` holds; panics with `what` at the deadline.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// What one run of the program did.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The one JSON object on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("standard output is not one JSON value: {error}\n{self:#?}"),
        }
    }

    /// Everything that a reader is told: both streams, and the strings of the JSON object
    /// as they read without JSON's escapes.
    pub(crate) fn told(&self) -> String {
        let mut text = format!("{}\n{}", self.stdout, self.stderr);
        if let Ok(value) = serde_json::from_str::<Value>(&self.stdout) {
            collect_strings(&value, &mut text);
        }
        text
    }

    #[track_caller]
    pub(crate) fn expect_code(self, expected: i32) -> Self {
        assert_eq!(self.code(), Some(expected), "exit code of\n{self:#?}");
        self
    }

    /// Each text is told somewhere, whatever its letters' case.
    #[track_caller]
    pub(crate) fn expect_told(self, texts: &[&str]) -> Self {
        let told = self.told().to_lowercase();
        for text in texts {
            assert!(
                told.contains(&text.to_lowercase()),
                "`{text}` is not told in\n{self:#?}"
            );
        }
        self
    }

    /// An error for a human: something is said, and it is not a crash.
    #[track_caller]
    pub(crate) fn expect_no_stack_trace(self) -> Self {
        let told = self.told();
        assert!(!told.trim().is_empty(), "nothing is said: {self:#?}");
        for mark in ["panicked", "stack backtrace", "RUST_BACKTRACE", "src/"] {
            assert!(!told.contains(mark), "`{mark}` is told in\n{self:#?}");
        }
        self
    }
}

/// Programs that are started from here on heed SIGINT, even where this run was started in
/// the background, which ignores it and hands that on: a signal that is caught here is back
/// at its default there. A run in the foreground is left alone, so that ctrl-c ends it.
pub(crate) fn heed_interrupts() {
    static HEEDED: std::sync::Once = std::sync::Once::new();
    HEEDED.call_once(|| {
        if !ignores_interrupts() {
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let _inside = runtime.enter();
        let interrupts = tokio::signal::unix::SignalKind::interrupt();
        let _listening = tokio::signal::unix::signal(interrupts).expect("listens");
    });
}

/// Whether this process ignores SIGINT, as far as the system tells.
fn ignores_interrupts() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (nix::libc::SIGINT - 1)) != 0)
}

fn collect_strings(value: &Value, text: &mut String) {
    match value {
        Value::String(string) => {
            text.push('\n');
            text.push_str(string);
        }
        Value::Array(values) => values.iter().for_each(|value| collect_strings(value, text)),
        Value::Object(members) => members
            .values()
            .for_each(|value| collect_strings(value, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The program while it runs. It is killed when a test ends early.
pub(crate) struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    described: String,
}

impl Running {
    /// Starts `command` with both streams captured and nothing to read.
    pub(crate) fn start(mut command: Command) -> Self {
        heed_interrupts();
        let described = format!("{:?}", command.get_args().collect::<Vec<_>>());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts the program");
        let stdout = child.stdout.take().map(read_in_background);
        let stderr = child.stderr.take().map(read_in_background);
        Self {
            child,
            stdout,
            stderr,
            described,
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("can be waited for").is_some()
    }

    /// Sends a signal; a program that has ended by itself is left alone.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if !self.has_ended() {
            let process = i32::try_from(self.child.id()).expect("a process id");
            kill(Pid::from_raw(process), signal).expect("can be signalled");
        }
    }

    /// Whether SIGSTOP has stopped it.
    pub(crate) fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        // The state follows the name, which may hold blanks and ends with a parenthesis.
        stat.is_ok_and(|stat| {
            stat.rsplit_once(')')
                .is_some_and(|(_, rest)| rest.starts_with(" T"))
        })
    }

    /// SIGKILL, and the wait until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("can be killed");
        self.child.wait().expect("can be waited for");
    }

    /// Waits until it ends; panics at the deadline.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Run {
        let described = self.described.clone();
        wait_until(&format!("handover {described} ends"), || self.has_ended());
        let status = self.child.wait().expect("can be waited for");
        let read = |reader: Option<JoinHandle<String>>| {
            reader.map_or_else(String::new, |reader| reader.join().expect("reads"))
        };
        Run {
            status,
            stdout: read(self.stdout.take()),
            stderr: read(self.stderr.take()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_in_background(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("reads to the end");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A session that stays open until it is dropped.
pub(crate) struct HeldSession {
    client: Option<tokio_postgres::Client>,
    runtime: tokio::runtime::Runtime,
}

impl HeldSession {
    /// Logs in to the shared server.
    pub(crate) fn open(role: &str, password: &Secret) -> Self {
        Self::at(server(), role, password)
    }

    /// Logs in to `server`.
    pub(crate) fn at(server: &PostgresServer, role: &str, password: &Secret) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("makes a runtime");
        let client = runtime
            .block_on(server.door().connect(role, password, "postgres"))
            .expect("logs in");
        Self {
            client: Some(client),
            runtime,
        }
    }

    /// A superuser's transaction that holds the row of `role` in `pg_authid`, so that an
    /// ALTER of this role waits until the session is dropped.
    pub(crate) fn row_lock(role: &str) -> Self {
        Self::row_lock_at(server(), role)
    }

    /// The same on `server`.
    pub(crate) fn row_lock_at(server: &PostgresServer, role: &str) -> Self {
        let superuser = server.superuser();
        let session = Self::at(server, &superuser.name, &superuser.password);
        session.run(&format!(
            "BEGIN; SELECT oid FROM pg_authid WHERE rolname = {} FOR UPDATE",
            literal(role)
        ));
        session
    }

    /// Runs statements in this session.
    pub(crate) fn run(&self, statements: &str) {
        let client = self.client.as_ref().expect("is open until it is dropped");
        self.runtime
            .block_on(client.batch_execute(statements))
            .expect("the server takes the statements");
    }
}

impl Drop for HeldSession {
    fn drop(&mut self) {
        // The client says goodbye first; the server then ends the session in order.
        drop(self.client.take());
    }
}

/// `text` as an SQL literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `text` as an SQL identifier.
pub(crate) fn identifier(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// The first value of the first row, of the shared server.
#[track_caller]
pub(crate) fn single(query: &str) -> String {
    first_value(server(), query)
}

/// The first value of the first row that `server` answers.
#[track_caller]
pub(crate) fn first_value(server: &PostgresServer, query: &str) -> String {
    let rows = server.sql(query).expect("the server answers");
    match rows.first().and_then(|row| row.first()) {
        Some(Some(value)) => value.clone(),
        _ => panic!("no value: {query} → {rows:?}"),
    }
}

/// Chance that can be repeated: SplitMix64, seeded by the clock, or by
/// `HANDOVER_TEST_SEED` to repeat a run. The seed is printed, so a failure shows it.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn from_environment() -> Self {
        let seed = match std::env::var("HANDOVER_TEST_SEED") {
            Ok(text) => text.parse().expect("HANDOVER_TEST_SEED is a number"),
            Err(_) => {
                let mut bytes = [0; 8];
                getrandom::fill(&mut bytes).expect("the system gives random bytes");
                u64::from_le_bytes(bytes)
            }
        };
        println!("to repeat: HANDOVER_TEST_SEED={seed}");
        Self(seed)
    }

    /// An independent stream, for one of several threads.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A time between nothing and `limit`.
    pub(crate) fn up_to(&mut self, limit: Duration) -> Duration {
        let micros = u64::try_from(limit.as_micros()).expect("a short time");
        Duration::from_micros(self.next() % micros.max(1))
    }
}

#[test]
fn a_row_lock_makes_an_alter_wait() {
    let role = "harness_row_lock";
    server()
        .sql(&format!("CREATE ROLE {role}"))
        .expect("creates a role");
    let alter = format!("SET lock_timeout = '100ms'; ALTER ROLE {role} LOGIN");
    let lock = HeldSession::row_lock(role);
    let error = server().sql(&alter).expect_err("waits in vain");
    assert!(error.to_string().contains("55P03"), "{error}");
    drop(lock);
    wait_until("the lock is gone", || server().sql(&alter).is_ok());
}

#[test]
fn the_servers_are_of_the_version_that_was_asked_for() {
    let version = single("SHOW server_version");
    println!("the tests run on PostgreSQL {version}");
    if let Ok(asked) = std::env::var("HANDOVER_TEST_POSTGRES") {
        let major = version.split('.').next();
        assert_eq!(major, Some(asked.as_str()), "{version}");
    }
}
