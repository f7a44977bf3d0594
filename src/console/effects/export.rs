//! The report of a rotation in a file: private, new, and named after the rotation.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::model::RotationId;
use crate::operations::{Exit, Failure, Workspace, report_rotation};
use crate::untrusted::Untrusted;

/// Reports of one rotation in one folder, before something must be wrong.
const MOST: u32 = 99;

/// Writes the report to the current folder; answers where it is, in words.
pub(super) async fn export(workspace: &Workspace, rotation: RotationId) -> Result<String, Failure> {
    let report = report_rotation(workspace, rotation).await?;
    let page = report.page().markdown();
    // A folder may be on a disk that hangs.
    let written = tokio::task::spawn_blocking(move || {
        let folder = std::env::current_dir()?;
        let name = write(&folder, rotation, &page)?;
        Ok((folder, name))
    });
    let written = written.await.map_err(io::Error::other);
    let (folder, name) = written
        .and_then(|written| written)
        .map_err(|error| cannot_write(rotation, &error))?;
    let folder = folder.display().to_string();
    Ok(format!(
        "the report of {rotation} is {name} in {}",
        Untrusted::new(&folder)
    ))
}

fn cannot_write(rotation: RotationId, error: &io::Error) -> Failure {
    Failure::new(
        "cannot-write",
        Exit::Error,
        format!("the report of {rotation} was not written to the current folder: {error}"),
        format!("handover report {rotation} --format markdown > FILE"),
    )
}

/// Writes a new file that nobody else can read; one that exists stays as it is, and the new one
/// gets a number. Answers its name.
fn write(folder: &Path, rotation: RotationId, page: &str) -> io::Result<String> {
    for number in 1..=MOST {
        let name = match number {
            1 => format!("handover-{rotation}.md"),
            number => format!("handover-{rotation}-{number}.md"),
        };
        let file = folder.join(&name);
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file);
        let mut out = match opened {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            opened => opened?,
        };
        let written = out.write_all(page.as_bytes()).and_then(|()| out.sync_all());
        if written.is_err() {
            // Half a report would be taken for a whole one.
            let _ = fs::remove_file(&file);
        }
        return written.map(|()| name);
    }
    Err(io::Error::new(
        ErrorKind::AlreadyExists,
        format!("there are {MOST} reports of it already"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const ROTATION: RotationId = RotationId(142);

    #[test]
    fn a_report_is_private_and_overwrites_nothing() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = |name: &str| folder.path().join(name);
        let name = write(folder.path(), ROTATION, "first").expect("writes");
        assert_eq!(name, "handover-R-0142.md");
        let mode = fs::metadata(path(&name)).expect("is there").permissions();
        assert_eq!(mode.mode() & 0o7777, 0o600);
        // A link that leads nowhere is not followed either.
        symlink(path("elsewhere"), path("handover-R-0142-2.md")).expect("links");
        let name = write(folder.path(), ROTATION, "second").expect("writes");
        assert_eq!(name, "handover-R-0142-3.md");
        let first = fs::read_to_string(path("handover-R-0142.md")).expect("reads");
        assert_eq!(first, "first", "it was not overwritten");
        assert!(!path("elsewhere").exists());
        for number in 4..=MOST {
            let name = format!("handover-R-0142-{number}.md");
            fs::write(path(&name), "x").expect("writes");
        }
        let error = write(folder.path(), ROTATION, "more").expect_err("too many");
        let failure = cannot_write(ROTATION, &error);
        assert!(
            failure.message.contains("99 reports"),
            "{}",
            failure.message
        );
    }

    #[test]
    fn a_folder_that_takes_no_file_is_told_with_the_next_step() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let gone = folder.path().join("gone");
        let error = write(&gone, ROTATION, "text").expect_err("there is no folder");
        let failure = cannot_write(ROTATION, &error);
        assert!(
            failure.message.contains("No such file"),
            "{}",
            failure.message
        );
        let remedy = "handover report R-0142 --format markdown > FILE";
        assert_eq!(failure.remedy, remedy);
    }
}
