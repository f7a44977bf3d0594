//! From a row of the store to a parsed environment, and the loader that evaluation
//! is given for references to other environments.

use rusqlite::Transaction;

use super::{Exit, Failure, SourceOfTruth};
use crate::document::{Diagnostic, Document, PropertyPath, has_errors, nearest};
use crate::environment::{Environment, Loaded, Loader, RotatedSecret, Unseal};
use crate::model::EnvironmentName;
use crate::model::settings::Settings;
use crate::secret::{DataKey, MasterKey, SealError, Secret, unseal};
use crate::store::{EnvironmentRow, RevisionRow, StoreError, environments, keys, revisions};

/// The newest revision of an environment, parsed.
pub(super) struct Head {
    pub(super) row: EnvironmentRow,
    pub(super) revision: RevisionRow,
    pub(super) document: Document,
    pub(super) environment: Environment,
    pub(super) settings: Settings,
}

impl Head {
    /// Finds and parses it.
    pub(super) fn load(
        transaction: &Transaction<'_>,
        name: &EnvironmentName,
    ) -> Result<Self, Failure> {
        let row = environments::find(transaction, name)?
            .ok_or_else(|| no_such_environment(transaction, name))?;
        let revision = revisions::get(transaction, &row.id, row.head)?;
        let source = source_name(name, row.head);
        let document = load_document(&source, &revision.document)?;
        let (environment, _) = parse_environment(&document)?;
        let settings = parse_settings(&format!("{source} (settings)"), &revision.settings)?;
        Ok(Self {
            row,
            revision,
            document,
            environment,
            settings,
        })
    }

    /// The text that diagnostics of this environment point into.
    pub(super) fn source(&self) -> SourceOfTruth {
        SourceOfTruth {
            name: self.document.source().to_owned(),
            text: self.revision.document.clone(),
        }
    }

    /// The rotated secrets that a command means: those named, each once, or all.
    pub(super) fn rotated_secrets(
        &self,
        paths: &[PropertyPath],
    ) -> Result<Vec<&RotatedSecret>, Failure> {
        let all = self.environment.rotated_secrets();
        if all.is_empty() && paths.is_empty() {
            return Err(Failure::new(
                "no-rotated-secret",
                Exit::Usage,
                format!("{} has no rotated secret", self.row.name),
                "add a `fn::rotate::postgres` or `fn::rotate::mysql` to its document",
            ));
        }
        if paths.is_empty() {
            return Ok(all.iter().collect());
        }
        let mut named: Vec<&RotatedSecret> = Vec::new();
        for path in paths {
            let secret = self.rotated_secret(path)?;
            if !named.iter().any(|known| known.path == secret.path) {
                named.push(secret);
            }
        }
        Ok(named)
    }

    /// The rotated secret at a path.
    pub(super) fn rotated_secret(&self, path: &PropertyPath) -> Result<&RotatedSecret, Failure> {
        let all = self.environment.rotated_secrets();
        let name = &self.row.name;
        let paths: Vec<String> = all.iter().map(|secret| secret.path.to_string()).collect();
        all.iter()
            .find(|secret| secret.path == *path)
            .ok_or_else(|| {
                let wanted = path.to_string();
                let remedy = match nearest(&wanted, paths.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near}?"),
                    None if paths.is_empty() => "the environment has no rotated secret".to_owned(),
                    None => format!("name one of {}", paths.join(", ")),
                };
                Failure::new(
                    "no-such-path",
                    Exit::Usage,
                    format!("{name} has no rotated secret at {wanted}"),
                    remedy,
                )
            })
    }
}

/// How diagnostics name a stored document.
fn source_name(name: &EnvironmentName, revision: u64) -> String {
    format!("{name}@{revision}")
}

pub(super) fn no_such_environment(
    transaction: &Transaction<'_>,
    name: &EnvironmentName,
) -> Failure {
    let names: Vec<String> = environments::list(transaction)
        .unwrap_or_default()
        .iter()
        .map(|row| row.name.to_string())
        .collect();
    let remedy = match nearest(&name.to_string(), names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("make it with `handover env init {name} -f FILE`"),
    };
    Failure::new(
        "no-such-environment",
        Exit::Usage,
        format!("there is no environment {name}"),
        remedy,
    )
}

/// Loads a document strictly.
pub(super) fn load_document(source: &str, text: &str) -> Result<Document, Failure> {
    Document::load(text, source).map_err(|diagnostics| {
        let truth = SourceOfTruth {
            name: source.to_owned(),
            text: text.to_owned(),
        };
        Failure::in_document("bad-yaml", diagnostics, vec![truth])
    })
}

/// Parses an environment; warnings do not stop it, they are handed on.
pub(super) fn parse_environment(
    document: &Document,
) -> Result<(Environment, Vec<Diagnostic>), Failure> {
    let (environment, diagnostics) = Environment::parse(document);
    if has_errors(&diagnostics) {
        let truth = SourceOfTruth {
            name: document.source().to_owned(),
            text: document.text().to_owned(),
        };
        return Err(Failure::in_document(
            "bad-document",
            diagnostics,
            vec![truth],
        ));
    }
    Ok((environment, diagnostics))
}

/// Parses settings; an empty text means the defaults.
pub(super) fn parse_settings(source: &str, text: &str) -> Result<Settings, Failure> {
    let document = load_document(source, text)?;
    Settings::parse(&document).map_err(|diagnostics| {
        let truth = SourceOfTruth {
            name: source.to_owned(),
            text: text.to_owned(),
        };
        Failure::in_document("bad-settings", diagnostics, vec![truth])
    })
}

/// Opens ciphertexts of one environment.
pub(super) struct EnvironmentKey {
    key: DataKey,
    environment_id: String,
}

impl EnvironmentKey {
    pub(super) fn load(
        transaction: &Transaction<'_>,
        master: &MasterKey,
        environment_id: &str,
    ) -> Result<Self, StoreError> {
        let purpose = keys::environment_purpose(environment_id);
        Ok(Self {
            key: keys::data_key(transaction, master, &purpose)?,
            environment_id: environment_id.to_owned(),
        })
    }

    pub(super) fn key(&self) -> &DataKey {
        &self.key
    }
}

impl Unseal for EnvironmentKey {
    fn unseal(&self, ciphertext: &str) -> Result<Secret, String> {
        unseal(&self.key, &self.environment_id, ciphertext).map_err(explain_seal_error)
    }
}

/// A seal error in words that name the way out.
pub(super) fn explain_seal_error(error: SealError) -> String {
    match error {
        SealError::Foreign => {
            "this ciphertext was sealed by Pulumi's service and cannot be opened \
             here; export the environment with `pulumi env get --show-secrets` (before: `esc env \
             get --show-secrets`) and use the plaintext in `fn::secret`"
                .to_owned()
        }
        SealError::WrongKeyOrPlace => {
            "this ciphertext was sealed for another environment or with another key".to_owned()
        }
        SealError::Damaged(_) => error.to_string(),
    }
}

/// Loads other environments for references, inside the caller's transaction.
pub(super) struct StoreLoader<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) master: &'a MasterKey,
}

impl Loader for StoreLoader<'_> {
    fn load(&self, name: &str) -> Result<Loaded, String> {
        let name: EnvironmentName = name
            .parse()
            .map_err(|error: crate::model::NameError| error.to_string())?;
        let head = Head::load(self.transaction, &name).map_err(|failure| failure.message)?;
        let key = EnvironmentKey::load(self.transaction, self.master, &head.row.id)
            .map_err(|error| error.to_string())?;
        Ok(Loaded {
            environment: head.environment,
            unseal: Box::new(key),
        })
    }
}
