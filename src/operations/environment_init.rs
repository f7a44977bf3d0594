//! `env init`: the first revision of an environment, with every plaintext sealed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;
use zeroize::Zeroizing;

use super::loading::{explain_seal_error, load_document, parse_environment, parse_settings};
use super::ownership::{claim_names, places};
use super::workspace::stored_time;
use super::{Exit, Failure, SourceOfTruth, Workspace, schedules, sinks};
use crate::document::{Diagnostic, Document, Fragment, edit, has_errors};
use crate::environment::{Environment, Role, SecretForm, SecretSite, check_for_saving};
use crate::model::EnvironmentName;
use crate::model::settings::Settings;
use crate::process::{random_bytes, random_key};
use crate::schedule;
use crate::secret::{DataKey, EnvelopeHeader, Secret, SecretId, inspect, seal};
use crate::store::{NewRevision, environments, keys, revisions, rotated_secrets};

/// The generations that the first `state` of a rotated secret uses up.
const FIRST_PREVIOUS: u64 = 1;
const FIRST_CURRENT: u64 = 2;

/// A file that the operator named.
pub struct SourceFile {
    /// Its name, for diagnostics.
    pub name: String,
    /// Its text; it may hold plaintext secrets.
    pub text: Zeroizing<String>,
    /// The folder that relative names in it start from.
    pub folder: PathBuf,
}

/// What to make.
pub struct InitRequest {
    /// The new environment's name.
    pub name: EnvironmentName,
    /// Its document.
    pub document: SourceFile,
    /// Its settings.
    pub settings: Option<SourceFile>,
}

/// What was made.
#[derive(Debug, serde::Serialize)]
pub struct InitReport {
    /// The environment.
    pub environment: EnvironmentName,
    /// Its first revision.
    pub revision: u64,
    /// How many plaintext secrets were sealed.
    pub sealed: usize,
    /// Its rotated secrets.
    pub rotated: Vec<String>,
    /// What is odd but not wrong.
    pub warnings: Vec<String>,
}

/// Makes an environment. The input file is not changed.
///
/// # Errors
/// Refused when the name is taken, or one of the users belongs to another rotated secret;
/// findings with their places when the document or
/// the settings are at fault.
pub async fn init_environment(
    workspace: &Workspace,
    request: InitRequest,
) -> Result<InitReport, Failure> {
    init_environment_as_of(workspace, request, Utc::now()).await
}

/// [`init_environment`] with a first revision that says it was made at `made`: for
/// fixtures with a past. The audit entry bears the time at which it is written.
///
/// # Errors
/// As for [`init_environment`].
pub async fn init_environment_as_of(
    workspace: &Workspace,
    request: InitRequest,
    made: DateTime<Utc>,
) -> Result<InitReport, Failure> {
    let document = load_document(&request.document.name, &request.document.text)?;
    let (environment, warnings) = check_document(&document)?;
    let settings_text = request
        .settings
        .as_ref()
        .map(|file| file.text.as_str().to_owned())
        .unwrap_or_default();
    let settings_name = request
        .settings
        .as_ref()
        .map_or_else(|| "settings".to_owned(), |file| file.name.clone());
    let settings = parse_settings(&settings_name, &settings_text)?;
    check_setting_paths(&settings, &environment, &settings_name, &settings_text)?;
    let files = match &request.settings {
        Some(file) => read_setting_files(&settings, file)?,
        None => BTreeMap::new(),
    };

    let id = hex::encode(random_bytes::<16>());
    let key = DataKey::new(random_key());
    let rotated: Vec<(SecretId, String, u64)> = environment
        .rotated_secrets()
        .iter()
        .map(|secret| {
            let generation = if secret.has_state { FIRST_CURRENT } else { 0 };
            (
                SecretId(random_bytes()),
                secret.path.to_string(),
                generation,
            )
        })
        .collect();
    let (sealed_document, sealed) = seal_plaintexts(&document, &environment, &id, &key, &rotated)?;

    let report = InitReport {
        environment: request.name.clone(),
        revision: 1,
        sealed,
        rotated: rotated.iter().map(|(_, path, _)| path.clone()).collect(),
        warnings,
    };
    let name = request.name;
    let requester = workspace.requester.clone();
    let master = Arc::clone(&workspace.master);
    workspace
        .store
        .write(move |transaction| {
            if environments::find(transaction, &name)?.is_some() {
                return Err(Failure::new(
                    "environment-exists",
                    Exit::Refused,
                    format!("there is an environment {name} already"),
                    "choose another name",
                ));
            }
            let now = stored_time(made);
            environments::add(transaction, &id, &name, &now)?;
            let purpose = keys::environment_purpose(&id);
            keys::put_data_key(transaction, &master, &purpose, &key, random_bytes())?;
            for (secret, path, generation) in &rotated {
                rotated_secrets::add(transaction, &id, *secret, path, *generation)?;
            }
            let revision = NewRevision {
                document: &sealed_document,
                settings: &settings_text,
                files: &files,
                cause: "init",
                author: &requester,
                reason: None,
                rotation: None,
                now: &now,
            };
            revisions::add(transaction, &id, &revision)?;
            let places = places(transaction, &master, &name)?;
            claim_names(transaction, &id, &name, &places)?;
            sinks::follow(
                transaction,
                &master,
                &name,
                truth(&settings_name, &settings_text),
            )?;
            let of_settings = truth(&settings_name, &settings_text);
            schedules::follow(transaction, &name, of_settings, Utc::now())?;
            let detail = json!({"revision": 1, "sealed": sealed});
            let action = "environment.created";
            Workspace::audit(
                &master,
                transaction,
                &requester,
                action,
                Some(&name),
                detail,
            )?;
            Ok(())
        })
        .await?;
    Ok(report)
}

