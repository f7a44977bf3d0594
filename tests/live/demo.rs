//! The demo: every state that it promises is there, and nothing of it is left behind,
//! however it ends.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use handover::sandbox::Door;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::contract::result_of;
use crate::harness::{Run, Running, heed_interrupts, postgres_binaries, wait_until};
use crate::shop::account_at;

/// `handover` with nothing in its environment that the test does not mean.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handover"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TERM", "dumb");
    command
}

/// A demo that is being prepared, or is.
struct Demo {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Demo {
    /// Starts one; answers as soon as it has said where its folder is.
    fn start() -> Self {
        let mut command = program(&["demo", "--prepare-only"]);
        if let Some(folder) = postgres_binaries() {
            command.arg("--postgres").arg(folder);
        }
        heed_interrupts();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts the program");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut told = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        told.read_line(&mut line).expect("reads");
        let folder = line
            .split_whitespace()
            .find(|word| word.starts_with('/'))
            .unwrap_or_else(|| panic!("no folder is named: {line}"));
        let folder = PathBuf::from(folder);
        // The rest is for people; a full pipe must not hold the demo up.
        std::thread::spawn(move || told.read_to_end(&mut Vec::new()));
        Self {
            child,
            input,
            output,
            folder,
        }
    }

    /// Waits until it is prepared and answers where everything is.
    fn prepared(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("reads");
        serde_json::from_str(&line).expect("one JSON object")
    }

