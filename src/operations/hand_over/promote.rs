//! S5: everything that was verified becomes current together, in one transaction. With it the
//! overlap of X begins, and that of Y ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::effects;
use super::own::OwnLogins;
use super::run::Run;
use crate::document::{Fragment, PropertyPath, Segment, edit};
use crate::model::settings::DatabaseSettings;
use crate::model::{NodeTime, RotationId, ServerIdentity, Step};
use crate::operations::loading::Head;
use crate::operations::notices::{self, RotationFact};
use crate::operations::workspace::stored_time;
use crate::operations::{Exit, Failure, Workspace, sinks};
use crate::rotation::{Admitted, Event, Pending, Way};
use crate::secret::SecretId;
use crate::store::{
    NewOverlap, NewRevision, StoreError, journal, overlaps, revisions, rotated_secrets,
};

/// What one path brings to the new revision.
struct Verified {
    path: String,
    document_path: Vec<Segment>,
    secret: SecretId,
    user: String,
    /// X, which becomes `previous`.
    other: String,
    /// The new password; `None` where the user keeps the one it has.
    pending: Option<Pending>,
    /// The way back that it is, if it is one.
    way: Option<Way>,
    /// What is stored of X was found to be refused everywhere, while consumers were down.
    other_is_dead: bool,
    /// The target stands in `current` already.
    reads_target: bool,
    /// Every node's clock at the last promote.
    promoted: Vec<NodeTime>,
    admitted: Option<Admitted>,
    /// The server as the last look of this run saw it.
    seen: Option<ServerIdentity>,
    nodes: Vec<NodeTime>,
    /// Logins as X right before it: their sessions may be seen when its overlap has begun.
    own: OwnLogins,
    path_in_document: PropertyPath,
    /// The settings under which it was verified.
    settings: DatabaseSettings,
}

