//! One rotated secret as the driver works on it: who, where, with what.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::Transaction;

use crate::database::Database;
use crate::document::{PropertyPath, Segment};
use crate::environment::{Evaluator, RotatedSecret};
use crate::model::settings::{DatabaseSettings, Protection};
use crate::model::{
    Credential, Engine, EnvironmentName, Node, Overlap, RotatedState, Stage, UserName,
};
use crate::operations::loading::{EnvironmentKey, Head, StoreLoader};
use crate::operations::place::{Place, monitor};
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::Way;
use crate::secret::{MasterKey, Secret};
use crate::store::{RotatedSecretRow, StoreError, overlaps, rotated_secrets};

/// What is made of a rotated secret without `state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WithoutState {
    /// It cannot be worked on.
    Refuse,
    /// Which user consumers read is still to be found out.
    Unsettled,
    /// It was found out when the rotation began.
    Settled {
        /// The idle user, whose password is changed.
        user: String,
    },
}

/// A rotated secret, evaluated for rotation. It holds the managing credential, so it
/// lives only as long as the run.
pub(super) struct Subject {
    pub(super) environment_id: String,
    pub(super) environment: EnvironmentName,
    pub(super) protected: bool,
    pub(super) revision: u64,
    pub(super) path: PropertyPath,
    /// Down to the node that holds `inputs` and `state`.
    pub(super) document_path: Vec<Segment>,
    pub(super) record: RotatedSecretRow,
    /// Its overlap, where it was promoted.
    pub(super) overlap: Option<Overlap>,
    /// Where the managing connection goes.
    pub(super) node: Node,
    /// Further nodes of the same database.
    pub(super) others: Vec<Node>,
    pub(super) poolers: Vec<Node>,
    pub(super) manager: Credential,
    /// The login that the settings name for sampling; the words say why it cannot be read.
    pub(super) monitor: Option<Result<Credential, String>>,
    /// X with C.
    pub(super) current: Credential,
    /// Y with P.
    pub(super) previous: Credential,
    /// The stored password that a way back takes as its candidate. It is no P beside it: the
    /// same password would be found twice.
    pub(super) candidate: Option<Secret>,
    /// X is the user in `previous`: the target of a way back is the one in `current`.
    pub(super) reads_target: bool,
    /// There is no `state`, and which user consumers read is still to be found out.
    pub(super) is_unsettled: bool,
    pub(super) settings: DatabaseSettings,
    pub(super) engine: Engine,
    pub(super) database: Arc<dyn Database>,
}

impl Subject {
    /// Reads one rotated secret in a transaction of its own.
    ///
    /// # Errors
    /// As for [`Subject::load`].
    pub(super) async fn read(
        workspace: &Workspace,
        name: &EnvironmentName,
        path: PropertyPath,
    ) -> Result<Self, Failure> {
        let name = name.clone();
        let master = Arc::clone(&workspace.master);
        workspace
            .store
            .read(move |transaction| Self::load(transaction, &master, &name, &path))
            .await
    }

    /// Reads one path of an open rotation.
    ///
    /// # Errors
    /// As for [`Subject::load`].
    pub(super) async fn read_open(
        workspace: &Workspace,
        name: &EnvironmentName,
        path: PropertyPath,
        without: WithoutState,
    ) -> Result<Self, Failure> {
        let name = name.clone();
        let master = Arc::clone(&workspace.master);
        workspace
            .store
            .read(move |transaction| {
                let head = Head::load(transaction, &name)?;
                let secret = head.rotated_secret(&path)?;
                Self::of(transaction, &master, &head, secret, &without)
            })
            .await
    }

    /// The rotated secrets at `paths`, or all of the environment.
    ///
    /// # Errors
    /// As for [`Subject::load`].
    pub(super) fn load_all(
        transaction: &Transaction<'_>,
        master: &MasterKey,
        name: &EnvironmentName,
        paths: &[PropertyPath],
    ) -> Result<Vec<Self>, Failure> {
        let head = Head::load(transaction, name)?;
        let secrets = head.rotated_secrets(paths)?.into_iter();
        secrets
            .map(|secret| {
                let without = WithoutState::Unsettled;
                Self::of(transaction, master, &head, secret, &without)
            })
            .collect()
    }

