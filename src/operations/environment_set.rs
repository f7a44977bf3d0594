//! `env set`: one value of a document, in a new revision; every other byte stays.

use std::sync::Arc;

use rusqlite::Transaction;
use serde_json::json;

use super::loading::{EnvironmentKey, Head, load_document, parse_environment};
use super::ownership::{
    Place, are_the_same_pairs, check_still_usable, claim_names, inputs, known, places,
};
use super::workspace::timestamp;
use super::{Exit, Failure, SourceOfTruth, Workspace, sinks};
use crate::document::{
    Document, Fragment, PropertyPath, Segment, document_path_text, edit, has_errors,
};
use crate::environment::{SecretForm, check_for_saving};
use crate::model::EnvironmentName;
use crate::process::random_bytes;
use crate::secret::{EnvelopeHeader, MasterKey, Secret, SecretId, inspect, seal};
use crate::store::{NewRevision, journal, revisions};

/// What a path shall hold.
pub enum NewValue {
    /// A value that anybody may read in the document.
    Plain {
        /// As it shall be written.
        value: Fragment,
        /// The operator knows that it stands there unsealed, though it looks like a secret.
        plaintext: bool,
    },
    /// A value that is sealed at once.
    Secret(Secret),
}

/// What to set.
pub struct SetRequest {
    /// Where.
    pub name: EnvironmentName,
    /// Below `values`.
    pub path: PropertyPath,
    /// What.
    pub value: NewValue,
}

/// What was set.
#[derive(Debug, serde::Serialize)]
pub struct SetReport {
    /// The environment.
    pub environment: EnvironmentName,
    /// The path.
    pub path: String,
    /// The newest revision.
    pub revision: u64,
    /// Whether the value was sealed.
    pub sealed: bool,
    /// `false` when the document said so already; there is no new revision then.
    pub changed: bool,
}

/// Sets a value, or adds it.
///
/// # Errors
/// Refused inside a rotated secret where rotating writes, where an open rotation relies on
/// the value, when it names a user that belongs elsewhere, and for a plain value at a key
/// that looks like a secret; findings with their places when the document would be at
/// fault; no such environment, or the store's own.
pub async fn set_value(workspace: &Workspace, request: SetRequest) -> Result<SetReport, Failure> {
    let name = request.name.clone();
    let row = workspace
        .store
        .read(move |transaction| Ok::<_, Failure>(Head::load(transaction, &name)?.row))
        .await?;
    // A rotation that is about to begin has read the inputs already.
    let is_locked = workspace.store.locked_by(&row.id).await?.is_some();
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    workspace
        .store
        .write(move |transaction| {
            let SetRequest { name, path, value } = request;
            let head = Head::load(transaction, &name)?;
            let is_open = is_locked || journal::find_open(transaction, &head.row.id)?.is_some();
            let at = document_path(&path);
            check_path(&head, &at, &path)?;
            check_rotated(&head, &at, &path, is_open)?;
            let (fragment, sealed) = match value {
                NewValue::Plain { value, plaintext } => {
                    if !plaintext {
                        check_is_no_secret(&head, &at, &path, &value)?;
                    }
                    (value, false)
                }
                NewValue::Secret(secret) => {
                    let key = EnvironmentKey::load(transaction, &master, &head.row.id)?;
                    (sealed_fragment(&head, &at, &key, &secret), true)
                }
            };
            let document = edited(&head, &at, &fragment)?;
            let mut report = SetReport {
                environment: name.clone(),
                path: path.to_string(),
                revision: head.row.head,
                sealed,
                changed: document != head.revision.document,
            };
            if !report.changed {
                return Ok(report);
            }
            let revision = NewRevision {
                document: &document,
                settings: &head.revision.settings,
                files: &head.revision.files,
                cause: "edit",
                author: &requester,
                reason: None,
                rotation: None,
                now: &timestamp(),
            };
            let before = inputs(transaction, &master, &name)?;
            let relying = relying(transaction, &master, &name, is_locked)?;
            report.revision = revisions::add(transaction, &head.row.id, &revision)?;
            check_relying(transaction, &master, &report.path, &relying)?;
            let after = inputs(transaction, &master, &name)?;
            check_still_usable(&before, &after)?;
            claim_names(transaction, &head.row.id, &name, &known(after))?;
            let truth = SourceOfTruth {
                name: format!("{name} (settings)"),
                text: head.revision.settings.clone(),
            };
            sinks::follow(transaction, &master, &name, truth)?;
            let detail =
                json!({"revision": report.revision, "path": report.path, "sealed": sealed});
            let action = "environment.edited";
            Workspace::audit(
                &master,
                transaction,
                &requester,
                action,
                Some(&name),
                detail,
            )?;
            Ok::<_, Failure>(report)
        })
        .await
}

