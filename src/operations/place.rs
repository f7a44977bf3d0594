//! Where the database of a rotated secret is, and how connections to it are made: what a
//! rotation and the sampling of its overlap both begin with.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::loading::Head;
use super::{Exit, Failure};
use crate::database::{Database, Target, Timeouts, Tls, connect};
use crate::document::{Diagnostic, PropertyPath};
use crate::environment::{Evaluator, RotatedSecret};
use crate::model::settings::{DatabaseSettings, TlsMode};
use crate::model::{Address, Credential, Engine, Node, RotationInputs};
use crate::store::StoreError;
use crate::untrusted::Untrusted;

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

/// The login that the settings name for sampling `path`; `None` where they name none.
///
/// # Errors
/// What they name is no login.
pub(super) fn monitor(
    evaluator: &Evaluator<'_>,
    head: &Head,
    path: &PropertyPath,
) -> Result<Option<Credential>, Failure> {
    let Some(text) = head.settings.database(path).monitor else {
        return Ok(None);
    };
    let login = evaluator.credential("monitor", &text);
    let login = login.map_err(|found| bad_monitor(head, path, &text, &found))?;
    Ok(Some(login))
}

fn bad_monitor(head: &Head, path: &PropertyPath, text: &str, found: &[Diagnostic]) -> Failure {
    let name = &head.row.name;
    let summaries: Vec<&str> = found.iter().map(|one| one.summary.as_str()).collect();
    let hint = found.iter().find_map(|one| one.hint.clone());
    Failure::new(
        "bad-settings",
        Exit::Error,
        format!(
            "`monitor` in the settings of {name}, which samples {path}, is {}: {}",
            Untrusted::new(text),
            Untrusted::new(&summaries.join("; ")),
        ),
        hint.unwrap_or_else(|| {
            format!(
                "mend it with `handover env settings set {name} -f FILE`, or remove it: then \
                 the managing user samples"
            )
        }),
    )
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
