//! `env run`: what an environment gives to a command, and whether that has changed.
//!
//! `environmentVariables` and `files` are read as Pulumi ESC reads them: scalars become text,
//! whatever is none is left out. Managing credentials are never part of it.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::environment_read::audit_reading;
use super::loading::{EnvironmentKey, Head, StoreLoader};
use super::{Exit, Failure, Workspace};
use crate::document::has_errors;
use crate::environment::{Evaluator, Value, ValueKind};
use crate::model::EnvironmentName;
use crate::store::{Access, Store, StoreError, StoreMark, environments};
use crate::untrusted::Untrusted;

/// A name and its text.
pub type NamedText = (String, Zeroizing<String>);

/// What a command is given.
pub struct Given {
    /// Names and values of variables.
    pub variables: Vec<NamedText>,
    /// Names of variables that hold the path of a file, and its text.
    pub files: Vec<NamedText>,
    /// Every secret value of the environment.
    pub secrets: Vec<Zeroizing<String>>,
    /// What is odd but not wrong.
    pub warnings: Vec<String>,
}

impl Given {
    /// Whether a command would get the same.
    #[must_use]
    pub fn gives_the_same(&self, other: &Self) -> bool {
        (&self.variables, &self.files) == (&other.variables, &other.files)
    }
}

/// Evaluates the environment, once for each command that is started, and audits that.
///
/// # Errors
/// As for `env open`; also a name that no variable can have.
pub async fn read_given(workspace: &Workspace, name: &EnvironmentName) -> Result<Given, Failure> {
    let unmarked = audit_reading(workspace, name, "environment.run", None).await;
    let mut given = evaluate(workspace, name).await?;
    given.warnings.extend(unmarked);
    Ok(given)
}

async fn evaluate(workspace: &Workspace, name: &EnvironmentName) -> Result<Given, Failure> {
    let master = Arc::clone(&workspace.master);
    let name = name.clone();
    workspace
        .store
        .read(move |transaction| {
            let head = Head::load(transaction, &name)?;
            let key = EnvironmentKey::load(transaction, &master, &head.row.id)?;
            let loader = StoreLoader {
                transaction,
                master: &master,
            };
            let text_name = name.to_string();
            let evaluator = Evaluator::new(&head.environment, &text_name, &loader, &key);
            let (value, diagnostics) = evaluator.open();
            if has_errors(&diagnostics) {
                let sources = vec![head.source()];
                return Err(Failure::in_document("cannot-open", diagnostics, sources));
            }
            let mut given = given(&name, &value)?;
            given
                .warnings
                .extend(diagnostics.into_iter().map(|one| one.summary));
            Ok(given)
        })
        .await
}

fn given(name: &EnvironmentName, value: &Value) -> Result<Given, Failure> {
    let mut given = Given {
        variables: Vec::new(),
        files: Vec::new(),
        secrets: Vec::new(),
        warnings: Vec::new(),
    };
    given.variables = texts(name, value, "environmentVariables", &mut given.warnings)?;
    given.files = texts(name, value, "files", &mut given.warnings)?;
    if given.variables.is_empty() && given.files.is_empty() {
        given.warnings.push(format!(
            "{name} has neither `environmentVariables` nor `files`: the command is given nothing"
        ));
    }
    value.secret_texts(&mut given.secrets);
    Ok(given)
}

fn texts(
    name: &EnvironmentName,
    value: &Value,
    section: &'static str,
    warnings: &mut Vec<String>,
) -> Result<Vec<NamedText>, Failure> {
    let mut texts = Vec::new();
    let Some(found) = value.get(&[section.into()]) else {
        return Ok(texts);
    };
    let ValueKind::Object(entries) = &found.kind else {
        warnings.push(format!(
            "`{section}` of {name} is no object and is left out"
        ));
        return Ok(texts);
    };
    for (key, entry) in entries {
        let Some(text) = entry.scalar_text() else {
            let key = Untrusted::new(key);
            warnings.push(format!(
                "{section}.{key} is {} and is left out",
                entry.type_name()
            ));
            continue;
        };
        check_name(name, section, key)?;
        if section == "environmentVariables" && text.contains('\0') {
            return Err(bad_name(name, section, key, "holds a zero byte"));
        }
        texts.push((key.clone(), text));
    }
    Ok(texts)
}

/// A file is called like its variable, so that nothing else may stand in either.
fn check_name(name: &EnvironmentName, section: &str, key: &str) -> Result<(), Failure> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let starts_well = key.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    match starts_well && key.chars().all(is_plain) {
        true => Ok(()),
        false => Err(bad_name(name, section, key, "is no name of a variable")),
    }
}

fn bad_name(name: &EnvironmentName, section: &str, key: &str, what: &str) -> Failure {
    Failure::new(
        "bad-variable",
        Exit::Error,
        format!("{section}.{} of {name} {what}", Untrusted::new(key)),
        "use letters, digits and underscores in its name, and no zero byte in its text",
    )
}

/// Where the store stood when a command was given its values.
pub struct ChangeWatch {
    mark: StoreMark,
    heads: Vec<(String, u64)>,
}

impl ChangeWatch {
    /// From here on. To be made before the values are read, so that nothing is missed.
    ///
    /// # Errors
    /// The store's own.
    pub async fn begin(workspace: &Workspace) -> Result<Self, StoreError> {
        Ok(Self {
            mark: workspace.store.mark().await?,
            heads: heads(workspace).await?,
        })
    }

    /// What a command would be given now, if that differs. Nothing is evaluated as long as no
    /// environment has a new revision, and no revision is looked for while the store is the same.
    ///
    /// # Errors
    /// As for [`read_given`].
    pub async fn changed(
        &mut self,
        workspace: &mut Workspace,
        name: &EnvironmentName,
        given: &Given,
    ) -> Result<Option<Given>, Failure> {
        let mark = workspace.store.mark().await?;
        if mark == self.mark {
            return Ok(None);
        }
        if !workspace.store.is_writable() {
            // What was opened as a file that never changes does not see that it has.
            let folder = workspace.store.folder().to_owned();
            workspace.store = Arc::new(Store::open(&folder, Access::ReadIfNeedBe)?);
        }
        let heads = heads(workspace).await?;
        self.mark = mark;
        if heads == self.heads {
            return Ok(None);
        }
        // Another environment may be referred to.
        let now = evaluate(workspace, name).await?;
        self.heads = heads;
        if now.gives_the_same(given) {
            return Ok(None);
        }
        let mut now = now;
        let unmarked = audit_reading(workspace, name, "environment.run", None).await;
        now.warnings.extend(unmarked);
        Ok(Some(now))
    }
}

async fn heads(workspace: &Workspace) -> Result<Vec<(String, u64)>, StoreError> {
    let rows = workspace.store.read(environments::list).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.head)).collect())
}
