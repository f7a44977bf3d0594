//! Everything that is looked at before a step of a retirement; nothing is changed.

use std::time::Duration;

use chrono::Utc;

use super::RetireRequest;
use super::report::{RetireReport, RetireStatus};
use crate::database::Managing;
use crate::drain::{NextStep, Situation, next_step};
use crate::model::settings::RetireMode;
use crate::model::{
    Gate, LoginOutcome, ManagingFacts, Overlap, OwnSession, RetireStep, SeenClient, Session, Shut,
    Stage,
};
use crate::operations::hand_over::Observer;
use crate::operations::hand_over::logins::probe_previous;
use crate::operations::hand_over::preflight::{self, Circumstances, IdlePassword};
use crate::operations::hand_over::subject::Subject;
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::{AdmitCase, Refusal, admit_retire};
use crate::store::journal;

/// What a step needs.
pub(super) struct Prepared {
    pub(super) step: RetireStep,
    pub(super) overlap: Overlap,
    pub(super) managing: Box<dyn Managing>,
    pub(super) facts: ManagingFacts,
    pub(super) own: Vec<OwnSession>,
    /// Sessions of the outgoing user on all nodes.
    pub(super) sessions: Vec<Session>,
    pub(super) seen: Vec<SeenClient>,
    pub(super) waived: Vec<String>,
}

type Answer = Result<Prepared, Box<RetireReport>>;

/// Looks, and chooses the step; the inner error is a report that nothing is to be done, or may
/// be.
pub(super) async fn prepare(
    workspace: &Workspace,
    subject: &Subject,
    request: &RetireRequest,
    observer: &Observer,
) -> Result<Answer, Failure> {
    let Some(overlap) = subject.overlap_of_idle().cloned() else {
        return Ok(Err(Box::new(no_overlap(subject, request))));
    };
    let environment_id = subject.environment_id.clone();
    let open = workspace
        .store
        .read(move |transaction| journal::find_open(transaction, &environment_id))
        .await?;
    let refuses =
        !request.undo && !overlap.compromised && subject.settings.retire.mode == RetireMode::None;
    if refuses {
        let report = RetireReport::new(subject, request, RetireStatus::Refused);
        return Ok(Err(Box::new(
            report.with_error(
                "retire-none",
                "the settings say that nobody retires the outgoing user (`retire.mode: none`)"
                    .to_owned(),
                format!(
                    "say `retire: {{mode: ask}}` in the settings: handover env settings set {} -f FILE",
                    request.environment
                ),
            ),
        )));
    }
    let found = match request.undo {
        true => preflight::look_at_managed(workspace, subject).await?,
        false => preflight::look(workspace, subject, IdlePassword::NotTried, observer).await?,
    };
    let circumstances = Circumstances {
        acknowledged: true,
        waiver: request.waiver.as_deref(),
        open_rotation: open,
    };
    let can_log_in = found
        .managing
        .as_ref()
        .ok()
        .and_then(|(_, facts)| facts.roles[1].as_ref())
        // Without an answer it is as it was left.
        .map_or(overlap.stage == Stage::Draining, |role| role.can_log_in);
    let is_untouched = match (request.undo, overlap.stage) {
        (true, Stage::Scrambling) => is_untouched(subject).await,
        _ => false,
    };
    let situation = Situation {
        stage: overlap.stage,
        can_log_in,
        compromised: overlap.compromised,
        undo: request.undo,
        then: subject.settings.retire.then,
        listen_left: listen_left(subject, &overlap),
        refused: found.listening.and_then(|heard| heard.refused),
        is_untouched,
        waived: request.waiver.is_some(),
    };
    let step = match next_step(&situation) {
        // It was locked, and can log in: somebody with the right to has let it in.
        NextStep::Do(RetireStep::Lock) if request.by_agent && overlap.stage == Stage::Locked => {
            if let Ok((managing, _)) = found.managing {
                managing.close().await;
            }
            let report = RetireReport::new(subject, request, RetireStatus::Refused);
            return Ok(Err(Box::new(
                report.with_error(
                    "let-in",
                    "somebody else has let the locked user in again, which a person has to look at"
                        .to_owned(),
                    format!(
                        "lock it again: handover retire {} {}",
                        request.environment, request.path
                    ),
                ),
            )));
        }
        NextStep::Do(step) => step,
        other => {
            let mut report = without_step(subject, request, &overlap, other);
            report.listening = found.listening.map(|heard| heard.state);
            if let Ok((managing, _)) = found.managing {
                managing.close().await;
            }
            return Ok(Err(Box::new(report)));
        }
    };
    let verdict = preflight::with_facts(subject, &found, &circumstances, |facts| {
        admit_retire(facts, step, overlap.compromised)
    });
    let waived = match verdict {
        Ok(waived) => waived,
        Err(refusal) => {
            if let Ok((managing, _)) = found.managing {
                managing.close().await;
            }
            let mut report = refused(subject, request, &refusal);
            report.step = Some(step);
            return Ok(Err(Box::new(report)));
        }
    };
    let (managing, facts) = match found.managing {
        Ok(managed) => managed,
        Err(fault) => {
            return Err(Failure::new(
                "unreachable",
                Exit::Unreachable,
                fault.to_string(),
                "see that the database answers, then try again",
            ));
        }
    };
    Ok(Ok(Prepared {
        step,
        sessions: sessions_of(&found.gate),
        overlap,
        managing,
        facts,
        own: found.own,
        seen: found.seen,
        waived,
    }))
}

