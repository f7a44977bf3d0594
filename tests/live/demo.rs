//! The demo: every state that it promises is there, and nothing of it is left behind,
//! however it ends.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use handover::sandbox::{Door, MysqlDoor, MysqlFlavour};
use mysql_async::prelude::Queryable;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::contract::result_of;
use crate::harness::mysql::is_wanted;
use crate::harness::{Run, Running, cache_folder, heed_interrupts, postgres_binaries, wait_until};
use crate::shop::{Account, account_at};
use crate::terminal::{Start, Terminal};

/// On which server the demo is to run; `None` is PostgreSQL, which needs no word for it.
type Engine = Option<MysqlFlavour>;

const POSTGRES: Engine = None;
const MYSQL: Engine = Some(MysqlFlavour::MySql);
const MARIADB: Engine = Some(MysqlFlavour::MariaDb);

/// The arguments that choose an engine.
fn arguments(engine: Engine) -> Vec<String> {
    let name = match engine {
        Some(MysqlFlavour::MySql) => "mysql",
        Some(MysqlFlavour::MariaDb) => "mariadb",
        None => {
            let folder = postgres_binaries();
            return folder.map_or_else(Vec::new, |folder| {
                vec!["--binaries".to_owned(), folder.display().to_string()]
            });
        }
    };
    vec!["--engine".to_owned(), name.to_owned()]
}

/// Where the program looks for what was fetched for the tests.
fn cache() -> String {
    let cache = cache_folder();
    cache.parent().expect("a parent").display().to_string()
}

/// `handover` with nothing in its environment that the test does not mean.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handover"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("XDG_CACHE_HOME", cache())
        .env("TERM", "dumb");
    // A cache folder of that name is looked for within a home.
    if let Some(home) = std::env::var_os("HOME") {
        command.env("HOME", home);
    }
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
    fn start(engine: Engine) -> Self {
        let mut command = program(&["demo", "--prepare-only"]);
        command.args(arguments(engine));
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
    engine: Engine,
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
        let port = u16::try_from(port).expect("a port");
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("makes a runtime")
            .block_on(async {
                match self.engine {
                    None => {
                        let door = Door::new(port, &authority);
                        sessions_on_postgres(&door, &managing, application, user).await
                    }
                    Some(flavour) => {
                        let door = MysqlDoor::new(port, &authority);
                        let names = (flavour == MysqlFlavour::MySql).then_some(application);
                        sessions_on_mysql(&door, &managing, names, user).await
                    }
                }
            })
    }
}

async fn sessions_on_postgres(
    door: &Door,
    managing: &Account,
    application: &str,
    user: &str,
) -> i64 {
    let query = "SELECT count(*) FROM pg_stat_activity \
         WHERE application_name = $1 AND usename = $2";
    door.connect(&managing.name, &managing.password, "postgres")
        .await
        .expect("logs in")
        .query_one(query, &[&application, &user])
        .await
        .expect("answers")
        .get(0)
}

/// MariaDB lists no names of applications.
async fn sessions_on_mysql(
    door: &MysqlDoor,
    managing: &Account,
    application: Option<&str>,
    user: &str,
) -> i64 {
    let mut session = door
        .connect(&managing.name, &managing.password)
        .await
        .expect("logs in");
    let query = match application {
        Some(application) => format!(
            "SELECT count(*) FROM performance_schema.threads \
             JOIN performance_schema.session_connect_attrs USING (PROCESSLIST_ID) \
             WHERE ATTR_NAME = 'program_name' AND ATTR_VALUE = '{application}' \
             AND PROCESSLIST_USER = '{user}'"
        ),
        None => {
            format!("SELECT count(*) FROM information_schema.PROCESSLIST WHERE USER = '{user}'")
        }
    };
    let count = session.query_first(query).await.expect("answers");
    session.disconnect().await.expect("says goodbye");
    count.expect("a row")
}

#[test]
fn the_demo_holds_every_promised_state_and_leaves_nothing_when_its_input_ends() {
    tell_the_whole_story(POSTGRES, "PostgreSQL ");
}

#[test]
fn the_demo_on_mysql_tells_the_same_story() {
    tell_the_whole_story(MYSQL, "MySQL ");
}

#[test]
fn the_demo_on_mariadb_tells_the_same_story() {
    tell_the_whole_story(MARIADB, "MariaDB ");
}

