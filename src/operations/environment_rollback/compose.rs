//! The older document with the live states in it, after every check that needs no new revision.

use std::collections::BTreeMap;

use rusqlite::Transaction;

use super::differences::{Difference, differences, redacted, unified};
use super::{DocumentRollback, KeptState};
use crate::document::{Document, Fragment, Literal, Segment, edit, has_errors};
use crate::environment::{
    Environment, Evaluator, RotatedSecret, SecretForm, Unseal, check_for_saving,
};
use crate::model::EnvironmentName;
use crate::operations::environment_init::check_setting_paths;
use crate::operations::loading::{
    EnvironmentKey, Head, StoreLoader, load_document, parse_environment, parse_settings,
};
use crate::operations::{Exit, Failure, SourceOfTruth};
use crate::secret::{MasterKey, SecretId, inspect};
use crate::store::{StoreError, revisions, rotated_secrets};
use crate::untrusted::Untrusted;

/// What the new revision holds, and what that means.
pub(super) struct Composed {
    pub(super) document: String,
    pub(super) settings: String,
    pub(super) files: BTreeMap<String, String>,
    pub(super) differences: Vec<Difference>,
    pub(super) kept: Vec<KeptState>,
    pub(super) diff: String,
}

pub(super) fn compose(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    head: &Head,
    request: &DocumentRollback,
) -> Result<Composed, Failure> {
    let name = &head.row.name;
    let older = revisions::get(transaction, &head.row.id, request.revision)?;
    let source = format!("{name}@{}", request.revision);
    let old_document = load_document(&source, &older.document)?;
    let (old_environment, _) = parse_environment(&old_document)?;
    check_same_secrets(transaction, head, &old_environment, request.revision)?;
    let text = with_live_states(head, &old_environment, older.document.clone())?;
    let (settings, files) = match request.settings {
        true => (older.settings, older.files),
        false => (head.revision.settings.clone(), head.revision.files.clone()),
    };
    if text == head.revision.document && settings == head.revision.settings {
        return Err(nothing_to_do(head, request.revision));
    }
    let document = load_document(&source, &text)?;
    let (environment, _) = parse_environment(&document)?;
    let key = EnvironmentKey::load(transaction, master, &head.row.id)?;
    check_opens(transaction, master, head, &document, &environment, &key)?;
    let settings_name = format!("{source} (settings)");
    let parsed = parse_settings(&settings_name, &settings)?;
    check_setting_paths(&parsed, &environment, &settings_name, &settings)?;
    let kept = head.environment.rotated_secrets().iter();
    let kept = kept
        .map(|secret| kept_state(head, &old_document, secret, request.revision))
        .collect();
    let (was, is) = (
        redacted(&head.document, &head.environment)?,
        redacted(&document, &environment)?,
    );
    Ok(Composed {
        differences: differences(
            (&head.document, &head.environment),
            (&document, &environment),
            &key,
        )?,
        diff: unified(&was, &is, head.row.head, request.revision),
        document: text,
        settings,
        files,
        kept,
    })
}

fn nothing_to_do(head: &Head, revision: u64) -> Failure {
    Failure::new(
        "nothing-to-do",
        Exit::Refused,
        format!(
            "the document of revision {revision}, with the states of now, is the one that {} has",
            head.row.name
        ),
        format!("handover env history {} lists the others", head.row.name),
    )
}

/// A rotated secret is users in a database: none of them comes or goes with a text.
fn check_same_secrets(
    transaction: &Transaction<'_>,
    head: &Head,
    older: &Environment,
    revision: u64,
) -> Result<(), Failure> {
    let name = &head.row.name;
    let then = older.rotated_secrets();
    check_same_paths(name, head.environment.rotated_secrets(), then, revision)?;
    for secret in then {
        let path = secret.path.to_string();
        let record = rotated_secrets::find(transaction, &head.row.id, &path)?.ok_or_else(|| {
            StoreError::Damaged(format!("the rotated secret {path} has no record"))
        })?;
        if identities(older, secret).any(|id| id != record.id) {
            return Err(comes_back(name, secret, revision));
        }
    }
    Ok(())
}

fn check_same_paths(
    name: &EnvironmentName,
    now: &[RotatedSecret],
    then: &[RotatedSecret],
    revision: u64,
) -> Result<(), Failure> {
    let is_in = |all: &[RotatedSecret], one: &RotatedSecret| {
        let mut all = all.iter();
        all.any(|other| other.path == one.path && other.engine == one.engine)
    };
    if let Some(vanishes) = now.iter().find(|one| !is_in(then, one)) {
        return Err(Failure::new(
            "secret-vanishes",
            Exit::Refused,
            format!(
                "revision {revision} does not have the rotated secret {}: its users would stay \
                 valid in the database, and nobody would have their passwords",
                vanishes.path
            ),
            format!(
                "set the values that you want back one by one: handover env get {name}, \
                 handover env set {name} PATH VALUE"
            ),
        ));
    }
    match then.iter().find(|one| !is_in(now, one)) {
        Some(returns) => Err(comes_back(name, returns, revision)),
        None => Ok(()),
    }
}

/// The identities that the envelopes of its state bear.
fn identities<'a>(
    environment: &'a Environment,
    secret: &'a RotatedSecret,
) -> impl Iterator<Item = SecretId> + 'a {
    let sites = environment.secret_sites().into_iter();
    sites.filter_map(move |site| {
        let (path, _) = site.rotated.as_ref()?;
        match &site.form {
            SecretForm::Ciphertext(text) if *path == secret.path => {
                Some(inspect(text).ok()?.secret)
            }
            _ => None,
        }
    })
}

