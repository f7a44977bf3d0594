//! Everything that is looked at before a way back is agreed to; nothing is changed.

use super::RollBackRequest;
use super::import::{self, Imported, Published};
use super::report::{Refused, no_way, offers};
use crate::model::{ManagingFacts, RotationId, Stage};
use crate::operations::hand_over::guesses::probe_counted;
use crate::operations::hand_over::logins::{probe_pending, probe_poolers};
use crate::operations::hand_over::preflight::{self, Circumstances, IdlePassword, Preflight};
use crate::operations::hand_over::run::Run;
use crate::operations::hand_over::subject::Subject;
use crate::operations::hand_over::{Observer, WayOffer};
use crate::operations::{Failure, Workspace};
use crate::rotation::{
    AdmitCase, Admitted, Back, Case, Choice, Facts, Intent, NoWay, Refusal, Way, admit_back,
    choose, may_import,
};
use crate::untrusted::Untrusted;

/// One rotated secret after the look.
pub(super) struct Looked {
    pub(super) path: String,
    /// Whether consumers can log in, and what was found, in words.
    pub(super) consumers: String,
    pub(super) evidence: Vec<String>,
    /// What consumers read is accepted everywhere.
    pub(super) logs_in: bool,
    pub(super) verdict: Result<Box<Ready>, Refused>,
}

/// Everything that beginning needs.
pub(super) struct Ready {
    pub(super) choice: Choice,
    pub(super) offers: Vec<WayOffer>,
    /// With the target of the way as Y.
    pub(super) target: Subject,
    pub(super) admitted: Admitted,
    pub(super) certificate: Option<String>,
    /// The user that consumers do not read, where the catalog lets it log in.
    pub(super) open_idle: Option<String>,
    /// What a waiver passed.
    pub(super) waived: Vec<String>,
    /// What a file holds, where that is the way that is taken.
    pub(super) imported: Option<Imported>,
}

impl Looked {
    pub(super) fn is_down(&self) -> bool {
        matches!(&self.verdict, Ok(ready) if ready.choice.is_down())
    }
}

/// Looks at one path as `recover` does, then at X, and chooses.
pub(super) async fn look(
    workspace: &Workspace,
    subject: &Subject,
    request: &RollBackRequest,
    observer: &Observer,
) -> Result<Looked, Failure> {
    let intent = Intent::Recover;
    let number = RotationId(0);
    let mut run = Run::new(workspace, observer, subject, intent, number, Vec::new());
    // There is no journal yet that anything could be written to.
    run.only_looks = true;
    run.gather().await?;
    look_at_back(&mut run).await?;
    let mut found = weigh(&run);
    let published = match may_import(&found) {
        true => import::look(&mut run).await?,
        false => Published::default(),
    };
    found.published = published.imported.is_some();
    let chosen = choose(&found, request.wanted());
    let facts = run.facts.clone();
    let (consumers, mut evidence) = (run.consumers_words(), run.evidence_words());
    evidence.extend(untried_words(&run));
    evidence.extend(published.evidence.iter().cloned());
    run.end().await;
    let verdict = match (chosen, facts) {
        (Ok(choice), Some(facts)) => {
            let offers = offers(subject, &choice, &facts, published.imported.as_ref());
            let open_idle =
                (found.can_log_in == Some(true)).then(|| subject.user().as_str().to_owned());
            let previous_refused = found.evidence.previous.is_nowhere();
            let ready = admit(
                workspace,
                subject,
                request,
                observer,
                choice,
                previous_refused,
                published.imported,
            );
            ready
                .await?
                .map(|mut ready| {
                    ready.offers = offers;
                    ready.open_idle = open_idle;
                    Box::new(ready)
                })
                .map_err(|refusal| Refused::of_refusal(&refusal))
        }
        (Ok(_), None) => Err(no_way(&run, NoWay::Case(Case::Unreachable))),
        (Err(why @ NoWay::NotOffered(Way::Import, _)), _) => {
            Err(no_way(&run, why).because(&published.evidence))
        }
        (Err(why), _) => Err(no_way(&run, why)),
    };
    Ok(Looked {
        path: subject.path.to_string(),
        consumers,
        evidence,
        logs_in: found.evidence.current.is_everywhere(),
        verdict,
    })
}

/// X with its stored password and the configured statements, on the nodes and through the
/// poolers. One that we have locked is not tried: each login that it is refused counts as
/// somebody who still tries. Where a scramble was begun, nothing but a login tells whether it
/// was sent.
async fn look_at_back(run: &mut Run<'_>) -> Result<(), Failure> {
    let subject = run.subject;
    let Some(password) = &subject.previous.password else {
        return Ok(());
    };
    let role = run.facts.as_ref().and_then(|facts| facts.roles[1].clone());
    let is_shut = role.as_ref().is_some_and(|role| !role.can_log_in);
    let stage = subject.overlap_of_idle().map(|overlap| overlap.stage);
    let is_retired = subject.is_retired() && stage != Some(Stage::Scrambling);
    if run.epoch.previous.is_none() && !(is_shut && is_retired) {
        let limit = role.and_then(|role| role.login_limit);
        let probe = probe_pending(subject, password);
        let logins = probe_counted(run.workspace, subject, subject.user(), limit, probe).await?;
        run.note(Some(logins), |epoch| &mut epoch.previous);
    }
    if run.weigh().previous.is_everywhere() && !subject.poolers.is_empty() {
        run.epoch.pooled = Some(probe_poolers(subject, password).await);
    }
    Ok(())
}

