//! The file of a sink: looked at, written beside itself, moved into place, read back.
//!
//! Between the last look and the move there are no waits, but there is no way to move a file
//! under a condition on its text: who writes into it in that instant is overwritten.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fchmod, fstatat};
use nix::unistd::{UnlinkatFlags, fchown, fsync, geteuid, unlinkat};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::SinkFault;
use super::folder::{Owner, Place, kind_of, open_folder};
use crate::secret::Secret;

/// Longer than anything that is published.
const LONGEST: u64 = 20_000_000;

/// What stands at a sink's path.
#[derive(PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Absent,
    /// A plain file of the right owner that nobody else can read.
    File(Zeroizing<Vec<u8>>),
}

/// What may be replaced.
#[derive(Clone, Copy)]
pub enum Expected<'a> {
    /// Only what a look has found.
    AsFound(&'a Found),
    /// Whatever is there, a folder apart: a person has said so.
    Anything,
}

/// Looks at what stands there.
///
/// # Errors
/// Nothing that could be replaced, or nothing that could be read.
pub fn look(file: &Path, owner: Option<&str>) -> Result<Found, SinkFault> {
    let owner = Owner::of(owner)?;
    look_in(&open_folder(file, owner)?, file, owner)
}

/// Gives the file the text, with mode 0600 and the owner, and reads it back.
///
/// # Errors
/// The file stands as it was, unless it could not be read back; the message says so.
pub fn write(
    file: &Path,
    owner: Option<&str>,
    text: &Secret,
    expected: Expected<'_>,
) -> Result<(), SinkFault> {
    let owner = Owner::of(owner)?;
    let place = open_folder(file, owner)?;
    check_expected(&place, file, owner, expected)?;
    let draft = draft_name(&place.name);
    let written = write_draft(&place, &draft, owner, text)
        .and_then(|()| check_expected(&place, file, owner, expected))
        .and_then(|()| {
            let folder = &place.folder;
            renameat(folder, draft.as_os_str(), folder, place.name.as_os_str())
                .map_err(|errno| SinkFault::system(file, errno))
        });
    if let Err(fault) = written {
        let _ = unlinkat(&place.folder, draft.as_os_str(), UnlinkatFlags::NoRemoveDir);
        return Err(fault);
    }
    fsync(&place.folder).map_err(|errno| SinkFault::system(&place.folder_path, errno))?;
    let is_same = match look_in(&place, file, owner)? {
        Found::File(bytes) => bytes.as_slice() == text.expose().as_bytes(),
        Found::Absent => false,
    };
    if is_same {
        return Ok(());
    }
    Err(SinkFault::foreign(
        format!(
            "{} was changed by somebody else right after it was written",
            file.display()
        ),
        "find out who writes this file as well",
    ))
}

fn check_expected(
    place: &Place,
    file: &Path,
    owner: Owner,
    expected: Expected<'_>,
) -> Result<(), SinkFault> {
    let Expected::AsFound(expected) = expected else {
        // The move itself refuses a folder; this one has words.
        return match fstatat(
            &place.folder,
            place.name.as_os_str(),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        ) {
            Ok(found) if kind_of(&found) == SFlag::S_IFDIR => Err(is_folder(file)),
            _ => Ok(()),
        };
    };
    if look_in(place, file, owner)? == *expected {
        return Ok(());
    }
    Err(SinkFault::foreign(
        format!(
            "{} was changed by somebody else while it was being written; it stays as it is",
            file.display()
        ),
        "find out who writes this file as well",
    ))
}

