//! Who is still there, whom to call, and what ends it without hurting anybody.

use core::net::IpAddr;
use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::coverage::pooler_command;
use super::judge::{PoolerAddress, Question};
use super::observed::{Foreign, ObservedNode};
use super::status::{Arrival, Straggler, StragglerSession};
use super::words;
use crate::model::{Engine, ObservedSession, OwnerNote, SessionKind};
use crate::untrusted::Untrusted;

/// From when on a transaction in which nothing happens is what keeps a session.
const LONG_IDLE: TimeDelta = TimeDelta::minutes(5);

/// The application that a foreign server of PostgreSQL logs in as, if not told otherwise.
const FOREIGN_SERVER: &str = "postgres_fdw";

/// One session that is there, and where.
#[derive(Clone, Copy)]
pub(super) struct There<'a> {
    /// Its node.
    pub(super) node: &'a ObservedNode<'a>,
    /// What was seen.
    pub(super) foreign: &'a Foreign<'a>,
}

/// Sessions of one application from one client.
pub(super) struct Group<'a> {
    /// `application_name`.
    pub(super) application: &'a Untrusted,
    /// The client's address.
    pub(super) client: Option<&'a Untrusted>,
    /// Its sessions, oldest first.
    pub(super) sessions: Vec<There<'a>>,
}

/// Sessions that were not seen to end, by application and client: worst arrival first, then
/// the oldest.
pub(super) fn groups<'a>(nodes: &'a [ObservedNode<'a>]) -> Vec<Group<'a>> {
    let mut places: HashMap<(&Untrusted, Option<&Untrusted>), usize> = HashMap::new();
    let mut groups: Vec<Group<'a>> = Vec::new();
    let there = nodes
        .iter()
        .flat_map(|node| node.open().map(move |foreign| There { node, foreign }));
    for there in there {
        let session = &there.foreign.seen.session;
        let key = (&session.application, session.client.as_ref());
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.sessions.push(there),
            None => groups.push(Group {
                application: key.0,
                client: key.1,
                sessions: vec![there],
            }),
        }
    }
    for group in &mut groups {
        group
            .sessions
            .sort_by_key(|there| (there.began(), there.foreign.seen.session.pid));
    }
    groups.sort_by_key(|group| {
        let oldest = group.sessions.first().map(There::began);
        (
            std::cmp::Reverse(group.arrival()),
            oldest,
            group.application,
            group.client,
        )
    });
    groups
}

impl There<'_> {
    /// When it began, by this host's clock.
    fn began(&self) -> DateTime<Utc> {
        self.node.to_host(self.foreign.began())
    }

    fn session(&self) -> &ObservedSession {
        &self.foreign.seen.session
    }

    /// The clock of its node at the last answer.
    fn now(&self) -> DateTime<Utc> {
        let answered = self.node.answered();
        answered.map_or(self.foreign.seen.first_seen, |both| both.server_time)
    }

    /// For how long nothing has happened in its open transaction.
    fn idle_in_transaction(&self) -> Option<TimeDelta> {
        let session = self.session();
        let state = session
            .state
            .as_ref()
            .map_or("", Untrusted::as_str)
            .to_ascii_lowercase();
        let since = session.transaction_since.or(session.state_since);
        let is_idle = state.starts_with("idle in transaction")
            || (state == "sleep" && session.transaction_since.is_some());
        since.filter(|_| is_idle).map(|since| self.now() - since)
    }
}

impl Group<'_> {
    /// The worst arrival of its sessions.
    pub(super) fn arrival(&self) -> Arrival {
        let arrivals = self.sessions.iter().map(|there| there.foreign.arrival);
        arrivals.max().unwrap_or(Arrival::Before)
    }

    /// Which it is, in words.
    pub(super) fn name(&self) -> String {
        words::client(self.application, self.client)
    }

    fn has(&self, kind: SessionKind) -> bool {
        self.sessions
            .iter()
            .any(|there| there.session().kind == kind)
    }
}

/// A group as it is told.
pub(super) fn describe(question: &Question<'_>, group: &Group<'_>) -> Straggler {
    let pooler = pooler_at(question.poolers, group.client);
    Straggler {
        application: group.application.clone(),
        client: group.client.cloned(),
        arrival: group.arrival(),
        owner: owner(question.owners, group.application, group.client),
        pooler: pooler.map(|pooler| pooler.name.clone()),
        remedy: remedy(group, pooler, question.engine),
        sessions: group.sessions.iter().map(session).collect(),
    }
}

fn session(there: &There<'_>) -> StragglerSession {
    let session = there.session();
    let seconds = |since| words::elapsed(there.now() - since).as_secs();
    StragglerSession {
        node: there.node.node.to_string(),
        pid: session.pid,
        kind: match session.kind {
            SessionKind::Client => "client",
            SessionKind::WalSender => "replication",
            SessionKind::Masked => "masked",
            SessionKind::PreparedTransaction => "prepared transaction",
        },
        database: session.database.clone(),
        started: session.started,
        age_seconds: seconds(there.foreign.began()),
        at_least: session.started.is_none(),
        arrival: there.foreign.arrival,
        state: session.state.clone(),
        state_seconds: session.state_since.map(seconds),
        transaction_seconds: session.transaction_since.map(seconds),
        command: session.command.clone(),
    }
}

