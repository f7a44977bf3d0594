//! A storm: many environments on many databases of several real servers fall due at once, one
//! server is down, two agents share the work and one of them is killed in the middle of it.
//!
//! `make test` runs it with fewer environments than `make soak`.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use handover::model::EnvironmentName;
use handover::operations::{
    InitRequest, SourceFile, Workspace, init_environment, init_key, open_environment,
};
use handover::process::{KeyAccess, NewKeySource};
use handover::sandbox::{LoginOutcome, MysqlFlavour, MysqlServer, PostgresServer};
use handover::secret::{
    CACHING_SHA2_SALT_LENGTH, CachingSha2Hash, SCRAM_SALT_LENGTH, ScramVerifier, Secret,
};
use handover::store::Access;
use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use crate::harness::mysql::shared_mysql;
use crate::harness::{Chance, Run, Running, first_value, postgres_options, server, wait_until};

/// The store is busy in a storm.
const PATIENCE: Duration = Duration::from_secs(10);
const DATABASES: usize = 5;
const AT_ONCE: usize = 16;
const PER_SERVER: usize = 4;
/// Environments fall due in so many groups, a second apart.
const GROUPS: usize = 3;
/// An environment is made well within this time.
const EACH_TAKES: TimeDelta = TimeDelta::milliseconds(100);
/// How long what is on the dead server may be tried: for two attempts, and not for three.
const WINDOW_OF_THE_DEAD: i64 = 45;
/// Two agents begin at about the same time, and each goes through the list by itself.
const ORDER_MAY_BE_OFF_BY: usize = 2 * AT_ONCE;

const PASSWORDS: [&str; 3] = ["managing-password", "first-password", "second-password"];

