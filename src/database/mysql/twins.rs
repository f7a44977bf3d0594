//! Asks in what the pair of users differs, and puts the statements beside the answers.
//!
//! What counts is what is in effect: a privilege that one was granted directly and the
//! other has through a role, or on all schemas, is no difference. A row of one user is
//! compared with every row of the other that can take one of its logins: the most specific
//! row does, so that a narrow row that lacks something stands before a wide one that has it.
//!
//! The questions are those of a user that may read the schema `mysql`: without that the
//! server refuses them, and the refusal goes through to the caller.

use std::collections::BTreeSet;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Row};

use super::grants::{ALL, Grants, Held, Object, Role};
use super::hosts;
use super::properties::{Defaults, Found, Properties, is_roomier};
use super::rows::{inherit, taking};
use super::sql_twins::{self as sql, Bundle};
use super::{Account, MysqlFlavour};
use crate::model::{Capacity, Difference, DifferenceKind, Twin, TwinFacts};
use crate::untrusted::Untrusted;

/// `SHOW GRANTS` for somebody who has none: on MariaDB the role of everybody is made by the
/// first grant to it.
const NO_SUCH_GRANT: u16 = 1141;

/// Asks about the rows of X and of Y; the caller bounds the whole.
pub(super) async fn look(
    conn: &mut Conn,
    flavour: MysqlFlavour,
    rows: [&[Account]; 2],
) -> Result<TwinFacts, Error> {
    one(rows.iter().all(|rows| !rows.is_empty()).then_some(()))?;
    let room: Row = one(conn.query_first(sql::room(flavour)).await?)?;
    let used: (String, String) = one(conn.query_first(sql::USED).await?)?;
    let manager: String = room.get("manager").unwrap_or_default();
    let manager = one(manager.rsplit_once('@').map(|(user, host)| Account {
        user: user.to_owned(),
        host: host.to_owned(),
    }))?;
    // MariaDB adds what its roles have in lines of their own, and does not count that when
    // it decides whether to let somebody in; MySQL does both.
    let answer = lines(conn, sql::OWN_GRANTS.to_owned()).await?;
    let own = Grants::read(&answer, Some(&as_role(&manager)));
    let number = |column: &str| room.get::<Option<i64>, _>(column).flatten().unwrap_or(0);
    let defaults = Defaults {
        sessions: number("user_limit"),
        lifetime: number("lifetime"),
    };
    let mut asking = Asking {
        flavour,
        all_roles: number("all_roles") != 0,
        properties: Vec::new(),
        default_roles: Vec::new(),
        everybody: Grants::default(),
    };
    asking.begin(conn, rows).await?;
    let mut sides = [Vec::new(), Vec::new()];
    for (side, accounts) in sides.iter_mut().zip(rows) {
        for account in accounts {
            side.push(asking.side(conn, account).await?);
        }
        inherit(side);
    }

    let pair = Pair {
        flavour,
        defaults,
        all_roles: asking.all_roles,
        sides,
    };
    let most = number("most");
    let has_reserve = sql::has_reserve(flavour, &own);
    let limits = [0, 1].map(|of| pair.session_limit(of));
    Ok(TwinFacts {
        differences: pair.differences(),
        capacity: Capacity {
            for_everybody: most,
            used: used.1.parse().unwrap_or(0),
            limits: limits.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)),
            unlimit: [0, 1].map(|of| pair.unlimit(of, most)),
            manager_has_reserve: has_reserve,
            reserve: match has_reserve {
                true => None,
                false => sql::reserve(flavour, &manager),
            },
        },
        // What a replica's channel logs in with is readable, and it names no user of this
        // server but of its source.
        subscriptions: Vec::new(),
    })
}

/// What is asked once for all rows.
struct Asking {
    flavour: MysqlFlavour,
    all_roles: bool,
    properties: Vec<(Account, Properties)>,
    default_roles: Vec<(Account, Role)>,
    everybody: Grants,
}

