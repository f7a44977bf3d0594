//! A rotation that is open when a way back is asked for: it refuses, unless consumers are down.
//! Then a new password that is set already is the shortest way out, and one that was never sent
//! is dropped, so that the other ways are free. One that waits for nothing but its files leaves
//! them to the rotation of the way back.

use std::sync::Arc;

use serde_json::json;

use super::look::Looked;
use super::{RollBackRequest, report as words, untyped};
use crate::model::RotationId;
use crate::operations::hand_over::open::{Open, find};
use crate::operations::hand_over::outcome::{
    ErrorReport, ExitCode, HandOverStatus, PathOutcome, Report, WayOffer,
};
use crate::operations::hand_over::report::{self, shown, together};
use crate::operations::hand_over::resume::{Purpose, ResumeRequest};
use crate::operations::hand_over::subject::Subject;
use crate::operations::hand_over::{Observer, effects};
use crate::operations::notices::{self, RotationFact};
use crate::operations::workspace::timestamp;
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::{Case, Chosen, Event, Progress, Way, admit_unseen, decide};
use crate::store::journal;

/// What an open rotation means for a way back.
pub(super) enum Opened {
    /// None is open.
    Nothing,
    /// Nothing but its files is left of it: no way back while consumers log in.
    WaitsForFiles(RotationId),
    /// Consumers are down, and nothing was sent.
    CanBeCleared(Cleared),
    /// Consumers are down, and its candidate logs in everywhere.
    CanBeFinished(Finished),
    /// It has to be brought to its end first.
    Refused(Box<Report>),
}

/// A rotation of which nothing was sent.
pub(super) struct Cleared {
    rotation: RotationId,
    paths: Vec<String>,
}

/// A rotation that is finished though consumers are down.
pub(super) struct Finished {
    open: Open,
    resume: ResumeRequest,
}

/// Looks at what is open.
pub(super) async fn look(
    workspace: &Workspace,
    request: &RollBackRequest,
    observer: &Observer,
    subjects: &[Subject],
) -> Result<Opened, Failure> {
    let Some(open) = find(workspace, &request.environment).await?.open else {
        return Ok(Opened::Nothing);
    };
    if open.waits_for_files() {
        return Ok(Opened::WaitsForFiles(open.number));
    }
    let resume = ResumeRequest {
        environment: request.environment.clone(),
        paths: Vec::new(),
        purpose: Purpose::Recover,
        confirmation: request.confirmation.clone(),
    };
    let of_rotation = open.subjects(workspace, &resume).await?.subjects;
    let mut rotation = open.resume(workspace, observer, &resume, &of_rotation);
    let (mut dead, mut finished, mut unsent) = (true, true, true);
    for run in &mut rotation.runs {
        run.only_looks = true;
        let evidence = run.gather().await?;
        let decision = decide(&run.journal, &evidence, run.intent);
        run.end().await;
        dead &= decision.case == Some(Case::CurrentDead);
        let is_set = matches!(
            run.journal.progress,
            Progress::Sent { .. } | Progress::Confirmed | Progress::Verified
        );
        finished &= is_set && evidence.pending.is_everywhere();
        let nothing_sent = matches!(
            run.journal.progress,
            Progress::Begun | Progress::Admitted | Progress::Pending
        );
        unsent &= nothing_sent && run.journal.sends == 0;
    }
    let paths: Vec<String> = of_rotation.iter().map(|one| one.path.to_string()).collect();
    let asked = subjects.iter().map(|one| one.path.to_string());
    let all_asked = {
        let asked: Vec<String> = asked.collect();
        paths.iter().all(|path| asked.contains(path))
    };
    let number = open.number;
    Ok(match !paths.is_empty() && dead && all_asked {
        true if finished => Opened::CanBeFinished(Finished { open, resume }),
        true if unsent => Opened::CanBeCleared(Cleared {
            rotation: number,
            paths,
        }),
        _ => match refusal(request, subjects, number) {
            Some(report) => Opened::Refused(Box::new(report)),
            None => Opened::Nothing,
        },
    })
}

/// An open rotation has to be brought to its end first.
fn refusal(request: &RollBackRequest, subjects: &[Subject], number: RotationId) -> Option<Report> {
    let refusal = admit_unseen(&request.environment, None, Some(number)).err()?;
    Some(words::unseen(subjects, request, &refusal))
}

/// Where an open rotation waits for its files, they are delivered before anything else, as long
/// as consumers log in on any of the paths.
pub(super) fn held(
    waits: Option<RotationId>,
    request: &RollBackRequest,
    subjects: &[Subject],
    looked: &[Looked],
) -> Option<Report> {
    let log_in = |one: &Looked| one.logs_in || one.verdict.is_ok() && !one.is_down();
    match looked.iter().any(log_in) {
        true => refusal(request, subjects, waits?),
        false => None,
    }
}

