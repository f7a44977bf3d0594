//! Which overlaps share a connection: those of one environment on one node, by one login, at
//! one interval.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::ground::Ground;
use crate::model::{EnvironmentName, Node};

/// What makes it one connection. A new revision of the environment makes a new one, whatever
/// was changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct GroupKey {
    pub(super) environment: EnvironmentName,
    revision: u64,
    pub(super) node: Node,
    login: String,
    /// Engine, database, TLS and time-outs.
    reached: String,
    pub(super) interval: Duration,
}

/// The overlaps of `grounds`, by the connection that samples them.
pub(super) fn grouped(
    grounds: impl IntoIterator<Item = Arc<Ground>>,
) -> HashMap<GroupKey, Vec<Arc<Ground>>> {
    let mut groups: HashMap<GroupKey, Vec<Arc<Ground>>> = HashMap::new();
    for ground in grounds {
        for node in &ground.nodes {
            let members = groups.entry(key(&ground, node)).or_default();
            members.push(Arc::clone(&ground));
        }
    }
    groups
}

fn key(ground: &Ground, node: &Node) -> GroupKey {
    let settings = &ground.settings;
    let reached = format!(
        "{:?}",
        (
            ground.engine,
            &ground.database_name,
            settings.tls,
            &settings.ca,
            settings.connect_timeout,
            settings.statement_timeout,
        )
    );
    GroupKey {
        environment: ground.environment.clone(),
        revision: ground.revision,
        node: node.clone(),
        login: ground.login_text(),
        reached,
        interval: settings.sample,
    }
}
