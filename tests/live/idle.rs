//! What an agent costs while nothing is due, with a thousand environments, for `make soak` alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use handover::operations::{InitRequest, SourceFile, Workspace, init_environment, init_key};
use handover::process::{KeyAccess, NewKeySource};
use handover::store::Access;
use rusqlite::Connection;
use zeroize::Zeroizing;

use crate::harness::{Running, wait_until};

const ENVIRONMENTS: usize = 1000;
const MEASURED: Duration = Duration::from_secs(60);
const DOCUMENT: &str = "values:
  db:
    fn::rotate::postgres:
      inputs:
        database: {host: 127.0.0.1, port: 1, database: idle, managingUser: {username: m, password: {fn::secret: managing-password}}}
        rotateUsers: {username1: USER_a, username2: USER_b}
      state:
        current: {username: USER_a, password: {fn::secret: first-password}}
        previous: {username: USER_b, password: {fn::secret: second-password}}
";

/// Clock ticks of a process so far, of which there are a hundred in a second.
fn ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("it lives");
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let part = |at: usize| fields[at].parse::<u64>().expect("a number");
    part(11) + part(12)
}

fn resident_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.expect("a line").parse().expect("a number")
}

#[test]
#[ignore = "for `make soak`"]
fn an_idle_agent_costs_next_to_nothing() {
    let home = tempfile::tempdir().expect("makes a folder");
    let store = home.path().join("store");
    fs::create_dir(&store).expect("makes a folder");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o700)).expect("protects");
    let runtime = tokio::runtime::Runtime::new().expect("makes a runtime");
    runtime.block_on(async {
        let keys = KeyAccess::default();
        let wanted = NewKeySource::File(home.path().join("master.key"));
        init_key(&store, wanted, &keys).await.expect("makes a key");
        let workspace = Workspace::open(&store, &keys, Access::Write)
            .await
            .expect("opens");
        for number in 0..ENVIRONMENTS {
            let file = |text: &str| SourceFile {
                name: "file".to_owned(),
                text: Zeroizing::new(text.replace("USER", &format!("idle_{number}"))),
                folder: home.path().to_owned(),
            };
            let request = InitRequest {
                name: format!("idle/e{number:04}").parse().expect("a name"),
                document: file(DOCUMENT),
                settings: Some(file("schedule: {cron: \"0 3 1 * *\", jitter: 1h}\n")),
            };
            let made = init_environment(&workspace, request).await;
            made.unwrap_or_else(|failure| panic!("{}", failure.message));
        }
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_handover"));
    command
        .args(["agent", "--verify-every", "0s"])
        .env_clear()
        .env("HOME", home.path())
        .env("HANDOVER_STORE", &store);
    let mut agent = Running::start(command);
    let process = || -> Option<u32> {
        let store = Connection::open(store.join("handover.db")).ok()?;
        store
            .query_row("SELECT pid FROM agent", [], |row| row.get(0))
            .ok()
    };
    wait_until("it has begun", || process().is_some());
    let process = process().expect("its number");
    let at_start = ticks(process);
    // It has looked at all schedules when it does little from one second to the next.
    wait_until("it is idle", || {
        let before = ticks(process);
        thread::sleep(Duration::from_secs(3));
        ticks(process) - before <= 10
    });
    let (begun, before) = (ticks(process) - at_start, ticks(process));
    thread::sleep(MEASURED);
    let spent = ticks(process) - before;
    let resident = resident_kib(process);
    agent.kill();
    let percent = spent as f64 / MEASURED.as_secs_f64();
    println!(
        "{ENVIRONMENTS} environments: start {begun} ticks of 10 ms, idle {percent:.2} % of a core, \
         {resident} KiB resident"
    );
    // The code of the unoptimised program alone is larger by more than these 8 MiB.
    let most = if cfg!(debug_assertions) { 48 } else { 40 };
    assert!(resident < most * 1024, "{resident} KiB");
    // It takes several times as long for the same, too.
    let most = if cfg!(debug_assertions) { 1.0 } else { 0.5 };
    assert!(percent < most, "{percent} %");
}