    /// The rotated secret at `path`.
    ///
    /// # Errors
    /// No such path, findings in the document, a missing `state`, or the store's own.
    pub(super) fn load(
        transaction: &Transaction<'_>,
        master: &MasterKey,
        name: &EnvironmentName,
        path: &PropertyPath,
    ) -> Result<Self, Failure> {
        let head = Head::load(transaction, name)?;
        let secret = head.rotated_secret(path)?;
        Self::of(transaction, master, &head, secret, &WithoutState::Refuse)
    }

    /// Evaluates inputs and state at the newest revision.
    fn of(
        transaction: &Transaction<'_>,
        master: &MasterKey,
        head: &Head,
        secret: &RotatedSecret,
        without: &WithoutState,
    ) -> Result<Self, Failure> {
        let name = &head.row.name;
        let text_path = secret.path.to_string();
        let record =
            rotated_secrets::find(transaction, &head.row.id, &text_path)?.ok_or_else(|| {
                StoreError::Damaged(format!("the rotated secret {text_path} has no record"))
            })?;
        let key = EnvironmentKey::load(transaction, master, &head.row.id)?;
        let loader = StoreLoader {
            transaction,
            master,
        };
        let text_name = name.to_string();
        let evaluator = Evaluator::new(&head.environment, &text_name, &loader, &key);
        let in_document =
            |diagnostics| Failure::in_document("bad-document", diagnostics, vec![head.source()]);
        let inputs = evaluator
            .rotation_inputs(&secret.path)
            .map_err(in_document)?;
        let state = evaluator.state(&secret.path).map_err(in_document)?;
        // What the settings say of it must not keep anybody from recovering.
        let monitor = match monitor(&evaluator, head, &secret.path) {
            Ok(login) => login.map(Ok),
            Err(failure) => Some(Err(failure.message)),
        };
        let is_unsettled = state.is_none() && *without == WithoutState::Unsettled;
        let state = match state {
            Some(state) => state,
            None => stand_in(without, &inputs.users)
                .ok_or_else(|| no_state(name, &secret.path, &inputs.users, ""))?,
        };
        for user in [&state.current.username, &state.previous.username] {
            if !inputs.users.contains(user) {
                return Err(Failure::new(
                    "bad-document",
                    Exit::Error,
                    format!("`state` of {text_path} names a user that is not in `rotateUsers`"),
                    "name the two users of `rotateUsers` in `state`",
                ));
            }
        }
        if state.current.username == state.previous.username {
            return Err(Failure::new(
                "bad-document",
                Exit::Error,
                format!("`state` of {text_path} names the same user twice"),
                "`current` and `previous` are the two users of `rotateUsers`",
            ));
        }
        let Place {
            node,
            others,
            poolers,
            settings,
            database,
        } = Place::new(head, secret, &inputs)?;
        Ok(Self {
            environment_id: head.row.id.clone(),
            environment: name.clone(),
            protected: head.settings.protection() == Protection::Production,
            revision: head.row.head,
            path: secret.path.clone(),
            document_path: secret.document_path.clone(),
            overlap: overlap(transaction, &record, &state.previous.username)?,
            record,
            others,
            poolers,
            node,
            manager: inputs.managing,
            monitor,
            current: state.current,
            previous: state.previous,
            candidate: None,
            reads_target: false,
            is_unsettled,
            settings,
            engine: secret.engine,
            database,
        })
    }

