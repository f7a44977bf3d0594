//! Asks in what the pair of users differs, and puts the statements beside the answers.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use super::sql_twins::{self as sql, DefaultGrant, Privilege};
use crate::model::{Capacity, Difference, DifferenceKind, Twin, TwinFacts, TwinRoles, UserName};
use crate::untrusted::Untrusted;

/// Columns of the catalog, and what a statement calls them.
const ATTRIBUTES: [(&str, &str); 5] = [
    ("rolsuper", "SUPERUSER"),
    ("rolcreaterole", "CREATEROLE"),
    ("rolcreatedb", "CREATEDB"),
    ("rolreplication", "REPLICATION"),
    ("rolbypassrls", "BYPASSRLS"),
];

/// Asks all questions at once, so that a distant server costs one way there and back; the
/// caller bounds the whole.
pub(super) async fn look(
    client: &Client,
    manager: &UserName,
    roles: TwinRoles<'_>,
) -> Result<TwinFacts, Error> {
    let [current, idle] = &roles.accounts.map(super::managing::oid);
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(current, Type::OID), (idle, Type::OID)];
    let ask = async |question: String| client.query_typed(&question, &parameters).await;
    let pair = Pair(roles.names.map(UserName::as_str));
    let (room, attributes, memberships, privileges, defaults, policies, settings, owned, others) =
        tokio::try_join!(
            client.query_typed(sql::CAPACITY, &[]),
            ask(sql::attributes()),
            ask(sql::memberships()),
            ask(sql::privileges()),
            ask(sql::default_privileges()),
            ask(sql::policies()),
            ask(sql::settings()),
            ask(sql::owned()),
            ask(sql::others()),
        )?;
    let version = room.first().map_or(0, |row| row.get("version"));

    let mut differences = Vec::new();
    differences.extend(memberships.iter().map(|row| pair.membership(row, version)));
    differences.extend(privileges.iter().map(|row| pair.privilege(row)));
    differences.extend(defaults.iter().map(|row| pair.default_privilege(row)));
    differences.extend(policies.iter().map(|row| pair.policy(row)));
    differences.extend(settings.iter().map(|row| pair.setting(row)));
    if let [current, idle] = &attributes[..] {
        differences.extend(pair.attributes([current, idle]));
    }
    differences.extend(owned.iter().map(|row| pair.owned(row)));
    differences.extend(others.iter().map(|row| pair.other(row)));

    let subscriptions: Vec<String> = room
        .first()
        .map_or_else(Vec::new, |row| row.get("subscriptions"));
    Ok(TwinFacts {
        differences,
        capacity: pair.capacity(room.first(), &attributes, manager),
        subscriptions: subscriptions
            .iter()
            .map(|name| Untrusted::new(name))
            .collect(),
    })
}

/// The names of X and Y.
struct Pair<'a>([&'a str; 2]);

