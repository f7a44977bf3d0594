//! A real pgbouncer in front of a server of the sandbox, with TLS on both sides.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use handover::database::{Login, Target, Timeouts, Tls, connect};
use handover::model::{Engine, LoginOutcome, Node, UserName};
use handover::sandbox::PostgresServer;
use handover::secret::Secret;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use tempfile::TempDir;

use crate::harness::{first_value, literal, wait_until};
use crate::shop::Account;

/// Runs the pooler and ends it when standard input closes, which the kernel does however
/// this program ends: a pooler never outlives its test.
const KEEPER: &str = "\"$1\" \"$2\" >/dev/null 2>&1 </dev/null & pooler=$!
echo \"$pooler\"
while read -r line; do :; done
kill -TERM \"$pooler\" 2>/dev/null
wait \"$pooler\"";

/// Where pgbouncer learns of verifiers.
#[derive(Clone, Copy)]
pub(crate) enum Verifiers {
    /// From a file that somebody has to write anew after each change.
    File,
    /// From the server, each time.
    Query,
}

/// A running pgbouncer. Dropping it ends it.
pub(crate) struct Pooler {
    keeper: Child,
    process: i32,
    folder: TempDir,
    port: u16,
    authority: String,
}

impl Pooler {
    /// `None` only where it was left out by name: a missing one is a failure, since a test
    /// that did not run must not look like one that passed.
    pub(crate) fn start(server: &PostgresServer, verifiers: Verifiers) -> Option<Self> {
        if std::env::var("HANDOVER_TESTS_WITHOUT").is_ok_and(|names| names.contains("pgbouncer")) {
            println!("LEFT OUT by name: pgbouncer");
            return None;
        }
        let Some(program) = program() else {
            panic!(
                "pgbouncer is missing: `make servers` installs it, \
                 HANDOVER_TESTS_WITHOUT=pgbouncer leaves it out"
            );
        };
        let user = unprivileged();
        let folder = tempfile::tempdir().expect("makes a folder");
        let port = free_port();
        let path = folder.path().display();
        let superuser = server.superuser();
        let how = match verifiers {
            Verifiers::File => String::new(),
            Verifiers::Query => format!(
                "auth_user = {}\n\
                 auth_query = SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1\n",
                superuser.name
            ),
        };
        let configuration = format!(
            "[databases]\n\
             postgres = host=127.0.0.1 port={server_port} dbname=postgres\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             logfile = {path}/log\n\
             auth_type = scram-sha-256\n\
             auth_file = {path}/users\n\
             {how}\
             admin_users = {admin}\n\
             pool_mode = transaction\n\
             client_tls_sslmode = require\n\
             client_tls_cert_file = {path}/server.crt\n\
             client_tls_key_file = {path}/server.key\n\
             server_tls_sslmode = verify-full\n\
             server_tls_ca_file = {path}/ca.crt\n",
            server_port = server.port(),
            admin = superuser.name,
        );
        let copied = |name: &str| fs::read_to_string(server.folder().join(name)).expect("reads");
        for (name, text) in [
            ("ini", configuration),
            (
                "users",
                user_line(&superuser.name, superuser.password.expose()),
            ),
            // The same host name, and the same authority that the settings name.
            ("server.crt", copied("server.crt")),
            ("server.key", copied("server.key")),
            ("ca.crt", server.ca_pem().to_owned()),
        ] {
            write_for(user.as_ref(), &folder.path().join(name), &text);
        }
        give_to(user.as_ref(), folder.path());
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", KEEPER, "pooler"])
            .arg(program)
            .arg(folder.path().join("ini"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(user) = &user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let mut keeper = command.spawn().expect("starts a pooler");
        let mut line = String::new();
        let said = keeper.stdout.take().expect("a pipe");
        BufReader::new(said).read_line(&mut line).expect("reads");
        let pooler = Self {
            keeper,
            process: line.trim().parse().expect("a process id"),
            folder,
            port,
            authority: server.ca_pem().to_owned(),
        };
        wait_until("the pooler lets the superuser through", || {
            pooler.accepts(&superuser.name, &superuser.password)
        });
        Some(pooler)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether a login through it leads to a session. The sandbox's own door insists on
    /// channel binding, which a pooler cannot offer.
    pub(crate) fn accepts(&self, role: &str, password: &Secret) -> bool {
        let patient = Duration::from_secs(10);
        let node = Node {
            host: "127.0.0.1".to_owned(),
            port: self.port,
        };
        let database = connect(Target {
            engine: Engine::Postgres,
            database: "postgres".to_owned(),
            tls: Tls::VerifyFull {
                authority: Some(self.authority.clone()),
            },
            timeouts: Timeouts {
                connect: patient,
                statement: patient,
                lock: patient,
            },
        })
        .expect("the settings are good");
        let outcome = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("makes a runtime")
            .block_on(database.probe(Login {
                node: &node,
                user: &UserName::new(role).expect("a name"),
                password,
                application: "test-consumer",
                statements: &[],
            }));
        matches!(outcome, LoginOutcome::LoggedIn { .. })
    }

    /// Writes what the server keeps for the superuser and these accounts into the file,
    /// and has the pooler read it; answers when it has.
    pub(crate) fn learn(&self, server: &PostgresServer, accounts: &[&Account]) {
        let superuser = server.superuser();
        let mut text = user_line(&superuser.name, superuser.password.expose());
        for account in accounts {
            let query = format!(
                "SELECT rolpassword FROM pg_authid WHERE rolname = {}",
                literal(&account.name)
            );
            text.push_str(&user_line(&account.name, &first_value(server, &query)));
        }
        write_for(
            unprivileged().as_ref(),
            &self.folder.path().join("users"),
            &text,
        );
        let reloads = || self.log().matches("SIGHUP").count();
        let before = reloads();
        kill(Pid::from_raw(self.process), Signal::SIGHUP).expect("can be signalled");
        wait_until("the pooler has read its files again", || reloads() > before);
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).expect("reads the log")
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // The keeper ends the pooler when its standard input closes.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn user_line(name: &str, password: &str) -> String {
    format!("\"{name}\" \"{password}\"\n")
}

/// Debian has it where only root's shell looks.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
}

/// It refuses to run as root, as the server does.
fn unprivileged() -> Option<User> {
    geteuid().is_root().then(|| {
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .expect("a user that is not root")
    })
}

fn give_to(user: Option<&User>, path: &Path) {
    if let Some(user) = user {
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("gives it");
    }
}

fn write_for(user: Option<&User>, path: &Path, text: &str) {
    fs::write(path, text).expect("writes");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("protects");
    give_to(user, path);
}

/// Below the range from which the system takes ports for outgoing connections.
fn free_port() -> u16 {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    let first = u16::from_le_bytes(bytes) % 10_000;
    (0..10_000)
        .map(|step| 20_000 + (first + step) % 10_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
