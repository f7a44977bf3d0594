//! How the rows of a user stand to each other, and to those of the other user: which of them
//! takes a login, and what a session through it has of wider rows.
//!
//! A server takes what is granted on everything, and the roles, from the row that let the
//! session in. For a schema, a table or a routine it looks for the user's name and the
//! client's host among all that was granted, and takes the one entry that is most specific:
//! none of a wider row where the narrow one has an entry for the same thing. Measured on
//! MySQL 9.7 and MariaDB 10.11.

use super::grants::{Held, Object};
use super::hosts;
use super::twins::Side;

/// The rows of the other user that can take a login which a row takes. In doubt a row is one
/// of them.
pub(super) fn taking<'a>(side: &Side, mine: &[Side], others: &'a [Side]) -> Vec<&'a Side> {
    let host = &*side.account.host;
    let has = |rows: &[Side], host: &str| rows.iter().any(|row| row.account.host == host);
    let is_taken = |rows: &[Side], from: &str, all_of: &str| {
        let mut hosts = rows.iter().map(|row| &*row.account.host);
        hosts.any(|row| hosts::is_more_specific(row, from) && hosts::contains(row, all_of))
    };
    let takes = |its: &str| {
        // Where both users have both rows, the same one of them takes a login.
        let is_alike = has(mine, its) && has(others, host);
        let stands_back = is_taken(others, its, host) || is_taken(mine, host, its);
        its == host || (hosts::may_overlap(host, its) && !is_alike && !stands_back)
    };
    let rows = others.iter();
    rows.filter(|other| takes(&other.account.host)).collect()
}

/// Adds to each row of a user what wider ones have.
pub(super) fn inherit(rows: &mut [Side]) {
    let additions: Vec<Vec<Held>> = rows
        .iter()
        .map(|row| match row.takes_wider {
            true => from_wider(row, rows),
            false => Vec::new(),
        })
        .collect();
    for (row, held) in rows.iter_mut().zip(additions) {
        row.effective.held.extend(held.iter().cloned());
        row.inherited = held.into_iter().collect();
    }
}

fn from_wider(row: &Side, rows: &[Side]) -> Vec<Held> {
    let host = &row.account.host;
    let mut wider: Vec<&Side> = rows
        .iter()
        .filter(|other| {
            let its = &other.account.host;
            its != host && hosts::contains(its, host) && hosts::is_more_specific(host, its)
        })
        .collect();
    // The narrowest of them first: its entry is the one that counts.
    wider.sort_by(|one, other| {
        let [one, other] = [one, other].map(|row| &*row.account.host);
        hosts::is_more_specific(other, one).cmp(&hosts::is_more_specific(one, other))
    });
    let mut found: Vec<Held> = Vec::new();
    for side in wider {
        let own = row.direct.held.iter().chain(&found);
        let entries: Vec<Entry<'_>> = own.filter_map(|held| entry(&held.object)).collect();
        let is_shut = |held: &Held| match entry(&held.object) {
            Some(wanted) => entries.iter().any(|own| stands_before(own, &wanted)),
            None => true,
        };
        let held = side.direct.held.iter().filter(|held| !is_shut(held));
        let more: Vec<Held> = held.cloned().collect();
        found.extend(more);
    }
    found
}

/// What the server finds as one.
enum Entry<'a> {
    Schema(&'a str),
    /// With all its columns.
    Table([&'a str; 2]),
    Routine(&'a str, &'a [String; 2]),
}

fn entry(object: &Object) -> Option<Entry<'_>> {
    match object {
        Object::Schema(pattern) => Some(Entry::Schema(pattern)),
        Object::Table([schema, table]) | Object::Column([schema, table, _]) => {
            Some(Entry::Table([schema, table]))
        }
        Object::Routine { noun, parts } => Some(Entry::Routine(noun, parts)),
        Object::Role(_) | Object::Global | Object::Proxy(_) => None,
    }
}

fn stands_before(own: &Entry<'_>, wanted: &Entry<'_>) -> bool {
    match (own, wanted) {
        // Of patterns the host counts first, so that a pattern stands before a name.
        (Entry::Schema(own), Entry::Schema(wanted)) => hosts::overlap(own, wanted),
        (Entry::Table(own), Entry::Table(wanted)) => own == wanted,
        (Entry::Routine(noun, own), Entry::Routine(wanted_noun, wanted)) => {
            noun == wanted_noun && own == wanted
        }
        _ => false,
    }
}