fn comes_back(name: &EnvironmentName, secret: &RotatedSecret, revision: u64) -> Failure {
    Failure::new(
        "secret-comes-back",
        Exit::Refused,
        format!(
            "revision {revision} has a rotated secret at {} that {name} has not any more: what \
             its users' passwords are by now, this store does not know",
            secret.path
        ),
        format!(
            "make it anew, with a state that is true now, in an environment of its own \
             (handover env init), and set the other values with handover env set {name}"
        ),
    )
}

/// Only what differs is written, so that the comments of the older document stay.
fn with_live_states(head: &Head, older: &Environment, mut text: String) -> Result<String, Failure> {
    for secret in older.rotated_secrets() {
        let live = head.environment.rotated_secrets().iter();
        let Some(live) = live.clone().find(|one| one.path == secret.path) else {
            continue;
        };
        let state = state_path(&live.document_path);
        let at = state_path(&secret.document_path);
        let edited = match head.document.get(&state) {
            Some(node) => edit::set(&text, &at, &Fragment::from_node(node)),
            None if secret.has_state => edit::remove(&text, &at),
            None => continue,
        };
        text = edited.map_err(|diagnostic| {
            Failure::in_document("cannot-keep-state", vec![diagnostic], vec![head.source()])
        })?;
    }
    Ok(text)
}

pub(super) fn state_path(rotated: &[Segment]) -> Vec<Segment> {
    let mut path = rotated.to_vec();
    path.push("state".into());
    path
}

/// Whoever reads the environment afterwards gets what it says.
fn check_opens(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    head: &Head,
    document: &Document,
    environment: &Environment,
    key: &EnvironmentKey,
) -> Result<(), Failure> {
    let truth = || SourceOfTruth {
        name: document.source().to_owned(),
        text: document.text().to_owned(),
    };
    let found = check_for_saving(environment);
    if has_errors(&found) {
        return Err(Failure::in_document("bad-document", found, vec![truth()]));
    }
    for site in environment.secret_sites() {
        let problem = match &site.form {
            SecretForm::Ciphertext(ciphertext) => key.unseal(ciphertext).err(),
            SecretForm::Plain(_) => Some("it is not sealed".to_owned()),
        };
        if let Some(words) = problem {
            let at = crate::document::document_path_text(&site.document_path);
            return Err(Failure::new(
                "cannot-unseal",
                Exit::Refused,
                format!(
                    "the secret at {at} of {} cannot be opened: {words}",
                    document.source()
                ),
                format!(
                    "set the other values by hand: handover env set {} PATH VALUE",
                    head.row.name
                ),
            ));
        }
    }
    let loader = StoreLoader {
        transaction,
        master,
    };
    let text_name = head.row.name.to_string();
    let (_, found) = Evaluator::new(environment, &text_name, &loader, key).open();
    if has_errors(&found) {
        let failure = Failure::in_document("cannot-evaluate", found, vec![truth()]);
        return Err(failure.with_exit(Exit::Refused));
    }
    Ok(())
}

fn kept_state(head: &Head, older: &Document, secret: &RotatedSecret, revision: u64) -> KeptState {
    let user = |document: &Document, at: &[Segment]| {
        let mut path = state_path(at);
        path.extend(["current", "username"].map(Segment::from));
        match document.get(&path)?.literal()? {
            Literal::String(name) => Some(Untrusted::new(name).as_str().to_owned()),
            _ => None,
        }
    };
    let mut olds = head.environment.rotated_secrets().iter();
    let at = olds.find(|one| one.path == secret.path);
    let at = at.map_or(&secret.document_path, |one| &one.document_path);
    let words = match (user(&head.document, at), user(older, at)) {
        (None, _) => "it has no state yet".to_owned(),
        (Some(now), Some(then)) if now != then => format!(
            "{now} stays current (revision {revision} had {then}): these are the passwords that \
             the database accepts now"
        ),
        (Some(now), _) => {
            format!("{now} stays current, with the passwords that the database accepts now")
        }
    };
    KeptState {
        path: secret.path.to_string(),
        words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotated(paths: &[(&str, &str)]) -> Environment {
        let mut text = "values:\n  word: text\n".to_owned();
        for (path, engine) in paths {
            text.push_str(&format!(
                "  {path}:\n    fn::rotate::{engine}:\n      inputs:\n        database: {{}}\n"
            ));
        }
        let document = Document::load(&text, "shop/orders@1").expect("is YAML");
        Environment::parse(&document).0
    }

    #[test]
    fn no_rotated_secret_comes_or_goes_with_a_text() {
        let name: EnvironmentName = "shop/orders".parse().expect("a name");
        let code = |now: &[(&str, &str)], then: &[(&str, &str)]| {
            let (now, then) = (rotated(now), rotated(then));
            assert_eq!(
                now.rotated_secrets().len() + then.rotated_secrets().len(),
                2
            );
            let checked = check_same_paths(&name, now.rotated_secrets(), then.rotated_secrets(), 1);
            checked.err().map(|failure| failure.code)
        };
        let db = ("db", "postgres");
        assert_eq!(code(&[db], &[db]), None);
        assert_eq!(
            code(&[db, ("reports", "postgres")], &[]),
            Some("secret-vanishes")
        );
        assert_eq!(
            code(&[], &[db, ("reports", "postgres")]),
            Some("secret-comes-back")
        );
        // Another engine is another server, whatever the path.
        assert_eq!(code(&[db], &[("db", "mysql")]), Some("secret-vanishes"));
    }
}
