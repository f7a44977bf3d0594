//! What an account row says besides its grants: limits, expiry, locks, and what a
//! connection must have. The more generous one of two is the holder.

use std::cmp::Ordering;

use mysql_async::Row;

use super::sql_twins::require;
use crate::model::DifferenceKind;

/// What the server sets where a row sets nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Defaults {
    /// `max_user_connections`; 0 is no limit.
    pub(super) sessions: i64,
    /// `default_password_lifetime` in days; 0 is for ever.
    pub(super) lifetime: i64,
}

/// The properties of one row. In all numbers 0 is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Default))]
pub(super) struct Properties {
    /// The authentication plugin.
    pub(super) plugin: String,
    /// `ssl_type`: what a connection must have.
    tls: String,
    /// Issuer, subject and cipher, where `tls` is `SPECIFIED`.
    certificate: [String; 3],
    /// Values of [`LIMITS`].
    limits: [String; 4],
    /// `MAX_USER_CONNECTIONS`; MariaDB knows -1, which is no session at all.
    sessions: i64,
    /// Days; `None` is the server's default.
    lifetime: Option<i64>,
    /// `FAILED_LOGIN_ATTEMPTS`.
    attempts: i64,
    /// `PASSWORD_LOCK_TIME` in days; -1 is for ever.
    lock_days: i64,
}

/// What a statement calls the limits, in the order of [`Properties::limits`].
const LIMITS: [&str; 4] = [
    "MAX_QUERIES_PER_HOUR",
    "MAX_UPDATES_PER_HOUR",
    "MAX_CONNECTIONS_PER_HOUR",
    "MAX_STATEMENT_TIME",
];

/// Something in which the holder is more generous.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// In what.
    pub(super) kind: DifferenceKind,
    /// In words.
    pub(super) what: String,
    /// What gives the other the same.
    pub(super) give: Option<String>,
    /// What takes it from the holder.
    pub(super) take: Option<String>,
}

impl Properties {
    /// Those of a row that says nothing else.
    #[cfg(test)]
    pub(super) fn of_plugin(plugin: &str) -> Self {
        Self {
            plugin: plugin.to_owned(),
            limits: ["0"; 4].map(str::to_owned),
            ..Self::default()
        }
    }

    /// Takes a row of the answer.
    pub(super) fn read(row: &Row) -> Self {
        let text = |column: &str| {
            row.get::<Option<String>, _>(column)
                .flatten()
                .unwrap_or_default()
        };
        let number = |column: &str| text(column).parse().unwrap_or(0);
        Self {
            plugin: text("plugin"),
            tls: text("ssl_type"),
            certificate: ["x509_issuer", "x509_subject", "ssl_cipher"].map(text),
            limits: ["queries", "updates", "connections", "statement_time"]
                .map(text)
                .map(|limit| plain_number(&limit)),
            sessions: number("sessions"),
            lifetime: text("lifetime").parse().ok().filter(|days| *days >= 0),
            attempts: number("attempts"),
            lock_days: number("lock_days"),
        }
    }

    /// How many sessions the row lets in; -1 is no limit, as everywhere in the model.
    pub(super) fn session_limit(&self, defaults: Defaults) -> i64 {
        let limit = match self.sessions {
            0 => defaults.sessions,
            own => own,
        };
        match limit {
            0 => -1,
            ..0 => 0,
            limit => limit,
        }
    }

