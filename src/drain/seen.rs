//! Who was seen as the outgoing user: the blast radius of changing its password.

use std::collections::BTreeMap;

use super::timeline::Timeline;
use crate::model::SeenClient;

/// By application and client, whoever was seen last first; sessions of our own left out.
#[must_use]
pub fn seen_clients(timeline: &Timeline) -> Vec<SeenClient> {
    let mut clients = BTreeMap::new();
    for node in &timeline.nodes {
        let newest = node.runs.last().map(|run| run.until);
        for seen in &node.sessions {
            let is_own = timeline.own.iter().any(|own| {
                own.node == node.node
                    && own.pid == seen.session.pid
                    && (own.started.is_none() || own.started == seen.session.started)
            });
            if is_own {
                continue;
            }
            let session = &seen.session;
            let last_seen = match seen.ended {
                Some(ended) => ended.last_seen,
                None => newest.unwrap_or(seen.first_seen),
            };
            let client = clients
                .entry((session.application.clone(), session.client.clone()))
                .or_insert(SeenClient {
                    application: session.application.clone(),
                    client: session.client.clone(),
                    sessions: 0,
                    last_seen,
                });
            client.sessions += 1;
            client.last_seen = client.last_seen.max(last_seen);
        }
    }
    let mut clients: Vec<SeenClient> = clients.into_values().collect();
    clients.sort_by_key(|client| std::cmp::Reverse(client.last_seen));
    clients
}
