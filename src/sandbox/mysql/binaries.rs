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
#[derive(Debug, Clone, PartialEq, Eq)]
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
        let version = Command::new(&mysqld)
            .args(["--no-defaults", "--version"])
            .output()
            .ok()?;
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        let is_mysql = !version.is_empty() && !version.contains("MariaDB");
        is_mysql.then_some(Self { mysqld, base: None })
    }
}

impl MariadbBinaries {
    /// Looks in `folder` and those beside it when one is named, since distributions keep the
    /// two programs apart; else in `PATH` and the usual places. The plugins are those of `cache`, where `tests/install-servers.sh` has fetched some.
    ///
    /// # Errors
    /// [`SandboxError::NoMysql`], with the command that installs one.
    pub fn find(folder: Option<&Path>, cache: Option<&Path>) -> Result<Self, SandboxError> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = folder.map_or_else(
            || usual_folders(&path).collect::<Vec<_>>(),
            |folder| {
                let beside = ["../bin", "../sbin", "../scripts"].map(|name| folder.join(name));
                [&[folder.to_owned()], beside.as_slice()].concat()
            },
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

    /// How the programs are called for the server in `folder`, whose data is new or a copy of
    /// `data`. What makes the data writes no log of statements: the superuser's password is
    /// among them.
    pub(super) fn commands(&self, folder: &Path, data: Option<&Path>) -> Program {
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
        let copy = |data: &Path| -> Vec<String> {
            let copied = folder.join("data");
            ["cp".to_owned(), "-R".to_owned()]
                .into_iter()
                .chain([data, &copied].map(|path| path.display().to_string()))
                .collect()
        };
        let silent = ["--skip-log-bin", "--general-log=0"].map(str::to_owned);
        Program {
            initialise: data.map_or_else(|| [initialise.as_slice(), &silent].concat(), copy),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn write_program(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().expect("has one")).expect("makes a folder");
        fs::write(path, text).expect("writes");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permits");
    }

    #[test]
    fn a_fetched_tree_is_found_with_its_base() {
        let cache = tempfile::tempdir().expect("makes a folder");
        let root = cache.path().canonicalize().expect("exists").join("mysql");
        write_program(&root.join("bin/mysqld"), "");
        fs::create_dir_all(root.join("usr/share/mysql")).expect("makes a folder");
        let found = MysqlBinaries::find(None, Some(cache.path())).expect("finds");
        assert_eq!(found.mysqld, root.join("bin/mysqld"));
        assert_eq!(found.base, Some(root.join("usr")));
    }

    #[test]
    fn mariadb_under_the_name_of_mysql_is_not_taken_for_it() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let mysqld = folder.path().join("mysqld");
        write_program(&mysqld, "#!/bin/sh\necho mysqld Ver 10.11.6-MariaDB\n");
        let error = MysqlBinaries::find(Some(folder.path()), None).expect_err("is refused");
        let text = error.to_string();
        assert!(text.contains("no MySQL server was found"), "{text}");
        assert!(
            text.contains(&folder.path().display().to_string()),
            "{text}"
        );
        assert!(text.contains("install it with"), "{text}");

        write_program(&mysqld, "#!/bin/sh\necho mysqld Ver 9.7.4 for Linux\n");
        let found = MysqlBinaries::find(Some(folder.path()), None).expect("finds");
        assert_eq!(found.base, None);
    }

    #[test]
    fn the_programs_of_mariadb_may_lie_in_two_folders_and_its_plugins_in_a_third() {
        let root = tempfile::tempdir().expect("makes a folder");
        let sbin = root.path().join("sbin");
        write_program(&sbin.join("mariadbd"), "");
        let error = MariadbBinaries::find(Some(&sbin), None).expect_err("one is missing");
        assert!(error.to_string().contains("mariadb-install-db"), "{error}");

        write_program(&root.path().join("bin/mariadb-install-db"), "");
        let found = MariadbBinaries::find(Some(&sbin), Some(root.path())).expect("finds");
        assert_eq!(found.plugins, None);
        let plugins = root.path().join("mariadb-plugins");
        write_program(&plugins.join("auth_ed25519.so"), "");
        let found = MariadbBinaries::find(Some(&sbin), Some(root.path())).expect("finds");
        assert_eq!(found.plugins, Some(plugins));
    }
}