enum Server {
    Postgres(&'static PostgresServer),
    OwnPostgres(Box<PostgresServer>),
    MySql(&'static MysqlServer),
}

impl Server {
    fn as_postgres(&self) -> Option<&PostgresServer> {
        match self {
            Self::Postgres(server) => Some(server),
            Self::OwnPostgres(server) => Some(server),
            Self::MySql(_) => None,
        }
    }

    fn port(&self) -> u16 {
        match self {
            Self::MySql(server) => server.port(),
            other => other.as_postgres().expect("PostgreSQL").port(),
        }
    }

    fn ca_pem(&self) -> &str {
        match self {
            Self::MySql(server) => server.ca_pem(),
            other => other.as_postgres().expect("PostgreSQL").ca_pem(),
        }
    }

    fn login(&self, user: &str, password: &Secret) -> LoginOutcome {
        match self {
            Self::MySql(server) => server.login(user, password),
            other => other
                .as_postgres()
                .expect("PostgreSQL")
                .login(user, password),
        }
    }

    fn function(&self) -> &'static str {
        match self {
            Self::MySql(_) => "fn::rotate::mysql",
            _ => "fn::rotate::postgres",
        }
    }

    fn run_sql(&self, statements: &str) {
        match self {
            Self::MySql(server) => server.sql(statements).map(drop),
            other => other
                .as_postgres()
                .expect("PostgreSQL")
                .sql(statements)
                .map(drop),
        }
        .expect("the server takes the statements");
    }

    /// Databases, the managing user, and the pairs, in few statements.
    fn prepare(&self, name: &str, pairs: &[[String; 2]]) {
        match self.as_postgres() {
            Some(server) => prepare_postgres(server, name, pairs),
            None => self.prepare_mysql(name, pairs),
        }
    }

    fn prepare_mysql(&self, name: &str, pairs: &[[String; 2]]) {
        let hash = |text: &str| {
            let salt = [7; CACHING_SHA2_SALT_LENGTH];
            let hash = CachingSha2Hash::derive(&Secret::new(text.to_owned()), &salt);
            let hash = hash.expect("derives");
            format!(
                "IDENTIFIED WITH caching_sha2_password AS {}",
                &*hash.hex_literal()
            )
        };
        for number in 0..DATABASES {
            self.run_sql(&format!("CREATE DATABASE {name}_{number}"));
        }
        let [manager, first, second] = PASSWORDS.map(hash);
        self.run_sql(&format!("CREATE USER '{name}_manager'@'%' {manager}"));
        for right in [
            "SELECT ON mysql.*",
            "CREATE USER ON *.*",
            "PROCESS ON *.*",
            "SELECT ON performance_schema.*",
        ] {
            self.run_sql(&format!("GRANT {right} TO '{name}_manager'@'%'"));
        }
        let rows = pairs
            .iter()
            .map(|[one, other]| format!("'{one}'@'%' {first}, '{other}'@'%' {second}"));
        let rows: Vec<String> = rows.collect();
        self.run_sql(&format!("CREATE USER {}", rows.join(", ")));
        let names = pairs.iter().flatten().map(|name| format!("'{name}'@'%'"));
        let names: Vec<String> = names.collect();
        for number in 0..DATABASES {
            let on = format!("{name}_{number}.*");
            self.run_sql(&format!("GRANT SELECT ON {on} TO {}", names.join(", ")));
        }
    }
}

fn prepare_postgres(server: &PostgresServer, name: &str, pairs: &[[String; 2]]) {
    let sql = |statements: &str| server.sql(statements).expect("takes the statements");
    for number in 0..DATABASES {
        sql(&format!("CREATE DATABASE {name}_{number}"));
    }
    let verifier = |text: &str| {
        let derived = ScramVerifier::derive(&Secret::new(text.to_owned()), &[9; SCRAM_SALT_LENGTH]);
        derived.expect("derives").as_str().to_owned()
    };
    let [manager, first, second] = PASSWORDS.map(verifier);
    let mut statements = format!(
        "CREATE ROLE {name}_manager LOGIN CREATEROLE PASSWORD '{manager}'; \
         GRANT pg_read_all_stats TO {name}_manager;"
    );
    let version: u32 = first_value(server, "SHOW server_version_num")
        .parse()
        .expect("a number");
    for [one, other] in pairs {
        statements.push_str(&format!(
            "CREATE ROLE {one} LOGIN PASSWORD '{first}'; \
             CREATE ROLE {other} LOGIN PASSWORD '{second}';"
        ));
        if version >= 160_000 {
            statements.push_str(&format!(
                "GRANT {one}, {other} TO {name}_manager WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;"
            ));
        }
    }
    sql(&statements);
}

/// One environment of the storm.
struct Pair {
    environment: EnvironmentName,
    server: usize,
    due: DateTime<Utc>,
}

struct Storm {
    home: TempDir,
    servers: Vec<Server>,
    /// The last of the servers is the dead one.
    dead: usize,
    pairs: Vec<Pair>,
    workspace: Arc<Workspace>,
    runtime: Runtime,
}

impl Storm {
    /// Servers and a store.
    fn brew() -> Self {
        let own = || {
            let server = PostgresServer::start(&postgres_options()).expect("PostgreSQL starts");
            Server::OwnPostgres(Box::new(server))
        };
        let mut servers = vec![Server::Postgres(server())];
        servers.extend(shared_mysql(MysqlFlavour::MySql).map(Server::MySql));
        servers.push(own());
        servers.push(own());
        let home = tempfile::tempdir().expect("makes a folder");
        let runtime = Runtime::new().expect("makes a runtime");
        let store = home.path().join("store");
        fs::create_dir(&store).expect("makes a folder");
        fs::set_permissions(&store, fs::Permissions::from_mode(0o700)).expect("protects");
        let workspace = runtime.block_on(async {
            let wanted = NewKeySource::File(home.path().join("master.key"));
            let keys = KeyAccess::default();
            init_key(&store, wanted, &keys).await.expect("makes a key");
            Workspace::open(&store, &keys, Access::Write)
                .await
                .expect("opens")
        });
        Self {
            dead: servers.len() - 1,
            home,
            servers,
            pairs: Vec::new(),
            workspace: Arc::new(workspace),
            runtime,
        }
    }

    /// The users of all environments, by server.
    fn users(&self, name: &str, count: usize) -> Vec<Vec<[String; 2]>> {
        let each = count / self.servers.len();
        let prepare = |(number, server): (usize, &Server)| {
            let user = |index: usize, letter| format!("{name}_{number}_{index}_{letter}");
            let users: Vec<_> = (0..each).map(|at| [user(at, 'a'), user(at, 'b')]).collect();
            server.prepare(name, &users);
            users
        };
        self.servers.iter().enumerate().map(prepare).collect()
    }