impl Asking {
    async fn begin(&mut self, conn: &mut Conn, rows: [&[Account]; 2]) -> Result<(), Error> {
        let name = |rows: &[Account]| {
            rows.first()
                .map_or_else(String::new, |row| row.user.clone())
        };
        let names = || rows.map(name);
        let account = |row: &Row| Account {
            user: row.get("name").unwrap_or_default(),
            host: row.get("host").unwrap_or_default(),
        };
        let [current, idle] = names();
        let answer: Vec<Row> = conn
            .exec(sql::properties(self.flavour), (current, idle))
            .await?;
        let answer = answer.iter();
        self.properties = answer
            .map(|row| (account(row), Properties::read(row)))
            .collect();
        match self.flavour {
            MysqlFlavour::MySql => {
                let [current, idle] = names();
                let answer: Vec<Row> = conn.exec(sql::DEFAULT_ROLES, (current, idle)).await?;
                let role = |row: &Row| Role {
                    name: row.get("role").unwrap_or_default(),
                    host: row.get("role_host"),
                };
                let answer = answer.iter();
                self.default_roles = answer.map(|row| (account(row), role(row))).collect();
            }
            MysqlFlavour::MariaDb => match lines(conn, sql::GRANTS_OF_ALL.to_owned()).await {
                Ok(lines) => self.everybody = Grants::read(&lines, None),
                Err(Error::Server(error)) if error.code == NO_SUCH_GRANT => {}
                Err(error) => return Err(error),
            },
        }
        Ok(())
    }

    async fn side(&self, conn: &mut Conn, account: &Account) -> Result<Side, Error> {
        let mut known = self.properties.iter();
        let properties = known
            .find(|(of, _)| of == account)
            .map(|(_, properties)| properties.clone());
        let whole = one(sql::grants_of(account))?;
        let himself = as_role(account);
        let direct = Grants::read(&lines(conn, whole).await?, Some(&himself));
        let roles = || direct.held.iter().filter_map(sql::member_of);
        let mut effective = direct.clone();
        let mut takes_wider = true;
        let default_roles: Vec<Role> = match self.flavour {
            MysqlFlavour::MariaDb => direct.default_role.iter().cloned().collect(),
            MysqlFlavour::MySql => {
                let rows = self.default_roles.iter();
                let rows = rows.filter(|(of, _)| of == account);
                rows.map(|(_, role)| role.clone()).collect()
            }
        };
        match self.flavour {
            MysqlFlavour::MariaDb => {
                effective.add(self.everybody.clone());
                for role in &default_roles {
                    let question = one(sql::grants_of_role(role))?;
                    effective.add(Grants::read(&lines(conn, question).await?, None));
                }
            }
            MysqlFlavour::MySql => {
                // A default role that was taken away since would make it an error.
                let is_active = |role: &&Role| self.all_roles || default_roles.contains(role);
                let active: Vec<Role> = roles().filter(is_active).cloned().collect();
                // Those that everybody has may be in effect, too.
                takes_wider = active.is_empty() && !self.all_roles;
                if !active.is_empty() {
                    let question = one(sql::grants_with(account, &active))?;
                    effective = Grants::read(&lines(conn, question).await?, Some(&himself));
                }
            }
        }
        Ok(Side {
            account: account.clone(),
            direct,
            effective,
            takes_wider,
            inherited: BTreeSet::new(),
            default_roles,
            properties: one(properties)?,
        })
    }
}

async fn lines(conn: &mut Conn, question: String) -> Result<Vec<String>, Error> {
    conn.query(question).await
}

/// An account as the lines of `SHOW GRANTS` name it.
fn as_role(account: &Account) -> Role {
    Role {
        name: account.user.clone(),
        host: Some(account.host.clone()),
    }
}

/// What cannot be asked, or is gone since the rows were listed, is no "no difference".
fn one<T>(answer: Option<T>) -> Result<T, Error> {
    answer.ok_or_else(|| {
        Error::Other("an account of the pair was dropped, or its name cannot be written".into())
    })
}

/// A row of one of the pair.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) account: Account,
    /// What it was granted.
    pub(super) direct: Grants,
    /// What a new session has.
    pub(super) effective: Grants,
    /// Whether a session has what wider rows of the user were granted on schemas and what is
    /// in them: MySQL looks there as long as no role is active.
    pub(super) takes_wider: bool,
    /// What it has in that way.
    pub(super) inherited: BTreeSet<Held>,
    default_roles: Vec<Role>,
    properties: Properties,
}

/// Both users with all their rows.
struct Pair {
    flavour: MysqlFlavour,
    defaults: Defaults,
    all_roles: bool,
    sides: [Vec<Side>; 2],
}

