//! Who was seen as the outgoing user: the blast radius of changing its password.

use std::collections::BTreeMap;

use super::judge::Question;
use super::observed::observe;
use crate::model::SeenClient;

/// By application and client, whoever was seen last first; sessions of our own left out.
#[must_use]
pub fn seen_clients(question: &Question<'_>) -> Vec<SeenClient> {
    let mut clients = BTreeMap::new();
    for node in observe(question) {
        let newest = node.run().map(|run| run.until);
        for foreign in &node.sessions {
            let (seen, session) = (foreign.seen, &foreign.seen.session);
            let last_seen = match seen.ended {
                Some(ended) => ended.last_seen,
                None => newest.unwrap_or(seen.first_seen),
            };
            let client = clients
                .entry((&session.application, &session.client))
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
