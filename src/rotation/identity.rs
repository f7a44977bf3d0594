//! Whether the server that answers is the one that was met before.
//!
//! The store keeps a high-water mark for each rotated secret: system identifier,
//! timeline, log position and transaction id, raised whenever a rotation is opened or
//! promoted. A server only moves forward, so that one which is behind its own mark is an
//! older copy of itself.
//!
//! What this can tell and what not: `initdb`, `pg_upgrade` and a logical copy make
//! another system identifier. A standby that is promoted, and a restore to a point in
//! time, begin a new timeline. A copy of the data folder keeps both; it is known only as
//! long as it lies behind the mark. A cold copy that was started and then written past
//! the mark, in log and in transactions, cannot be told from the original by anything
//! that the server says of itself.
//!
//! MySQL and MariaDB have no timelines. Each server has an identifier of its own, so that a
//! replica that took over is another server; an older copy of the same one lacks
//! transactions that it had (`gtid_executed`), or lies behind in InnoDB's redo log. Where
//! a server keeps no such identifiers, only the redo log tells.

use std::cmp::max;

use super::gtid::GtidSet;
use crate::model::{Flavour, ServerIdentity};

/// What the server that answers is to the one that was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServerMatch {
    /// The recorded one, at the mark or past it.
    Same,
    /// The same system at an older position or on a lower timeline: a clone or a restore.
    WentBack,
    /// Another system identifier or a higher timeline: a fail-over, an upgrade, a
    /// restore to a point in time, or another server.
    Other,
    /// None was recorded, or none answered: the first contact, which a first rotation
    /// records, or nobody who could be asked.
    #[default]
    NotKnown,
}

impl ServerMatch {
    /// The name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::WentBack => "went-back",
            Self::Other => "other",
            Self::NotKnown => "not-known",
        }
    }
}

/// Compares the server that answers with the one that was recorded.
///
/// A position counts only within its timeline; on another one the timeline decides.
#[must_use]
pub fn match_server(recorded: Option<&ServerIdentity>, seen: &ServerIdentity) -> ServerMatch {
    let Some(recorded) = recorded else {
        return ServerMatch::NotKnown;
    };
    if recorded.system != seen.system || seen.timeline > recorded.timeline {
        return ServerMatch::Other;
    }
    let is_behind = seen.timeline < recorded.timeline
        || seen.position < recorded.position
        || seen.transaction < recorded.transaction
        || !has_transactions(recorded, seen);
    match is_behind {
        true => ServerMatch::WentBack,
        false => ServerMatch::Same,
    }
}

/// Whether the server that answers has every transaction that was recorded. What cannot be
/// read says nothing.
fn has_transactions(recorded: &ServerIdentity, seen: &ServerIdentity) -> bool {
    match (GtidSet::parse(&recorded.gtids), GtidSet::parse(&seen.gtids)) {
        (Some(recorded), Some(seen)) => seen.contains(&recorded),
        _ => true,
    }
}

/// Whether two nodes of one rotated secret hold the same data, as far as they tell: on
/// PostgreSQL all have one system identifier; on MySQL they share the source of some
/// transactions; MariaDB's sources are numbers that any two servers may have.
#[must_use]
pub(super) fn is_of_other_data(one: &ServerIdentity, other: &ServerIdentity) -> bool {
    if one.flavour != other.flavour {
        return true;
    }
    match one.flavour {
        Flavour::Postgresql => one.system != other.system,
        Flavour::Mariadb => false,
        Flavour::Mysql => match (GtidSet::parse(&one.gtids), GtidSet::parse(&other.gtids)) {
            (Some(one), Some(other)) => {
                !one.is_empty() && !other.is_empty() && !one.shares_a_source(&other)
            }
            _ => false,
        },
    }
}

/// The high-water mark for people.
#[must_use]
pub fn mark_words(server: &ServerIdentity) -> String {
    match server.flavour {
        Flavour::Postgresql => format!(
            "timeline {}, log at {}",
            server.timeline,
            log_position(server.position)
        ),
        Flavour::Mysql | Flavour::Mariadb => {
            let transactions = match server.gtids.as_str() {
                "" => "no transaction identifiers".to_owned(),
                gtids => format!("transactions {}", shortened(gtids)),
            };
            format!("{transactions}, redo log at {}", server.position)
        }
    }
}