    /// The environments, which fall due at `begin`.
    fn fill(&mut self, name: &str, users: Vec<Vec<[String; 2]>>, begin: DateTime<Utc>) {
        for (number, users) in users.into_iter().enumerate() {
            let authority = self.home.path().join(format!("ca{number}.pem"));
            fs::write(&authority, self.servers[number].ca_pem()).expect("writes");
            let managing = format!(
                "values:\n  username: {name}_manager\n  password: {{fn::secret: {}}}\n",
                PASSWORDS[0]
            );
            self.init(&format!("storm/managing{number}"), managing, None);
            for (index, pair) in users.iter().enumerate() {
                let due = begin + TimeDelta::seconds((index % GROUPS) as i64);
                let environment = format!("storm/s{number}-{index:03}");
                let document =
                    self.document(number, &format!("{name}_{}", index % DATABASES), pair);
                let settings = self.settings(number, due);
                self.init(&environment, document, Some(settings));
                self.pairs.push(Pair {
                    environment: environment.parse().expect("a name"),
                    server: number,
                    due,
                });
            }
        }
    }

    fn document(&self, number: usize, database: &str, [first, second]: &[String; 2]) -> String {
        let server = &self.servers[number];
        let [_, first_password, second_password] = PASSWORDS;
        format!(
            "values:\n  db:\n    {}:\n      inputs:\n        database:\n          host: 127.0.0.1\n          \
             port: {}\n          database: {database}\n          managingUser:\n            \
             username: ${{environments.storm.managing{number}.username}}\n            \
             password: ${{environments.storm.managing{number}.password}}\n        \
             rotateUsers: {{username1: {first}, username2: {second}}}\n      state:\n        \
             current: {{username: {first}, password: {{fn::secret: {first_password}}}}}\n        \
             previous: {{username: {second}, password: {{fn::secret: {second_password}}}}}\n",
            server.function(),
            server.port(),
        )
    }

    fn settings(&self, number: usize, due: DateTime<Utc>) -> String {
        let due = due.to_rfc3339_opts(SecondsFormat::Secs, true);
        let window = match number == self.dead {
            true => format!(", window: {WINDOW_OF_THE_DEAD}s"),
            false => String::new(),
        };
        // What is rotated is not sampled by the way: the storm is of rotations.
        format!(
            "databases:\n  \"*\":\n    tls: {{mode: verify-full, ca: ca{number}.pem}}\n    \
             drain: {{propagation: 0s, quiet: 0s, sample: 1h, max-gap: 2h}}\n\
             schedule: {{once: \"{due}\"{window}}}\n"
        )
    }

    fn init(&self, name: &str, document: String, settings: Option<String>) {
        let file = |name: &str, text| SourceFile {
            name: name.to_owned(),
            text: Zeroizing::new(text),
            folder: self.home.path().to_owned(),
        };
        let request = InitRequest {
            name: name.parse().expect("a name"),
            document: file("document.yaml", document),
            settings: settings.map(|text| file("settings.yaml", text)),
        };
        let made = self
            .runtime
            .block_on(init_environment(&self.workspace, request));
        if let Err(failure) = made {
            panic!("{name}: {} {:?}", failure.message, failure.remedy);
        }
    }

    fn store(&self) -> PathBuf {
        self.home.path().join("store")
    }

    fn agent(&self) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handover"));
        command
            .args(["agent", "--verify-every", "0s", "--output", "json"])
            .env_clear()
            .env("HOME", self.home.path())
            .env("HANDOVER_STORE", self.store())
            .current_dir(self.home.path());
        Running::start(command)
    }

    fn count(&self, query: &str) -> usize {
        let store = Connection::open(self.store().join("handover.db")).expect("opens");
        store.busy_timeout(PATIENCE).expect("waits");
        store
            .query_row(query, [], |row| row.get(0))
            .expect("counts")
    }

    fn living(&self) -> usize {
        let living = self.pairs.iter().filter(|pair| pair.server != self.dead);
        living.count()
    }

    /// Logs in with what an environment says is current, as an application would.
    fn consume(&self, pair: &Pair) -> LoginOutcome {
        let path = Some("db".parse().expect("a path"));
        let opened = open_environment(&self.workspace, pair.environment.clone(), path);
        let opened = self.runtime.block_on(opened);
        let opened = opened.unwrap_or_else(|failure| panic!("{}", failure.message));
        let mut text = Zeroizing::new(String::new());
        let layout = handover::environment::Layout::Compact;
        opened.value.write_json(&mut text, true, layout);
        let value: Value = serde_json::from_str(&text).expect("is JSON");
        let part = |name: &str| value["current"][name].as_str().expect("a text").to_owned();
        let password = Secret::new(part("password"));
        self.servers[pair.server].login(&part("username"), &password)
    }