/// Environments with an open rotation whose inputs this edit may change, by a reference
/// too, and where their pairs are now. `is_locked` tells that a rotation of the edited
/// environment may be about to begin.
pub(super) fn relying(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    edited: &EnvironmentName,
    is_locked: bool,
) -> Result<Vec<(EnvironmentName, Vec<Place>)>, Failure> {
    let open = journal::list_open(transaction)?.into_iter();
    let mut names: Vec<EnvironmentName> = open.map(|open| open.environment).collect();
    if is_locked && !names.contains(edited) {
        names.push(edited.clone());
    }
    let mut relying = Vec::new();
    for name in names {
        let places = places(transaction, master, &name)?;
        relying.push((name, places));
    }
    Ok(relying)
}

/// An open rotation finds its users where it found them before; `what` is what was edited.
pub(super) fn check_relying(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    what: &str,
    relying: &[(EnvironmentName, Vec<Place>)],
) -> Result<(), Failure> {
    for (name, before) in relying {
        if !are_the_same_pairs(before, &places(transaction, master, name)?) {
            return Err(open_rotation(name, what));
        }
    }
    Ok(())
}

pub(super) fn open_rotation(name: &EnvironmentName, path: &str) -> Failure {
    Failure::new(
        "open-rotation",
        Exit::Refused,
        format!("a rotation of {name} is open, and it relies on {path}"),
        format!("bring it to its end first: handover recover {name}"),
    )
}

fn document_path(path: &PropertyPath) -> Vec<Segment> {
    let mut at = vec![Segment::from("values")];
    at.extend(path.segments().iter().cloned());
    at
}

/// `fn::secret` is written by sealing; a value below it would be plaintext for a moment.
fn check_path(head: &Head, at: &[Segment], path: &PropertyPath) -> Result<(), Failure> {
    let Some(position) = at
        .iter()
        .position(|segment| *segment == "fn::secret".into())
    else {
        return Ok(());
    };
    Err(Failure::new(
        "inside-secret",
        Exit::Refused,
        format!("{path} leads into a sealed value"),
        format!(
            "handover env set {} {} --secret",
            head.row.name,
            document_path_text(&at[1..position])
        ),
    ))
}

/// Rotating writes `state`, and a rotation that is open relies on `inputs`.
fn check_rotated(
    head: &Head,
    at: &[Segment],
    path: &PropertyPath,
    is_open: bool,
) -> Result<(), Failure> {
    let name = &head.row.name;
    for secret in head.environment.rotated_secrets() {
        let whole = document_path(&secret.path);
        let rest = match at.strip_prefix(&secret.document_path[..]) {
            Some(rest) => rest,
            None if at.starts_with(&whole) || whole.starts_with(at) => &[],
            None => continue,
        };
        match rest.first() {
            Some(Segment::Key(key)) if key == "inputs" && !is_open => {}
            Some(Segment::Key(key)) if key == "inputs" => {
                return Err(open_rotation(name, &path.to_string()));
            }
            Some(Segment::Key(key)) if key == "state" => {
                return Err(Failure::new(
                    "state-is-rotated",
                    Exit::Refused,
                    format!(
                        "{path} is part of the state of {}: `state` is written by rotating",
                        secret.path
                    ),
                    format!("handover rotate {name} {}", secret.path),
                ));
            }
            _ => {
                return Err(Failure::new(
                    "state-is-rotated",
                    Exit::Refused,
                    format!(
                        "{path} would change the rotated secret {} as a whole; its `state` is \
                         written by rotating",
                        secret.path
                    ),
                    format!(
                        "handover rotate {name} {} gives it a new password; its inputs are at {}",
                        secret.path,
                        document_path_text(&secret.document_path[1..])
                    ),
                ));
            }
        }
    }
    Ok(())
}

