//! What the files of `publish` hold: a store that was restored from an older backup knows less
//! than they do.
//!
//! A file is looked at as before it is written, and read by the template that makes it. What it
//! holds is offered only once every node and every pooler has let it in, and where the server
//! counts wrong passwords none is shown that could be one too many.

use std::path::PathBuf;

use crate::document::Segment;
use crate::environment::Template;
use crate::model::settings::publish::SinkSettings;
use crate::model::{LoginOutcome, Node, UserName};
use crate::operations::hand_over::guesses::probe_counted;
use crate::operations::hand_over::logins::{
    Logins, probe_through_poolers, probe_with_statements, sessions_of,
};
use crate::operations::hand_over::own::{self, OwnLogins};
use crate::operations::hand_over::run::{Run, troubling};
use crate::operations::hand_over::subject::Subject;
use crate::operations::loading::Head;
use crate::operations::{Failure, Workspace};
use crate::publish::{self, Found};
use crate::rotation::{RoleKnowledge, Standing, assess};
use crate::secret::Secret;
use crate::untrusted::Untrusted;

/// A credential of the pair that a file holds, and that logs in everywhere.
pub(super) struct Imported {
    pub(super) file: String,
    pub(super) user: UserName,
    pub(super) password: Secret,
}

/// What became of all files.
#[derive(Default)]
pub(super) struct Published {
    /// The first one that is good.
    pub(super) imported: Option<Imported>,
    /// Each file with what was found, for people.
    pub(super) evidence: Vec<String>,
}

/// What a file says of `current`; many templates name no user.
struct Held {
    user: Option<Secret>,
    password: Secret,
}

/// A user of the pair with a password from a file, and how that ended.
struct Tried {
    user: UserName,
    password: Secret,
    is_good: bool,
    words: String,
}

/// Reads every file whose template has the password of this `current`, and tries what it holds.
///
/// # Errors
/// The store's own; what is wrong with a file is evidence.
pub(super) async fn look(run: &mut Run<'_>) -> Result<Published, Failure> {
    let subject = run.subject;
    let all = sinks_of(run.workspace, subject).await?;
    let mut published = Published::default();
    let mut tried = Vec::new();
    let wanted = all.iter().filter(|sink| holds_password(sink, subject));
    for sink in wanted.clone() {
        let file = &sink.file;
        let words = match read(sink, subject).await {
            Err(words) => words,
            Ok(held) => {
                let (good, words) = try_held(run, held, &mut tried).await?;
                if let Some((user, password)) = good {
                    published.imported.get_or_insert_with(|| Imported {
                        file: file.clone(),
                        user,
                        password,
                    });
                }
                words
            }
        };
        published.evidence.push(format!("{file}: {words}"));
    }
    if wanted.count() == 0 && !all.is_empty() {
        let path = &subject.path;
        let words = format!("no template of `publish` has ${{{path}.current.password}}");
        published.evidence.push(words);
    }
    Ok(published)
}

async fn sinks_of(workspace: &Workspace, subject: &Subject) -> Result<Vec<SinkSettings>, Failure> {
    let name = subject.environment.clone();
    let read = workspace.store.read(move |transaction| {
        let head = Head::load(transaction, &name)?;
        Ok::<_, Failure>(head.settings.sinks().to_vec())
    });
    read.await
}

/// Where a part of the rotated secret's `current` stands in the environment.
fn of_current(subject: &Subject, key: &str) -> Vec<Segment> {
    let mut segments = subject.path.segments().to_vec();
    segments.extend(["current", key].map(|key| Segment::Key(key.to_owned())));
    segments
}

fn holds_password(sink: &SinkSettings, subject: &Subject) -> bool {
    let wanted = of_current(subject, "password");
    Template::parse(&sink.template)
        .is_ok_and(|template| template.references().any(|reference| reference == wanted))
}

