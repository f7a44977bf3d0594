//! Where a PostgreSQL server is installed.

use std::cmp::Reverse;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::SandboxError;

/// The usual places outside `PATH`, below the root: a folder, what its versions' names
/// begin with, and where the programs are below such a version.
const USUAL_PLACES: [(&str, &str, &str); 4] = [
    ("usr/lib/postgresql", "", "bin"),
    ("usr", "pgsql-", "bin"),
    ("opt/homebrew/opt", "postgresql@", "bin"),
    ("usr/local/opt", "postgresql@", "bin"),
];

/// Package managers in the order in which they are asked for, with the one command.
const INSTALLERS: [(&str, &str); 3] = [
    ("apt-get", "apt-get install -y postgresql"),
    ("dnf", "dnf install -y postgresql-server postgresql-contrib"),
    ("brew", "brew install postgresql@17"),
];

/// Where none of them is here.
const OTHERWISE: &str = "your package manager, or https://www.postgresql.org/download";

/// The two programs that a sandbox needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresBinaries {
    /// The server.
    pub postgres: PathBuf,
    /// The program that makes a data folder.
    pub initdb: PathBuf,
}

impl PostgresBinaries {
    /// Looks in `folder` alone when one is named, else in `PATH`, then in the usual
    /// folders of Debian, Red Hat and Homebrew, the newest version first.
    ///
    /// # Errors
    /// [`SandboxError::NoPostgres`], with the command that installs one.
    pub fn find(folder: Option<&Path>) -> Result<Self, SandboxError> {
        let path = env::var_os("PATH").unwrap_or_default();
        match folder {
            Some(folder) => Self::in_folder(folder).ok_or_else(|| SandboxError::NoPostgres {
                searched: folder.display().to_string(),
                install: install_command(&path, &INSTALLERS, OTHERWISE),
            }),
            None => Self::search(&path, Path::new("/")),
        }
    }

    /// Looks in the folders of `path`, then in the usual folders below `root`, which is
    /// `/` unless a test has a machine of its own.
    ///
    /// # Errors
    /// [`SandboxError::NoPostgres`], with the command that installs one.
    pub fn search(path: &OsStr, root: &Path) -> Result<Self, SandboxError> {
        env::split_paths(path)
            .chain(USUAL_PLACES.iter().flat_map(|(folder, prefix, below)| {
                versions_newest_first(&root.join(folder), prefix, below)
            }))
            .chain([root.join("usr/bin")])
            .find_map(|folder| Self::in_folder(&folder))
            .ok_or_else(|| SandboxError::NoPostgres {
                searched: "PATH, /usr/lib/postgresql, /usr/pgsql-*, /usr/bin or Homebrew's folders"
                    .to_owned(),
                install: install_command(path, &INSTALLERS, OTHERWISE),
            })
    }

    /// Links are followed to their end: the server finds its share folder from where it
    /// really is, and the real folder holds `initdb` even when only one program is linked.
    fn in_folder(folder: &Path) -> Option<Self> {
        let postgres = folder.join("postgres").canonicalize().ok()?;
        let initdb = postgres.parent()?.join("initdb");
        (postgres.is_file() && initdb.is_file()).then_some(Self { postgres, initdb })
    }
}

/// `root/<prefix><version>/below` for every version there is, the newest first.
fn versions_newest_first(root: &Path, prefix: &str, below: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root) else {
        return Vec::new();
    };
    let mut found: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?;
            let major = version.split('.').next()?.parse().ok()?;
            Some((major, entry.path().join(below)))
        })
        .collect();
    found.sort_by_key(|(major, _)| Reverse(*major));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// The command of the first of `installers` whose package manager is here, else `otherwise`.
pub(super) fn install_command(
    path: &OsStr,
    installers: &[(&str, &'static str)],
    otherwise: &'static str,
) -> &'static str {
    installers
        .iter()
        .find(|(manager, _)| env::split_paths(path).any(|folder| folder.join(manager).is_file()))
        .map_or(otherwise, |(_, command)| command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_newest_version_comes_first_by_number_and_not_by_text() {
        let root = tempfile::tempdir().expect("makes a folder");
        for name in ["9.6", "15", "10", "common"] {
            fs::create_dir(root.path().join(name)).expect("makes a folder");
        }
        let found = versions_newest_first(root.path(), "", "bin");
        let expected = ["15", "10", "9.6"].map(|name| root.path().join(name).join("bin"));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_link_is_followed_to_the_folder_of_the_real_program() {
        let root = tempfile::tempdir().expect("makes a folder");
        let real = root.path().join("real");
        let linked = root.path().join("linked");
        fs::create_dir(&real).expect("makes a folder");
        fs::create_dir(&linked).expect("makes a folder");
        fs::write(real.join("postgres"), "").expect("writes");
        fs::write(real.join("initdb"), "").expect("writes");
        symlink(real.join("postgres"), linked.join("postgres")).expect("links");
        let found = PostgresBinaries::find(Some(&linked)).expect("finds");
        let real = real.canonicalize().expect("exists");
        assert_eq!(found.initdb, real.join("initdb"));
    }

    #[test]
    fn a_named_folder_without_the_programs_is_refused_and_not_passed_over() {
        let root = tempfile::tempdir().expect("makes a folder");
        let error = PostgresBinaries::find(Some(root.path())).expect_err("is refused");
        let text = error.to_string();
        assert!(text.contains(&root.path().display().to_string()), "{text}");
        assert!(text.contains("install"), "{text}");
    }

    #[test]
    fn a_machine_without_a_server_is_told_the_one_command() {
        let root = tempfile::tempdir().expect("makes a folder");
        fs::write(root.path().join("apt-get"), "").expect("writes");
        let error = PostgresBinaries::search(root.path().as_os_str(), root.path());
        let text = error.expect_err("there is none").to_string();
        assert!(text.contains("`apt-get install -y postgresql`"), "{text}");
    }

    #[test]
    fn the_usual_folders_are_searched_after_the_path() {
        let root = tempfile::tempdir().expect("makes a folder");
        for place in ["usr/lib/postgresql/15/bin", "usr/pgsql-17/bin"] {
            let folder = root.path().join(place);
            fs::create_dir_all(&folder).expect("makes a folder");
            for program in ["postgres", "initdb"] {
                fs::write(folder.join(program), "").expect("writes");
            }
            let found = PostgresBinaries::search(OsStr::new(""), root.path()).expect("finds");
            assert!(found.postgres.is_file(), "{}", found.postgres.display());
        }
        let found = PostgresBinaries::search(
            root.path().join("usr/pgsql-17/bin").as_os_str(),
            root.path(),
        );
        let postgres = found.expect("finds").postgres;
        assert!(
            postgres.to_string_lossy().contains("pgsql-17"),
            "{}",
            postgres.display()
        );
    }

    #[test]
    fn the_install_command_is_the_one_of_the_package_manager_that_is_here() {
        let root = tempfile::tempdir().expect("makes a folder");
        assert!(
            install_command(root.path().as_os_str(), &INSTALLERS, OTHERWISE)
                .contains("postgresql.org")
        );
        fs::write(root.path().join("dnf"), "").expect("writes");
        assert!(
            install_command(root.path().as_os_str(), &INSTALLERS, OTHERWISE)
                .starts_with("dnf install")
        );
    }
}
