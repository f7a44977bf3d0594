//! What is known of the overlaps of one environment without asking their servers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Transaction;

use super::overlaps::open_overlap;
use crate::database::Database;
use crate::document::PropertyPath;
use crate::drain::{Drain, PoolerAddress};
use crate::environment::{Evaluator, RotatedSecret};
use crate::model::settings::DatabaseSettings;
use crate::model::{
    AccountId, Credential, Engine, EnvironmentName, Node, Overlap, OwnerNote, UserName,
};
use crate::operations::loading::{EnvironmentKey, Head, StoreLoader};
use crate::operations::place::{Place, monitor};
use crate::operations::{Failure, Workspace};
use crate::secret::{MasterKey, SecretId};
use crate::store::{RotatedSecretRow, rotated_secrets};

/// A resolver that hangs must not hold up what is said of the servers.
const RESOLVE: Duration = Duration::from_secs(1);

/// One overlap, where its servers are, and how to judge it. It holds no password: those are
/// evaluated for each connection anew.
pub(super) struct Ground {
    pub(super) environment: EnvironmentName,
    /// The revision of the environment that all this is from.
    pub(super) revision: u64,
    pub(super) path: PropertyPath,
    pub(super) secret: SecretId,
    pub(super) overlap: Overlap,
    /// The server that is recorded for it.
    pub(super) system: Option<String>,
    pub(super) engine: Engine,
    pub(super) nodes: Vec<Node>,
    pub(super) poolers: Vec<PoolerAddress>,
    pub(super) owners: Vec<OwnerNote>,
    pub(super) settings: DatabaseSettings,
    pub(super) manager: UserName,
    pub(super) database_name: String,
    pub(super) database: Arc<dyn Database>,
}

/// The overlaps of one environment, and its rotated secrets that have none.
#[derive(Default)]
pub(super) struct Grounds {
    pub(super) overlaps: Vec<Arc<Ground>>,
    pub(super) without_overlap: Vec<String>,
}

impl Grounds {
    /// Reads them at the newest revision; `paths` as a command names them, all without any.
    ///
    /// # Errors
    /// No such environment or path, findings in the document or the settings, or the store's
    /// own.
    pub(super) async fn read(
        workspace: &Workspace,
        environment: &EnvironmentName,
        paths: &[PropertyPath],
    ) -> Result<Self, Failure> {
        let (name, paths) = (environment.clone(), paths.to_vec());
        let master = Arc::clone(&workspace.master);
        let (found, without_overlap) = workspace
            .store
            .read(move |transaction| load(transaction, &master, &name, &paths))
            .await?;
        let mut overlaps = Vec::new();
        for (mut ground, poolers) in found {
            ground.poolers = resolve(poolers, &ground.database_name).await;
            overlaps.push(Arc::new(ground));
        }
        Ok(Self {
            overlaps,
            without_overlap,
        })
    }
}

impl Grounds {
    /// Drains with the numbers of their overlaps.
    pub(super) fn numbered<'a>(&self, drains: &'a [Drain]) -> Vec<(i64, &'a Drain)> {
        let of = |drain: &Drain| {
            let mut overlaps = self.overlaps.iter();
            overlaps.find(|ground| ground.path.to_string() == drain.path)
        };
        let numbered = drains.iter();
        numbered
            .filter_map(|drain| Some((of(drain)?.overlap.id, drain)))
            .collect()
    }
}

type Found = (Vec<(Ground, Vec<Node>)>, Vec<String>);

fn load(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    name: &EnvironmentName,
    paths: &[PropertyPath],
) -> Result<Found, Failure> {
    let head = Head::load(transaction, name)?;
    let mut found = Vec::new();
    let mut without = Vec::new();
    for secret in head.rotated_secrets(paths)? {
        let text_path = secret.path.to_string();
        let record = rotated_secrets::find(transaction, &head.row.id, &text_path)?;
        let overlap = match &record {
            Some(record) => open_overlap(transaction, &head, secret, record)?,
            None => None,
        };
        match record.zip(overlap) {
            Some((record, overlap)) => {
                found.push(ground(transaction, master, &head, secret, record, overlap)?);
            }
            None => without.push(text_path),
        }
    }
    Ok((found, without))
}

