//! The evidence of an examination: the looks of S1, the pair side by side, and one login
//! that must be refused. Nothing is changed and no lock is taken.

use std::sync::Arc;

use super::gate::look_at_each_other;
use super::guesses::{probe_current_counted, probe_uncounted};
use super::logins::{Logins, application, probe_current_through_poolers, probe_decoy, sessions_of};
use super::own::{self, OwnLogins};
use super::preflight::owner_of;
use super::subject::Subject;
use crate::document::PropertyPath;
use crate::drain;
use crate::model::{
    AccountId, AccountSample, Credential, DatabaseFault, Engine, EnvironmentName, LoginOutcome,
    Node, OwnSession, SessionView, TwinRoles,
};
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::{self, Check, Examination, Finding, Managed, Sampling};
use crate::store::journal;
use crate::untrusted::Untrusted;

/// Examines one rotated secret.
///
/// # Errors
/// The store's own; what is wrong with the document is a finding.
pub(in crate::operations) async fn examine(
    workspace: &Workspace,
    environment: &EnvironmentName,
    path: &PropertyPath,
) -> Result<Vec<Finding>, Failure> {
    let (name, wanted) = (environment.clone(), path.clone());
    let master = Arc::clone(&workspace.master);
    let loaded = workspace
        .store
        .read(move |transaction| {
            let subject = Subject::load(transaction, &master, &name, &wanted)?;
            let open = journal::find_open(transaction, &subject.environment_id)?;
            Ok::<_, Failure>((subject, open))
        })
        .await;
    let (subject, open_rotation) = match loaded {
        Ok(loaded) => loaded,
        Err(failure) => return of_document(failure),
    };
    // On MySQL the server may count wrong passwords, which is asked before one is shown.
    let asked_first = match subject.engine {
        Engine::Postgres => None,
        Engine::Mysql => Some(look_as_manager(&subject, &[]).await),
    };
    let seen = asked_first
        .as_ref()
        .and_then(|managed| managed.as_ref().ok());
    let idle_role = seen.and_then(|managed| managed.facts.roles[1].as_ref());
    let limit = seen.and_then(|managed| managed.facts.roles[0].as_ref()?.login_limit);
    let is_counted = idle_role.is_some_and(|role| role.login_limit.is_some());
    let decoy = async {
        match is_counted || subject.is_retired() {
            true => Logins::new(),
            false => probe_decoy(&subject).await,
        }
    };
    let (current, idle, wrong, pooled, others) = tokio::join!(
        probe_current_counted(workspace, &subject, limit),
        async {
            match subject.is_retired() {
                true => None,
                false => probe_uncounted(&subject, idle_role).await,
            }
        },
        decoy,
        probe_current_through_poolers(&subject),
        look_at_each_other(&subject)
    );
    let current = current?;
    let made = [
        OwnLogins::of_current(&subject, &current),
        OwnLogins::of_idle(&subject, idle.as_deref().unwrap_or_default()),
        OwnLogins::of_idle(&subject, &wrong),
    ];
    own::note(workspace, made).await;
    let mut own = sessions_of(&current);
    own.extend(sessions_of(idle.as_deref().unwrap_or_default()));
    own.extend(sessions_of(&wrong));
    own.extend(sessions_of(&pooled));
    let wrong = most_telling(&wrong);
    let managing = match asked_first {
        Some(managing) => managing,
        None => look_as_manager(&subject, &own).await,
    };
    let looks = samples(&subject, managing.as_ref().ok()).await;
    let sampling = Sampling {
        monitor: subject.monitor.as_ref().map(|monitor| match monitor {
            Ok(login) => Ok(&login.username),
            Err(words) => Err(words.as_str()),
        }),
        looks: &looks,
        is_needed: !subject.settings.quiet.is_zero(),
    };
    let owner = match &managing {
        Ok(managed) => owner_of(workspace, &subject, &managed.facts).await?,
        Err(_) => None,
    };
    let users = [subject.current_user(), subject.user()];
    let roles = match &managing {
        Ok(managed) => managed.facts.roles.each_ref().map(Option::as_ref),
        Err(_) => [None, None],
    };
    let remedies = [0, 1].map(|index| subject.database.remedies(users[index], roles[index]));
    Ok(rotation::examine(&Examination {
        environment,
        open_rotation,
        node: &subject.node,
        engine: subject.engine,
        tls: subject.settings.tls,
        manager: &subject.manager.username,
        users,
        remedies: [&remedies[0], &remedies[1]],
        owner: owner.as_ref(),
        recorded_server: subject.record.server.as_ref(),
        recorded_certificate: subject.record.certificate.as_deref(),
        recorded_account: subject.record.accounts.get(subject.user().as_str()),
        retired: subject.is_retired(),
        managing: managing.as_ref(),
        current_logins: &current,
        idle_logins: idle.as_deref(),
        wrong_login: &wrong,
        others: &others,
        sampling: &sampling,
        pooled_logins: &pooled,
    }))
}

