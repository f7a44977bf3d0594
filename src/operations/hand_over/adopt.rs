//! Settles which user is idle where a rotated secret has no `state` yet: the one whose
//! password nobody can be using, since nobody is connected as it.

use super::logins::application;
use super::subject::{Subject, no_state};
use crate::drain;
use crate::model::{DatabaseFault, Node, Session, SessionView};
use crate::operations::Failure;
use crate::rotation::{Idle, adopt};

/// Looks at both users of every unsettled path. A server that does not answer leaves it
/// unsettled; S1 then says why.
///
/// # Errors
/// `no-state` where it cannot be told.
pub(super) async fn settle(subjects: &mut [Subject]) -> Result<(), Failure> {
    for subject in subjects.iter_mut().filter(|one| one.is_unsettled) {
        let mut views = Vec::new();
        for node in subject.nodes() {
            match look_at_both(subject, node).await {
                Ok(both) => views.push(both),
                Err(fault) => tracing::warn!(%node, %fault, "who is connected is not known"),
            }
        }
        if views.len() != subject.nodes().count() {
            continue;
        }
        let of = |index: usize| -> Vec<Session> {
            let views = views.iter().flatten();
            let views = views.filter(|(user, _)| *user == index);
            views
                .flat_map(|(_, view)| drain::foreign_sessions(view, &[]))
                .collect()
        };
        let all: Vec<&SessionView> = views.iter().flatten().map(|(_, view)| view).collect();
        // While it is unsettled, the first user stands in for the idle one.
        let (first, second) = (of(0), of(1));
        match adopt(&first, &second, &all) {
            Ok(idle) => subject.settle(idle == Idle::Second),
            Err(why) => {
                let users = [subject.user().clone(), subject.current_user().clone()];
                let (name, path) = (&subject.environment, &subject.path);
                let mut failure = no_state(name, path, &users, why);
                let blind = all.iter().find(|view| !view.complete);
                if let Some(grant) = blind.and_then(|view| view.grant.as_ref()) {
                    let administrator = subject.engine.terms().administrator;
                    failure.remedy = format!(
                        "as {administrator}: {} and look again; or {}",
                        grant.trim_end_matches(';'),
                        failure.remedy
                    );
                }
                return Err(failure);
            }
        }
    }
    Ok(())
}

/// The sessions of the first and the second user on one node; a user that does not exist
/// has none.
async fn look_at_both(
    subject: &Subject,
    node: &Node,
) -> Result<Vec<(usize, SessionView)>, DatabaseFault> {
    let name = application("manage");
    let managed = subject.database.manage(node, &subject.manager, &name);
    let mut managing = managed.await?;
    let facts = managing
        .facts(subject.user(), subject.current_user())
        .await?;
    let mut views = Vec::new();
    for (index, role) in facts.roles.iter().enumerate() {
        if let Some(role) = role {
            views.push((index, managing.sessions(&role.account).await?.0));
        }
    }
    managing.close().await;
    Ok(views)
}