fn check_document(document: &Document) -> Result<(Environment, Vec<String>), Failure> {
    let (environment, mut diagnostics) = parse_environment(document)?;
    diagnostics.extend(check_for_saving(&environment));
    for site in environment.secret_sites() {
        if let SecretForm::Ciphertext(ciphertext) = &site.form {
            let words = match inspect(ciphertext) {
                Err(error) => explain_seal_error(error),
                Ok(_) => "a new environment takes plaintext only: this ciphertext was sealed for \
                     another environment; `handover env get ENV --show-secrets` shows its plaintext"
                    .to_owned(),
            };
            diagnostics.push(
                Diagnostic::error(words)
                    .with_place(document.source(), site.span)
                    .with_hint("write the plaintext in `fn::secret`; it is sealed at once"),
            );
        }
    }
    if has_errors(&diagnostics) {
        return Err(Failure::in_document(
            "bad-document",
            diagnostics,
            vec![truth(document.source(), document.text())],
        ));
    }
    let warnings = diagnostics
        .into_iter()
        .map(|warning| warning.summary)
        .collect();
    Ok((environment, warnings))
}

fn truth(name: &str, text: &str) -> SourceOfTruth {
    SourceOfTruth {
        name: name.to_owned(),
        text: text.to_owned(),
    }
}

/// Every path in the settings must be a rotated secret of the environment, and no address may
/// stand twice where it names one server.
pub(super) fn check_setting_paths(
    settings: &Settings,
    environment: &Environment,
    name: &str,
    text: &str,
) -> Result<(), Failure> {
    let secrets = environment.rotated_secrets().iter();
    let (paths, secrets): (Vec<_>, Vec<_>) = secrets
        .map(|secret| (secret.path.clone(), (secret.path.clone(), secret.engine)))
        .unzip();
    let mut diagnostics = settings.check_paths(&paths);
    diagnostics.extend(settings.check_addresses(&secrets));
    diagnostics.extend(schedule::check(settings, &paths, Utc::now()));
    if has_errors(&diagnostics) {
        return Err(Failure::in_document(
            "bad-settings",
            diagnostics,
            vec![truth(name, text)],
        ));
    }
    Ok(())
}

/// Reads the files that the settings name, so that the revision holds them.
pub(super) fn read_setting_files(
    settings: &Settings,
    file: &SourceFile,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut files = BTreeMap::new();
    for (_, name) in settings.files() {
        let path = file.folder.join(Path::new(name));
        let text = fs::read_to_string(&path).map_err(|error| {
            Failure::new(
                "setting-file",
                Exit::Error,
                format!("{} names {}: {error}", file.name, path.display()),
                "name a file that exists; relative names start at the settings' own folder",
            )
        })?;
        files.insert(name.clone(), text);
    }
    Ok(files)
}

/// Replaces every plaintext `fn::secret` by its sealed form.
fn seal_plaintexts(
    document: &Document,
    environment: &Environment,
    environment_id: &str,
    key: &DataKey,
    rotated: &[(SecretId, String, u64)],
) -> Result<(String, usize), Failure> {
    let mut text = Zeroizing::new(document.text().to_owned());
    let mut sealed = 0;
    for site in environment.secret_sites() {
        let SecretForm::Plain(plain) = &site.form else {
            continue;
        };
        let envelope = seal_site(&site, plain, environment_id, key, rotated);
        let fragment = Fragment::mapping([("ciphertext", Fragment::String(envelope))]);
        text = Zeroizing::new(edit::set(&text, &site.document_path, &fragment).map_err(
            |diagnostic| {
                let source = truth(document.source(), document.text());
                Failure::in_document("cannot-seal", vec![diagnostic], vec![source])
            },
        )?);
        sealed += 1;
    }
    Ok((text.as_str().to_owned(), sealed))
}

fn seal_site(
    site: &SecretSite,
    plain: &Secret,
    environment_id: &str,
    key: &DataKey,
    rotated: &[(SecretId, String, u64)],
) -> String {
    let of_rotated = site.rotated.as_ref().and_then(|(path, role)| {
        let path = path.to_string();
        let (id, _, _) = rotated.iter().find(|(_, known, _)| *known == path)?;
        let generation = match role {
            Role::Current => FIRST_CURRENT,
            Role::Previous => FIRST_PREVIOUS,
        };
        Some(EnvelopeHeader {
            secret: *id,
            generation: Some(generation),
        })
    });
    let header = of_rotated.unwrap_or_else(|| EnvelopeHeader {
        secret: SecretId(random_bytes()),
        generation: None,
    });
    seal(key, environment_id, header, plain, random_bytes())
}
