//! The folder of a sink: opened step by step from the root, each step looked at.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::{Gid, Uid, User, geteuid};

use super::SinkFault;

/// More links than any honest path has.
const MOST_LINKS: u32 = 40;

/// Whose a sink's file is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) uid: Uid,
    /// The group that comes with a named owner.
    pub(super) gid: Option<Gid>,
}

impl Owner {
    /// By name or number; without one, this process's own user.
    pub(super) fn of(name: Option<&str>) -> Result<Self, SinkFault> {
        let Some(name) = name else {
            return Ok(Self {
                uid: geteuid(),
                gid: None,
            });
        };
        let found = match name.parse::<u32>() {
            Ok(number) => User::from_uid(Uid::from_raw(number)),
            Err(_) => User::from_name(name),
        };
        match found {
            Ok(Some(user)) => Ok(Self {
                uid: user.uid,
                gid: Some(user.gid),
            }),
            Ok(None) | Err(_) => Err(SinkFault::not_written(
                format!("there is no user {name} on this host, who is to own the file"),
                "name a user of this host as `owner`, or leave it out",
            )),
        }
    }
}

/// An open folder, and the name of the file in it.
pub(super) struct Place {
    pub(super) folder: OwnedFd,
    pub(super) folder_path: PathBuf,
    pub(super) name: OsString,
}

/// Opens the folder of `file`. Nobody but root, this user and the owner-to-be may be able to
/// change what the way there leads to.
pub(super) fn open_folder(file: &Path, owner: Owner) -> Result<Place, SinkFault> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(SinkFault::not_written(
            format!("{} names no file", file.display()),
            "name a file in a folder",
        ));
    };
    let mut way: VecDeque<OsString> = steps(folder).collect();
    let mut at = PathBuf::from("/");
    let mut opened = open_root()?;
    let mut links = 0;
    check_folder(&at, &stat_of(&at, fstat(&opened))?, owner, way.is_empty())?;
    while let Some(step) = way.pop_front() {
        let here = at.join(&step);
        let found = fstatat(&opened, step.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
        let found = stat_of(&here, found)?;
        if kind_of(&found) == SFlag::S_IFLNK {
            links += 1;
            check_link(&here, &found, links)?;
            let target = readlinkat(&opened, step.as_os_str());
            let target = PathBuf::from(target.map_err(|errno| SinkFault::system(&here, errno))?);
            for step in steps(&target).collect::<Vec<_>>().into_iter().rev() {
                way.push_front(step);
            }
            if target.is_absolute() {
                at = PathBuf::from("/");
                opened = open_root()?;
            }
            continue;
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        opened = openat(&opened, step.as_os_str(), flags, Mode::empty())
            .map_err(|errno| SinkFault::system(&here, errno))?;
        at = match step == OsStr::new("..") {
            true => at.parent().map_or_else(|| at.clone(), Path::to_owned),
            false => here,
        };
        check_folder(&at, &stat_of(&at, fstat(&opened))?, owner, way.is_empty())?;
    }
    Ok(Place {
        folder: opened,
        folder_path: at,
        name: name.to_owned(),
    })
}

fn open_root() -> Result<OwnedFd, SinkFault> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open("/", flags, Mode::empty()).map_err(|errno| SinkFault::system(Path::new("/"), errno))
}

fn steps(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(step) => Some(step.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

fn stat_of(place: &Path, found: Result<FileStat, Errno>) -> Result<FileStat, SinkFault> {
    found.map_err(|errno| SinkFault::system(place, errno))
}

/// What kind of thing it is.
pub(super) fn kind_of(found: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT
}

fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

fn check_link(place: &Path, found: &FileStat, links: u32) -> Result<(), SinkFault> {
    if is_trusted(found.st_uid) && links <= MOST_LINKS {
        return Ok(());
    }
    let shown = place.display();
    Err(SinkFault::not_written(
        format!(
            "{shown} is a symbolic link of another user (uid {}), who can lead the file elsewhere",
            found.st_uid
        ),
        "name the file by its real path",
    ))
}

fn check_folder(
    place: &Path,
    found: &FileStat,
    owner: Owner,
    is_last: bool,
) -> Result<(), SinkFault> {
    let shown = place.display();
    if !is_trusted(found.st_uid) && found.st_uid != owner.uid.as_raw() {
        return Err(SinkFault::not_written(
            format!(
                "the folder {shown} belongs to another user (uid {}), who can put another file in \
                 its place",
                found.st_uid
            ),
            "name a file in a folder of the owner's, or of root's",
        ));
    }
    // In a folder with the sticky bit nobody moves what belongs to another user.
    let is_kept = found.st_mode & 0o1000 != 0 && !is_last;
    if found.st_mode & 0o022 != 0 && !is_kept {
        return Err(SinkFault::not_written(
            format!(
                "others can write into the folder {shown} (mode {:04o}), and put another file in \
                 its place",
                found.st_mode & 0o7777
            ),
            format!("chmod go-w {shown}, or name a file in another folder"),
        ));
    }
    Ok(())
}
