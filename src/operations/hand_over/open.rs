//! An open rotation as its journal tells it.

use super::Observer;
use super::adopt;
use super::report::{self, PathEnd};
use super::resume::{Purpose, ResumeRequest};
use super::rotation::Rotation;
use super::run::Run;
use super::subject::{Subject, WithoutState};
use crate::model::{EnvironmentName, RotationId};
use crate::operations::loading::Head;
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::{Event, fold};
use crate::store::{JournalLine, journal};

/// What is known of an environment's open rotation.
pub(super) struct Found {
    pub(super) environment_id: String,
    pub(super) open: Option<Open>,
}

/// An open rotation as its journal tells it.
pub(super) struct Open {
    pub(super) number: RotationId,
    lines: Vec<JournalLine>,
}

impl Open {
    /// The rotation's paths, in the order in which the journal names them.
    fn paths(&self) -> Vec<&str> {
        let mut paths = Vec::new();
        for path in self.lines.iter().filter_map(|line| line.path.as_deref()) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }

    /// Whether nothing but files that did not get their text holds it open.
    pub(super) fn waits_for_files(&self) -> bool {
        let paths = self.paths();
        let is_over = |path: &&str| fold(&self.events(path)).is_over();
        !paths.is_empty() && paths.iter().all(is_over)
    }

    fn events(&self, path: &str) -> Vec<Event> {
        self.lines
            .iter()
            .filter(|line| line.path.as_deref() == Some(path))
            .map(|line| line.event.clone())
            .collect()
    }

    /// The rotation's paths that this run does not work on: over, not asked for, or left
    /// for a reason of their own.
    pub(super) fn others(&self, asked: &AskedFor) -> Vec<PathEnd> {
        let subjects = &asked.subjects;
        let is_worked_on = |path: &str| subjects.iter().any(|one| one.path.to_string() == path);
        let others = self.paths().into_iter().filter(|path| !is_worked_on(path));
        others
            .map(|path| {
                let journal = fold(&self.events(path));
                let left = asked.left.iter().find(|(left, _)| left == path);
                match left {
                    Some((_, failure)) => report::of_left(path.to_owned(), &journal, failure),
                    None => report::of_journal(path.to_owned(), &journal),
                }
            })
            .collect()
    }

    /// The rotated secrets that are asked for and of which something is still to be done.
    /// One that cannot be worked on holds up no other.
    pub(super) async fn subjects(
        &self,
        workspace: &Workspace,
        request: &ResumeRequest,
    ) -> Result<AskedFor, Failure> {
        // A path that is over may be gone from the document by now.
        let all = self.paths().into_iter();
        let open: Vec<&str> = all
            .filter(|path| !fold(&self.events(path)).is_over())
            .collect();
        let wanted: Vec<String> = request.paths.iter().map(ToString::to_string).collect();
        if let Some(path) = wanted.iter().find(|path| !open.contains(&path.as_str())) {
            return Err(self.not_open(path, &open, request));
        }
        let mut asked = AskedFor {
            subjects: Vec::new(),
            left: Vec::new(),
        };
        for path in open {
            if !wanted.is_empty() && !wanted.iter().any(|one| one == path) {
                continue;
            }
            let journal = fold(&self.events(path));
            let admitted = journal.admitted.as_ref();
            let user = admitted.map_or("", |admitted| &admitted.user).to_owned();
            let without = match admitted {
                Some(_) => WithoutState::Settled { user: user.clone() },
                None => WithoutState::Unsettled,
            };
            match self.subject(workspace, request, path, without).await {
                Ok(mut subject) => {
                    if let Some(back) = &journal.back {
                        subject.arrange(back.way, &user);
                    }
                    asked.subjects.push(subject);
                }
                Err(failure) => asked.left.push((path.to_owned(), failure)),
            }
        }
        if self.paths().is_empty() {
            let number = self.number;
            return Err(damaged(format!("the journal of {number} names no path")));
        }
        match (asked.subjects.is_empty(), asked.left.pop()) {
            // With nothing to work on the reason says everything, its places included.
            (true, Some((_, failure))) if asked.left.is_empty() => Err(failure),
            (_, left) => {
                asked.left.extend(left);
                Ok(asked)
            }
        }
    }

