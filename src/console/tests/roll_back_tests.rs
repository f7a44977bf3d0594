//! Reports of rolling back, for the tests of `update` and `view`.

use super::{error, evidence, quiet, report, user};
use crate::console::model::{Model, Target};
use crate::model::Step;
use crate::operations::Exit;
use crate::operations::hand_over::{HandOverStatus, PathOutcome, Report, WayOffer};
use crate::rotation::{Case, Way};

/// A way back as it is offered.
fn offer(of: &Target, way: Way) -> WayOffer {
    let (a, b) = (user(&of.environment, 'a'), user(&of.environment, 'b'));
    let (words, changes) = match way {
        Way::Unretire => (
            format!("{a} may log in again; then consumers read it, with the password it has"),
            Some(format!("ALTER ROLE \"{a}\" LOGIN")),
        ),
        Way::Reissue => (
            format!("{a} gets a new password and becomes current"),
            Some(format!("ALTER ROLE \"{a}\" WITH PASSWORD '<verifier>'")),
        ),
        Way::Reapply => (
            format!(
                "{b} gets the stored password once more, which consumers read already, and stays \
                 current"
            ),
            Some(format!("ALTER ROLE \"{b}\" WITH PASSWORD '<verifier>'")),
        ),
        _ => (
            format!("consumers read {a} again, with the password it has"),
            None,
        ),
    };
    WayOffer {
        way,
        recommended: false,
        words,
        changes,
        untouched: way.untouched(),
        wrong_if: way.wrong_if(),
        typed: false,
    }
}

fn offered(of: &Target, case: &str, ways: &[Way]) -> Report {
    let (a, b) = (user(&of.environment, 'a'), user(&of.environment, 'b'));
    let mut report = report(of, HandOverStatus::Planned, PathOutcome::Planned);
    let path = &mut report.paths[0];
    path.case = Some(case.to_owned());
    path.way = ways.first().copied();
    path.ways = ways.iter().map(|way| offer(of, *way)).collect();
    path.ways[0].recommended = true;
    path.consumers = Some(format!("OK: they read {b}, which logs in"));
    path.evidence = vec![
        format!("{b} with the current password: valid"),
        format!("{a} with the previous password: valid"),
    ];
    report
}

/// The applications fail with what they read, and the user before logs in.
pub(in crate::console) fn applications_fail(of: &Target) -> Report {
    let ways = [Way::Repromote, Way::Reissue];
    let mut report = offered(of, Case::ApplicationsFail.name(), &ways);
    report.paths[0].meaning = Some(Case::ApplicationsFail.meaning().to_owned());
    report
}

/// The user before is locked by us.
pub(in crate::console) fn back_locked(of: &Target) -> Report {
    let mut report = offered(of, Case::BackLocked.name(), &[Way::Unretire, Way::Reissue]);
    let a = user(&of.environment, 'a');
    let path = &mut report.paths[0];
    path.meaning = Some(Case::BackLocked.meaning().to_owned());
    path.evidence[1] = format!("{a} with the previous password: locked");
    report
}

/// What consumers read does not log in: every way wants the name of the environment.
pub(in crate::console) fn current_dead(of: &Target) -> Report {
    let ways = [Way::Repromote, Way::Reapply, Way::Reissue];
    let mut report = offered(of, Case::CurrentDead.name(), &ways);
    let b = user(&of.environment, 'b');
    let path = &mut report.paths[0];
    path.meaning = Some(Case::CurrentDead.meaning().to_owned());
    path.consumers = Some(format!("DOWN: they read {b}, which does not log in"));
    path.evidence[0] = format!("{b} with the current password: refused");
    path.evidence
        .push("db-2.example:5432: no answer within 5 s".to_owned());
    for way in &mut path.ways {
        way.typed = true;
    }
    report
}

/// The server is an older copy: the longest that there is to say.
pub(in crate::console) fn restored(of: &Target) -> Report {
    let ways = [Way::Reapply, Way::Reissue];
    let mut report = current_dead(of);
    let path = &mut report.paths[0];
    path.case = Some(Case::Restored.name().to_owned());
    path.meaning = Some(Case::Restored.meaning().to_owned());
    path.evidence[2] = "the server is older than it was".to_owned();
    path.way = Some(Way::Reapply);
    path.ways.retain(|offer| ways.contains(&offer.way));
    path.ways[0].recommended = true;
    for offer in &mut path.ways {
        offer
            .words
            .push_str("; the server that answers now is accepted as the right one");
    }
    report
}

/// The password of the user before leaked.
pub(in crate::console) fn compromised(of: &Target) -> Report {
    let mut report = back_locked(of);
    let (a, name) = (user(&of.environment, 'a'), &of.environment);
    report.status = HandOverStatus::Refused;
    report.exit.0 = Exit::Refused;
    let error = error(
        "compromised",
        &format!("the password of {a} leaked, and is not given back to consumers"),
        &format!(
            "give it a new one: handover rotate {name} db; or, where that is worse, say why: \
             --break-glass \"REASON\""
        ),
    );
    let path = &mut report.paths[0];
    path.status = PathOutcome::Refused;
    path.way = None;
    path.ways.clear();
    path.error = Some(error.clone());
    report.error = Some(error);
    report
}

/// Somebody is connected as the user that would get a new password.
pub(in crate::console) fn gate_holds(of: &Target) -> Report {
    let mut report = compromised(of);
    let error = error(
        "not-drained",
        "1 session is connected: \"nightly-report\" from 10.0.3.17 on db-1.example:5432",
        "end the sessions, or wait for them; or sign a waiver with --waive-drain \"REASON\"",
    );
    report.paths[0].case = Some(error.code.clone());
    report.paths[0].error = Some(error.clone());
    report.error = Some(error);
    report
}

/// A plan that offers nothing.
pub(in crate::console) fn without_ways(of: &Target) -> Report {
    let mut report = applications_fail(of);
    report.paths[0].ways.clear();
    report
}

/// It is done.
pub(in crate::console) fn rolled_back(of: &Target) -> Report {
    let mut report = super::done(of);
    report.paths[0].way = Some(Way::Repromote);
    report
}

/// The case was another one when it was agreed to, which only the whole report tells.
pub(in crate::console) fn refused_at_submit(of: &Target) -> Report {
    let mut report = evidence(of);
    report.status = HandOverStatus::Refused;
    report.exit.0 = Exit::Refused;
    report.paths[0].step = Step::Preflight;
    report.paths[0].status = PathOutcome::Refused;
    report.error = Some(error(
        "not-offered",
        "re-promote is not a way back any more: the user before was locked meanwhile",
        "review it again",
    ));
    report
}

/// Three environments; what consumers read of the second one does not log in.
pub(in crate::console) fn down() -> Model {
    let mut model = quiet();
    let known = model.known.values_mut().nth(1);
    let look = known.and_then(|known| known.look.as_mut()).expect("a look");
    look.paths[0].current.standing = "refused".to_owned();
    model.selected = Some(super::target("shop/beta"));
    model
}

/// What a plan answers, by its name in a test.
pub(in crate::console) fn plan(name: &str, of: &Target) -> Option<Report> {
    Some(match name {
        "applications-fail" => applications_fail(of),
        "back-locked" => back_locked(of),
        "current-dead" => current_dead(of),
        "compromised" => compromised(of),
        "without-ways" => without_ways(of),
        _ => return None,
    })
}