/// What is wrong with the input is a finding like any other; the rest is not.
fn of_document(failure: Failure) -> Result<Vec<Finding>, Failure> {
    match failure.code {
        "no-state" | "bad-document" | "bad-settings" => Ok(vec![document_problem(&failure)]),
        _ if failure.exit == Exit::Usage => Ok(vec![document_problem(&failure)]),
        _ => Err(failure),
    }
}

/// A document that cannot be used.
pub(in crate::operations) fn document_problem(failure: &Failure) -> Finding {
    Finding::problem(
        Check::Document,
        failure.message.clone(),
        Some(failure.remedy.clone()),
    )
}

/// The login with a random password that tells most: one that was let in, if any was.
fn most_telling(wrong: &[(Node, LoginOutcome)]) -> LoginOutcome {
    let let_in = wrong
        .iter()
        .find(|(_, outcome)| outcome.session().is_some());
    let told = let_in.or(wrong.first()).map(|(_, outcome)| outcome.clone());
    told.unwrap_or(LoginOutcome::PasswordRefused)
}

async fn look_as_manager(subject: &Subject, own: &[OwnSession]) -> Result<Managed, DatabaseFault> {
    let name = application("manage");
    let users = [subject.current_user(), subject.user()];
    let mut managing = subject
        .database
        .manage(&subject.node, &subject.manager, &name)
        .await?;
    let facts = managing.facts(users[0], users[1]).await?;
    let foreign = |view: &SessionView| view.complete.then(|| drain::foreign_sessions(view, own));
    let idle = foreign(&facts.sessions);
    let current = match &facts.roles[0] {
        Some(role) => foreign(&managing.sessions(&role.account).await?.0),
        None => None,
    };
    let twins = match &facts.roles {
        [Some(current), Some(idle)] => Some(
            managing
                .twins(TwinRoles {
                    names: users,
                    accounts: [&current.account, &idle.account],
                })
                .await,
        ),
        _ => None,
    };
    let ending = match &facts.roles[1] {
        Some(role) => managing.lacks_right_to_end(&role.account).await,
        None => Ok(None),
    };
    managing.close().await;
    Ok(Managed {
        facts,
        twins,
        sessions: [current, idle],
        ending,
    })
}

/// What whoever samples sees of the idle user, on all nodes at once. Empty where it is not known
/// which user that is there.
async fn samples(
    subject: &Subject,
    managed: Option<&Managed>,
) -> Vec<(Node, Result<AccountSample, DatabaseFault>)> {
    let login = match &subject.monitor {
        Some(Ok(login)) => login,
        Some(Err(_)) => return Vec::new(),
        None => &subject.manager,
    };
    let found = managed.and_then(|managed| managed.facts.roles[1].as_ref());
    let recorded = subject.record.accounts.get(subject.user().as_str());
    let Some(account) = found.map(|role| &role.account).or(recorded) else {
        return Vec::new();
    };
    let looks = subject
        .nodes()
        .map(|node| async move { (node.clone(), sample(subject, login, node, account).await) });
    futures_util::future::join_all(looks).await
}

async fn sample(
    subject: &Subject,
    login: &Credential,
    node: &Node,
    account: &AccountId,
) -> Result<AccountSample, DatabaseFault> {
    let name = application("sample");
    let mut watching = subject.database.watch(node, login, &name).await?;
    let sample = watching.sample(std::slice::from_ref(account)).await;
    watching.close().await;
    let no_answer = || DatabaseFault::Server {
        node: node.clone(),
        code: "none".to_owned(),
        message: Untrusted::new("it said nothing of the user"),
    };
    sample?.accounts.pop().ok_or_else(no_answer)
}
