//! One file after the other: look, decide, intent, write, read back, tell, outcome.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::report::SinkReport;
use crate::environment::Rendered;
use crate::model::settings::publish::SinkSettings;
use crate::model::{Engine, EnvironmentName, RotationId};
use crate::operations::hand_over::{ErrorReport, Observer, effects, report as words};
use crate::operations::loading::Head;
use crate::operations::notices::{self, RotationFact};
use crate::operations::sinks::{Fingerprints, render};
use crate::operations::workspace::timestamp;
use crate::operations::{Failure, Workspace};
use crate::publish::{self, Expected, FaultKind, Found, SinkFault};
use crate::rotation::{
    Action, Case, Decision, Event, Evidence, Intent, SinkLook, SinkState, decide, fold,
};
use crate::secret::Secret;
use crate::store::{Fingerprint, SinkRow, journal, sinks};

/// Which files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those that a rotation stays open for.
    Of(RotationId),
    /// All of the environment.
    All,
}

/// A delivery to files. Whoever makes it holds the environment's lock, unless it only looks.
pub(super) struct Delivery<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) observer: &'a Observer,
    pub(super) environment: &'a EnvironmentName,
    pub(super) which: Which,
    pub(super) intent: Intent,
    /// Files that may be overwritten, whatever stands in them.
    pub(super) overwrite: &'a [String],
    /// Why, in the operator's words.
    pub(super) reason: Option<&'a str>,
}

/// One file with all that it needs.
struct Job {
    environment_id: String,
    settings: SinkSettings,
    row: SinkRow,
    /// The newest revision.
    revision: u64,
    /// Its text and what it is known by, or why there is none.
    text: Result<(Rendered, Fingerprint), Failure>,
    fingerprints: Arc<Fingerprints>,
}

/// What a look at a file has found.
struct Looked {
    look: SinkLook,
    found: Option<Found>,
    fault: Option<SinkFault>,
}