#[track_caller]
fn tell_the_whole_story(engine: Engine, name: &str) {
    if engine.is_some_and(|flavour| !is_wanted(flavour)) {
        return;
    }
    let mut demo = Demo::start(engine);
    let place = demo.prepared();
    let operator = Operator {
        engine,
        place: &place,
    };
    assert!(Path::new(operator.text("key_file")).starts_with(&demo.folder));

    let plan = [
        "--store",
        operator.text("store"),
        "rotate",
        "shop/reports",
        "--plan",
    ];
    let plan = Running::start(program(&plan)).finish().expect_code(0);
    plan.expect_told(&[name]);

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
    kill_a_demo(POSTGRES);
}

#[test]
fn a_killed_demo_on_mysql_leaves_no_server_and_no_folder() {
    kill_a_demo(MYSQL);
}

#[test]
fn a_killed_demo_on_mariadb_leaves_no_server_and_no_folder() {
    kill_a_demo(MARIADB);
}

#[track_caller]
fn kill_a_demo(engine: Engine) {
    if engine.is_some_and(|flavour| !is_wanted(flavour)) {
        return;
    }
    let mut demo = Demo::start(engine);
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
    let mut demo = Demo::start(POSTGRES);
    assert!(demo.folder.exists(), "it has begun");
    let process = i32::try_from(demo.child.id()).expect("a process id");
    kill(Pid::from_raw(process), Signal::SIGINT).expect("interrupts");
    assert_eq!(demo.wait(), None, "it ended by the signal");
    wait_until("the folder is gone", || !demo.folder.exists());
}

/// A console on a demo, once it is drawn.
pub(crate) fn console_on_mysql(size: (u16, u16), home: &Path) -> Option<Terminal> {
    is_wanted(MysqlFlavour::MySql).then(|| console(MYSQL, size, home))
}

fn console(engine: Engine, size: (u16, u16), home: &Path) -> Terminal {
    let start = Start {
        size,
        variables: vec![
            ("XDG_CACHE_HOME", cache()),
            ("DEMO", arguments(engine).join(" ")),
        ],
        shell: Some("exec \"$HANDOVER\" demo $DEMO"),
    };
    let mut terminal = Terminal::at_home(home, &home.join("no-store"), &start);
    terminal.see("shop/reports").wait_until_idle();
    terminal
}

/// Goes from all environments to the review of a rotation that could be agreed to.
#[track_caller]
pub(crate) fn review_reports(terminal: &mut Terminal) {
    terminal
        .press("/")
        .type_text("reports")
        .press("enter")
        .wait_until_idle();
    terminal.press("R").see("Leave it (esc)").wait_until_idle();
}

#[track_caller]
fn look_at_the_console(engine: Engine, name: &str) {
    if engine.is_some_and(|flavour| !is_wanted(flavour)) {
        return;
    }
    let home = tempfile::tempdir().expect("makes a folder");
    let mut terminal = console(engine, (110, 30), home.path());
    review_reports(&mut terminal);
    terminal.see(name);
    terminal.press("esc").see_not("Leave it (esc)").press("q");
    assert_eq!(terminal.exit_code(), 0, "{}", terminal.text());
    terminal.assert_given_back();
    let told = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    let folder = told
        .split_whitespace()
        .find(|word| word.starts_with("/tmp/handover-demo-"))
        .expect("the folder is told");
    assert!(!Path::new(folder).exists(), "{folder} is left");
}

#[test]
fn the_console_on_a_demo_names_the_engine_and_its_version() {
    look_at_the_console(POSTGRES, "PostgreSQL 1");
    look_at_the_console(MYSQL, "MySQL ");
    look_at_the_console(MARIADB, "MariaDB 1");
}

#[test]
fn without_a_server_program_the_one_command_is_named() {
    let empty = tempfile::tempdir().expect("makes a folder");
    for (engine, name) in [
        ("postgres", "PostgreSQL"),
        ("mysql", "MySQL"),
        ("mariadb", "MariaDB"),
    ] {
        let mut command = program(&["demo", "--prepare-only", "--engine", engine, "--binaries"]);
        command.arg(empty.path().join("bin"));
        let words = format!("no {name} server was found");
        Running::start(command)
            .finish()
            .expect_code(2)
            .expect_told(&[&words, "remedy:"])
            .expect_no_stack_trace();
    }
}

#[test]
fn without_a_terminal_the_demo_refuses_before_anything_is_started() {
    Running::start(program(&["demo"]))
        .finish()
        .expect_code(4)
        .expect_told(&["no terminal"])
        .expect_no_stack_trace();
}