/// Whether a password that may have been scrambled is still what it was, on every node: a run
/// may have been killed before its statement.
async fn is_untouched(subject: &Subject) -> bool {
    let Some(logins) = probe_previous(subject).await else {
        return false;
    };
    // A locked user is refused only after its password was found right.
    let is_right = |outcome: &LoginOutcome| {
        matches!(
            outcome,
            LoginOutcome::LoggedIn { .. }
                | LoginOutcome::StatementFailed { .. }
                | LoginOutcome::PasswordAccepted(_)
        )
    };
    logins.iter().any(|(node, _)| *node == subject.node)
        && logins
            .iter()
            .all(|(node, outcome)| *node != subject.node || is_right(outcome))
}

/// Sessions of the outgoing user on all nodes, by a look at the gate.
pub(super) fn sessions_of(gate: &Gate) -> Vec<Session> {
    let Gate::Shut(reasons) = gate else {
        return Vec::new();
    };
    let sessions = reasons.iter().filter_map(|reason| match reason {
        Shut::Sessions(sessions) => Some(sessions.clone()),
        _ => None,
    });
    sessions.flatten().collect()
}

fn listen_left(subject: &Subject, overlap: &Overlap) -> Duration {
    let listened = (Utc::now() - overlap.stage_at).to_std().unwrap_or_default();
    subject.settings.retire.listen.saturating_sub(listened)
}

fn no_overlap(subject: &Subject, request: &RetireRequest) -> RetireReport {
    let report = RetireReport::new(subject, request, RetireStatus::Refused);
    report.with_error(
        "no-overlap",
        format!(
            "handover never promoted {} of {}, so there is no outgoing user to retire",
            request.path, request.environment
        ),
        format!("handover rotate {} {}", request.environment, request.path),
    )
}

fn without_step(
    subject: &Subject,
    request: &RetireRequest,
    overlap: &Overlap,
    next: NextStep,
) -> RetireReport {
    let environment = &request.environment;
    let path = &request.path;
    let new = |status| RetireReport::new(subject, request, status);
    match next {
        NextStep::Do(_) | NextStep::Nothing => new(RetireStatus::Nothing),
        NextStep::Wait(left) => {
            let mut report = new(RetireStatus::Waiting);
            report.listen_seconds = Some(left.as_secs() + u64::from(left.subsec_nanos() > 0));
            report
        }
        NextStep::StillTried(count) => new(RetireStatus::Refused).with_error(
            "still-tried",
            format!(
                "{count} logins were refused since the user was locked: somebody still uses its \
                 password"
            ),
            format!(
                "find who it is, or let it in again: handover retire {environment} {path} --undo; \
                 or sign a waiver with --waive-drain \"REASON\""
            ),
        ),
        NextStep::Gone => new(RetireStatus::Refused).with_error(
            "scrambled",
            format!(
                "the password of the outgoing user was scrambled ({}), so that no lock can be taken \
                 back",
                overlap.stage_at.format("%Y-%m-%d %H:%M:%S UTC")
            ),
            format!("give it a new one: handover rotate {environment} {path}"),
        ),
        NextStep::Leaked => new(RetireStatus::Refused).with_error(
            "compromised",
            "the password of the outgoing user leaked, and is not given back".to_owned(),
            format!("give the user a new one: handover rotate {environment} {path}"),
        ),
    }
}

fn refused(subject: &Subject, request: &RetireRequest, refusal: &Refusal) -> RetireReport {
    let status = match refusal.case {
        AdmitCase::Unreachable => RetireStatus::Unreachable,
        _ => RetireStatus::Refused,
    };
    let report = RetireReport::new(subject, request, status);
    report.with_error(
        refusal.case.name(),
        refusal.message.clone(),
        refusal.remedy.clone(),
    )
}