impl Delivery<'_> {
    /// Delivers to all of them; one that fails holds up no other.
    pub(super) async fn all(&self) -> Result<Vec<SinkReport>, Failure> {
        let mut reports = Vec::new();
        for job in self.jobs().await? {
            reports.push(match self.observer.stop_wanted() {
                Some(signal) => {
                    let mut report = job.report(None);
                    report.error = Some(ErrorReport {
                        code: "interrupted".to_owned(),
                        message: format!("{signal}: stopped before {} was written", report.file),
                        remedy: format!("handover recover {}", self.environment),
                    });
                    report
                }
                None => self.one(&job).await?,
            });
        }
        Ok(reports)
    }

    /// What [`Delivery::all`] would do; nothing is changed.
    pub(super) async fn look(&self) -> Result<Vec<SinkReport>, Failure> {
        let mut reports = Vec::new();
        for job in self.jobs().await? {
            let looked = self.look_at(&job).await;
            let decision = self.decide(&job, looked.look);
            let fault = looked.fault.filter(|_| decision.action == Action::Park);
            let mut report = match (decision.case, decision.action) {
                (Some(case), Action::Park) => self.parked(&job, case, fault.as_ref()),
                (case, _) => job.report(case),
            };
            report.next = Some(decision.action);
            if decision.action == Action::Close {
                report.state = SinkState::Confirmed;
            } else if report.state == SinkState::Confirmed {
                report.state = SinkState::Due;
            }
            reports.push(report);
        }
        Ok(reports)
    }

    async fn jobs(&self) -> Result<Vec<Job>, Failure> {
        let name = self.environment.clone();
        let master = Arc::clone(&self.workspace.master);
        let which = self.which;
        let read = self.workspace.store.read(move |transaction| {
            let head = Head::load(transaction, &name)?;
            let rows = sinks::list(transaction, &head.row.id)?;
            let fingerprints = Arc::new(Fingerprints::load(transaction, &master, &head)?);
            let mut jobs = Vec::new();
            for sink in head.settings.sinks() {
                let row = rows.iter().find(|row| row.file == sink.file);
                let Some(row) = row.filter(|row| match which {
                    Which::Of(rotation) => row.rotation == Some(rotation),
                    Which::All => true,
                }) else {
                    continue;
                };
                let rendered = render(transaction, &master, &head, sink);
                jobs.push(Job {
                    environment_id: head.row.id.clone(),
                    settings: sink.clone(),
                    row: row.clone(),
                    revision: head.row.head,
                    text: rendered.map(|one| {
                        let known = fingerprints.of(&sink.file, one.text.expose().as_bytes());
                        (one, known)
                    }),
                    fingerprints: Arc::clone(&fingerprints),
                });
            }
            Ok::<_, Failure>(jobs)
        });
        read.await
    }

    fn decide(&self, job: &Job, look: SinkLook) -> Decision {
        let revision = job.revision;
        let promoted = fold(&[Event::Promoted { revision }]);
        let decision = decide(&promoted, &Evidence::of_sink(look), self.intent);
        tracing::info!(
            environment = %self.environment, file = job.settings.file,
            case = decision.case.map(Case::name), action = decision.action.words(),
            "decided"
        );
        decision
    }

    async fn one(&self, job: &Job) -> Result<SinkReport, Failure> {
        let looked = self.look_at(job).await;
        let decision = self.decide(job, looked.look);
        match (decision.action, &job.text) {
            (Action::Publish, Ok((text, known))) => {
                let fault = match self.try_once(job, text, *known, looked.found).await? {
                    Ok(report) => return Ok(report),
                    Err(fault) => fault,
                };
                let look = match fault.kind {
                    FaultKind::Foreign => SinkLook::Foreign { overwrite: false },
                    FaultKind::NotWritten | FaultKind::NotAnnounced => {
                        SinkLook::Failed { tried: true }
                    }
                };
                let case = self.decide(job, look).case.unwrap_or(Case::SinkFailed);
                self.record_failed(job, case, Some(&fault)).await
            }
            (Action::Park | Action::Publish, _) => {
                let case = decision.case.unwrap_or(Case::SinkFailed);
                self.record_failed(job, case, looked.fault.as_ref()).await
            }
            _ => Ok(job.confirmed()),
        }
    }

    async fn look_at(&self, job: &Job) -> Looked {
        let without = |look, fault| Looked {
            look,
            found: None,
            fault,
        };
        let Ok((_, wanted)) = &job.text else {
            return without(SinkLook::Failed { tried: true }, None);
        };
        let overwrite = self.overwrite.contains(&job.settings.file);
        let (file, owner) = (job.file(), job.settings.owner.clone());
        let looked = blocking(move || publish::look(&file, owner.as_deref())).await;
        let found = match looked {
            Ok(found) => found,
            Err(fault) if fault.kind == FaultKind::Foreign => {
                return without(SinkLook::Foreign { overwrite }, Some(fault));
            }
            Err(fault) if overwrite => {
                return without(SinkLook::Foreign { overwrite }, Some(fault));
            }
            Err(fault) => return without(SinkLook::Failed { tried: true }, Some(fault)),
        };
        let stands = job.known_of(&found);
        let is_known = |stands: Fingerprint| {
            [job.row.fingerprint, job.row.intended, Some(*wanted)].contains(&Some(stands))
        };
        let look = match stands {
            Some(stands) if !is_known(stands) => SinkLook::Foreign { overwrite },
            // What is confirmed and stands is left, unless it is another text by now.
            Some(stands) if stands == *wanted && job.row.state == SinkState::Confirmed => {
                SinkLook::Confirmed
            }
            _ => SinkLook::Ready {
                failed_before: job.row.state.case().is_some(),
            },
        };
        Looked {
            look,
            found: Some(found),
            fault: None,
        }
    }

    /// The outer error is the store's, the inner one the file's.
    async fn try_once(
        &self,
        job: &Job,
        text: &Rendered,
        known: Fingerprint,
        found: Option<Found>,
    ) -> Result<Result<SinkReport, SinkFault>, Failure> {
        let stands = found.as_ref().and_then(|found| job.known_of(found));
        self.intend(job, stands, known).await?;
        if stands != Some(known) {
            let (file, owner) = (job.file(), job.settings.owner.clone());
            let content = text.text.duplicate();
            let overwrite = self.overwrite.contains(&job.settings.file);
            let writing = blocking(move || {
                let expected = match &found {
                    Some(found) if !overwrite => Expected::AsFound(found),
                    _ => Expected::Anything,
                };
                publish::write(&file, owner.as_deref(), &content, expected)
            });
            if let Err(fault) = effects::at_sink("sink-written", writing).await {
                return Ok(Err(fault));
            }
        }
        if let Some(then) = &job.settings.then {
            let owner = job.settings.owner.as_deref();
            let hidden: &[Secret] = &text.secrets;
            let telling = publish::announce(then, owner, hidden);
            if let Err(fault) = effects::at_sink("sink-announced", telling).await {
                return Ok(Err(fault));
            }
        }
        self.record_confirmed(job, known).await?;
        Ok(Ok(job.confirmed()))
    }

    async fn intend(
        &self,
        job: &Job,
        stands: Option<Fingerprint>,
        known: Fingerprint,
    ) -> Result<(), Failure> {
        let event = Event::PublishSent {
            file: job.settings.file.clone(),
            revision: job.revision,
        };
        let overwritten = self.overwrite.contains(&job.settings.file);
        let detail = json!({"file": job.settings.file, "revision": job.revision,
            "overwrite": overwritten, "reason": self.reason});
        let (id, file) = (job.environment_id.clone(), job.settings.file.clone());
        let write = self.journal_write(job, event, "publish.sent", detail);
        effects::write(self.workspace, "publish-sent", move |transaction| {
            sinks::intend(transaction, &id, &file, stands, known, &timestamp())?;
            write(transaction)
        })
        .await
    }

    async fn record_confirmed(&self, job: &Job, known: Fingerprint) -> Result<(), Failure> {
        let event = Event::Published {
            file: job.settings.file.clone(),
            revision: job.revision,
        };
        let detail = json!({"file": job.settings.file, "revision": job.revision});
        let (id, file) = (job.environment_id.clone(), job.settings.file.clone());
        let (rotation, revision) = (job.row.rotation, job.revision);
        let environment = self.environment.clone();
        let write = self.journal_write(job, event, "publish.confirmed", detail);
        effects::write(self.workspace, "published", move |transaction| {
            let now = timestamp();
            write(transaction)?;
            sinks::confirm(transaction, &id, &file, (revision, known), &now)?;
            if let Some(rotation) = rotation {
                journal::close_if_over(transaction, rotation, &now)?;
                let fact = RotationFact::Published;
                notices::of_rotation(transaction, &environment, rotation, fact)?;
            }
            Ok(())
        })
        .await
    }

    async fn record_failed(
        &self,
        job: &Job,
        case: Case,
        fault: Option<&SinkFault>,
    ) -> Result<SinkReport, Failure> {
        let report = self.parked(job, case, fault);
        let Some(error) = report.error.clone() else {
            return Ok(report);
        };
        let event = Event::PublishFailed {
            file: report.file.clone(),
            case,
            message: error.message.clone(),
        };
        let detail = json!({"file": report.file, "case": case.name(), "message": error.message});
        let (id, file, state) = (
            job.environment_id.clone(),
            report.file.clone(),
            report.state,
        );
        let write = self.journal_write(job, event, "publish.failed", detail);
        let (rotation, environment) = (job.row.rotation, self.environment.clone());
        effects::write(self.workspace, "publish-failed", move |transaction| {
            let now = timestamp();
            let words = (error.message.as_str(), error.remedy.as_str());
            sinks::fail(transaction, &id, &file, state, words, &now)?;
            write(transaction)?;
            if let Some(rotation) = rotation {
                let fact = RotationFact::NotPublished(case);
                notices::of_rotation(transaction, &environment, rotation, fact)?;
            }
            Ok::<_, Failure>(())
        })
        .await?;
        Ok(report)
    }

    /// A closure that writes an audit entry, and an event of the rotation that waits.
    fn journal_write(
        &self,
        job: &Job,
        event: Event,
        action: &'static str,
        detail: serde_json::Value,
    ) -> impl FnOnce(&rusqlite::Transaction<'_>) -> Result<(), Failure> + Send + 'static {
        let rotation = job.row.rotation;
        let environment = self.environment.clone();
        let master = Arc::clone(&self.workspace.master);
        let requester = self.workspace.requester.clone();
        move |transaction| {
            if let Some(rotation) = rotation {
                journal::append(transaction, rotation, None, &event, &timestamp())?;
            }
            let environment = Some(&environment);
            Workspace::audit(
                &master,
                transaction,
                &requester,
                action,
                environment,
                detail,
            )?;
            Ok(())
        }
    }

    /// A file that stays as it is.
    fn parked(&self, job: &Job, case: Case, fault: Option<&SinkFault>) -> SinkReport {
        let mut report = job.report(Some(case));
        report.state = match case {
            Case::SinkForeign => SinkState::Foreign,
            _ => SinkState::Failed,
        };
        let file = &job.settings.file;
        // The words of cases are the same on all engines.
        let on = words::remedy(case, Engine::Postgres, self.environment).replace("FILE", file);
        let (message, remedy) = match (fault, &job.text, &job.row.problem) {
            (Some(fault), _, _) => {
                let words = match fault.kind {
                    FaultKind::NotAnnounced => {
                        format!("{file} stands with the new text: {}", fault.message)
                    }
                    FaultKind::NotWritten | FaultKind::Foreign => fault.message.clone(),
                };
                (words, format!("{}; {on}", fault.remedy))
            }
            (None, Err(failure), _) => {
                (failure.message.clone(), format!("{}; {on}", failure.remedy))
            }
            (None, Ok(_), Some((problem, remedy))) if case != Case::SinkForeign => {
                (problem.clone(), remedy.clone())
            }
            (None, Ok(_), _) => (
                format!("{file} holds a text that handover did not write; it stays as it is"),
                on,
            ),
        };
        report.error = Some(ErrorReport {
            code: case.name().to_owned(),
            message,
            remedy,
        });
        report
    }
}

impl Job {
    fn file(&self) -> PathBuf {
        Path::new(&self.settings.file).to_owned()
    }

    fn known_of(&self, found: &Found) -> Option<Fingerprint> {
        match found {
            Found::Absent => None,
            Found::File(bytes) => Some(self.fingerprints.of(&self.settings.file, bytes)),
        }
    }

    fn report(&self, case: Option<Case>) -> SinkReport {
        SinkReport {
            file: self.settings.file.clone(),
            state: self.row.state,
            case,
            revision: self.revision,
            delivered: self.row.delivered,
            error: None,
            next: None,
        }
    }

    fn confirmed(&self) -> SinkReport {
        SinkReport {
            state: SinkState::Confirmed,
            delivered: Some(self.revision),
            ..self.report(None)
        }
    }
}

/// Files are looked at and written on a thread that may wait for a disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SinkFault> + Send + 'static,
) -> Result<T, SinkFault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Err(SinkFault {
            kind: FaultKind::NotWritten,
            message: format!("what became of the file is not known: {error}"),
            remedy: "this is a fault of the program; look at the file".to_owned(),
        }),
    }
}
