//! One rotated secret as the driver works on it: who, where, with what.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Transaction;

use crate::database::{Database, Target, Timeouts, Tls, connect};
use crate::document::{PropertyPath, Segment};
use crate::environment::{Evaluator, RotatedSecret};
use crate::model::settings::{DatabaseSettings, Protection, TlsMode};
use crate::model::{Credential, EnvironmentName, Node, UserName};
use crate::operations::loading::{EnvironmentKey, Head, StoreLoader};
use crate::operations::{Exit, Failure, Workspace};
use crate::secret::{MasterKey, Secret};
use crate::store::{RotatedSecretRow, StoreError, rotated_secrets};

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
    pub(super) node: Node,
    pub(super) manager: Credential,
    /// X with C.
    pub(super) current: Credential,
    /// Y with P.
    pub(super) previous: Credential,
    pub(super) settings: DatabaseSettings,
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
            .map(|secret| Self::of(transaction, master, &head, secret))
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
        Self::of(transaction, master, &head, secret)
    }

    /// Evaluates inputs and state at the newest revision.
    fn of(
        transaction: &Transaction<'_>,
        master: &MasterKey,
        head: &Head,
        secret: &RotatedSecret,
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
        let state = state.ok_or_else(|| no_state(name, &secret.path, &inputs.users))?;
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
        let settings = head.settings.database(&secret.path);
        let node = Node {
            host: inputs.host,
            port: inputs.port,
        };
        let target = Target {
            engine: secret.engine,
            node: node.clone(),
            database: inputs.database,
            tls: tls(&settings, &head.revision.files)?,
            timeouts: Timeouts {
                connect: settings.connect_timeout,
                statement: settings.statement_timeout,
                lock: settings.lock_timeout,
            },
        };
        let database = connect(target).map_err(|words| {
            Failure::new(
                "bad-settings",
                Exit::Error,
                words,
                "check `databases.\"*\".tls.ca` with `handover env settings get`",
            )
        })?;
        Ok(Self {
            environment_id: head.row.id.clone(),
            environment: name.clone(),
            protected: head.settings.protection() == Protection::Production,
            revision: head.row.head,
            path: secret.path.clone(),
            document_path: secret.document_path.clone(),
            record,
            node,
            manager: inputs.managing,
            current: state.current,
            previous: state.previous,
            settings,
            database,
        })
    }

    /// C. A state without it is refused when it is read.
    pub(super) fn current_password(&self) -> Result<&Secret, Failure> {
        self.current.password.as_ref().ok_or_else(|| {
            Failure::new(
                "bad-document",
                Exit::Error,
                format!("`state.current` of {} has no password", self.path),
                "write `password: {fn::secret: …}` under `state.current`",
            )
        })
    }

    /// X.
    pub(super) fn current_user(&self) -> &UserName {
        &self.current.username
    }

    /// Y, whose password is changed.
    pub(super) fn user(&self) -> &UserName {
        &self.previous.username
    }
}

fn tls(settings: &DatabaseSettings, files: &BTreeMap<String, String>) -> Result<Tls, Failure> {
    let authority = match &settings.ca {
        Some(name) => Some(files.get(name).cloned().ok_or_else(|| {
            StoreError::Damaged(format!("the revision does not hold the file {name}"))
        })?),
        None => None,
    };
    Ok(match settings.tls {
        TlsMode::VerifyFull => Tls::VerifyFull { authority },
        TlsMode::VerifyCa => Tls::VerifyCa { authority },
        TlsMode::Require => Tls::Require,
        TlsMode::Disable => Tls::Disable,
    })
}

/// What to write when the first `state` is missing.
fn no_state(name: &EnvironmentName, path: &PropertyPath, users: &[UserName; 2]) -> Failure {
    let shown = |user: &UserName| crate::untrusted::Untrusted::new(user.as_str());
    Failure::new(
        "no-state",
        Exit::Refused,
        format!("{path} of {name} has no `state`, so it is not known which user consumers read"),
        format!(
            "write the state beside `inputs`, with the user that consumers read now as current: \
             state: {{current: {{username: {}, password: {{fn::secret: …}}}}, \
             previous: {{username: {}, password: {{fn::secret: …}}}}}}",
            shown(&users[0]),
            shown(&users[1])
        ),
    )
}
