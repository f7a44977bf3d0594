//! Sets of global transaction identifiers: which transactions a MySQL or MariaDB server has.
//!
//! MySQL writes `uuid:1-5:7:tag:1-3, uuid:1` (Reference Manual, "GTID Format and Storage");
//! MariaDB writes the last of each domain, `0-1-100,1-2-5`. Either way a server that has
//! fewer than it had is an older copy of itself.

use std::collections::BTreeMap;

/// Transactions by where they were made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct GtidSet(BTreeMap<String, Vec<(u64, u64)>>);

impl GtidSet {
    /// Reads either form; `None` where it is neither.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut set = Self::default();
        let members = text.split(',').map(str::trim);
        for member in members.filter(|member| !member.is_empty()) {
            match member.contains(':') {
                true => set.add_mysql(member)?,
                false => set.add_mariadb(member)?,
            }
        }
        for intervals in set.0.values_mut() {
            intervals.sort_unstable();
            *intervals = merged(intervals);
        }
        Some(set)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every transaction of `other` is here, too.
    pub(super) fn contains(&self, other: &Self) -> bool {
        other.0.iter().all(|(source, wanted)| {
            let own = self.0.get(source).map_or(&[][..], Vec::as_slice);
            wanted
                .iter()
                .all(|(first, last)| own.iter().any(|(from, to)| from <= first && last <= to))
        })
    }

    /// Whether some transactions of both were made at the same place.
    pub(super) fn shares_a_source(&self, other: &Self) -> bool {
        other.0.keys().any(|source| self.0.contains_key(source))
    }

    fn add_mysql(&mut self, member: &str) -> Option<()> {
        let mut parts = member.split(':').map(str::trim);
        let uuid = parts.next()?.to_ascii_lowercase();
        let mut source = uuid.clone();
        for part in parts {
            if !part.starts_with(|first: char| first.is_ascii_digit()) {
                source = format!("{uuid}:{part}");
                continue;
            }
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let interval = (first.parse().ok()?, last.parse().ok()?);
            self.0.entry(source.clone()).or_default().push(interval);
        }
        Some(())
    }

    fn add_mariadb(&mut self, member: &str) -> Option<()> {
        let mut parts = member.split('-');
        let (domain, _server, last) = (parts.next()?, parts.next()?, parts.next()?);
        let last = last.parse().ok()?;
        parts.next().is_none().then_some(())?;
        self.0.entry(domain.to_owned()).or_default().push((1, last));
        Some(())
    }
}

/// Sorted intervals without those that touch.
fn merged(intervals: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut merged: Vec<(u64, u64)> = Vec::with_capacity(intervals.len());
    for (first, last) in intervals {
        match merged.last_mut() {
            Some((_, end)) if *first <= end.saturating_add(1) => *end = (*end).max(*last),
            _ => merged.push((*first, *last)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: &str, other: &str, contains: bool) {
        let [one, other] = [one, other].map(|text| GtidSet::parse(text).expect("a set"));
        assert_eq!(one.contains(&other), contains, "{one:?} {other:?}");
    }

    #[test]
    fn a_server_that_went_on_contains_what_it_had() {
        check("a-b:1-7", "A-B:1-5", true);
        check("a-b:1-5", "a-b:1-7", false);
        check("a-b:1-5:6-7,\nc-d:1", "a-b:2-7", true);
        check("a-b:1-5:7", "a-b:6", false);
        check("a-b:1-5:t:1-3", "a-b:t:3", true);
        check("a-b:1-5", "a-b:t:3", false);
        check("a-b:1-5", "", true);
        check("", "a-b:1", false);
        check("0-1-100,1-2-5", "0-9-100", true);
        check("0-1-99", "0-1-100", false);
    }

    #[test]
    fn what_is_no_set_is_not_read_as_an_empty_one() {
        for text in ["x", "a:1-", "0-1", "0-1-2-3", "a:1,b"] {
            assert_eq!(GtidSet::parse(text), None, "{text}");
        }
        assert!(GtidSet::parse("").is_some_and(|set| set.is_empty()));
    }
}
