//! The private socket through which the driver reaches our line.
//!
//! A folder of mode 0700 that is made for one connection keeps other users out, exactly one
//! connection is accepted, and it must come from this very process. The folder goes as soon
//! as the driver is in, or when nobody wants it any more.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use crate::process::random_bytes;

/// Waits for the driver.
pub(super) struct Doorway {
    listener: UnixListener,
    path: String,
    /// Removes what is on the disk.
    _folder: Folder,
}

impl Doorway {
    /// Opens a doorway in the first place that takes one: `XDG_RUNTIME_DIR`, which is in
    /// memory and goes with the login, the folder for temporary files, `/tmp`. A path may be
    /// too long for a socket, or belong to somebody else.
    pub(super) fn open() -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty());
        let places = runtime
            .map(PathBuf::from)
            .into_iter()
            .chain([std::env::temp_dir(), PathBuf::from("/tmp")]);
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for place in places {
            match Self::open_in(&place) {
                Ok(doorway) => return Ok(doorway),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn open_in(place: &Path) -> io::Result<Self> {
        let name = format!("handover-{}", hex::encode(random_bytes::<16>()));
        let folder = Folder::create(place.join(name))?;
        let socket = folder.socket();
        let path = socket
            .to_str()
            .ok_or(io::ErrorKind::InvalidFilename)?
            .to_owned();
        let listener = UnixListener::bind(&socket)?;
        Ok(Self {
            listener,
            path,
            _folder: folder,
        })
    }

    /// Where the driver knocks.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Lets the driver in, and nobody else ever.
    pub(super) async fn admit(self) -> io::Result<UnixStream> {
        let (stream, _) = self.listener.accept().await?;
        let peer = stream.peer_cred()?;
        let own_process = i32::try_from(std::process::id()).ok();
        // Not every system tells the process; there the folder's mode is what remains.
        let ours = peer.uid() == nix::unistd::geteuid().as_raw()
            && (peer.pid().is_none() || peer.pid() == own_process);
        if ours {
            Ok(stream)
        } else {
            Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "another process came first",
            ))
        }
    }
}

/// A folder with one socket, removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn create(path: PathBuf) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    fn socket(&self) -> PathBuf {
        self.0.join("line")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is an empty folder that nobody else may enter.
        let _ = fs::remove_file(self.socket());
        let _ = fs::remove_dir(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};

    fn folder_of(doorway: &Doorway) -> PathBuf {
        let folder = Path::new(doorway.path()).parent().expect("a folder");
        folder.to_owned()
    }

    #[tokio::test]
    async fn the_folder_is_private_and_goes_with_the_first_guest() {
        let doorway = Doorway::open().expect("opens");
        let folder = folder_of(&doorway);
        let mode = fs::metadata(&folder)
            .expect("is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o700);
        let path = doorway.path().to_owned();
        let (guest, admitted) = tokio::join!(UnixStream::connect(&path), doorway.admit());
        guest.expect("connects");
        admitted.expect("is admitted");
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn the_folder_goes_when_nobody_comes() {
        let doorway = Doorway::open().expect("opens");
        let folder = folder_of(&doorway);
        drop(doorway);
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn a_path_too_long_for_a_socket_leaves_nothing_behind() {
        let place = tempfile::tempdir().expect("a folder");
        let long = place.path().join("a".repeat(120));
        fs::create_dir(&long).expect("creates");
        assert!(Doorway::open_in(&long).is_err());
        assert_eq!(fs::read_dir(&long).expect("reads").count(), 0);
    }

    /// The stranger is this same test in a process of its own, as the same user, so that
    /// the folder does not keep it out.
    #[tokio::test]
    async fn another_process_is_not_let_in() {
        const PATH: &str = "HANDOVER_TEST_DOORWAY";
        const TEST: &str = "database::mysql::doorway::tests::another_process_is_not_let_in";
        if let Some(path) = std::env::var_os(PATH) {
            UnixStream::connect(path).await.expect("connects");
            return;
        }
        let doorway = Doorway::open().expect("opens");
        let mut stranger = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", TEST])
            .env(PATH, doorway.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("this test runs");
        let error = doorway.admit().await.expect_err("a stranger");
        assert!(stranger.wait().expect("ends").success());
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