/// What ends the sessions of a group without hurting anybody.
fn remedy(group: &Group<'_>, pooler: Option<&PoolerAddress>, engine: Engine) -> String {
    if group.has(SessionKind::PreparedTransaction) {
        let statements = match engine {
            Engine::Postgres => "`COMMIT PREPARED` or `ROLLBACK PREPARED` in its database",
            Engine::Mysql => "`XA COMMIT` or `XA ROLLBACK`",
        };
        return format!("ask whose it is, then end it by its identifier: {statements}");
    }
    if group.has(SessionKind::WalSender) {
        return match engine {
            Engine::Postgres => "a replication stream: set the new password in \
                                 `primary_conninfo`, or for a subscription by `ALTER SUBSCRIPTION \
                                 … CONNECTION`, then let it connect again"
                .to_owned(),
            Engine::Mysql => "a replica: set the new password by `CHANGE REPLICATION SOURCE TO` \
                              (MariaDB: `CHANGE MASTER TO`), then let it connect again"
                .to_owned(),
        };
    }
    let is_late = group.arrival() == Arrival::Late;
    if let Some(pooler) = pooler {
        let command = pooler_command(&pooler.database, engine);
        let name = &pooler.name;
        return match is_late {
            true => format!(
                "the pooler {name} still logs in with the old password: give it the new one, then \
                 {command}"
            ),
            false => format!("kept by the pooler {name}: {command}"),
        };
    }
    if group.has(SessionKind::Masked) {
        return "what it is cannot be seen: let the managing user see all sessions first"
            .to_owned();
    }
    let is_foreign_server = group.application.as_str() == FOREIGN_SERVER;
    if is_foreign_server && engine == Engine::Postgres {
        return "a foreign server: set the new password in its user mapping; the session ends \
                with the one that uses it"
            .to_owned();
    }
    if is_late {
        return "reads the old password: restart it or fix where it reads the credential from"
            .to_owned();
    }
    let idle = group
        .sessions
        .iter()
        .filter_map(There::idle_in_transaction)
        .max();
    if let Some(idle) = idle.filter(|idle| *idle >= LONG_IDLE) {
        return format!(
            "idle in a transaction for {}: it ends when the application commits or rolls back, \
             or at its restart",
            words::passed(words::elapsed(idle))
        );
    }
    "ends when its pool's maximal lifetime is over, or at its restart".to_owned()
}

/// Whom to call: the first entry that matches.
fn owner(
    owners: &[OwnerNote],
    application: &Untrusted,
    client: Option<&Untrusted>,
) -> Option<String> {
    let address = client.and_then(|client| address(client.as_str()));
    let matching = owners.iter().find(|owner| {
        let pattern = owner.application.as_deref();
        let network = owner.client.as_ref();
        pattern.is_none_or(|pattern| matches(pattern, application.as_str()))
            && network
                .is_none_or(|network| address.is_some_and(|address| network.contains(&address)))
    });
    matching.map(|owner| owner.contact.clone())
}

fn pooler_at<'a>(
    poolers: &'a [PoolerAddress],
    client: Option<&Untrusted>,
) -> Option<&'a PoolerAddress> {
    let client = client?.as_str();
    let is_there = |known: &String| match (address(known), address(client)) {
        (Some(known), Some(client)) => known == client,
        _ => known.eq_ignore_ascii_case(client),
    };
    poolers
        .iter()
        .find(|pooler| pooler.addresses.iter().any(is_there))
}

/// An address, also one of the older kind that stands in one of the newer.
fn address(text: &str) -> Option<IpAddr> {
    text.parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

/// Whether a text is as a pattern has it, in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    // The first place at which a part fits leaves the most for those after it.
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(application: Option<&str>, client: Option<&str>, contact: &str) -> OwnerNote {
        OwnerNote {
            application: application.map(str::to_owned),
            client: client.map(|network| network.parse().expect("a network")),
            contact: contact.to_owned(),
        }
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("web", "web", true),
            ("web", "web2", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("web*", "web-7", true),
            ("*-worker", "mail-worker", true),
            ("*-worker", "mail-worker-2", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("ab*ba", "aba", false),
            ("**", "x", true),
            ("zü*h", "zürich", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_entry_that_matches_says_whom_to_call() {
        let owners = [
            note(Some("web*"), Some("10.0.0.0/8"), "web team"),
            note(None, Some("fd00::/8"), "platform"),
            note(Some("web*"), None, "whoever runs web"),
        ];
        let call = |application: &str, client: Option<&str>| {
            let client = client.map(Untrusted::new);
            owner(&owners, &Untrusted::new(application), client.as_ref())
        };
        assert_eq!(call("web-1", Some("10.1.2.3")).as_deref(), Some("web team"));
        // An address of the older kind in one of the newer.
        let mapped = call("web-1", Some("::ffff:10.1.2.3"));
        assert_eq!(mapped.as_deref(), Some("web team"));
        assert_eq!(call("x", Some("fd00::7")).as_deref(), Some("platform"));
        // A text that is no address is in no network.
        let named = call("web-1", Some("app.example"));
        assert_eq!(named.as_deref(), Some("whoever runs web"));
        assert_eq!(call("web-1", None).as_deref(), Some("whoever runs web"));
        assert_eq!(call("x", Some("app.example")), None);
        assert_eq!(
            owner(&[note(None, None, "all")], &Untrusted::new("x"), None).as_deref(),
            Some("all")
        );
    }

    #[test]
    fn a_pooler_is_found_by_the_address_that_the_server_tells() {
        let poolers = [PoolerAddress {
            name: "bouncer:6432".to_owned(),
            addresses: vec!["10.0.0.9".to_owned(), "Bouncer.local".to_owned()],
            database: "orders".to_owned(),
        }];
        let found = |client: &str| pooler_at(&poolers, Some(&Untrusted::new(client))).is_some();
        assert!(found("10.0.0.9"));
        assert!(found("::ffff:10.0.0.9"));
        assert!(found("bouncer.local"));
        assert!(!found("10.0.0.90"));
        assert!(pooler_at(&poolers, None).is_none());
    }
}