    /// Model consumers, until the work is over. Answers how many logins there were, and which of
    /// them were refused.
    fn under_consumers(&self, work: impl FnOnce()) -> (usize, Vec<String>) {
        let over = AtomicBool::new(false);
        let living: Vec<&Pair> = self
            .pairs
            .iter()
            .filter(|one| one.server != self.dead)
            .collect();
        thread::scope(|scope| {
            let consumers: Vec<_> = (0..2)
                .map(|number| {
                    let (over, living) = (&over, &living);
                    scope.spawn(move || {
                        let (mut logins, mut refused) = (0, Vec::new());
                        while !over.load(Ordering::Acquire) {
                            let pair = living[(number + 7 * logins) % living.len()];
                            let outcome = self.consume(pair);
                            logins += 1;
                            if outcome != LoginOutcome::Accepted {
                                refused.push(format!("{}: {outcome:?}", pair.environment));
                            }
                            // They share the machine with the storm.
                            thread::sleep(Duration::from_millis(40));
                        }
                        (logins, refused)
                    })
                })
                .collect();
            {
                // Also where the work ends by a panic: else nobody would hear of that.
                let _ends = Ends(&over);
                work();
            }
            let mut all = (0, Vec::new());
            for consumer in consumers {
                let (logins, refused) = consumer.join().expect("does not panic");
                all.0 += logins;
                all.1.extend(refused);
            }
            all
        })
    }
}

/// Says that it is over when it is dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The rotations of a storm, by what the store says of them.
struct Rotated {
    environment: String,
    opened_at: DateTime<Utc>,
    closed_at: DateTime<Utc>,
}

fn rotated(store: &Path) -> Vec<Rotated> {
    let store = Connection::open(store.join("handover.db")).expect("opens");
    let mut statement = store
        .prepare(
            "SELECT e.project || '/' || e.name, r.opened_at, r.closed_at FROM rotation r \
             JOIN environment e ON e.id = r.environment",
        )
        .expect("is sound");
    let rows = statement.query_map([], |row| {
        Ok(Rotated {
            environment: row.get(0)?,
            opened_at: row.get(1)?,
            closed_at: row.get(2)?,
        })
    });
    let rows = rows.expect("reads").map(|row| row.expect("is closed"));
    rows.collect()
}

/// How many were open at once at the most.
fn most_at_once(all: &[&Rotated]) -> usize {
    let open_at = |at: DateTime<Utc>| {
        let open = all
            .iter()
            .filter(|one| one.opened_at <= at && at < one.closed_at);
        open.count()
    };
    let begun = all.iter().map(|one| open_at(one.opened_at));
    begun.max().unwrap_or(0)
}