impl Pair {
    fn differences(&self) -> Vec<Difference> {
        let mut found: Vec<Difference> = Vec::new();
        let [current, idle] = &self.sides;
        for (holder, mine, others) in [(Twin::Current, current, idle), (Twin::Idle, idle, current)]
        {
            let has_several = mine.len() > 1 || others.len() > 1;
            for side in mine {
                let account = &side.account;
                for (one, lacking) in self.beyond(holder, side, mine, others) {
                    let what = match (lacking, has_several) {
                        (Some(row), _) => format!(
                            "{}, as {}@{} and not as {}@{}",
                            one.what, account.user, account.host, row.user, row.host
                        ),
                        (None, true) => {
                            format!("{}, as {}@{}", one.what, account.user, account.host)
                        }
                        (None, false) => one.what,
                    };
                    found.push(Difference {
                        kind: one.kind,
                        holder,
                        what: Untrusted::new(&what),
                        give: one.give,
                        take: one.take,
                    });
                }
            }
        }
        // Stable, so that those of one kind stay in the order of the rows.
        found.sort_by_key(|difference| difference.kind as u8);
        found
    }

    /// What a row has that the other user lacks where it would log in from the same hosts,
    /// with the row that lacks it where that is one of another host.
    fn beyond<'a>(
        &self,
        holder: Twin,
        side: &Side,
        mine: &[Side],
        others: &'a [Side],
    ) -> Vec<(Found, Option<&'a Account>)> {
        let host = &side.account.host;
        let (mut found, mut is_served) = (Vec::new(), false);
        for other in taking(side, mine, others) {
            let its_host = &other.account.host;
            let beyond = self.beyond_row(holder, side, other);
            if its_host == host {
                found.extend(beyond.into_iter().map(|one| (one, None)));
                is_served = true;
            } else if hosts::contains(its_host, host) {
                // A row for more hosts serves as well, but only as it is: what this row has
                // must not be given to all of them.
                is_served |= beyond.is_empty();
            } else {
                let is_narrower = hosts::contains(host, its_host);
                found.extend(beyond.into_iter().map(|one| {
                    let one = Found {
                        give: one.give.filter(|_| is_narrower),
                        // The hosts of the other row are not the only ones of this.
                        take: None,
                        ..one
                    };
                    (one, Some(&other.account))
                }));
            }
        }
        if !is_served {
            // A new row takes logins over from a wider one, and its password is not the
            // user's before the next rotation: for X, which is in use, none is made.
            let other = others.first().filter(|_| holder == Twin::Current);
            let logins = Found {
                kind: DifferenceKind::Attribute,
                what: format!("logins from {host}"),
                give: other.and_then(|other| self.create(side, other)),
                take: None,
            };
            found.insert(0, (logins, None));
        }
        found
    }

    fn beyond_row(&self, holder: Twin, side: &Side, other: &Side) -> Vec<Found> {
        let mut found = self.grants(side, other);
        found.extend(self.default_roles(side, other));
        let (mine, its) = (&side.properties, &other.properties);
        let alter = |of: &Account, clause: Option<String>| sql::alter(&[of], &clause?);
        let beyond = mine.beyond(its, self.defaults, holder == Twin::Current);
        found.extend(beyond.into_iter().map(|one| Found {
            give: alter(&other.account, one.give),
            take: alter(&side.account, one.take),
            ..one
        }));
        let unread = side.effective.unread.iter();
        found.extend(unread.map(|line| Found {
            kind: DifferenceKind::Elsewhere,
            what: format!("line {line} of its SHOW GRANTS"),
            give: None,
            take: None,
        }));
        found
    }

    /// The statements that make the row which the other lacks, as this one is.
    fn create(&self, side: &Side, other: &Side) -> Option<String> {
        let new = Account {
            user: other.account.user.clone(),
            host: side.account.host.clone(),
        };
        let clauses = side.properties.clauses()?;
        let mut all = vec![sql::create(
            self.flavour,
            &new,
            &side.properties.plugin,
            &clauses,
        )?];
        for bundle in sql::bundles(&side.direct.held) {
            all.push(bundle.give(&new)?);
        }
        for held in &side.direct.withheld {
            all.push(sql::withhold(held, &new)?);
        }
        if !side.default_roles.is_empty() {
            let roles = &side.default_roles;
            all.push(sql::set_default_roles(self.flavour, &new, roles)?);
        }
        Some(all.join("\n"))
    }

    fn grants(&self, side: &Side, other: &Side) -> Vec<Found> {
        let granted = side.direct.held.union(&side.inherited);
        let mut missing: Vec<Held> = granted.cloned().collect();
        // Where both have a privilege on all schemas, one may have it withheld on some.
        let withheld = other.effective.withheld.iter();
        missing.extend(withheld.filter(|held| side.effective.covers(held)).cloned());
        missing.retain(|held| !other.effective.covers(held));
        let mut found = Vec::new();
        for bundle in sql::bundles(&missing) {
            let kind = match bundle.object {
                Object::Role(_) => DifferenceKind::Membership,
                Object::Global => DifferenceKind::Attribute,
                Object::Schema(_) => DifferenceKind::Database,
                Object::Table(_) => DifferenceKind::Table,
                Object::Column(_) => DifferenceKind::Column,
                Object::Routine { .. } => DifferenceKind::Function,
                Object::Proxy(_) => DifferenceKind::Other,
            };
            let give = self.give(&bundle, side, other);
            let is_inherited = |held: &Held| {
                held.object == *bundle.object
                    && bundle.privileges.contains(&&*held.privilege)
                    && !side.direct.held.contains(held)
            };
            let take = match bundle.take(&side.account, &other.direct) {
                // It was granted to a wider row.
                _ if side.inherited.iter().any(is_inherited) => None,
                None if self.flavour == MysqlFlavour::MariaDb => match bundle.object {
                    Object::Role(role) => sql::take_admin_option(role, &side.account),
                    _ => None,
                },
                take => take,
            };
            found.push(Found {
                kind,
                what: bundle.words(),
                give,
                take,
            });
        }
        found
    }

    fn give(&self, bundle: &Bundle<'_>, side: &Side, other: &Side) -> Option<String> {
        // Nobody can be a role of itself, or act in its own place.
        let is_other = match bundle.object {
            Object::Role(role) => role.name == other.account.user && role.host.is_some(),
            Object::Proxy(whose) => *whose == other.account,
            _ => false,
        };
        if is_other {
            return None;
        }
        let mut all = vec![bundle.give(&other.account)?];
        if *bundle.object == Object::Global {
            // Else the other would have more than the holder.
            for held in &side.direct.withheld {
                let is_given = bundle.privileges.contains(&&*held.privilege)
                    || bundle.privileges.contains(&ALL);
                if is_given {
                    all.push(sql::withhold(held, &other.account)?);
                }
            }
        }
        Some(all.join("\n"))
    }

    fn default_roles(&self, side: &Side, other: &Side) -> Option<Found> {
        let (mine, its) = (&side.default_roles, &other.default_roles);
        let only_mine = mine.iter().filter(|role| !its.contains(role));
        let only_mine: Vec<&Role> = only_mine.collect();
        if only_mine.is_empty() || self.all_roles {
            return None;
        }
        let names: Vec<String> = only_mine.iter().map(|role| sql::role_words(role)).collect();
        let what = format!("default role {}", names.join(", "));
        let (with, without): (Vec<Role>, Vec<Role>) = match self.flavour {
            MysqlFlavour::MySql => {
                let with = its.iter().chain(only_mine.iter().copied());
                let without = mine.iter().filter(|role| its.contains(role));
                (with.cloned().collect(), without.cloned().collect())
            }
            // There is one at most.
            MysqlFlavour::MariaDb => (mine.clone(), its.clone()),
        };
        Some(Found {
            kind: DifferenceKind::Setting,
            what,
            give: sql::set_default_roles(self.flavour, &other.account, &with),
            take: sql::set_default_roles(self.flavour, &side.account, &without),
        })
    }

    /// The narrowest of the rows: through which the sessions come is not known before.
    fn session_limit(&self, of: usize) -> i64 {
        let limits = self.sides[of].iter();
        let limits = limits.map(|side| side.properties.session_limit(self.defaults));
        limits.fold(-1, |narrow, limit| match is_roomier(narrow, limit) {
            true => limit,
            false => narrow,
        })
    }

    /// 0 stands for the server's own limit, where it has one.
    fn unlimit(&self, of: usize, most: i64) -> String {
        let limit = match self.defaults.sessions {
            0 => 0,
            _ => most,
        };
        let accounts: Vec<&Account> = self.sides[of].iter().map(|side| &side.account).collect();
        sql::alter(&accounts, &format!("WITH MAX_USER_CONNECTIONS {limit}")).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "twins_tests.rs"]
mod tests;
