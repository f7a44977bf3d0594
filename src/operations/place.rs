//! Where the database of a rotated secret is, and how connections to it are made: what a
//! rotation and the sampling of its overlap both begin with.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::loading::Head;
use super::{Exit, Failure};
use crate::database::{Database, Target, Timeouts, Tls, connect};
use crate::environment::RotatedSecret;
use crate::model::settings::{DatabaseSettings, TlsMode};
use crate::model::{Address, Engine, Node, RotationInputs};
use crate::store::StoreError;

/// All places of one database, with what connects to them.
pub(super) struct Place {
    /// Where the managing connection goes.
    pub(super) node: Node,
    /// Further nodes of the same database.
    pub(super) others: Vec<Node>,
    /// Poolers through which consumers reach it.
    pub(super) poolers: Vec<Node>,
    pub(super) settings: DatabaseSettings,
    pub(super) database: Arc<dyn Database>,
}

impl Place {
    /// By the evaluated inputs and the settings at the newest revision.
    ///
    /// # Errors
    /// A certificate authority that cannot be used.
    pub(super) fn new(
        head: &Head,
        secret: &RotatedSecret,
        inputs: &RotationInputs,
    ) -> Result<Self, Failure> {
        let settings = head.settings.database(&secret.path);
        let node = Node {
            host: inputs.host.clone(),
            port: inputs.port,
        };
        let target = Target {
            engine: secret.engine,
            database: inputs.database.clone(),
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
            others: places(&settings.nodes, secret.engine, Some(&node)),
            poolers: places(&settings.poolers, secret.engine, None),
            node,
            settings,
            database,
        })
    }

    /// Every node at which consumers may log in.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        std::iter::once(&self.node).chain(&self.others)
    }
}

/// The addresses with the engine's usual port where none was written, each of them once: a
/// server that was asked twice would count as two.
fn places(addresses: &[Address], engine: Engine, but: Option<&Node>) -> Vec<Node> {
    let mut places: Vec<Node> = Vec::new();
    for address in addresses {
        let node = address.for_engine(engine);
        if Some(&node) != but && !places.contains(&node) {
            places.push(node);
        }
    }
    places
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
