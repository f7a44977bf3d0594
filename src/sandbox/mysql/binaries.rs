//! Where a MySQL or a MariaDB server is installed, and how its programs are called.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::SandboxError;
use super::super::binaries::install_command;
use super::super::watchdog::Program;
use super::MysqlFlavour;

/// The usual places outside `PATH`: an administrator's folders are not in everybody's.
const USUAL_PLACES: [&str; 5] = [
    "/usr/sbin",
    "/usr/libexec",
    "/usr/local/mysql/bin",
    "/opt/homebrew/bin",
    "/usr/local/bin",
];

/// Package managers in the order in which they are asked for, with the one command. Debian
/// has no MySQL that could be installed beside the rest of the system; this project's tree
/// fetches one.
const MYSQL_INSTALLERS: [(&str, &str); 3] = [
    ("apt-get", "make servers"),
    ("dnf", "dnf install -y mysql-server"),
    ("brew", "brew install mysql"),
];

const MARIADB_INSTALLERS: [(&str, &str); 3] = [
    (
        "apt-get",
        "apt-get install -y mariadb-server-core mariadb-client-core",
    ),
    ("dnf", "dnf install -y mariadb-server"),
    ("brew", "brew install mariadb"),
];

/// The one program of MySQL that a sandbox needs; it makes its data itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MysqlBinaries {
    /// The server.
    pub mysqld: PathBuf,
    /// The folder of its messages, character sets and plugins, where they are not where the
    /// program was built to look for them.
    pub base: Option<PathBuf>,
}

/// The two programs of MariaDB that a sandbox needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MariadbBinaries {
    /// The server.
    pub mariadbd: PathBuf,
    /// The program that makes a data folder.
    pub install_db: PathBuf,
    /// The folder of its plugins, where they are not where the program looks for them.
    pub plugins: Option<PathBuf>,
}

/// The programs of the one or the other.
#[derive(Debug, Clone)]
pub(super) enum Programs {
    MySql(MysqlBinaries),
    MariaDb(MariadbBinaries),
}

impl MysqlBinaries {
    /// Looks in `folder` alone when one is named; else in `cache`, into which
    /// `tests/install-servers.sh` fetches it, then in `PATH` and the usual places.
    ///
    /// # Errors
    /// [`SandboxError::NoMysql`], with the command that installs one.
    pub fn find(folder: Option<&Path>, cache: Option<&Path>) -> Result<Self, SandboxError> {
        let path = env::var_os("PATH").unwrap_or_default();
        let missing = |searched| SandboxError::NoMysql {
            engine: MysqlFlavour::MySql,
            programs: "`mysqld`",
            searched,
            install: install_command(
                &path,
                &MYSQL_INSTALLERS,
                "your package manager, or https://dev.mysql.com/downloads/mysql",
            ),
        };
        if let Some(folder) = folder {
            return Self::in_folder(folder).ok_or_else(|| missing(folder.display().to_string()));
        }
        cache
            .map(|cache| cache.join("mysql/bin"))
            .into_iter()
            .chain(usual_folders(&path))
            .find_map(|folder| Self::in_folder(&folder))
            .ok_or_else(|| missing(searched_folders(cache)))
    }

    /// A tree of its own has its base beside the folder of its programs. MariaDB has a link
    /// under the name of MySQL's server.
    fn in_folder(folder: &Path) -> Option<Self> {
        let mysqld = folder.join("mysqld").canonicalize().ok()?;
        if !mysqld.is_file() {
            return None;
        }
        let base = mysqld.parent()?.parent()?.join("usr");
        if base.join("share/mysql").is_dir() {
            let base = Some(base);
            return Some(Self { mysqld, base });
        }
        let version = Command::new(&mysqld).arg("--version").output().ok()?;
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        let is_mysql = !version.is_empty() && !version.contains("MariaDB");
        is_mysql.then_some(Self { mysqld, base: None })
    }
}

impl MariadbBinaries {
    /// Looks in `folder` alone when one is named, else in `PATH` and the usual places. The
    /// plugins are those of `cache`, where `tests/install-servers.sh` has fetched some.
    ///
    /// # Errors
    /// [`SandboxError::NoMysql`], with the command that installs one.
    pub fn find(folder: Option<&Path>, cache: Option<&Path>) -> Result<Self, SandboxError> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = folder.map_or_else(
            || usual_folders(&path).collect::<Vec<_>>(),
            |folder| vec![folder.to_owned()],
        );
        let program = |name: &str| {
            let mut candidates = folders.iter().map(|folder| folder.join(name));
            candidates.find(|program| program.is_file())
        };
        let plugins = cache
            .map(|cache| cache.join("mariadb-plugins"))
            .filter(|plugins| plugins.join("auth_ed25519.so").is_file());
        match (program("mariadbd"), program("mariadb-install-db")) {
            (Some(mariadbd), Some(install_db)) => Ok(Self {
                mariadbd,
                install_db,
                plugins,
            }),
            _ => Err(SandboxError::NoMysql {
                engine: MysqlFlavour::MariaDb,
                programs: "`mariadbd` with `mariadb-install-db`",
                searched: folder.map_or_else(
                    || searched_folders(None),
                    |folder| folder.display().to_string(),
                ),
                install: install_command(
                    &path,
                    &MARIADB_INSTALLERS,
                    "your package manager, or https://mariadb.org/download",
                ),
            }),
        }
    }
}

impl Programs {
    pub(super) fn flavour(&self) -> MysqlFlavour {
        match self {
            Self::MySql(_) => MysqlFlavour::MySql,
            Self::MariaDb(_) => MysqlFlavour::MariaDb,
        }
    }

    /// How the programs are called for the server in `folder`. What makes the data writes no
    /// log of statements: the superuser's password is among them.
    pub(super) fn commands(&self, folder: &Path) -> Program {
        let defaults = format!("--defaults-file={}", folder.join("my.cnf").display());
        let statements = folder.join("init.sql").display().to_string();
        let (initialise, server) = match self {
            Self::MySql(binaries) => (
                vec![
                    binaries.mysqld.display().to_string(),
                    defaults.clone(),
                    "--initialize-insecure".to_owned(),
                    format!("--init-file={statements}"),
                ],
                &binaries.mysqld,
            ),
            Self::MariaDb(binaries) => (
                vec![
                    binaries.install_db.display().to_string(),
                    defaults.clone(),
                    "--auth-root-authentication-method=normal".to_owned(),
                    "--skip-test-db".to_owned(),
                    "--skip-name-resolve".to_owned(),
                    format!("--extra-file={statements}"),
                ],
                &binaries.mariadbd,
            ),
        };
        let silent = ["--skip-log-bin", "--general-log=0"].map(str::to_owned);
        Program {
            initialise: [initialise.as_slice(), &silent].concat(),
            serve: vec![server.display().to_string(), defaults],
            // An orderly shutdown waits for sessions and writes out what the next start
            // would repeat as well.
            end_by: "KILL",
        }
    }
}

fn usual_folders(path: &OsStr) -> impl Iterator<Item = PathBuf> {
    let usual = USUAL_PLACES.iter().map(PathBuf::from);
    env::split_paths(path)
        .chain(usual)
        .collect::<Vec<_>>()
        .into_iter()
}

fn searched_folders(cache: Option<&Path>) -> String {
    let usual = USUAL_PLACES.join(", ");
    match cache {
        Some(cache) => format!("{}, PATH, {usual}", cache.display()),
        None => format!("PATH, {usual}"),
    }
}