fn events(runs: &[Run], event: &str) -> Vec<(DateTime<Utc>, String)> {
    let lines = runs.iter().flat_map(|run| run.stdout.lines());
    // A killed one may have been in the middle of a line.
    let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut found: Vec<_> = lines
        .filter(|line| line["event"] == event)
        .map(|line| {
            let text = |name: &str| line[name].as_str().expect("a text").to_owned();
            (text("at").parse().expect("a time"), text("environment"))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_storm_is_weathered() {
    weather("storm", 60);
}

#[test]
#[ignore = "for `make soak`"]
fn a_large_storm_is_weathered() {
    weather("gale", 300);
}

fn weather(name: &str, count: usize) {
    let begun = Instant::now();
    let mut storm = Storm::brew();
    let users = storm.users(name, count);
    let brewing = EACH_TAKES * i32::try_from(count).expect("few");
    storm.fill(name, users, Utc::now() + brewing);
    let prepared = begun.elapsed();
    let dead = storm.servers[storm.dead].as_postgres().expect("PostgreSQL");
    dead.stop().expect("stops");
    let last = storm.pairs.iter().map(|pair| pair.due).max();
    wait_until("all are due", || Some(Utc::now()) >= last);

    let raging = Instant::now();
    let done = "SELECT count(*) FROM schedule_run WHERE state = 'done'";
    let mut killed_at = Utc::now();
    let mut ended = Vec::new();
    let mut lasted = Duration::ZERO;
    let (logins, refused) = storm.under_consumers(|| {
        let (mut first, second) = (storm.agent(), storm.agent());
        let mut chance = Chance::from_environment();
        wait_until("it is in the middle", || {
            storm.count(done) >= storm.living() / 3
        });
        thread::sleep(chance.up_to(Duration::from_millis(300)));
        first.kill();
        killed_at = Utc::now();
        let third = storm.agent();
        wait_until("the living are done", || {
            storm.count(done) == storm.living()
        });
        lasted = raging.elapsed();
        let missed = "SELECT count(*) FROM schedule_run WHERE state = 'missed'";
        let others = storm.pairs.len() - storm.living();
        wait_until("the others are missed", || storm.count(missed) == others);
        ended.push(first.finish());
        for mut agent in [second, third] {
            agent.signal(Signal::SIGTERM);
            ended.push(agent.finish().expect_code(0));
        }
    });
    assert_eq!(refused, Vec::<String>::new(), "of {logins} logins");
    assert!(logins > 20, "consumers had too little to do: {logins}");

    let all = rotated(&storm.store());
    nothing_is_lost_or_doubled(&storm, &all);
    limits_are_held(&storm, &all, killed_at);
    the_order_is_fair(&storm, &ended);
    the_dead_are_missed(&storm);
    println!(
        "{count} environments: prepared in {prepared:?}, {} rotated in {lasted:?}, over after {:?}; \
         {logins} logins",
        all.len(),
        begun.elapsed(),
    );
}

fn nothing_is_lost_or_doubled(storm: &Storm, all: &[Rotated]) {
    let mut counted: HashMap<&str, usize> = HashMap::new();
    for one in all {
        *counted.entry(&one.environment).or_default() += 1;
    }
    assert_eq!(counted.len(), storm.living(), "{counted:?}");
    assert!(counted.values().all(|times| *times == 1), "{counted:?}");
    let heads = "SELECT count(*) FROM environment WHERE head = 2";
    assert_eq!(storm.count(heads), storm.living(), "one revision each");
    let bound = "SELECT count(DISTINCT rotation) FROM schedule_run WHERE state = 'done'";
    assert_eq!(
        storm.count(bound),
        storm.living(),
        "each is of an occurrence"
    );
}

fn limits_are_held(storm: &Storm, all: &[Rotated], killed_at: DateTime<Utc>) {
    // What a killed agent leaves open is in nobody's hands until somebody goes on with it.
    let held = |one: &&Rotated| !(one.opened_at <= killed_at && killed_at < one.closed_at);
    let held: Vec<&Rotated> = all.iter().filter(held).collect();
    let most = most_at_once(&held);
    assert!(most <= AT_ONCE, "{most} at once");
    let server_of: HashMap<String, usize> = storm
        .pairs
        .iter()
        .map(|pair| (pair.environment.to_string(), pair.server))
        .collect();
    let mut mosts = Vec::new();
    for server in 0..storm.dead {
        let there = held.iter().copied();
        let there = there.filter(|one| server_of[&one.environment] == server);
        let most = most_at_once(&there.collect::<Vec<_>>());
        assert!(most <= PER_SERVER, "{most} at once on server {server}");
        mosts.push(most);
    }
    println!("at once: {most} in all, {mosts:?} by server");
    assert!(
        mosts.iter().any(|most| *most > 1),
        "nothing went on side by side"
    );
}

/// On each server those that fell due first were begun first.
fn the_order_is_fair(storm: &Storm, ended: &[Run]) {
    let mut begun: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
    for (at, environment) in events(ended, "rotation-begun") {
        begun.entry(environment).or_insert(at);
    }
    for server in 0..storm.dead {
        let there = storm.pairs.iter().filter(|pair| pair.server == server);
        let mut wanted: Vec<&Pair> = there.collect();
        wanted.sort_by_key(|pair| (pair.due, pair.environment.to_string()));
        let mut seen: Vec<(DateTime<Utc>, usize)> = wanted
            .iter()
            .enumerate()
            .filter_map(|(rank, pair)| Some((*begun.get(&pair.environment.to_string())?, rank)))
            .collect();
        assert!(
            seen.len() + 1 >= wanted.len(),
            "a line of the killed one may be lost"
        );
        seen.sort_unstable();
        for (at, (_, rank)) in seen.iter().enumerate() {
            let off = at.abs_diff(*rank);
            assert!(
                off <= ORDER_MAY_BE_OFF_BY.min(wanted.len() / 2),
                "{off}: {seen:?}"
            );
        }
    }
}

fn the_dead_are_missed(storm: &Storm) {
    let others = storm.pairs.len() - storm.living();
    // An attempt at once and one after half a minute; the next pause is longer than the window.
    let tried = "SELECT count(*) FROM schedule_run WHERE state = 'missed' \
                 AND attempts BETWEEN 2 AND 3 AND rotation IS NULL AND code = 'unreachable'";
    assert_eq!(storm.count(tried), others);
}