    async fn subject(
        &self,
        workspace: &Workspace,
        request: &ResumeRequest,
        path: &str,
        without: WithoutState,
    ) -> Result<Subject, Failure> {
        let path = path.parse().map_err(|_| {
            let number = self.number;
            damaged(format!("the journal of {number} names a malformed path"))
        })?;
        let environment = &request.environment;
        let mut subject = Subject::read_open(workspace, environment, path, without).await?;
        // A path without S1 is begun by a retry alone; ending it needs no answer to which
        // user consumers read.
        if request.purpose == Purpose::Retry {
            adopt::settle(std::slice::from_mut(&mut subject)).await?;
        }
        Ok(subject)
    }

    fn not_open(&self, path: &str, open: &[&str], request: &ResumeRequest) -> Failure {
        let (number, verb) = (self.number, request.purpose.verb());
        Failure::new(
            "no-such-path",
            Exit::Usage,
            format!("{number} has nothing open at {path}, so there is nothing to {verb}"),
            format!("name one of {}", open.join(", ")),
        )
    }

    pub(super) fn resume<'a>(
        &self,
        workspace: &'a Workspace,
        observer: &'a Observer,
        request: &ResumeRequest,
        subjects: &'a [Subject],
    ) -> Rotation<'a> {
        let opened = self.lines.iter().find_map(|line| match &line.event {
            Event::Opened {
                reason,
                waiver,
                compromised,
                ..
            } => Some((reason.clone(), waiver.clone(), *compromised)),
            _ => None,
        });
        let (reason, waiver, compromised) = opened.unwrap_or_default();
        let runs = subjects.iter().map(|subject| {
            let events = self.events(&subject.path.to_string());
            let intent = request.purpose.intent();
            let mut run = Run::new(workspace, observer, subject, intent, self.number, events);
            run.reason.clone_from(&reason);
            let back = run.journal.back.as_ref();
            run.compromised = compromised || back.is_some_and(|back| back.compromised);
            run.waived = waiver.is_some() && is_in_the_plan(&run.events);
            run
        });
        Rotation {
            number: self.number,
            environment: request.environment.clone(),
            protected: subjects.iter().any(|subject| subject.protected),
            runs: runs.collect(),
        }
    }
}

/// The rotated secrets of an open rotation that are asked for.
pub(super) struct AskedFor {
    pub(super) subjects: Vec<Subject>,
    /// Paths that cannot be worked on, and why.
    left: Vec<(String, Failure)>,
}

pub(super) async fn find(workspace: &Workspace, name: &EnvironmentName) -> Result<Found, Failure> {
    let name = name.clone();
    workspace
        .store
        .read(move |transaction| {
            let head = Head::load(transaction, &name)?;
            let open = match journal::find_open(transaction, &head.row.id)? {
                Some(number) => Some(Open {
                    number,
                    lines: journal::lines(transaction, number)?,
                }),
                None => None,
            };
            Ok(Found {
                environment_id: head.row.id,
                open,
            })
        })
        .await
}

/// Whether the path was admitted when the rotation began: the waiver is bound to the plan
/// of then. A path that had its S1 late has another plan, which nobody has signed.
fn is_in_the_plan(events: &[Event]) -> bool {
    matches!(events.first(), Some(Event::Admitted(_)))
}

fn damaged(words: String) -> Failure {
    Failure::new(
        "store-damaged",
        Exit::NeedsHuman,
        words,
        "keep a copy of the store's folder and restore the last backup",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ServerIdentity;
    use crate::rotation::{Admitted, Case};

    #[test]
    fn a_waiver_passes_no_gate_of_a_path_that_was_not_in_its_plan() {
        let admitted = Event::Admitted(Admitted {
            secret: "00".to_owned(),
            current: "a".to_owned(),
            user: "b".to_owned(),
            accounts: [1.into(), 2.into()],
            statements: 1,
            login_limit: None,
            current_limit: None,
            hosts: Vec::new(),
            server: ServerIdentity {
                flavour: crate::model::Flavour::Postgresql,
                gtids: String::new(),
                system: "1".to_owned(),
                timeline: 1,
                position: 0,
                transaction: 0,
                version: 150_000,
            },
            previous_known: true,
            current_known: true,
        });
        let parked = Event::Parked {
            case: Case::Unreachable,
            message: "no answer".to_owned(),
        };
        assert!(is_in_the_plan(&[admitted.clone(), parked.clone()]));
        assert!(!is_in_the_plan(&[parked, admitted]));
        assert!(!is_in_the_plan(&[]));
    }
}