/// Promotes the runs together: revision, journal, audit and the promote times are one
/// transaction. All runs belong to `rotation`. The passwords of the users that become outgoing
/// leaked if they are `compromised`. Answers the new revision.
///
/// # Errors
/// `store-unknown` when the outcome of the commit is not known, `settings-changed` when
/// something else is to be verified by now, else the store's own.
pub(super) async fn promote(
    rotation: RotationId,
    runs: &mut [&mut Run<'_>],
    compromised: bool,
) -> Result<u64, Failure> {
    let Some(first) = runs.first() else {
        return Err(nothing_pending());
    };
    let workspace = first.workspace;
    let environment = first.subject.environment.clone();
    let reason = first.reason.clone();
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    let is_back = runs.iter().any(|run| run.journal.back.is_some());
    let mut verified = Vec::new();
    for run in runs.iter() {
        run.begun(Step::Promote);
        verified.push(Verified::of(run)?);
    }
    let number = effects::write(workspace, "promoted", move |transaction| {
        let head = Head::load(transaction, &environment)?;
        let mut document = head.revision.document.clone();
        for one in &verified {
            one.check_settings(&head)?;
            document = promoted_document(&head, &document, one)?;
        }
        let at = Utc::now();
        let now = stored_time(at);
        let revision = NewRevision {
            document: &document,
            settings: &head.revision.settings,
            files: &head.revision.files,
            cause: if is_back { "rollback" } else { "rotation" },
            author: &requester,
            reason: reason.as_deref(),
            rotation: Some(rotation),
            now: &now,
        };
        let number = revisions::add(transaction, &head.row.id, &revision)?;
        for one in &verified {
            one.record(transaction)?;
            let leaked = compromised || one.leaked_before(transaction, &head.row.id)?;
            one.open_overlap(transaction, number, leaked, at)?;
            let event = Event::Promoted { revision: number };
            journal::append(transaction, rotation, Some(&one.path), &event, &now)?;
            Workspace::audit(
                &master,
                transaction,
                &requester,
                "rotation.promoted",
                Some(&environment),
                one.detail(rotation, number),
            )?;
        }
        sinks::want_all(transaction, &head, number, rotation)?;
        journal::close_if_over(transaction, rotation, &now)?;
        notices::of_rotation(transaction, &environment, rotation, RotationFact::Promoted)?;
        Ok::<_, Failure>(number)
    })
    .await?;
    for run in runs {
        run.take(Event::Promoted { revision: number });
        run.done(Step::Promote);
    }
    Ok(number)
}

fn nothing_pending() -> Failure {
    StoreError::Damaged("a verified path has no pending password".to_owned()).into()
}

impl Verified {
    fn of(run: &Run<'_>) -> Result<Self, Failure> {
        let subject = run.subject;
        let back = run.journal.back.as_ref();
        let other = run.weigh().current;
        Ok(Self {
            path: subject.path.to_string(),
            document_path: subject.document_path.clone(),
            secret: subject.record.id,
            user: subject.user().as_str().to_owned(),
            other: subject.current_user().as_str().to_owned(),
            pending: match back.is_some_and(|back| back.way.takes_stored()) {
                true => None,
                false => Some(run.journal.pending.clone().ok_or_else(nothing_pending)?),
            },
            way: back.map(|back| back.way),
            other_is_dead: match back {
                // An older store's word for it is not enough.
                Some(back) if back.way == Way::Import => !other.is_everywhere(),
                Some(_) => !run.journal.needs_current() && other.is_nowhere(),
                None => false,
            },
            reads_target: subject.reads_target,
            promoted: subject.record.promoted.clone(),
            admitted: run.journal.admitted.clone(),
            seen: run.facts.as_ref().map(|facts| facts.identity.clone()),
            nodes: run.journal.verified.clone(),
            own: OwnLogins::of_current(subject, run.epoch.current.as_deref().unwrap_or_default()),
            path_in_document: subject.path.clone(),
            settings: subject.settings.clone(),
        })
    }

    /// What was proven is good for the places and statements that were asked for then.
    fn check_settings(&self, head: &Head) -> Result<(), Failure> {
        let (then, now) = (
            &self.settings,
            head.settings.database(&self.path_in_document),
        );
        let is_as_verified = then.nodes == now.nodes
            && then.poolers == now.poolers
            && then.statements == now.statements
            && then.twin == now.twin;
        if is_as_verified {
            return Ok(());
        }
        Err(Failure::new(
            "settings-changed",
            Exit::NeedsHuman,
            format!(
                "the settings of {} were changed since its new password was verified; it is set \
                 and not promoted, and nobody is affected",
                self.path
            ),
            "see that `nodes`, `poolers` and `verify` are as they should be",
        ))
    }

    /// Which server, which roles, and when by each node's clock.
    fn record(&self, transaction: &rusqlite::Transaction<'_>) -> Result<(), StoreError> {
        let Some(admitted) = &self.admitted else {
            return Ok(());
        };
        let accounts = BTreeMap::from([
            (admitted.current.clone(), admitted.accounts[0].clone()),
            (admitted.user.clone(), admitted.accounts[1].clone()),
        ]);
        let secret = self.secret;
        // The last look of this run may have seen it further on.
        let server = self.seen.as_ref().unwrap_or(&admitted.server);
        // Consumers go on with the user that they read: for the other one nothing began now.
        let promoted = match self.is_same_user() {
            true => &self.promoted,
            false => &self.nodes,
        };
        rotated_secrets::record_promotion(transaction, secret, server, &accounts, promoted)
    }

    /// The password of the user that consumers read was set once more.
    fn is_same_user(&self) -> bool {
        self.way == Some(Way::Reapply)
    }

    /// What the audit log says.
    fn detail(&self, rotation: RotationId, revision: u64) -> serde_json::Value {
        let mut detail = json!({"rotation": rotation, "path": self.path, "revision": revision});
        if let Some(way) = self.way {
            detail["way"] = json!(way);
        }
        detail
    }

    /// The password of X leaked before it became current, and it was given back all the same: X
    /// has none but that since then.
    fn leaked_before(
        &self,
        transaction: &rusqlite::Transaction<'_>,
        environment: &str,
    ) -> Result<bool, StoreError> {
        let had_leaked = overlaps::last_of(transaction, self.secret, &self.other)?
            .is_some_and(|overlap| overlap.compromised);
        let Some(since) = overlaps::current(transaction, self.secret)?.filter(|_| had_leaked)
        else {
            return Ok(false);
        };
        let by = revisions::rotation_of(transaction, environment, since.revision)?;
        let lines = by.map(|rotation| journal::lines(transaction, rotation));
        Ok(lines.transpose()?.unwrap_or_default().iter().any(
            |line| matches!(&line.event, Event::WayChosen(chosen) if chosen.way.takes_stored()),
        ))
    }

    /// From here on X is the outgoing user. Where it was that before, its overlap goes on.
    fn open_overlap(
        &self,
        transaction: &rusqlite::Transaction<'_>,
        revision: u64,
        compromised: bool,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if self.is_same_user() {
            return Ok(());
        }
        let admitted = self.admitted.as_ref();
        let admitted = admitted.filter(|admitted| admitted.current == self.other);
        let overlap = NewOverlap {
            user: &self.other,
            account: admitted.map(|admitted| &admitted.accounts[0]),
            revision,
            promoted: &self.nodes,
            compromised,
            now,
        };
        overlaps::open(transaction, self.secret, &overlap)?;
        self.own.note(transaction)
    }
}

/// `document` with the path's target in `current` and the other user in `previous`, each with
/// its envelope as it stands in `head`; of the target it is the new one, where there is one.
fn promoted_document(head: &Head, document: &str, one: &Verified) -> Result<String, Failure> {
    let key = |text: &str| Segment::Key(text.to_owned());
    let mut state = one.document_path.clone();
    state.push(key("state"));
    let stored = |label: &str| {
        let mut path = state.clone();
        path.push(key(label));
        head.document.get(&path).map(Fragment::from_node)
    };
    let (target, other) = match one.reads_target {
        true => ("current", "previous"),
        false => ("previous", "current"),
    };
    let new_current = match &one.pending {
        Some(pending) => credential(&one.user, &pending.sealed),
        None => stored(target).ok_or_else(nothing_pending)?,
    };
    // Without a state nobody here knows the other user's password.
    let nameless = || Fragment::mapping([("username", Fragment::string(&one.other))]);
    let new_previous = match one.other_is_dead {
        true => nameless(),
        false => stored(other).unwrap_or_else(nameless),
    };
    let new_state = Fragment::mapping([("current", new_current), ("previous", new_previous)]);
    write_state(head, document, &state, &new_state)
}

/// `document` with another value at `path`, all comments kept.
pub(super) fn write_state(
    head: &Head,
    document: &str,
    path: &[Segment],
    value: &Fragment,
) -> Result<String, Failure> {
    edit::set(document, path, value).map_err(|diagnostic| {
        Failure::in_document("cannot-promote", vec![diagnostic], vec![head.source()])
    })
}

/// A user with a sealed password, as it stands in a `state`.
pub(super) fn credential(user: &str, sealed: &str) -> Fragment {
    let ciphertext = Fragment::mapping([("ciphertext", Fragment::string(sealed))]);
    Fragment::mapping([
        ("username", Fragment::string(user)),
        ("password", Fragment::mapping([("fn::secret", ciphertext)])),
    ])
}