    /// In what this row is more generous than the other. Where neither is, and still they
    /// differ, `is_first` decides.
    pub(super) fn beyond(&self, other: &Self, defaults: Defaults, is_first: bool) -> Vec<Found> {
        let mut found = Vec::new();
        let mut add = |kind, what: String, give: Option<String>, take: Option<String>| {
            found.push(Found {
                kind,
                what,
                give,
                take,
            });
        };

        let (limit, its) = (self.session_limit(defaults), other.session_limit(defaults));
        if is_roomier(limit, its) {
            let clause = |of: &Self| format!("WITH MAX_USER_CONNECTIONS {}", of.sessions);
            let words = |limit: i64| match limit {
                ..0 => "no limit".to_owned(),
                limit => format!("at most {limit} sessions"),
            };
            let what = format!("{}, the other {}", words(limit), words(its));
            let kind = DifferenceKind::ConnectionLimit;
            add(kind, what, Some(clause(self)), Some(clause(other)));
        }
        for (name, (mine, its)) in LIMITS.iter().zip(self.limits.iter().zip(&other.limits)) {
            let value = |text: &str| text.parse::<f64>().unwrap_or(0.0);
            if value(its) > 0.0 && (value(mine) == 0.0 || value(mine) > value(its)) {
                let what = match value(mine) {
                    0.0 => format!("no {name}, the other {its}"),
                    _ => format!("{name} {mine}, the other {its}"),
                };
                let clause = |value: &str| Some(format!("WITH {name} {value}"));
                let kind = DifferenceKind::ConnectionLimit;
                add(kind, what, clause(mine), clause(its));
            }
        }

        let lasts = |of: &Self| of.lifetime.unwrap_or(defaults.lifetime);
        if lasts(other) > 0 && (lasts(self) == 0 || lasts(self) > lasts(other)) {
            let words = |days: i64| match days {
                0 => "never".to_owned(),
                days => format!("after {days} days"),
            };
            let what = format!(
                "the password expires {}, the other's {}",
                words(lasts(self)),
                words(lasts(other))
            );
            let kind = DifferenceKind::ValidUntil;
            add(kind, what, Some(self.expiry()), Some(other.expiry()));
        }

        if self.is_blocked_later(other) {
            let (mine, its) = (self.blocking(), other.blocking());
            let what = format!("{mine} (the other {its})");
            add(DifferenceKind::Attribute, what, Some(mine), Some(its));
        }
        let is_laxer = match self.strictness().cmp(&other.strictness()) {
            Ordering::Less => true,
            Ordering::Equal => {
                is_first && (&self.tls, &self.certificate) != (&other.tls, &other.certificate)
            }
            Ordering::Greater => false,
        };
        if is_laxer {
            let what = format!(
                "{} (the other {})",
                self.requirement_words(),
                other.requirement_words()
            );
            let kind = DifferenceKind::Attribute;
            add(kind, what, self.requirement(), other.requirement());
        }
        found
    }

    /// What `CREATE USER` says to make such a row; `None` where it cannot be written.
    pub(super) fn clauses(&self) -> Option<Vec<String>> {
        let mut clauses = Vec::new();
        if self.strictness() > 0 {
            clauses.push(self.requirement()?);
        }
        let mut limits: Vec<String> = LIMITS
            .iter()
            .zip(&self.limits)
            .filter(|(_, value)| *value != "0")
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        if self.sessions != 0 {
            limits.push(format!("MAX_USER_CONNECTIONS {}", self.sessions));
        }
        if !limits.is_empty() {
            clauses.push(format!("WITH {}", limits.join(" ")));
        }
        if self.lifetime.is_some() {
            clauses.push(self.expiry());
        }
        if self.blocks() {
            clauses.push(self.blocking());
        }
        Some(clauses)
    }

    fn expiry(&self) -> String {
        match self.lifetime {
            None => "PASSWORD EXPIRE DEFAULT".to_owned(),
            Some(0) => "PASSWORD EXPIRE NEVER".to_owned(),
            Some(days) => format!("PASSWORD EXPIRE INTERVAL {days} DAY"),
        }
    }

    /// Failed logins block a row only where both numbers are set.
    fn blocks(&self) -> bool {
        self.attempts != 0 && self.lock_days != 0
    }

    fn is_blocked_later(&self, other: &Self) -> bool {
        let days = |of: &Self| {
            if of.lock_days < 0 {
                i64::MAX
            } else {
                of.lock_days
            }
        };
        other.blocks()
            && (!self.blocks()
                || self.attempts > other.attempts
                || (self.attempts == other.attempts && days(self) < days(other)))
    }

    fn blocking(&self) -> String {
        let days = match self.lock_days {
            ..0 => "UNBOUNDED".to_owned(),
            days => days.to_string(),
        };
        format!(
            "FAILED_LOGIN_ATTEMPTS {} PASSWORD_LOCK_TIME {days}",
            self.attempts
        )
    }

    /// A named certificate can be stricter than any other or not: it is no order.
    fn strictness(&self) -> u8 {
        match &*self.tls {
            "" => 0,
            "ANY" => 1,
            _ => 2,
        }
    }

    fn requirement(&self) -> Option<String> {
        let [issuer, subject, cipher] = &self.certificate;
        match &*self.tls {
            "" => Some("REQUIRE NONE".to_owned()),
            "ANY" => Some("REQUIRE SSL".to_owned()),
            "X509" => Some("REQUIRE X509".to_owned()),
            _ => require([("ISSUER", issuer), ("SUBJECT", subject), ("CIPHER", cipher)]),
        }
    }

