//! Giving one path up after S3: a revision whose `previous` is the idle user with the new
//! password, since that is what the database accepts. Consumers are untouched, and no
//! password is changed. An overlap of the idle user drains again: whatever was done to retire
//! it is undone by S3, and somebody here knows its password.

use std::sync::Arc;

use chrono::Utc;
use serde_json::json;

use super::effects;
use super::promote::{credential, write_state};
use super::run::{Run, Stop, Turn};
use crate::document::{Fragment, Segment};
use crate::operations::loading::Head;
use crate::operations::notices::{self, RotationFact};
use crate::operations::workspace::timestamp;
use crate::operations::{Failure, Workspace, sinks};
use crate::rotation::{Case, Event};
use crate::store::{NewRevision, journal, overlaps, revisions};

impl Run<'_> {
    /// Records the new password as `previous` and closes the path.
    pub(super) async fn abandon(&mut self, case: Option<Case>) -> Result<Turn, Failure> {
        let Some(pending) = self.journal.pending.clone() else {
            return self.park_as_unrecognised().await;
        };
        let case = case.unwrap_or(Case::Applied);
        let rotation = self.rotation;
        let subject = self.subject;
        let environment = subject.environment.clone();
        let path = subject.path.to_string();
        let mut state = subject.document_path.clone();
        state.push(Segment::Key("state".to_owned()));
        let user = subject.user().as_str().to_owned();
        let master = Arc::clone(&self.workspace.master);
        let requester = self.workspace.requester.clone();
        let reason = self.reason.clone();
        let secret = subject.record.id;
        let own = self.own_logins();
        let written = effects::write(self.workspace, "abandoned", move |transaction| {
            let head = Head::load(transaction, &environment)?;
            let known = credential(&user, &pending.sealed);
            let document = given_up(&head, state, &known)?;
            let now = timestamp();
            let revision = NewRevision {
                document: &document,
                settings: &head.revision.settings,
                files: &head.revision.files,
                cause: "abandon",
                author: &requester,
                reason: reason.as_deref(),
                rotation: Some(rotation),
                now: &now,
            };
            let number = revisions::add(transaction, &head.row.id, &revision)?;
            sinks::follow_state(transaction, &master, &environment)?;
            let event = Event::Abandoned {
                revision: number,
                case,
            };
            journal::append(transaction, rotation, Some(&path), &event, &now)?;
            overlaps::drains_again(transaction, secret, &user, Utc::now())?;
            own.note(transaction)?;
            journal::close_if_over(transaction, rotation, &now)?;
            Workspace::audit(
                &master,
                transaction,
                &requester,
                "rotation.abandoned",
                Some(&environment),
                json!({"rotation": rotation, "path": path, "revision": number, "case": case}),
            )?;
            notices::of_rotation(transaction, &environment, rotation, RotationFact::Ended)?;
            Ok::<_, Failure>((event, number))
        })
        .await;
        match written {
            Ok((event, revision)) => {
                self.take(event);
                Ok(Turn::Stop(Stop::Abandoned { revision }))
            }
            Err(failure) if failure.code == "store-unknown" => {
                self.promotion_unknown = true;
                Ok(Turn::Again)
            }
            Err(failure) => Err(failure),
        }
    }
}

/// The document with the new password as `previous`. A first rotation without a state
/// leaves it as it is: nobody here knows what consumers read, and a state without `current`
/// would make the whole environment unreadable. The next rotation is a first one again.
fn given_up(head: &Head, state: Vec<Segment>, known: &Fragment) -> Result<String, Failure> {
    let document = &head.revision.document;
    if head.document.get(&state).is_none() {
        return Ok(document.clone());
    }
    let mut previous = state;
    previous.push(Segment::Key("previous".to_owned()));
    write_state(head, document, &previous, known)
}