fn ground(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    head: &Head,
    secret: &RotatedSecret,
    record: RotatedSecretRow,
    mut overlap: Overlap,
) -> Result<(Ground, Vec<Node>), Failure> {
    let inputs = evaluated(transaction, master, head, |evaluator| {
        let inputs = evaluator.rotation_inputs(&secret.path);
        inputs.map_err(|found| Failure::in_document("bad-document", found, vec![head.source()]))
    })?;
    let place = Place::new(head, secret, &inputs)?;
    if overlap.account.is_none() {
        overlap.account = record.accounts.get(&overlap.user).cloned();
    }
    let ground = Ground {
        environment: head.row.name.clone(),
        revision: head.row.head,
        path: secret.path.clone(),
        secret: record.id,
        overlap,
        system: record.server.map(|server| server.system),
        engine: secret.engine,
        nodes: place.nodes().cloned().collect(),
        poolers: Vec::new(),
        owners: head.settings.owners().to_vec(),
        settings: place.settings,
        manager: inputs.managing.username,
        database_name: inputs.database,
        database: place.database,
    };
    Ok((ground, place.poolers))
}

impl Ground {
    /// Whose sessions are sampled, where its server was met.
    pub(super) fn account(&self) -> Option<&AccountId> {
        self.overlap.account.as_ref()
    }

    /// What decides who samples: as long as it is the same text, it is the same login.
    pub(super) fn login_text(&self) -> String {
        match &self.settings.monitor {
            Some(monitor) => format!("monitor {monitor}"),
            None => format!("user {}", self.manager.as_str()),
        }
    }

    /// The login that samples: `monitor` of the settings, else the managing user.
    ///
    /// # Errors
    /// The path is gone, what the settings name is no login, or the store's own.
    pub(super) async fn login(&self, workspace: &Workspace) -> Result<Credential, Failure> {
        let (name, path) = (self.environment.clone(), self.path.clone());
        let master = Arc::clone(&workspace.master);
        workspace
            .store
            .read(move |transaction| {
                let head = Head::load(transaction, &name)?;
                let secret = head.rotated_secret(&path)?;
                evaluated(transaction, &master, &head, |evaluator| {
                    if let Some(login) = monitor(evaluator, &head, &secret.path)? {
                        return Ok(login);
                    }
                    let inputs = evaluator.rotation_inputs(&path).map_err(|found| {
                        Failure::in_document("bad-document", found, vec![head.source()])
                    })?;
                    Ok(inputs.managing)
                })
            })
            .await
    }
}

fn evaluated<T>(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    head: &Head,
    ask: impl FnOnce(&Evaluator<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let key = EnvironmentKey::load(transaction, master, &head.row.id)?;
    let loader = StoreLoader {
        transaction,
        master,
    };
    let name = head.row.name.to_string();
    ask(&Evaluator::new(&head.environment, &name, &loader, &key))
}

/// The addresses from which the server sees the poolers' connections, as far as names tell.
async fn resolve(poolers: Vec<Node>, database: &str) -> Vec<PoolerAddress> {
    let lookups = poolers.into_iter().map(|pooler| async move {
        let addresses = match pooler.host.parse::<IpAddr>() {
            Ok(address) => vec![address.to_string()],
            Err(_) => {
                let asked = tokio::net::lookup_host((pooler.host.as_str(), pooler.port));
                let found = tokio::time::timeout(RESOLVE, asked).await;
                let found = found.ok().and_then(Result::ok).into_iter().flatten();
                found.map(|address| address.ip().to_string()).collect()
            }
        };
        PoolerAddress {
            name: pooler.to_string(),
            addresses,
            database: database.to_owned(),
        }
    });
    futures_util::future::join_all(lookups).await
}
