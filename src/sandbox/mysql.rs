//! A real MySQL or MariaDB server on loopback that lives no longer than the program.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::folder::append;
use super::lifecycle::{Lifecycle, prepare, read_log};
use super::login::{LoginOutcome, Row, Superuser};
use super::{Authority, SandboxError, random_hex};
use crate::secret::Secret;

mod binaries;
mod configuration;
mod door;
mod replica;
mod template;

use binaries::Programs;
pub use binaries::{MariadbBinaries, MysqlBinaries};
pub use door::MysqlDoor;
use template::Template;

/// Where servers' folders are made unless options say otherwise.
const PARENT: &str = "/tmp";

/// The two servers that speak this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MysqlFlavour {
    /// MySQL, by Oracle.
    MySql,
    /// MariaDB.
    MariaDb,
}

impl fmt::Display for MysqlFlavour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::MySql => "MySQL",
            Self::MariaDb => "MariaDB",
        })
    }
}

/// How a server is to be started.
#[derive(Debug, Clone)]
pub struct MysqlOptions {
    /// Which of the two.
    pub flavour: MysqlFlavour,
    /// The folder of the programs; `None` searches, see [`MysqlBinaries::find`] and
    /// [`MariadbBinaries::find`].
    pub binaries: Option<PathBuf>,
    /// A folder into which programs and plugins were fetched without installing them. The
    /// user that runs the server must be able to read it.
    pub cache: Option<PathBuf>,
    /// Where the server's own folder is made. The user that runs the server must be able
    /// to reach it.
    pub parent_folder: PathBuf,
    /// Whether its new data may be a copy of what was made for another server of this
    /// program. All such servers have one superuser; an identity of its own each has.
    pub copied_data: bool,
    /// Lines that are added to the section `[mysqld]`; a later line wins over an earlier one.
    pub configuration: Vec<String>,
    /// How long the server may take to accept logins.
    pub time_limit: Duration,
}

impl MysqlOptions {
    /// The defaults for a server of `flavour`: binary log with GTIDs, general log, and for
    /// MySQL no login without TLS.
    #[must_use]
    pub fn new(flavour: MysqlFlavour) -> Self {
        Self {
            flavour,
            binaries: None,
            cache: None,
            parent_folder: PathBuf::from(PARENT),
            copied_data: false,
            configuration: Vec::new(),
            time_limit: Duration::from_secs(60),
        }
    }
}

/// A running server. Dropping it ends the server, removes its folder and waits until
/// both are gone; a program that is killed has the same done by the watchdog.
pub struct MysqlServer {
    lifecycle: Lifecycle,
    programs: Programs,
    /// Of what its data is a copy, which that of its replicas is then, too.
    template: Option<Arc<Template>>,
    /// Kept for the certificates of replicas, which share it.
    authority: Arc<Authority>,
    authority_pem: String,
    superuser: Superuser,
    door: MysqlDoor,
}

impl MysqlServer {
    /// Makes a new server's data and starts it; answers when `root` can log in.
    ///
    /// # Errors
    /// [`SandboxError`]; when the server itself fails, with the end of its log.
    pub fn start(options: &MysqlOptions) -> Result<Self, SandboxError> {
        let (binaries, cache) = (options.binaries.as_deref(), options.cache.as_deref());
        let programs = match options.flavour {
            MysqlFlavour::MySql => Programs::MySql(MysqlBinaries::find(binaries, cache)?),
            MysqlFlavour::MariaDb => Programs::MariaDb(MariadbBinaries::find(binaries, cache)?),
        };
        let template = options.copied_data.then(|| Template::of(&programs));
        let template = template.transpose()?;
        let superuser = match &template {
            Some(template) => template.superuser.duplicate(),
            None => new_superuser()?,
        };
        let authority = Arc::new(Authority::new("handover sandbox authority")?);
        let new = New {
            programs,
            template,
            authority,
            superuser,
            parent: &options.parent_folder,
            time_limit: options.time_limit,
            number: 1,
        };
        new.start(&options.configuration)
    }

    /// Which of the two it is.
    #[must_use]
    pub fn flavour(&self) -> MysqlFlavour {
        self.programs.flavour()
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.lifecycle.port()
    }