impl Cleared {
    /// Ends it: nothing was changed.
    pub(super) async fn clear(
        self,
        workspace: &Workspace,
        request: &RollBackRequest,
    ) -> Result<(), Failure> {
        let Self { rotation, paths } = self;
        let environment = request.environment.clone();
        let master = Arc::clone(&workspace.master);
        let requester = workspace.requester.clone();
        effects::write(workspace, "way-cleared", move |transaction| {
            let now = timestamp();
            for path in &paths {
                let event = Event::Aborted {
                    case: Case::CurrentDead,
                    message: "dropped for a way back; nothing was sent".to_owned(),
                };
                journal::append(transaction, rotation, Some(path), &event, &now)?;
            }
            if journal::close_if_over(transaction, rotation, &now)? {
                notices::of_rotation(transaction, &environment, rotation, RotationFact::Ended)?;
            }
            let detail = json!({"rotation": rotation, "paths": paths, "because": "a way back"});
            let action = "rotation.aborted";
            Workspace::audit(
                &master,
                transaction,
                &requester,
                action,
                Some(&environment),
                detail,
            )?;
            Ok::<_, Failure>(())
        })
        .await
    }
}

impl Finished {
    /// A refusal, where another way was asked for than the one that it is on.
    pub(super) async fn other_way(
        &self,
        workspace: &Workspace,
        request: &RollBackRequest,
        observer: &Observer,
    ) -> Result<Option<Report>, Failure> {
        let Some(wanted) = request.way else {
            return Ok(None);
        };
        let subjects = self.open.subjects(workspace, &self.resume).await?.subjects;
        let rotation = self
            .open
            .resume(workspace, observer, &self.resume, &subjects);
        let mut ways = rotation
            .runs
            .iter()
            .map(|run| way_of(run.journal.back.as_ref()));
        let Some(way) = ways.find(|way| *way != wanted) else {
            return Ok(None);
        };
        let number = self.open.number;
        let error = ErrorReport {
            code: "way-not-offered".to_owned(),
            message: format!(
                "{number} is open, and its new password logs in everywhere: the way back is to \
                 finish it ({way}), and {wanted} is not possible before"
            ),
            remedy: format!(
                "leave --way out, or see --plan: handover rollback {} --plan",
                request.environment
            ),
        };
        let mut report = words::of_error(request, &subjects, &error);
        report.status = HandOverStatus::Refused;
        report.exit = ExitCode(Exit::Refused);
        Ok(Some(report))
    }

    /// What finishing it would do.
    pub(super) async fn planned(
        self,
        workspace: &Workspace,
        request: &RollBackRequest,
        observer: &Observer,
    ) -> Result<Report, Failure> {
        let subjects = self.open.subjects(workspace, &self.resume).await?.subjects;
        let mut rotation = self
            .open
            .resume(workspace, observer, &self.resume, &subjects);
        let mut ends = Vec::new();
        for run in &mut rotation.runs {
            run.only_looks = true;
            let evidence = run.gather().await?;
            let decision = decide(&run.journal, &evidence, run.intent);
            let mut path = report::of_path(run, PathOutcome::Planned);
            path.case = decision.case.map(|case| case.name().to_owned());
            report::describe(run, decision, &mut path);
            let way = way_of(run.journal.back.as_ref());
            let offer = WayOffer {
                way,
                recommended: true,
                words: format!(
                    "finish the open rotation: {} becomes current, with the password that it has \
                     now",
                    shown(run.subject.user())
                ),
                changes: None,
                untouched: Way::Repromote.untouched(),
                wrong_if: way.wrong_if(),
                typed: true,
            };
            path.action = Some(offer.words.clone());
            path.way = Some(way);
            path.ways = vec![offer];
            run.end().await;
            ends.push((path, Exit::Done));
        }
        let mut report = together(&request.environment, ends);
        report.rotation = Some(self.open.number);
        report.protected = true;
        Ok(report)
    }

    /// Notes who agreed, and goes on with it.
    pub(super) async fn finish(
        self,
        workspace: &Workspace,
        request: &RollBackRequest,
        observer: &Observer,
    ) -> Result<Report, Failure> {
        let asked_for = self.open.subjects(workspace, &self.resume).await?;
        let subjects = &asked_for.subjects;
        if let Some(report) = untyped(request, subjects, true) {
            return Ok(report);
        }
        let mut rotation = self
            .open
            .resume(workspace, observer, &self.resume, subjects);
        for run in &mut rotation.runs {
            let chosen = Chosen {
                way: way_of(run.journal.back.as_ref()),
                case: Case::CurrentDead,
                consumers_down: true,
                compromised: request.compromised,
                agreed_by: workspace.requester.clone(),
                break_glass: request.break_glass.clone(),
                file: run.journal.back.as_ref().and_then(|back| back.file.clone()),
            };
            run.compromised |= request.compromised;
            let detail = json!({"way": chosen.way, "case": chosen.case, "consumers-down": true});
            run.append(Event::WayChosen(chosen), "rotation.way-agreed", detail)
                .await?;
        }
        let stops = rotation.drive().await;
        let others = self.open.others(&asked_for);
        Ok(report::of_rotation(&rotation, stops, others))
    }
}

/// A password that was made for it is that of a re-issue.
fn way_of(back: Option<&Chosen>) -> Way {
    back.map_or(Way::Reissue, |back| match back.way {
        Way::Unretire => Way::Repromote,
        way => way,
    })
}