    /// Its end, which must come by itself.
    fn wait(&mut self) -> Option<i32> {
        wait_until("the demo ends", || {
            self.child.try_wait().expect("can be waited for").is_some()
        });
        self.child.wait().expect("can be waited for").code()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn server_process(place: &Value) -> i32 {
    let process = place["server_process"].as_i64().expect("a process id");
    i32::try_from(process).expect("a process id")
}

fn process_exists(process: i32) -> bool {
    kill(Pid::from_raw(process), None).is_ok()
}

/// What the demo's operator would do, on its store.
struct Operator<'a> {
    place: &'a Value,
}

impl Operator<'_> {
    fn text(&self, member: &str) -> &str {
        self.place[member].as_str().expect("a text")
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Run {
        let store = ["--store", self.text("store"), "--output", "json"];
        Running::start(program(&[&store, arguments].concat())).finish()
    }

    /// What `status` says of one environment.
    #[track_caller]
    fn status(&self, environment: &str) -> Value {
        let status = self.run(&["status", environment]).expect_code(0).json();
        status["environments"][0].clone()
    }

    /// The name in `current` or `previous`.
    #[track_caller]
    fn user(&self, environment: &str, role: &str) -> String {
        let opened = self.run(&["env", "open", environment, "db"]).expect_code(0);
        account_at(&opened.json(), &format!("/{role}")).name
    }

    /// How many sessions an application holds as a user, seen by the managing user.
    fn sessions(&self, application: &str, user: &str) -> i64 {
        let opened = self.run(&["env", "open", "shop/managing", "db"]);
        let managing = account_at(&opened.expect_code(0).json(), "");
        let authority = Path::new(self.text("server_folder")).join("ca.crt");
        let authority = std::fs::read_to_string(authority).expect("reads");
        let port = self.place["port"].as_u64().expect("a port");
        let door = Door::new(u16::try_from(port).expect("a port"), &authority);
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("makes a runtime")
            .block_on(async {
                let query = "SELECT count(*) FROM pg_stat_activity \
                     WHERE application_name = $1 AND usename = $2";
                door.connect(&managing.name, &managing.password, "postgres")
                    .await
                    .expect("logs in")
                    .query_one(query, &[&application, &user])
                    .await
                    .expect("answers")
                    .get(0)
            })
    }
}

#[test]
fn the_demo_holds_every_promised_state_and_leaves_nothing_when_its_input_ends() {
    let mut demo = Demo::start();
    let place = demo.prepared();
    let operator = Operator { place: &place };
    assert!(Path::new(operator.text("key_file")).starts_with(&demo.folder));

    // Draining: promoted, and the worker still holds sessions on the outgoing user.
    let outgoing = operator.user("shop/billing", "previous");
    assert!(operator.sessions("billing-worker", &outgoing) > 0);
    let refused = operator.run(&["rotate", "shop/billing", "--yes"]);
    crate::contract::assert_refused(&refused, "not-drained");

    // Healthy: promoted, and the pool reads `current`.
    let orders = operator.status("shop/orders");
    assert!(orders["open_rotation"].is_null(), "{orders:#}");
    assert!(orders["paths"][0]["promoted_at"].is_string(), "{orders:#}");
    let before = operator.user("shop/orders", "current");
    assert!(operator.sessions("orders-api", &before) > 0);

    // Overdue by its age.
    let reports = operator.status("shop/reports");
    let promoted = reports["paths"][0]["promoted_at"].as_str().expect("a time");
    let promoted: chrono::DateTime<chrono::Utc> = promoted.parse().expect("a time");
    let age = chrono::Utc::now() - promoted;
    assert_eq!(age.num_days(), 120, "{reports:#}");

    // Partially set up: nobody wrote down who is current, and who is connected tells it.
    let search = operator.status("shop/search");
    assert!(search["paths"][0]["current"].is_null(), "{search:#}");
    let plan = operator.run(&["rotate", "shop/search", "--plan"]);
    let plan = result_of(&plan.expect_code(0));
    assert_eq!(plan["paths"][0]["user"], "search_b", "{plan:#}");
    assert!(operator.sessions("search-indexer", "search_a") > 0);

    // Crashed between S3 and S5, and protected.
    let payments = operator.status("shop/payments");
    assert!(payments["open_rotation"].is_string(), "{payments:#}");
    let step = payments["paths"][0]["step"].as_str().expect("a step");
    assert!(["S3", "S4"].contains(&step), "{payments:#}");
    let unconfirmed = operator.run(&["recover", "shop/payments", "--yes"]);
    let unconfirmed = result_of(&unconfirmed.expect_code(4));
    assert_eq!(unconfirmed["paths"][0]["case"], "applied");
    let agreed = [
        "recover",
        "shop/payments",
        "--yes",
        "--confirm",
        "shop/payments",
    ];
    let recovered = result_of(&operator.run(&agreed).expect_code(0));
    assert_eq!(recovered["status"], "done", "{recovered:#}");

    // A second rotation can be tried, and the pool follows it.
    wait_until("the propagation of ten seconds has passed", || {
        operator.run(&["rotate", "shop/orders", "--yes"]).code() == Some(0)
    });
    let after = operator.user("shop/orders", "current");
    assert_ne!(after, before);
    wait_until("the pool has moved to the new user", || {
        operator.sessions("orders-api", &before) == 0 && operator.sessions("orders-api", &after) > 0
    });
    operator.run(&["audit", "verify"]).expect_code(0);

    drop(demo.input.take());
    assert_eq!(demo.wait(), Some(0));
    assert!(!demo.folder.exists(), "{} is left", demo.folder.display());
    assert!(
        !process_exists(server_process(&place)),
        "the server is left"
    );
}

#[test]
fn a_killed_demo_leaves_no_server_and_no_folder() {
    let mut demo = Demo::start();
    let place = demo.prepared();
    let process = server_process(&place);
    assert!(process_exists(process), "the server runs before the kill");
    demo.child.kill().expect("kills");
    assert_eq!(demo.wait(), None, "it ended by the kill");
    wait_until("the server and the folder are gone", || {
        !process_exists(process) && !demo.folder.exists()
    });
}

#[test]
fn a_demo_that_is_interrupted_while_it_prepares_leaves_no_folder() {
    let mut demo = Demo::start();
    assert!(demo.folder.exists(), "it has begun");
    let process = i32::try_from(demo.child.id()).expect("a process id");
    kill(Pid::from_raw(process), Signal::SIGINT).expect("interrupts");
    assert_eq!(demo.wait(), None, "it ended by the signal");
    wait_until("the folder is gone", || !demo.folder.exists());
}

#[test]
fn without_a_server_program_the_one_command_is_named() {
    let empty = tempfile::tempdir().expect("makes a folder");
    let mut command = program(&["demo", "--prepare-only", "--postgres"]);
    command.arg(empty.path());
    Running::start(command)
        .finish()
        .expect_code(2)
        .expect_told(&["no PostgreSQL server was found", "remedy:", "install"])
        .expect_no_stack_trace();
}

#[test]
fn without_a_terminal_the_demo_refuses_before_anything_is_started() {
    Running::start(program(&["demo"]))
        .finish()
        .expect_code(4)
        .expect_told(&["no terminal"])
        .expect_no_stack_trace();
}