impl Pair<'_> {
    /// Who holds, the holder's name, and the other's.
    fn sides(&self, row: &Row) -> (Twin, &str, &str) {
        let [current, idle] = self.0;
        match row.get("idle") {
            true => (Twin::Idle, idle, current),
            false => (Twin::Current, current, idle),
        }
    }

    fn membership(&self, row: &Row, version: i32) -> Difference {
        let (holder, name, other) = self.sides(row);
        let group: &str = row.get("name");
        let options = [row.get("admin"), row.get("inherits"), row.get("sets")];
        // Nobody can be a member of itself: this one can only be taken away.
        let is_other: bool = row.get("is_other");
        Difference {
            kind: DifferenceKind::Membership,
            holder,
            what: Untrusted::new(group),
            give: (!is_other).then(|| sql::grant_membership(version, group, other, options)),
            take: Some(sql::revoke_membership(group, name)),
        }
    }

    fn privilege(&self, row: &Row) -> Difference {
        let (holder, name, other) = self.sides(row);
        let (parts, privileges): (Vec<String>, Vec<String>) =
            (row.get("parts"), row.get("privileges"));
        let noun: &str = row.get("noun");
        let privilege = Privilege {
            noun,
            parts: &parts,
            detail: row.get("detail"),
            privileges: &privileges,
            grantable: row.get("is_grantable"),
        };
        let [give, take] = sql::grant(&privilege, other, name);
        Difference {
            kind: match noun {
                "COLUMN" => DifferenceKind::Column,
                "SEQUENCE" => DifferenceKind::Sequence,
                "SCHEMA" => DifferenceKind::Schema,
                "ROUTINE" => DifferenceKind::Function,
                "DATABASE" => DifferenceKind::Database,
                _ => DifferenceKind::Table,
            },
            holder,
            what: Untrusted::new(&privilege.words()),
            give: Some(give),
            take: Some(take),
        }
    }

    fn default_privilege(&self, row: &Row) -> Difference {
        let (holder, ..) = self.sides(row);
        let privileges: Vec<String> = row.get("privileges");
        let has = DefaultGrant {
            maker: row.get::<_, Option<&str>>("maker").unwrap_or_default(),
            taker: row.get("taker"),
            schema: row.get("schema"),
            object_type: row.get("object_type"),
            privileges: &privileges,
            grantable: row.get("is_grantable"),
        };
        let mirrored = DefaultGrant {
            maker: row.get::<_, Option<&str>>("its_maker").unwrap_or_default(),
            taker: row.get("its_taker"),
            ..has
        };
        Difference {
            kind: DifferenceKind::DefaultPrivilege,
            holder,
            what: Untrusted::new(&has.words()),
            give: Some(mirrored.give()),
            take: Some(has.take()),
        }
    }

    fn policy(&self, row: &Row) -> Difference {
        let (holder, name, other) = self.sides(row);
        let (table, roles): (Vec<String>, Vec<String>) = (row.get("parts"), row.get("roles"));
        let policy: &str = row.get("name");
        let all: Vec<&str> = roles.iter().map(String::as_str).collect();
        let with: Vec<&str> = all.iter().copied().chain([other]).collect();
        let without: Vec<&str> = all.into_iter().filter(|role| *role != name).collect();
        let take = (!without.is_empty()).then(|| sql::alter_policy(policy, &table, &without));
        Difference {
            kind: DifferenceKind::Policy,
            holder,
            what: Untrusted::new(&format!("{policy} on {}", table.join("."))),
            give: Some(sql::alter_policy(policy, &table, &with)),
            take,
        }
    }

    fn setting(&self, row: &Row) -> Difference {
        let (holder, name, other) = self.sides(row);
        let (database, setting): (Option<&str>, &str) = (row.get("database"), row.get("name"));
        let value: &str = row.get("value");
        let place = database.map_or_else(String::new, |database| format!(" in {database}"));
        Difference {
            kind: DifferenceKind::Setting,
            holder,
            what: Untrusted::new(&format!("{setting} = {value}{place}")),
            give: Some(sql::alter_setting(other, database, setting, Some(value))),
            take: Some(sql::alter_setting(name, database, setting, None)),
        }
    }

    /// Compares both rows; the more generous one is the holder.
    fn attributes(&self, rows: [&Row; 2]) -> Vec<Difference> {
        let mut found = Vec::new();
        for (row, its) in [(rows[0], rows[1]), (rows[1], rows[0])] {
            let (holder, name, other) = self.sides(row);
            let mut add = |kind, what: &str, give: Option<String>, take: Option<String>| {
                found.push(Difference {
                    kind,
                    holder,
                    what: Untrusted::new(what),
                    give,
                    take,
                });
            };
            let (limit, its_limit): (i32, i32) = (row.get("rolconnlimit"), its.get("rolconnlimit"));
            if is_roomier(limit, its_limit) {
                let attribute = |limit: i32| format!("CONNECTION LIMIT {limit}");
                add(
                    DifferenceKind::ConnectionLimit,
                    &format!(
                        "{}, the other {}",
                        limit_words(limit),
                        limit_words(its_limit)
                    ),
                    Some(sql::alter_attribute(other, &attribute(limit))),
                    Some(sql::alter_attribute(name, &attribute(its_limit))),
                );
            }
            if row.get("outlives") {
                let (until, its_until): (Option<&str>, Option<&str>) =
                    (row.get("until"), its.get("until"));
                add(
                    DifferenceKind::ValidUntil,
                    &format!(
                        "valid until {}, the other until {}",
                        until.unwrap_or("infinity"),
                        its_until.unwrap_or("infinity")
                    ),
                    Some(sql::alter_attribute(other, &sql::valid_until(until))),
                    Some(sql::alter_attribute(name, &sql::valid_until(its_until))),
                );
            }
            for (column, attribute) in ATTRIBUTES {
                if !row.get::<_, bool>(column) || its.get::<_, bool>(column) {
                    continue;
                }
                // A second superuser is no remedy: nobody but a superuser could then
                // change its password.
                let give =
                    (attribute != "SUPERUSER").then(|| sql::alter_attribute(other, attribute));
                let take = sql::alter_attribute(name, &format!("NO{attribute}"));
                add(DifferenceKind::Attribute, attribute, give, Some(take));
            }
        }
        found
    }

    fn owned(&self, row: &Row) -> Difference {
        let (holder, name, _) = self.sides(row);
        let (count, names): (i64, Vec<String>) = (row.get("count"), row.get("names"));
        let more = match usize::try_from(count) {
            Ok(count) if count > names.len() => format!(" and {} more", count - names.len()),
            _ => String::new(),
        };
        Difference {
            kind: DifferenceKind::Owned,
            holder,
            what: Untrusted::new(&format!("{}{more}", names.join(", "))),
            give: Some(sql::share_ownership(name, self.0)),
            take: None,
        }
    }

    fn other(&self, row: &Row) -> Difference {
        let (holder, ..) = self.sides(row);
        let (kind, what) = match row.get::<_, Option<&str>>("elsewhere") {
            Some(database) => (DifferenceKind::Elsewhere, database),
            None => (
                DifferenceKind::Other,
                row.get::<_, Option<&str>>("object").unwrap_or_default(),
            ),
        };
        Difference {
            kind,
            holder,
            what: Untrusted::new(what),
            give: None,
            take: None,
        }
    }

    fn capacity(&self, room: Option<&Row>, attributes: &[Row], manager: &UserName) -> Capacity {
        let number = |column: &str| room.map_or(0, |row| row.get::<_, i64>(column));
        let is = |column: &str| room.is_some_and(|row| row.get::<_, bool>(column));
        let limit = |index: usize| {
            attributes
                .get(index)
                .map_or(-1, |row| row.get("rolconnlimit"))
        };
        let reserved = number("reserved");
        let has_reserve = is("superuser") || (reserved > 0 && is("may_use_reserved"));
        let knows_reserve = room.is_some_and(|row| row.get::<_, i32>("version") >= 160_000);
        Capacity {
            for_everybody: number("most") - number("for_superusers") - reserved,
            used: number("used"),
            limits: [limit(0), limit(1)],
            unlimit: self
                .0
                .map(|name| sql::alter_attribute(name, "CONNECTION LIMIT -1")),
            manager_has_reserve: has_reserve,
            reserve: (knows_reserve && !has_reserve)
                .then(|| sql::reserve(manager.as_str(), reserved)),
        }
    }
}

/// Whether a connection limit lets in more sessions than another; a negative one is none.
fn is_roomier(limit: i32, other: i32) -> bool {
    other >= 0 && (limit < 0 || limit > other)
}

fn limit_words(limit: i32) -> String {
    match limit {
        ..0 => "no limit".to_owned(),
        _ => format!("at most {limit} sessions"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_is_roomier_than_any() {
        assert!(is_roomier(-1, 5));
        assert!(is_roomier(6, 5));
        assert!(!is_roomier(5, 5));
        assert!(!is_roomier(5, -1));
        assert!(!is_roomier(-1, -1));
    }
}
