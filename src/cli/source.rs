//! Reads the files that the command line names.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::operations::{Exit, Failure, SourceFile};

/// Reads a file, or standard input for `-`.
pub(super) fn read(path: &Path) -> Result<SourceFile, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(
            "cannot-read",
            Exit::Error,
            format!("{}: {error}", path.display()),
            "name a file that exists and can be read",
        )
    };
    let mut bytes = Zeroizing::new(Vec::new());
    let (name, folder) = if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map_err(failed)?;
        ("standard input".to_owned(), PathBuf::from("."))
    } else {
        bytes = Zeroizing::new(fs::read(path).map_err(failed)?);
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        (path.display().to_string(), folder)
    };
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        Failure::new(
            "not-utf-8",
            Exit::Error,
            format!("{name} is not UTF-8 (byte {})", error.valid_up_to()),
            "save it as UTF-8",
        )
    })?;
    Ok(SourceFile {
        name,
        text: Zeroizing::new(text.to_owned()),
        folder,
    })
}