/// A set of identifiers that has seen many servers is long; its end is what moves.
fn shortened(gtids: &str) -> String {
    const MOST: usize = 60;
    let plain: String = gtids.split_whitespace().collect();
    match plain.char_indices().rev().nth(MOST) {
        Some((start, _)) => format!("…{}", &plain[start..]),
        None => plain,
    }
}

/// Whether another certificate was shown than the one that is recorded, by their
/// fingerprints. Without one of them, as without TLS, nothing can be compared.
#[must_use]
pub fn is_other_certificate(recorded: Option<&str>, seen: Option<&str>) -> bool {
    matches!((recorded, seen), (Some(recorded), Some(seen)) if recorded != seen)
}

/// The mark after this server was met: it is raised by the recorded server alone, and
/// nothing here lowers it or puts another server in its place.
#[must_use]
pub fn raised(recorded: Option<&ServerIdentity>, seen: &ServerIdentity) -> ServerIdentity {
    let Some(recorded) = recorded else {
        return seen.clone();
    };
    match match_server(Some(recorded), seen) {
        ServerMatch::Same | ServerMatch::NotKnown => ServerIdentity {
            position: max(recorded.position, seen.position),
            transaction: max(recorded.transaction, seen.transaction),
            ..seen.clone()
        },
        ServerMatch::WentBack | ServerMatch::Other => recorded.clone(),
    }
}

/// What was found and what it may mean, as far as the evidence tells it apart; `None`
/// where there is nothing to say.
#[must_use]
pub fn describe_server(
    recorded: Option<&ServerIdentity>,
    seen: &ServerIdentity,
) -> Option<(String, &'static str)> {
    let recorded = recorded?;
    if recorded.system != seen.system {
        let (before, now) = (recorded.version_words(), seen.version_words());
        let found = format!(
            "system {} ({now}) answers, and system {} ({before}) was recorded",
            seen.system, recorded.system
        );
        let meaning = match (seen.flavour, major(seen) > major(recorded)) {
            (Flavour::Postgresql, true) => {
                "an upgrade to a new cluster (pg_upgrade, or a copy by dump), or another server"
            }
            (Flavour::Mysql, _)
                if !recorded.gtids.is_empty() && has_transactions(recorded, seen) =>
            {
                "a fail-over to a replica that has all that was recorded, or another server"
            }
            _ => {
                "another server: replaced, copied by dump, a replica that took over, or a wrong address"
            }
        };
        return Some((found, meaning));
    }
    if seen.flavour != Flavour::Postgresql {
        let lacks = !has_transactions(recorded, seen);
        return (lacks || seen.position < recorded.position).then(|| {
            (
                format!(
                    "the same server answers with {}, and {} was recorded",
                    mark_words(seen),
                    mark_words(recorded)
                ),
                match lacks {
                    true => "an older copy: a clone, or a backup that was restored",
                    false => {
                        "an older copy, by its redo log: a clone, or a backup that was restored"
                    }
                },
            )
        });
    }
    let timelines = format!(
        "the same system answers on timeline {}, and timeline {} was recorded",
        seen.timeline, recorded.timeline
    );
    if seen.timeline > recorded.timeline {
        return Some(match seen.position < recorded.position {
            true => (
                format!(
                    "{timelines}; its log is at {}, behind {}",
                    log_position(seen.position),
                    log_position(recorded.position)
                ),
                "a restore to a point in time, or a fail-over that lost what was written last",
            ),
            false => (
                timelines,
                "a fail-over: a standby was promoted (or a restore to a point after the mark)",
            ),
        });
    }
    if seen.timeline < recorded.timeline {
        return Some((
            timelines,
            "an older copy: a former primary that came back after a fail-over, or a backup \
             from before it",
        ));
    }
    if seen.position < recorded.position {
        return Some((
            format!(
                "the same system answers with its log at {}, and {} was recorded",
                log_position(seen.position),
                log_position(recorded.position)
            ),
            "an older copy: a clone, or a snapshot that was restored",
        ));
    }
    (seen.transaction < recorded.transaction).then(|| {
        (
            format!(
                "the same system answers with transaction {}, and {} was recorded, though its \
                 log is further",
                seen.transaction, recorded.transaction
            ),
            "an older copy that was written to: a clone, or a snapshot that was restored",
        )
    })
}

/// A log position as PostgreSQL writes it.
#[must_use]
pub(super) fn log_position(position: i64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xffff_ffff)
}

fn major(server: &ServerIdentity) -> i32 {
    server.flavour.major(server.version)
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