/// What is known of X where its password was not tried.
fn untried_words(run: &Run<'_>) -> Option<String> {
    if run.epoch.previous.is_some() {
        return None;
    }
    let subject = run.subject;
    let user = Untrusted::new(subject.user().as_str());
    let overlap = subject.overlap_of_idle();
    let since = overlap.map(|overlap| {
        let at = overlap.stage_at.format("%Y-%m-%d %H:%M:%S UTC");
        format!("; handover left it {} since {at}", overlap.stage)
    });
    let since = since.unwrap_or_default();
    Some(match &subject.previous.password {
        None => format!("{user}: no password of it is known{since}"),
        Some(_) => format!("{user} with the previous password: not tried{since}"),
    })
}

fn weigh(run: &Run<'_>) -> Back {
    let subject = run.subject;
    let overlap = subject.overlap_of_idle();
    let role = run.facts.as_ref().and_then(|facts| facts.roles[1].as_ref());
    Back {
        evidence: run.weigh(),
        knows_current: subject.current.password.is_some() && !subject.is_unsettled,
        knows_back: subject.previous.password.is_some(),
        stage: overlap.map(|overlap| overlap.stage),
        can_log_in: role.map(|role| role.can_log_in),
        leaked: overlap.is_some_and(|overlap| overlap.compromised),
        promoted: !subject.record.promoted.is_empty(),
        published: false,
    }
}

/// S1 of the way, with its target as Y.
async fn admit(
    workspace: &Workspace,
    subject: &Subject,
    request: &RollBackRequest,
    observer: &Observer,
    choice: Choice,
    previous_refused: bool,
    imported: Option<Imported>,
) -> Result<Result<Ready, Refusal>, Failure> {
    let (name, path) = (&request.environment, subject.path.clone());
    let mut target = Subject::read(workspace, name, path).await?;
    let imported = imported.filter(|_| choice.way == Way::Import);
    let named = imported.as_ref().map_or("", |one| one.user.as_str());
    target.arrange(choice.way, named);
    let found = match choice.way {
        Way::Reissue => {
            preflight::look(workspace, &target, IdlePassword::NotTried, observer).await?
        }
        Way::Repromote | Way::Unretire | Way::Reapply | Way::Import => {
            preflight::look_at_managed(workspace, &target).await?
        }
    };
    let circumstances = Circumstances {
        acknowledged: true,
        waiver: request.waiver.as_deref(),
        open_rotation: None,
    };
    let accepts = choice.case == Case::Restored;
    let verdict = preflight::with_facts(&target, &found, &circumstances, |facts| {
        // A server that is accepted now has users of its own.
        let recorded_account = facts.recorded_account.filter(|_| !accepts);
        let facts = Facts {
            recorded_account,
            ..*facts
        };
        admit_back(&facts, choice.way, choice.is_down(), accepts)
    });
    let Preflight { managing, .. } = found;
    let (managing, facts) = match managing {
        Ok((managing, facts)) => (Some(managing), Some(facts)),
        Err(fault) => {
            tracing::warn!(%fault, "nothing was chosen");
            (None, None)
        }
    };
    if let Some(managing) = managing {
        managing.close().await;
    }
    let waived = match verdict {
        Ok(waived) => waived,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Some(facts) = facts else {
        return Ok(Err(absent(&target)));
    };
    let mut admitted = match admitted(&target, &facts) {
        Some(admitted) => admitted,
        None => return Ok(Err(absent(&target))),
    };
    // What it refuses already is no password that somebody else could have disturbed.
    admitted.previous_known &= !previous_refused;
    Ok(Ok(Ready {
        choice,
        offers: Vec::new(),
        open_idle: None,
        admitted,
        certificate: facts.certificate,
        target,
        waived,
        imported,
    }))
}

fn admitted(target: &Subject, facts: &ManagingFacts) -> Option<Admitted> {
    let [other, role] = facts.roles.each_ref().map(Option::as_ref);
    let (other, role) = (other?, role?);
    let rows = role.rows.iter();
    Some(Admitted {
        secret: target.record.id.to_string(),
        current: target.current_user().as_str().to_owned(),
        user: target.user().as_str().to_owned(),
        accounts: [other.account.clone(), role.account.clone()],
        statements: role.statements,
        login_limit: role.login_limit,
        current_limit: other.login_limit,
        hosts: rows.map(|row| row.host.as_str().to_owned()).collect(),
        server: facts.identity.clone(),
        previous_known: target.previous.password.is_some(),
        current_known: target.current.password.is_some(),
    })
}

fn absent(target: &Subject) -> Refusal {
    Refusal {
        case: AdmitCase::NoSuchUser,
        message: format!(
            "one of the users of {} does not exist on {}",
            target.path, target.node
        ),
        remedy: "create it again with what the other user has".to_owned(),
    }
}