    /// Every node at which consumers may log in.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        std::iter::once(&self.node).chain(&self.others)
    }

    /// The last promote by the clock of `node`, or by any clock where that node was not
    /// there yet; `None` when we never promoted.
    pub(super) fn promoted_on(&self, node: &Node) -> Option<DateTime<Utc>> {
        let promoted = &self.record.promoted;
        let on_node = promoted.iter().find(|at| at.node == *node);
        on_node
            .map(|at| at.server_time)
            .or_else(|| promoted.iter().map(|at| at.server_time).max())
    }

    /// The overlap in which Y is the outgoing user.
    pub(super) fn overlap_of_idle(&self) -> Option<&Overlap> {
        let overlap = self.overlap.as_ref()?;
        (overlap.user == self.user().as_str()).then_some(overlap)
    }

    /// We have locked Y, or may have; its next password lets it in again.
    pub(super) fn is_retired(&self) -> bool {
        self.overlap_of_idle()
            .is_some_and(|overlap| overlap.stage != Stage::Draining)
    }

    /// Decides which of the pair is idle: consumers read the other one.
    pub(super) fn settle(&mut self, idle_is_current: bool) {
        if idle_is_current {
            std::mem::swap(&mut self.current, &mut self.previous);
        }
        self.is_unsettled = false;
    }

    /// Makes Y the target of a way back, and what is stored of it the candidate where the way
    /// makes no new password. Where that is the user that consumers read, the two change places.
    /// `named` is the user that an import is for, whose stored password is worth nothing.
    pub(super) fn arrange(&mut self, way: Way, named: &str) {
        self.reads_target = match way {
            Way::Reapply => true,
            Way::Import => self.current.username.as_str() == named,
            Way::Repromote | Way::Unretire | Way::Reissue => false,
        };
        if self.reads_target {
            std::mem::swap(&mut self.current, &mut self.previous);
        }
        match way {
            Way::Reissue => {}
            Way::Import => self.previous.password = None,
            Way::Repromote | Way::Unretire | Way::Reapply => {
                self.candidate = self.previous.password.take();
            }
        }
    }

    /// X.
    pub(super) fn current_user(&self) -> &UserName {
        &self.current.username
    }

    /// Y, whose password is changed.
    pub(super) fn user(&self) -> &UserName {
        &self.previous.username
    }

    /// Y for a report: nobody, while it is still to be found out who that is.
    pub(super) fn reported_user(&self) -> Option<&UserName> {
        (!self.is_unsettled).then(|| self.user())
    }
}

/// The overlap as it stands in the store. Where the rotated secret was promoted before overlaps
/// were kept, nobody has watched it yet, and whoever samples makes its row.
fn overlap(
    transaction: &Transaction<'_>,
    record: &RotatedSecretRow,
    previous: &UserName,
) -> Result<Option<Overlap>, StoreError> {
    if let Some(overlap) = overlaps::current(transaction, record.id)? {
        return Ok(Some(overlap));
    }
    let last = record.promoted.iter().map(|at| at.server_time).max();
    Ok(last.map(|at| Overlap {
        id: 0,
        user: previous.as_str().to_owned(),
        account: record.accounts.get(previous.as_str()).cloned(),
        revision: 0,
        promoted: record.promoted.clone(),
        opened_at: at,
        stage: Stage::Draining,
        stage_at: at,
        compromised: false,
    }))
}

/// The pair without any password, the first user idle unless another one is known to be.
fn stand_in(without: &WithoutState, users: &[UserName; 2]) -> Option<RotatedState> {
    let idle = match without {
        WithoutState::Refuse => return None,
        WithoutState::Unsettled => 0,
        WithoutState::Settled { user } => users.iter().position(|one| one.as_str() == user)?,
    };
    let nameless = |user: &UserName| Credential {
        username: user.clone(),
        password: None,
    };
    Some(RotatedState {
        current: nameless(&users[1 - idle]),
        previous: nameless(&users[idle]),
    })
}

/// What to write when the first `state` is missing.
pub(super) fn no_state(
    name: &EnvironmentName,
    path: &PropertyPath,
    users: &[UserName; 2],
    why: &str,
) -> Failure {
    let shown = |user: &UserName| crate::untrusted::Untrusted::new(user.as_str());
    Failure::new(
        "no-state",
        Exit::Refused,
        format!(
            "{path} of {name} has no `state`, so it is not known which user consumers read{why}"
        ),
        format!(
            "write the state beside `inputs`, with the user that consumers read now as current: \
             state: {{current: {{username: {}, password: {{fn::secret: …}}}}, \
             previous: {{username: {}, password: {{fn::secret: …}}}}}}; then make the environment \
             anew from that file (handover env rm {name}, handover env init {name})",
            shown(&users[0]),
            shown(&users[1])
        ),
    )
}
