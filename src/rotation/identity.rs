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

use std::cmp::max;

use crate::model::ServerIdentity;

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
        || seen.transaction < recorded.transaction;
    match is_behind {
        true => ServerMatch::WentBack,
        false => ServerMatch::Same,
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
        let (before, now) = (version(recorded), version(seen));
        let found = format!(
            "system {} ({now}) answers, and system {} ({before}) was recorded",
            seen.system, recorded.system
        );
        let meaning = match major(seen) > major(recorded) {
            true => {
                "an upgrade to a new cluster (pg_upgrade, or a copy by dump), or another server"
            }
            false => "another server: replaced, copied by dump, or a wrong address",
        };
        return Some((found, meaning));
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
pub fn log_position(position: i64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xffff_ffff)
}

fn version(server: &ServerIdentity) -> String {
    let minor = server.version % 10_000;
    format!("PostgreSQL {}.{minor}", major(server))
}

fn major(server: &ServerIdentity) -> i32 {
    server.version / 10_000
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