    fn requirement_words(&self) -> String {
        let [issuer, subject, cipher] = &self.certificate;
        match self.requirement() {
            Some(requirement) => requirement,
            None => format!("REQUIRE ISSUER {issuer} SUBJECT {subject} CIPHER {cipher}"),
        }
    }
}

/// Whether a limit lets in more sessions than another; a negative one is none.
pub(super) fn is_roomier(limit: i64, other: i64) -> bool {
    other >= 0 && (limit < 0 || limit > other)
}

/// A number as a statement may hold it; anything else is none.
fn plain_number(text: &str) -> String {
    let is_plain = text.chars().all(|one| one.is_ascii_digit() || one == '.');
    let value = text.parse::<f64>().unwrap_or(0.0);
    match is_plain && value > 0.0 {
        true => text.to_owned(),
        false => "0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Properties {
        Properties::of_plugin("")
    }

    fn both(a: &Properties, b: &Properties, defaults: Defaults) -> [Vec<Found>; 2] {
        [a.beyond(b, defaults, true), b.beyond(a, defaults, false)]
    }

    #[test]
    fn no_limit_is_more_than_any_and_the_servers_default_counts() {
        let limited = Properties {
            sessions: 3,
            ..plain()
        };
        let [of_plain, of_limited] = both(&plain(), &limited, Defaults::default());
        assert!(of_limited.is_empty());
        assert_eq!(of_plain[0].what, "no limit, the other at most 3 sessions");
        let give = of_plain[0].give.as_deref();
        assert_eq!(give, Some("WITH MAX_USER_CONNECTIONS 0"));
        let narrow = Defaults {
            sessions: 2,
            ..Defaults::default()
        };
        let [of_plain, of_limited] = both(&plain(), &limited, narrow);
        assert!(of_plain.is_empty());
        assert_eq!(of_limited.len(), 1);
        let shut = Properties {
            sessions: -1,
            ..plain()
        };
        assert_eq!(shut.session_limit(narrow), 0);
        assert_eq!(plain().session_limit(Defaults::default()), -1);
    }

    #[test]
    fn hourly_limits_expiry_and_blocking_follow_the_more_generous() {
        let strict = Properties {
            limits: ["5", "0", "0", "2.500000"].map(str::to_owned),
            lifetime: Some(30),
            attempts: 3,
            lock_days: -1,
            ..plain()
        };
        let [of_plain, of_strict] = both(&plain(), &strict, Defaults::default());
        assert!(of_strict.is_empty(), "{of_strict:?}");
        let given: Vec<&str> = of_plain
            .iter()
            .filter_map(|found| found.give.as_deref())
            .collect();
        assert_eq!(
            given,
            [
                "WITH MAX_QUERIES_PER_HOUR 0",
                "WITH MAX_STATEMENT_TIME 0",
                "PASSWORD EXPIRE DEFAULT",
                "FAILED_LOGIN_ATTEMPTS 0 PASSWORD_LOCK_TIME 0",
            ]
        );
        let same = Defaults {
            lifetime: 30,
            ..Defaults::default()
        };
        let [of_plain, _] = both(&plain(), &strict, same);
        assert!(
            !of_plain
                .iter()
                .any(|found| found.kind == DifferenceKind::ValidUntil)
        );
    }

    #[test]
    fn what_a_connection_must_have_is_a_difference_in_one_direction_only() {
        let named = |subject: &str| Properties {
            tls: "SPECIFIED".to_owned(),
            certificate: ["", subject, ""].map(str::to_owned),
            ..plain()
        };
        let [of_plain, of_named] = both(&plain(), &named("/CN=a"), Defaults::default());
        assert!(of_named.is_empty());
        assert_eq!(of_plain[0].give.as_deref(), Some("REQUIRE NONE"));
        assert_eq!(of_plain[0].take.as_deref(), Some("REQUIRE SUBJECT '/CN=a'"));
        let [first, second] = both(&named("/CN=a"), &named("/CN=b\\"), Defaults::default());
        assert_eq!((first.len(), second.len()), (1, 0));
        assert_eq!(first[0].take, None);
        let equal = both(&named("/CN=a"), &named("/CN=a"), Defaults::default());
        assert_eq!(equal, [vec![], vec![]]);
    }
}
