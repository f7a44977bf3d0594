//! The engines: what they are called, which server answers, and the words that each has
//! for the same things.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The database engines whose passwords can be rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// `fn::rotate::postgres`.
    Postgres,
    /// `fn::rotate::mysql`: MySQL and MariaDB.
    Mysql,
}

impl Engine {
    /// The provider's name in a document.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }

    /// The port that an address without one means.
    #[must_use]
    pub fn usual_port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::Mysql => 3306,
        }
    }

    /// Its words.
    #[must_use]
    pub fn terms(self) -> &'static Terms {
        match self {
            Self::Postgres => &POSTGRES,
            Self::Mysql => &MYSQL,
        }
    }
}

/// What an engine calls the things that all have.
#[derive(Debug)]
pub struct Terms {
    /// A user that may not log in.
    pub locked: &'static str,
    /// A user whose time has passed.
    pub expired: &'static str,
    /// A new password ends it: an idle user whose password has expired may be rotated.
    pub change_ends_expiry: bool,
    /// Who may grant what the managing user lacks.
    pub administrator: &'static str,
    /// What mends a server that does not let this host in.
    pub let_host_in: &'static str,
    /// What may let in a password that is not the user's.
    pub accepts_any: &'static str,
    /// What mends that.
    pub accept_one: &'static str,
    /// Where to look when two passwords are accepted.
    pub look_for_both: &'static str,
    /// What mends a policy of passwords that lets none of ours pass.
    pub past_policy: &'static str,
    /// A server that follows another.
    pub standby: &'static str,
    /// What is wrong with a server that takes no changes.
    pub not_writable: &'static str,
    /// What the number of a session is called.
    pub session: &'static str,
    /// How to become a user that may be rotated.
    pub plain_users: &'static str,
}

const POSTGRES: Terms = Terms {
    locked: "NOLOGIN",
    expired: "VALID UNTIL has passed",
    change_ends_expiry: false,
    administrator: "a superuser",
    let_host_in: "add a `hostssl … scram-sha-256` line for this host to pg_hba.conf",
    accepts_any: "pg_hba.conf has `trust` or another method, so that no login proves a password",
    accept_one: "in pg_hba.conf, for this user and host: hostssl all all … scram-sha-256; then \
                 reload the server",
    look_for_both: "look in pg_hba.conf for `trust`, `ldap` or a pooler in between, and mend it",
    past_policy: "let the managing user set a password by its verifier, which is all that the \
                  server's policy sees of it",
    standby: "standby",
    not_writable: "is a standby and cannot be written to",
    session: "pid",
    plain_users: "choose application users that are not superusers",
};

const MYSQL: Terms = Terms {
    locked: "ACCOUNT LOCK",
    expired: "`PASSWORD EXPIRE`, or the lifetime of its password",
    change_ends_expiry: true,
    administrator: "an administrator",
    let_host_in: "see that the server allows logins from this host (`user@host` rows, \
                  `offline_mode`, `skip_networking`)",
    accepts_any: "its authentication plugin does not ask for the password",
    accept_one: "give the user a plugin that asks for a password",
    look_for_both: "look for a retained second password (`DISCARD OLD PASSWORD` ends it), another \
                    authentication plugin, `skip_grant_tables` or a proxy in between, and mend it",
    past_policy: "let a password be set by its hash, which is all that the server's policy sees of \
                  it (on MariaDB: SET GLOBAL strict_password_validation = OFF;)",
    standby: "replica",
    not_writable: "cannot be written to: it is a replica, or somebody has set `read_only`",
    session: "connection",
    plain_users: "choose application users without SYSTEM_USER",
};

/// Which server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// PostgreSQL.
    #[default]
    Postgresql,
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
}

impl Flavour {
    /// Its name, as its makers write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgresql => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Mariadb => "MariaDB",
        }
    }

    /// Name and version for people, from the number that the server tells: `150018`,
    /// `90704`, `101119`.
    #[must_use]
    pub fn version_words(self, version: i32) -> String {
        let name = self.name();
        match self {
            Self::Postgresql => format!("{name} {}.{}", version / 10_000, version % 10_000),
            Self::Mysql | Self::Mariadb => format!(
                "{name} {}.{}.{}",
                version / 10_000,
                version / 100 % 100,
                version % 100
            ),
        }
    }

    /// The first part of the version, which an upgrade in place raises.
    #[must_use]
    pub fn major(self, version: i32) -> i32 {
        version / 10_000
    }
}

/// What makes a user the same user to its server: on PostgreSQL the role's OID, which a
/// drop and re-creation changes; on MySQL and MariaDB, which have nothing of the kind,
/// the name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct AccountId(String);

impl AccountId {
    /// From what the engine tells.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As the engine told it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<u32> for AccountId {
    fn from(oid: u32) -> Self {
        Self(oid.to_string())
    }
}

impl<'de> Deserialize<'de> for AccountId {
    /// Older journals have the OID as a number.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = AccountId;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("what identifies a user")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<AccountId, E> {
                Ok(AccountId::new(text))
            }

            fn visit_u64<E: Error>(self, oid: u64) -> Result<AccountId, E> {
                Ok(AccountId(oid.to_string()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_as_their_makers_write_them() {
        assert_eq!(
            Flavour::Postgresql.version_words(150_018),
            "PostgreSQL 15.18"
        );
        assert_eq!(Flavour::Mysql.version_words(90_704), "MySQL 9.7.4");
        assert_eq!(Flavour::Mariadb.version_words(101_119), "MariaDB 10.11.19");
    }

    #[test]
    fn an_identity_of_an_older_journal_is_read() {
        let ids: Vec<AccountId> = serde_json::from_str(r#"[16384, "app_a"]"#).expect("two");
        assert_eq!(ids, [AccountId::from(16_384), AccountId::new("app_a")]);
    }
}