fn check_is_no_secret(
    head: &Head,
    at: &[Segment],
    path: &PropertyPath,
    value: &Fragment,
) -> Result<(), Failure> {
    let is_harmless = match value {
        Fragment::Null => true,
        // A reference says where the secret is and not what it is.
        Fragment::String(text) => text.starts_with("${") && text.ends_with('}'),
        _ => false,
    };
    let replaces_secret = head
        .environment
        .secret_sites()
        .iter()
        .any(|site| site.document_path.starts_with(at));
    let key = at.iter().rev().find_map(|segment| match segment {
        Segment::Key(key) => Some(key.as_str()),
        Segment::Index(_) => None,
    });
    let looks_secret = key.is_some_and(looks_like_a_secret) && !is_harmless;
    if !replaces_secret && !looks_secret {
        return Ok(());
    }
    let why = match replaces_secret {
        true => "holds a sealed value, and the new one would stand there unsealed",
        false => "looks like a secret, and the value would stand there unsealed",
    };
    Err(Failure::new(
        "plain-secret",
        Exit::Refused,
        format!("{path} {why}"),
        format!(
            "handover env set {} {path} --secret reads the value from standard input and seals \
             it; --plaintext if it is no secret",
            head.row.name
        ),
    ))
}

/// By the words in a key, however they are joined: `apiKey`, `db_password`, `TOKEN`.
fn looks_like_a_secret(key: &str) -> bool {
    const ANYWHERE: [&str; 5] = ["password", "passwd", "passphrase", "secret", "token"];
    const WORDS: [&str; 4] = ["key", "keys", "pwd", "pass"];
    let lowered = key.to_lowercase();
    if ANYWHERE.iter().any(|word| lowered.contains(word)) || lowered.ends_with("apikey") {
        return true;
    }
    words_of(key)
        .iter()
        .any(|word| WORDS.contains(&word.as_str()))
}

fn words_of(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in key.chars() {
        let begins = !letter.is_alphanumeric() || (letter.is_uppercase() && was_lower);
        if begins {
            words.push(String::new());
        }
        was_lower = letter.is_lowercase() || letter.is_numeric();
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words
}

/// A secret keeps its identity when it gets a new value.
fn sealed_fragment(head: &Head, at: &[Segment], key: &EnvironmentKey, secret: &Secret) -> Fragment {
    let mut site_path = at.to_vec();
    site_path.push("fn::secret".into());
    let known = head
        .environment
        .secret_sites()
        .into_iter()
        .find(|site| site.document_path == site_path)
        .and_then(|site| match site.form {
            SecretForm::Ciphertext(text) => inspect(&text).ok(),
            SecretForm::Plain(_) => None,
        });
    let header = EnvelopeHeader {
        secret: known.map_or_else(|| SecretId(random_bytes()), |header| header.secret),
        generation: None,
    };
    let envelope = seal(key.key(), &head.row.id, header, secret, random_bytes());
    let ciphertext = Fragment::mapping([("ciphertext", Fragment::String(envelope))]);
    Fragment::mapping([("fn::secret", ciphertext)])
}

/// The edited text, after everything was checked that a save checks.
fn edited(head: &Head, at: &[Segment], fragment: &Fragment) -> Result<String, Failure> {
    let text = edit::set(&head.revision.document, at, fragment).map_err(|diagnostic| {
        Failure::in_document("cannot-set", vec![diagnostic], vec![head.source()])
    })?;
    let document = load_document(head.document.source(), &text)?;
    let (environment, _) = parse_environment(&document)?;
    let diagnostics = check_for_saving(&environment);
    if has_errors(&diagnostics) {
        return Err(in_edited("bad-document", diagnostics, &document));
    }
    let rotated = |environment: &crate::environment::Environment| {
        let all = environment.rotated_secrets().iter();
        all.map(|secret| secret.path.clone()).collect::<Vec<_>>()
    };
    let has_plaintext = environment
        .secret_sites()
        .iter()
        .any(|site| matches!(site.form, SecretForm::Plain(_)));
    if has_plaintext || rotated(&environment) != rotated(&head.environment) {
        return Err(Failure::new(
            "not-a-value",
            Exit::Refused,
            "this would change which secrets the document has, not only a value",
            "make a rotated secret with `handover env init`, a sealed one with --secret",
        ));
    }
    Ok(text)
}

fn in_edited(
    code: &'static str,
    diagnostics: Vec<crate::document::Diagnostic>,
    document: &Document,
) -> Failure {
    let source = SourceOfTruth {
        name: document.source().to_owned(),
        text: document.text().to_owned(),
    };
    Failure::in_document(code, diagnostics, vec![source])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_look_like_secrets_are_known_by_their_words() {
        for key in [
            "password",
            "dbPassword",
            "client_secret",
            "API_TOKEN",
            "apiKey",
            "access-key",
            "key",
            "apikey",
            "pwd",
        ] {
            assert!(looks_like_a_secret(key), "{key}");
        }
        for key in [
            "host",
            "monkey",
            "keyboard",
            "keyspace",
            "passenger",
            "greeting",
        ] {
            assert!(!looks_like_a_secret(key), "{key}");
        }
    }
}
