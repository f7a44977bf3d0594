//! One password tried at several places at once: the nodes of a rotated secret, or its
//! poolers.

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::{StreamExt, stream};

use super::effects;
use super::rotation::MOST_AT_ONCE;
use super::subject::Subject;
use crate::database::Login;
use crate::drain::PROBE_APPLICATION_PREFIX;
use crate::model::{LoginOutcome, Node, OwnSession, UserName};
use crate::process::generate_password;
use crate::secret::Secret;

/// Every place that was asked, and how the login ended there.
pub(super) type Logins = Vec<(Node, LoginOutcome)>;

/// As long as any real one, so that it cannot be guessed right.
const DECOY_LENGTH: usize = 32;

/// X with C. Empty where nobody here knows C.
pub(super) async fn probe_current(subject: &Subject) -> Logins {
    let Some(password) = &subject.current.password else {
        return Logins::new();
    };
    let user = subject.current_user();
    probe(subject, subject.nodes(), "probe-current", user, password).await
}

/// X with C through every pooler. Empty where nobody here knows C.
pub(super) async fn probe_current_through_poolers(subject: &Subject) -> Logins {
    let Some(password) = &subject.current.password else {
        return Logins::new();
    };
    let (poolers, user) = (subject.poolers.iter(), subject.current_user());
    probe(subject, poolers, "probe-current", user, password).await
}

/// Y with P, where P is known.
pub(super) async fn probe_previous(subject: &Subject) -> Option<Logins> {
    let password = subject.previous.password.as_ref()?;
    let user = subject.user();
    Some(probe(subject, subject.nodes(), "probe-previous", user, password).await)
}

/// Y with a random password, which nothing may accept.
pub(super) async fn probe_decoy(subject: &Subject) -> Logins {
    let decoy = generate_password(DECOY_LENGTH);
    let user = subject.user();
    probe(subject, subject.nodes(), "probe-previous", user, &decoy).await
}

/// Y with N on every node, and the configured statements.
pub(super) async fn probe_pending(subject: &Subject, pending: &Secret) -> Logins {
    probe_with_statements(subject, subject.user(), pending).await
}

/// Y with N through every pooler.
pub(super) async fn probe_poolers(subject: &Subject, pending: &Secret) -> Logins {
    probe_through_poolers(subject, subject.user(), pending).await
}

/// A candidate of either user on every node, and the configured statements.
pub(super) async fn probe_with_statements(
    subject: &Subject,
    user: &UserName,
    candidate: &Secret,
) -> Logins {
    let statements = &subject.settings.statements;
    let effect = "probe-pending";
    let attempts = subject
        .nodes()
        .map(|node| attempt(subject, effect, node, user, candidate, statements));
    all(attempts).await
}

/// The same through every pooler, without the statements.
pub(super) async fn probe_through_poolers(
    subject: &Subject,
    user: &UserName,
    candidate: &Secret,
) -> Logins {
    let poolers = subject.poolers.iter();
    probe(subject, poolers, "probe-pending", user, candidate).await
}

async fn probe<'a>(
    subject: &'a Subject,
    places: impl Iterator<Item = &'a Node>,
    effect: &'static str,
    user: &'a UserName,
    password: &'a Secret,
) -> Logins {
    let attempts = places.map(|node| attempt(subject, effect, node, user, password, &[]));
    all(attempts).await
}

async fn all<'a>(attempts: impl Iterator<Item = BoxFuture<'a, (Node, LoginOutcome)>>) -> Logins {
    let attempts: Vec<_> = attempts.collect();
    stream::iter(attempts)
        .buffered(MOST_AT_ONCE)
        .collect()
        .await
}

fn attempt<'a>(
    subject: &'a Subject,
    effect: &'static str,
    node: &'a Node,
    user: &'a UserName,
    password: &'a Secret,
    statements: &'a [String],
) -> BoxFuture<'a, (Node, LoginOutcome)> {
    async move {
        let application = application("probe");
        let login = Login {
            node,
            user,
            password,
            application: &application,
            statements,
        };
        (node.clone(), effects::probe(subject, effect, login).await)
    }
    .boxed()
}

/// How our sessions name themselves to the server.
pub(super) fn application(purpose: &str) -> String {
    format!("{PROBE_APPLICATION_PREFIX}{purpose}")
}

/// The sessions that these logins opened, to be left out of every count.
pub(super) fn sessions_of(logins: &[(Node, LoginOutcome)]) -> Vec<OwnSession> {
    logins
        .iter()
        .filter_map(|(_, outcome)| outcome.session().cloned())
        .collect()
}
