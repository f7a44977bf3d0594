//! Places: how many work at once, over all agents of the host. Each is a file lock, so that
//! whoever is killed gives it back.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::Limits;
use crate::model::EnvironmentName;
use crate::operations::{Failure, Workspace, servers_of};
use crate::store::{Place, StoreError};

/// For how long it is remembered where an environment's databases are.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Which servers environments are on, and which of those have no place left.
pub(super) struct Places {
    limits: Limits,
    servers: HashMap<EnvironmentName, (Instant, Vec<String>)>,
    /// Servers that were found full at this look.
    full: HashSet<String>,
}

impl Places {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            servers: HashMap::new(),
            full: HashSet::new(),
        }
    }

    /// A new look: what was full may not be any more.
    pub(super) fn begin(&mut self) {
        self.full.clear();
        self.servers
            .retain(|_, (since, _)| since.elapsed() < REMEMBERED);
    }

    /// A place among all rotations of the host, if one is left.
    pub(super) fn among_all(&self, workspace: &Workspace) -> Result<Option<Place>, StoreError> {
        workspace.store.take_place("rotations", self.limits.at_once)
    }

    /// A place at each server of an environment, or none at any: nobody holds one server while it
    /// waits for another.
    pub(super) async fn at_servers(
        &mut self,
        workspace: &Workspace,
        environment: &EnvironmentName,
    ) -> Result<Option<Vec<Place>>, Failure> {
        let servers = match self.servers.get(environment) {
            Some((_, servers)) => servers.clone(),
            None => {
                let servers = servers_of(workspace, environment.clone()).await?;
                let found = (Instant::now(), servers.clone());
                self.servers.insert(environment.clone(), found);
                servers
            }
        };
        if servers.iter().any(|server| self.full.contains(server)) {
            return Ok(None);
        }
        let mut places = Vec::new();
        for server in servers {
            match workspace
                .store
                .take_place(&server, self.limits.per_server)?
            {
                Some(place) => places.push(place),
                None => {
                    self.full.insert(server);
                    return Ok(None);
                }
            }
        }
        Ok(Some(places))
    }
}
