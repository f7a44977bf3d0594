//! New data that is made once in a program and copied for each further server: a copy takes
//! a tenth of the work. What tells two servers apart is not among it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::super::folder::write_files;
use super::super::lifecycle::{Prepared, prepare};
use super::super::login::Superuser;
use super::binaries::Programs;
use super::{Authority, PARENT, SandboxError, configuration, new_superuser};

/// A data folder in which no server ever ran. Its watchdog removes it with the program.
pub(super) struct Template {
    programs: Programs,
    /// Known to the data, and therefore the superuser of every server that is made of it.
    pub(super) superuser: Superuser,
    prepared: Prepared,
}

impl Template {
    /// The template for servers of `programs`, made at the first need. It lies beside nobody's
    /// server: it outlives the folders in which tests look whether all is gone.
    pub(super) fn of(programs: &Programs) -> Result<Arc<Self>, SandboxError> {
        static MADE: Mutex<Vec<Arc<Template>>> = Mutex::new(Vec::new());
        // Held while one is made: who needs the same one would only make it again.
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |template: &&Arc<Self>| template.programs == *programs;
        if let Some(template) = made.iter().find(fits) {
            return Ok(Arc::clone(template));
        }
        let template = Arc::new(Self::make(programs.clone())?);
        made.push(Arc::clone(&template));
        Ok(template)
    }

    fn make(programs: Programs) -> Result<Self, SandboxError> {
        let superuser = new_superuser()?;
        let mut prepared = prepare(Path::new(PARENT), |folder| programs.commands(folder, None))?;
        let authority = Authority::new("handover sandbox template")?;
        initialise(&mut prepared, &programs, &authority, &superuser, 1)?;
        // A server without this file gives itself a new identity.
        match fs::remove_file(prepared.folder.join("data/auto.cnf")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
        .map_err(SandboxError::io("remove the identity of the server's data"))?;
        Ok(Self {
            programs,
            superuser,
            prepared,
        })
    }

    /// What is to be copied.
    pub(super) fn data(&self) -> PathBuf {
        self.prepared.folder.join("data")
    }
}

/// Writes the server's files and makes its data, with the superuser in it.
pub(super) fn initialise(
    prepared: &mut Prepared,
    programs: &Programs,
    authority: &Authority,
    superuser: &Superuser,
    number: u32,
) -> Result<(), SandboxError> {
    let settings = configuration::settings(programs, &prepared.folder, number);
    let first_statements = configuration::first_statements(superuser);
    write_files(
        &prepared.folder,
        prepared.user.as_ref(),
        authority,
        &[("my.cnf", &settings), ("init.sql", &first_statements)],
    )?;
    prepared.initialise()?;
    fs::remove_file(prepared.folder.join("init.sql"))
        .map_err(SandboxError::io("remove the file of the first statements"))
}