fn look_in(place: &Place, file: &Path, owner: Owner) -> Result<Found, SinkFault> {
    let name = place.name.as_os_str();
    let shown = file.display();
    let found = match fstatat(&place.folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(found) => found,
        Err(Errno::ENOENT) => return Ok(Found::Absent),
        Err(errno) => return Err(SinkFault::system(file, errno)),
    };
    match kind_of(&found) {
        SFlag::S_IFREG => {}
        SFlag::S_IFDIR => return Err(is_folder(file)),
        SFlag::S_IFLNK => {
            return Err(SinkFault::foreign(
                format!("{shown} is a symbolic link, which leads to somebody else's file"),
                "name the file that is really meant, or remove the link",
            ));
        }
        _ => {
            return Err(SinkFault::not_written(
                format!("{shown} is a pipe, a socket or a device, and no file"),
                "name another file",
            ));
        }
    }
    if found.st_uid != owner.uid.as_raw() {
        return Err(SinkFault::foreign(
            format!(
                "{shown} belongs to another user (uid {}, not {})",
                found.st_uid, owner.uid
            ),
            format!(
                "chown {} {shown}, or say in the settings whose it is (`owner`)",
                owner.uid
            ),
        ));
    }
    if found.st_mode & 0o077 != 0 {
        return Err(SinkFault::not_written(
            format!(
                "others can read {shown} (mode {:04o}): somebody has changed that since it was \
                 written, or it was made by something else",
                found.st_mode & 0o7777
            ),
            format!("chmod 0600 {shown}"),
        ));
    }
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let opened = openat(&place.folder, name, flags, Mode::empty())
        .map_err(|errno| SinkFault::system(file, errno))?;
    read(file, File::from(opened))
}

fn read(file: &Path, mut opened: File) -> Result<Found, SinkFault> {
    let failed = |error: std::io::Error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
        SinkFault::system(file, errno)
    };
    let metadata = opened.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return Err(SinkFault::foreign(
            format!("{} is nothing that was published", file.display()),
            "name another file",
        ));
    }
    let length = usize::try_from(metadata.len()).unwrap_or(0);
    // Read into one piece of memory: one that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.saturating_add(1)));
    let mut limited = Read::by_ref(&mut opened).take(LONGEST);
    limited.read_to_end(&mut bytes).map_err(failed)?;
    Ok(Found::File(bytes))
}

fn is_folder(file: &Path) -> SinkFault {
    SinkFault::not_written(
        format!("{} is a folder", file.display()),
        "move the folder away, or name another file",
    )
}

/// The same for each file, so that what a killed run left is found by the next one.
fn draft_name(name: &OsStr) -> OsString {
    let digest = Sha256::digest(name.as_encoded_bytes());
    OsString::from(format!(".handover-{}", hex::encode(&digest[..8])))
}

fn write_draft(place: &Place, draft: &OsStr, owner: Owner, text: &Secret) -> Result<(), SinkFault> {
    let path: PathBuf = place.folder_path.join(draft);
    let failed = |errno: Errno| SinkFault::system(&path, errno);
    remove_left_draft(place, draft, owner)?;
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let opened = openat(&place.folder, draft, flags, mode)
        .map_err(|errno| SinkFault::system(&place.folder_path, errno))?;
    let mut opened = File::from(opened);
    fchmod(&opened, mode).map_err(failed)?;
    let io = |error: std::io::Error| failed(Errno::from_raw(error.raw_os_error().unwrap_or(0)));
    let ours = opened.metadata().map_err(io)?.uid();
    if ours != owner.uid.as_raw() {
        fchown(&opened, Some(owner.uid), owner.gid).map_err(|errno| match errno {
            Errno::EPERM => SinkFault::not_written(
                format!(
                    "{} cannot be given to uid {}: only root gives files away",
                    path.display(),
                    owner.uid
                ),
                "run as root, run as that user, or leave `owner` out",
            ),
            errno => failed(errno),
        })?;
    }
    opened.write_all(text.expose().as_bytes()).map_err(io)?;
    opened.sync_all().map_err(io)
}

/// A run that was killed may have left its draft; anything else of that name stays.
fn remove_left_draft(place: &Place, draft: &OsStr, owner: Owner) -> Result<(), SinkFault> {
    let path = place.folder_path.join(draft);
    let found = match fstatat(&place.folder, draft, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(found) => found,
        Err(Errno::ENOENT) => return Ok(()),
        Err(errno) => return Err(SinkFault::system(&path, errno)),
    };
    let is_someones = found.st_uid == owner.uid.as_raw() || found.st_uid == geteuid().as_raw();
    if kind_of(&found) != SFlag::S_IFREG || !is_someones {
        return Err(SinkFault::not_written(
            format!("{} is in the way, and is no draft of ours", path.display()),
            "find out what it is, and remove it",
        ));
    }
    unlinkat(&place.folder, draft, UnlinkatFlags::NoRemoveDir)
        .map_err(|errno| SinkFault::system(&path, errno))
}