    /// The certificate of the authority that vouches for this server.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.authority_pem
    }

    /// The same as a file. It lies in the server's folder, which only the user that runs
    /// the server and root may enter.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder().join("ca.crt")
    }

    /// `root`, which exists for connections from 127.0.0.1, and its password.
    #[must_use]
    pub fn superuser(&self) -> &Superuser {
        &self.superuser
    }

    /// The way in, for logins as any user.
    #[must_use]
    pub fn door(&self) -> &MysqlDoor {
        &self.door
    }

    /// The process id of the running server.
    #[must_use]
    pub fn process(&self) -> Option<i32> {
        self.lifecycle.process()
    }

    /// The folder that is removed in the end; it holds everything of this server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.lifecycle.folder()
    }

    /// The server's data folder.
    #[must_use]
    pub fn data_folder(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// What the server has written into its error log so far.
    #[must_use]
    pub fn server_log(&self) -> String {
        self.lifecycle.log()
    }

    /// The statements that the server has logged so far.
    #[must_use]
    pub fn general_log(&self) -> String {
        read_log(self.folder(), "general.log")
    }

    /// The files of the binary log, the oldest first.
    ///
    /// # Errors
    /// [`SandboxError::Io`] when the folder cannot be read.
    pub fn binlog_files(&self) -> Result<Vec<PathBuf>, SandboxError> {
        let entries = fs::read_dir(self.folder())
            .map_err(SandboxError::io("list the server's binary log"))?;
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str());
                name.and_then(|name| name.strip_prefix("binlog."))
                    .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
            })
            .collect();
        files.sort();
        Ok(files)
    }

    /// Runs statements as `root` over verified TLS and answers all their rows. It blocks;
    /// it may be called within a runtime, too.
    ///
    /// # Errors
    /// [`SandboxError::MysqlStatement`] with the server's answer.
    pub fn sql(&self, statements: &str) -> Result<Vec<Row>, SandboxError> {
        self.door.run_blocking(&self.superuser, &[statements])
    }

    /// Tries a login as `user`.
    #[must_use]
    pub fn login(&self, user: &str, password: &Secret) -> LoginOutcome {
        self.door.login_blocking(user, password)
    }

    /// Ends the server at once, as if it had crashed, and answers when it is gone.
    ///
    /// # Errors
    /// [`SandboxError::Io`] when the watchdog does not answer.
    pub fn stop(&self) -> Result<(), SandboxError> {
        self.lifecycle.stop()
    }

    /// Starts a stopped server on the same port; answers when it accepts logins.
    ///
    /// # Errors
    /// [`SandboxError::Server`] with the end of its log.
    pub fn start_again(&self) -> Result<(), SandboxError> {
        self.lifecycle
            .start_again(&|_| try_superuser(&self.door, &self.superuser))
    }

    /// Stops the server's process for a while: connections stay open and nothing answers,
    /// as on a host that hangs.
    ///
    /// # Errors
    /// [`SandboxError::Stopped`] when it does not run.
    pub fn pause(&self) -> Result<(), SandboxError> {
        self.lifecycle.pause()
    }

    /// Lets a paused server go on.
    ///
    /// # Errors
    /// [`SandboxError::Stopped`] when it does not run.
    pub fn resume(&self) -> Result<(), SandboxError> {
        self.lifecycle.resume()
    }
}

/// A server that is about to be made.
struct New<'a> {
    programs: Programs,
    template: Option<Arc<Template>>,
    authority: Arc<Authority>,
    superuser: Superuser,
    parent: &'a Path,
    time_limit: Duration,
    /// The number that no other server of one replication may have.
    number: u32,
}

impl New<'_> {
    /// `configuration` is for the server alone and not for the making of its data.
    fn start(self, configuration: &[String]) -> Result<MysqlServer, SandboxError> {
        let Self {
            programs,
            template,
            authority,
            superuser,
            parent,
            time_limit,
            number,
        } = self;
        let data = template.as_ref().map(|template| template.data());
        let mut prepared = prepare(parent, |folder| programs.commands(folder, data.as_deref()))?;
        template::initialise(&mut prepared, &programs, &authority, &superuser, number)?;
        let folder = prepared.folder.clone();
        let lines = [
            configuration::later_settings(&programs).as_slice(),
            configuration,
        ]
        .concat();
        append(&folder.join("my.cnf"), &format!("{}\n", lines.join("\n")))?;
        let authority_pem = authority.pem();
        let lifecycle = prepared.start(time_limit, &|port| {
            try_superuser(&MysqlDoor::new(port, &authority_pem), &superuser)
        })?;
        Ok(MysqlServer {
            door: MysqlDoor::new(lifecycle.port(), &authority_pem),
            lifecycle,
            programs,
            template,
            authority,
            authority_pem,
            superuser,
        })
    }
}

fn new_superuser() -> Result<Superuser, SandboxError> {
    // A password for replication has at most 32 characters, and it is this one.
    Ok(Superuser {
        name: "root".to_owned(),
        password: Secret::new(format!("sandbox-test-{}", random_hex(9)?)),
    })
}

fn try_superuser(door: &MysqlDoor, superuser: &Superuser) -> LoginOutcome {
    door.login_blocking(&superuser.name, &superuser.password)
}