/// What the file holds, or why that is not known.
async fn read(sink: &SinkSettings, subject: &Subject) -> Result<Held, String> {
    let (file, owner) = (PathBuf::from(&sink.file), sink.owner.clone());
    let looked = tokio::task::spawn_blocking(move || publish::look(&file, owner.as_deref()));
    let bytes = match looked.await {
        Ok(Ok(Found::File(bytes))) => bytes,
        Ok(Ok(Found::Absent)) => return Err("there is no such file".to_owned()),
        Ok(Err(fault)) => return Err(format!("not read: {}", fault.message)),
        Err(error) => return Err(format!("not read: {error}")),
    };
    let values = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| publish::extract(&sink.template, text));
    let Some(mut values) = values else {
        let words = "its text was not made by its template, or not by one set of values alone";
        return Err(words.to_owned());
    };
    let mut take = |key| {
        let wanted = of_current(subject, key);
        let at = values
            .iter()
            .position(|(path, _)| path.segments() == wanted)?;
        Some(values.swap_remove(at).1)
    };
    match (take("password"), take("username")) {
        (Some(password), user) if !password.expose().is_empty() => Ok(Held { user, password }),
        _ => Err("it holds an empty password".to_owned()),
    }
}

/// Tries it as the user that is named, or as either of the pair.
async fn try_held(
    run: &mut Run<'_>,
    held: Held,
    tried: &mut Vec<Tried>,
) -> Result<(Option<(UserName, Secret)>, String), Failure> {
    let subject = run.subject;
    let pair = [subject.user(), subject.current_user()];
    let is_named = |user: &&UserName| {
        let named = held.user.as_ref();
        named.is_none_or(|named| named.expose() == user.as_str())
    };
    let mut all = Vec::new();
    for user in pair.into_iter().filter(is_named) {
        let known =
            |one: &&Tried| one.user == *user && one.password.expose() == held.password.expose();
        if tried.iter().find(known).is_none() {
            let (is_good, words) = try_as(run, user, &held.password).await?;
            tried.push(Tried {
                user: user.clone(),
                password: held.password.duplicate(),
                is_good,
                words,
            });
        }
        let Some(one) = tried.iter().find(known) else {
            continue;
        };
        let shown = Untrusted::new(user.as_str());
        all.push(format!("{shown} with the password there: {}", one.words));
        if one.is_good {
            return Ok((Some((user.clone(), held.password)), all.join("; ")));
        }
    }
    Ok(match all.is_empty() {
        true => (None, "it names a user that is not of the pair".to_owned()),
        false => (None, all.join("; ")),
    })
}

/// Says whether it is let in everywhere, and what was found.
async fn try_as(
    run: &mut Run<'_>,
    user: &UserName,
    password: &Secret,
) -> Result<(bool, String), Failure> {
    let subject = run.subject;
    let index = usize::from(user == subject.user());
    let stored = [&subject.current, &subject.previous][index];
    let is_stored = |known: &Secret| known.expose() == password.expose();
    if stored.password.as_ref().is_some_and(is_stored) {
        return Ok((false, "it is the stored one, which is refused".to_owned()));
    }
    let role = run
        .facts
        .as_ref()
        .and_then(|facts| facts.roles[index].clone());
    let Some(role) = role else {
        return Ok((false, "not tried: there is no such user".to_owned()));
    };
    if !role.can_log_in {
        // Each login that it is refused counts as somebody who still tries.
        return Ok((false, "not tried: the user is locked".to_owned()));
    }
    let probe = probe_with_statements(subject, user, password);
    let limit = role.login_limit;
    let logins = probe_counted(run.workspace, subject, user, limit, probe).await?;
    let sessions = sessions_of(&logins);
    run.own.extend(sessions.iter().cloned());
    own::note(run.workspace, [OwnLogins::new(subject, user, sessions)]).await;
    let knowledge = RoleKnowledge::of(Some(&role), None);
    let found = standing(&logins, knowledge);
    if !found.is_everywhere() || found.statement_failed > 0 {
        let word = match found.statement_failed {
            0 => found.word(),
            _ => "a configured statement fails",
        };
        return Ok((false, with_troubles(word, &logins)));
    }
    if !subject.poolers.is_empty() {
        let pooled = probe_through_poolers(subject, user, password).await;
        if !standing(&pooled, knowledge).is_everywhere() {
            let word = "valid, and not through the poolers";
            return Ok((false, with_troubles(word, &pooled)));
        }
    }
    Ok((true, found.word().to_owned()))
}

fn standing(logins: &Logins, knowledge: RoleKnowledge) -> Standing {
    assess(logins.iter().map(|(_, outcome)| outcome), knowledge)
}

fn with_troubles(word: &str, logins: &[(Node, LoginOutcome)]) -> String {
    let troubles = logins
        .iter()
        .filter_map(|(node, outcome)| troubling(node, outcome));
    let words: Vec<String> = std::iter::once(word.to_owned()).chain(troubles).collect();
    words.join("; ")
}
