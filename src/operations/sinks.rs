//! What an environment's sinks want: the texts of their files, and which of them a save makes
//! due.

use rusqlite::Transaction;
use zeroize::Zeroizing;

use super::loading::{EnvironmentKey, Head, StoreLoader};
use super::{Exit, Failure, SourceOfTruth};
use crate::document::Diagnostic;
use crate::environment::{Evaluator, Rendered, Template};
use crate::model::settings::publish::SinkSettings;
use crate::model::{EnvironmentName, RotationId};
use crate::rotation::SinkState;
use crate::secret::{DataKey, MasterKey};
use crate::store::{Fingerprint, StoreError, sinks};

/// What tells our own texts again: it says nothing of them to whoever has not the key.
pub(super) struct Fingerprints(DataKey);

impl Fingerprints {
    pub(super) fn load(
        transaction: &Transaction<'_>,
        master: &MasterKey,
        head: &Head,
    ) -> Result<Self, StoreError> {
        let key = EnvironmentKey::load(transaction, master, &head.row.id)?;
        // What seals does nothing else: this one is made of it.
        let own = key.key().authenticate(b"handover sink fingerprint 1");
        Ok(Self(DataKey::new(Zeroizing::new(own))))
    }

    /// Of a text in a file: the same text elsewhere has another one.
    pub(super) fn of(&self, file: &str, text: &[u8]) -> Fingerprint {
        let mut message = Zeroizing::new(Vec::with_capacity(file.len() + 1 + text.len()));
        message.extend_from_slice(file.as_bytes());
        message.push(0);
        message.extend_from_slice(text);
        Fingerprint::of(&self.0.authenticate(&message))
    }
}

/// The text of a sink's file at the newest revision.
///
/// # Errors
/// What is wrong with its template, as for a save.
pub(super) fn render(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    head: &Head,
    sink: &SinkSettings,
) -> Result<Rendered, Failure> {
    let evaluated = evaluate(transaction, master, head, |evaluator| {
        let template = template_of(sink)?;
        evaluator.render(&template, &sink.template_path)
    })?;
    evaluated.map_err(|found| cannot_render(head, sink, &found))
}

fn cannot_render(head: &Head, sink: &SinkSettings, found: &[Diagnostic]) -> Failure {
    let name = &head.row.name;
    let summaries: Vec<&str> = found.iter().map(|one| one.summary.as_str()).collect();
    let hint = found.iter().find_map(|one| one.hint.clone());
    Failure::new(
        "bad-template",
        Exit::Error,
        format!(
            "the template of {} has no text: {}",
            sink.file,
            summaries.join("; ")
        ),
        hint.unwrap_or_else(|| format!("mend it with `handover env settings set {name} -f FILE`")),
    )
}

fn template_of(sink: &SinkSettings) -> Result<Template, Vec<Diagnostic>> {
    Template::parse(&sink.template).map_err(|faults| {
        let path = crate::document::document_path_text(&sink.template_path);
        let faults = faults.into_iter();
        faults
            .map(|summary| Diagnostic::error(summary).with_path(&path))
            .collect()
    })
}

fn evaluate<T>(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    head: &Head,
    work: impl FnOnce(&Evaluator<'_>) -> T,
) -> Result<T, Failure> {
    let key = EnvironmentKey::load(transaction, master, &head.row.id)?;
    let loader = StoreLoader {
        transaction,
        master,
    };
    let name = head.row.name.to_string();
    Ok(work(&Evaluator::new(
        &head.environment,
        &name,
        &loader,
        &key,
    )))
}

/// After a save: every template has to lead somewhere, and files whose text is another one now
/// are due. `truth` is the text of the settings, for the findings.
///
/// # Errors
/// Findings in the templates, with their places in the settings.
pub(super) fn follow(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    name: &EnvironmentName,
    truth: SourceOfTruth,
) -> Result<(), Failure> {
    let head = Head::load(transaction, name)?;
    let wanted = head.settings.sinks();
    if wanted.is_empty() && sinks::list(transaction, &head.row.id)?.is_empty() {
        return Ok(());
    }
    let diagnostics = evaluate(transaction, master, &head, |evaluator| {
        let faults = wanted.iter().filter_map(|sink| {
            let checked = template_of(sink)
                .and_then(|template| evaluator.check_template(&template, &sink.template_path));
            let faults = checked.err()?.into_iter();
            let span = sink.template_span;
            let source = &truth.name;
            Some(faults.map(move |one| one.with_place(source, span)))
        });
        faults.flatten().collect::<Vec<_>>()
    })?;
    if !diagnostics.is_empty() {
        return Err(Failure::in_document(
            "bad-settings",
            diagnostics,
            vec![truth],
        ));
    }
    mark_changed(transaction, master, &head)
}

/// After a revision that nobody wrote by hand and that promotes nothing: files whose text is
/// another one now are due. A template that has no text any more keeps no fact from being
/// written; its file is due, and says why when it is tried.
///
/// # Errors
/// The store's own.
pub(super) fn follow_state(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    name: &EnvironmentName,
) -> Result<(), Failure> {
    mark_changed(transaction, master, &Head::load(transaction, name)?)
}

fn mark_changed(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    head: &Head,
) -> Result<(), Failure> {
    let wanted = head.settings.sinks();
    let files: Vec<&str> = wanted.iter().map(|sink| sink.file.as_str()).collect();
    sinks::keep_only(transaction, &head.row.id, &files)?;
    if wanted.is_empty() {
        return Ok(());
    }
    let known = sinks::list(transaction, &head.row.id)?;
    let fingerprints = Fingerprints::load(transaction, master, head)?;
    for sink in wanted {
        let row = known.iter().find(|row| row.file == sink.file);
        let has = row
            .filter(|row| row.state == SinkState::Confirmed)
            .and_then(|row| row.fingerprint);
        let (id, file, revision) = (&head.row.id, &sink.file, head.row.head);
        // Without a text, such as before a first rotation, it is due all the same.
        let rendered = render(transaction, master, head, sink).ok();
        let text = rendered.map(|one| fingerprints.of(file, one.text.expose().as_bytes()));
        match has.is_some() && has == text {
            true => sinks::still_has(transaction, id, file, revision)?,
            false => sinks::want(transaction, id, file, revision, None)?,
        }
    }
    Ok(())
}

/// After a promote: every file is due, and the rotation stays open until it has its text.
///
/// # Errors
/// The store's own.
pub(super) fn want_all(
    transaction: &Transaction<'_>,
    head: &Head,
    revision: u64,
    rotation: RotationId,
) -> Result<(), StoreError> {
    let wanted = head.settings.sinks();
    let files: Vec<&str> = wanted.iter().map(|sink| sink.file.as_str()).collect();
    sinks::keep_only(transaction, &head.row.id, &files)?;
    for file in files {
        sinks::want(transaction, &head.row.id, file, revision, Some(rotation))?;
    }
    Ok(())
}
