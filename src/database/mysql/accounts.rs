//! The rows `user@host` of the pair, as the server keeps them, and what they mean for a
//! rotation: whether a password can be set and proven at all, and with what.

use mysql_async::Row;

use super::answer::{flag, number, text};
use super::hosts::{self, Client, Serves};
use super::{MysqlFlavour, sql};
use crate::model::{AccountId, AccountRow, RoleFacts, Unfit, UserName};
use crate::untrusted::Untrusted;

/// What MySQL 8 and 9 give a user by default.
pub(super) const CACHING_SHA2: &str = "caching_sha2_password";
/// What MariaDB gives, and older MySQL gave.
pub(super) const NATIVE: &str = "mysql_native_password";
/// MariaDB's stronger one.
pub(super) const ED25519: &str = "ed25519";

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccountOfServer {
    pub(super) user: String,
    pub(super) host: String,
    pub(super) plugin: String,
    pub(super) locked: bool,
    expired: bool,
    /// Empty, `ANY`, `X509` or `SPECIFIED`.
    ssl_type: String,
    /// MySQL keeps a second password (`RETAIN CURRENT PASSWORD`).
    pub(super) retained: bool,
    login_limit: Option<u32>,
    /// More than one way to log in, or more than one factor.
    several: bool,
    is_role: bool,
    /// `SYSTEM_USER`: who lacks it may not change this row.
    protected: bool,
}

impl AccountOfServer {
    pub(super) fn read(row: &Row) -> Self {
        let word = |column| text(row, column).unwrap_or_default();
        Self {
            user: word("user"),
            host: word("host"),
            plugin: word("plugin"),
            locked: flag(row, "locked"),
            expired: flag(row, "expired"),
            ssl_type: word("ssl_type"),
            retained: flag(row, "retained"),
            login_limit: number(row, "login_limit").filter(|limit| *limit > 0),
            several: flag(row, "several"),
            is_role: flag(row, "is_role"),
            protected: flag(row, "protected"),
        }
    }

    pub(super) fn shown(&self) -> String {
        sql::account(&self.user, &self.host)
            .unwrap_or_else(|| Untrusted::new(&self.user).as_str().to_owned())
    }
}

/// The rows that a server keeps of the pair, and what stands before them.
pub(super) struct Accounts {
    /// Of both users.
    pub(super) pair: Vec<AccountOfServer>,
    /// The hosts of the rows without a user's name, which let in whoever comes: the most
    /// specific host takes a login, whatever the user.
    pub(super) anonymous: Vec<String>,
}

impl Accounts {
    pub(super) fn read(rows: &[Row]) -> Self {
        let rows = rows.iter().map(AccountOfServer::read);
        let (anonymous, pair): (Vec<_>, Vec<_>) = rows.partition(|row| row.user.is_empty());
        let anonymous = anonymous.into_iter().filter(|row| !row.is_role);
        Self {
            pair,
            anonymous: anonymous.map(|row| row.host).collect(),
        }
    }
}

/// What the managing user may do, and how the line and the server are set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) flavour: MysqlFlavour,
    /// The managing user as its server names it.
    pub(super) manager: &'a str,
    pub(super) may_create_users: bool,
    pub(super) is_system_user: bool,
    /// `tls.mode` is not `disable`.
    pub(super) encrypted: bool,
    /// As whom the server sees us come, where it told.
    pub(super) client: Option<Client<'a>>,
    /// The hosts of the rows without a user's name.
    pub(super) anonymous: &'a [String],
    /// The server turns away whoever comes without TLS.
    pub(super) secure_only: bool,
}

/// One user from all its rows; `None` where it has none.
pub(super) fn role_facts(
    user: &UserName,
    rows: &[AccountOfServer],
    around: Surroundings<'_>,
) -> Option<RoleFacts> {
    let rows: Vec<&AccountOfServer> = rows
        .iter()
        .filter(|row| row.user == user.as_str())
        .collect();
    if rows.is_empty() {
        return None;
    }
    let protected = rows.iter().any(|row| row.protected);
    let lacks_system_user = protected && !around.is_system_user;
    let may_alter = around.may_create_users && !lacks_system_user;
    let retained = rows.iter().any(|row| row.retained);
    let not_reached = serves_elsewhere(&rows, around).or_else(|| taken_over(&rows, around));
    Some(RoleFacts {
        account: AccountId::new(user.as_str()),
        can_log_in: rows.iter().all(|row| !row.locked),
        expired: rows.iter().any(|row| row.expired),
        is_mute: rows
            .iter()
            .any(|row| asks_more(row, around.encrypted).is_some())
            || not_reached.is_some()
            || is_reached_by_name(&rows, around)
            || may_be_taken_over(&rows, around),
        superuser: protected,
        replication: false,
        may_alter,
        grant: (!may_alter).then(|| {
            let right = match (around.may_create_users, lacks_system_user) {
                (false, false) => "CREATE USER",
                (true, _) => "SYSTEM_USER",
                (false, true) => "CREATE USER, SYSTEM_USER",
            };
            format!("GRANT {right} ON *.* TO {};", around.manager)
        }),
        statements: statements(around.flavour, rows.len(), retained),
        unfit: rows
            .iter()
            .find_map(|row| unfit(row, around))
            .or(not_reached),
        login_limit: rows.iter().filter_map(|row| row.login_limit).min(),
        remarks: remarks(&rows, around),
        rows: rows
            .iter()
            .map(|row| AccountRow {
                host: Untrusted::new(&row.host),
                plugin: Untrusted::new(&row.plugin),
            })
            .collect(),
    })
}

/// MySQL changes all rows at once and has one more statement to end a retained password;
/// MariaDB changes them one by one.
pub(super) fn statements(flavour: MysqlFlavour, rows: usize, retained: bool) -> usize {
    match flavour {
        MysqlFlavour::MariaDb => rows,
        MysqlFlavour::MySql => 1 + usize::from(retained),
    }
}

/// What a server asks of this row besides the password.
fn asks_more(row: &AccountOfServer, encrypted: bool) -> Option<&'static str> {
    match row.ssl_type.as_str() {
        "" => None,
        "ANY" => (!encrypted).then_some("TLS"),
        _ => Some("a client's certificate"),
    }
}

/// Why a change would destroy what somebody has made of this row, in words.
pub(super) fn must_stay(row: &AccountOfServer, flavour: MysqlFlavour) -> Option<String> {
    not_ours(row, flavour).map(|unfit| format!("the user {}", unfit.found))
}

fn unfit(row: &AccountOfServer, around: Surroundings<'_>) -> Option<Unfit> {
    if let Some(unfit) = not_ours(row, around.flavour) {
        return Some(unfit);
    }
    asks_more(row, around.encrypted).map(|more| Unfit {
        found: format!("is asked for {more} besides the password ({})", row.shown()),
        remedy: match more {
            "TLS" => "set `tls.mode` to `verify-full` in the settings".to_owned(),
            _ => format!("ALTER USER {} REQUIRE SSL;", row.shown()),
        },
    })
}

/// A row that logs in by something else than the one password that we could set.
fn not_ours(row: &AccountOfServer, flavour: MysqlFlavour) -> Option<Unfit> {
    let account = row.shown();
    if row.is_role {
        return Some(Unfit {
            found: format!("is a role ({account}) and no user that logs in"),
            remedy: "name two users in `rotateUsers`".to_owned(),
        });
    }
    if row.several {
        return Some(Unfit {
            found: format!("has several ways to log in ({account}), of which we change one"),
            remedy: format!("leave it one: ALTER USER {account} IDENTIFIED …;"),
        });
    }
    let plugins: &[&str] = match flavour {
        MysqlFlavour::MariaDb => &[NATIVE, ED25519],
        MysqlFlavour::MySql => &[CACHING_SHA2, NATIVE],
    };
    if !plugins.contains(&row.plugin.as_str()) {
        let (by, wanted) = match flavour {
            MysqlFlavour::MariaDb => ("VIA", ED25519),
            MysqlFlavour::MySql => ("WITH", CACHING_SHA2),
        };
        return Some(Unfit {
            found: format!(
                "logs in by the plugin {} ({account}), for which no password can be set here",
                Untrusted::new(&row.plugin)
            ),
            remedy: format!("ALTER USER {account} IDENTIFIED {by} {wanted} …;"),
        });
    }
    None
}

/// A user whose rows all serve other hosts is refused from here with the code of a wrong
/// password, so that nothing could be proven.
fn serves_elsewhere(rows: &[&AccountOfServer], around: Surroundings<'_>) -> Option<Unfit> {
    let client = around.client?;
    let is_certain = |row: &&AccountOfServer| client.is_served_by(&row.host) == Serves::No;
    if !rows.iter().all(is_certain) {
        return None;
    }
    let shown: Vec<String> = rows.iter().map(|row| row.shown()).collect();
    Some(Unfit {
        found: format!(
            "has no row that serves this host, which the server sees as {} ({}), so that no login \
             from here proves a password",
            Untrusted::new(client.shown),
            shown.join(", ")
        ),
        remedy: "run handover from a host that one of the rows serves, or give the user a row for \
                 this one"
            .to_owned(),
    })
}

/// Only a name could let the user in from here, and the server, though it looks for names,
/// shows an address: a refusal is then more likely about the host than about the password.
fn is_reached_by_name(rows: &[&AccountOfServer], around: Surroundings<'_>) -> bool {
    around.client.is_some_and(|client| {
        let is_open = |row: &&AccountOfServer| client.is_served_by(&row.host) != Serves::Yes;
        client.is_address() && rows.iter().all(is_open)
    })
}

/// A row without a user's name that stands before those of the user takes its logins from
/// here: they are refused, or let in, by another password than the user's.
fn taken_over(rows: &[&AccountOfServer], around: Surroundings<'_>) -> Option<Unfit> {
    let client = around.client?;
    let takes = |host: &&String| {
        let stands_before = |row: &&AccountOfServer| {
            client.is_served_by(&row.host) == Serves::No || hosts::is_more_specific(host, &row.host)
        };
        client.is_served_by(host) == Serves::Yes && rows.iter().all(stands_before)
    };
    let host = around.anonymous.iter().find(takes)?;
    let row = Untrusted::new(&format!("''@'{host}'"));
    Some(Unfit {
        found: format!(
            "is not reached from this host, which the server sees as {}: the row {row} takes its \
             logins, whatever the password",
            Untrusted::new(client.shown)
        ),
        remedy: match sql::account("", host) {
            Some(account) => format!("DROP USER {account};"),
            None => "drop that row".to_owned(),
        },
    })
}

/// Whether that may be so, as far as the server tells who we are.
fn may_be_taken_over(rows: &[&AccountOfServer], around: Surroundings<'_>) -> bool {
    let Some(client) = around.client else {
        return false;
    };
    around.anonymous.iter().any(|host| {
        // Of rows that are as specific, that of a user comes first.
        let stands_behind = |row: &&AccountOfServer| {
            client.is_served_by(&row.host) == Serves::Yes
                && (row.host == *host || hosts::is_more_specific(&row.host, host))
        };
        client.is_served_by(host) != Serves::No && !rows.iter().any(stands_behind)
    })
}

fn remarks(rows: &[&AccountOfServer], around: Surroundings<'_>) -> Vec<String> {
    let mut remarks = Vec::new();
    let all = || {
        let shown: Vec<String> = rows.iter().map(|row| row.shown()).collect();
        shown.join(", ")
    };
    if rows.len() > 1 {
        remarks.push(format!(
            "{} rows are this user ({}): all get the new password, and a login from here proves \
             the one that serves this host",
            rows.len(),
            all()
        ));
    }
    if rows.iter().any(|row| row.retained) {
        remarks.push("it has a second password that MySQL retained; it ends, too".to_owned());
    }
    if let Some(limit) = rows.iter().filter_map(|row| row.login_limit).min() {
        let (passwords, setting) = match (limit, around.flavour) {
            (1, MysqlFlavour::MySql) => ("wrong password", "FAILED_LOGIN_ATTEMPTS"),
            (_, MysqlFlavour::MySql) => ("wrong passwords in a row", "FAILED_LOGIN_ATTEMPTS"),
            (1, MysqlFlavour::MariaDb) => ("wrong password", "max_password_errors"),
            (_, MysqlFlavour::MariaDb) => ("wrong passwords in a row", "max_password_errors"),
        };
        remarks.push(format!(
            "after {limit} {passwords} the server shuts it out ({setting}); handover leaves two \
             unspent"
        ));
    }
    let cold = |row: &&&AccountOfServer| row.plugin == CACHING_SHA2 && row.ssl_type.is_empty();
    if !around.secure_only && rows.iter().any(|row| cold(&row)) {
        remarks.push(format!(
            "it may log in without TLS ({}): such clients are refused (2061) with a new password \
             until somebody logged in with it over TLS, which our own login does on each named \
             node; ALTER USER … REQUIRE SSL ends that",
            all()
        ));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    const AROUND: Surroundings<'_> = Surroundings {
        flavour: MysqlFlavour::MySql,
        manager: "`mgr`@`%`",
        may_create_users: true,
        is_system_user: false,
        encrypted: true,
        client: Some(Client {
            shown: "127.0.0.1",
            nameless: true,
        }),
        anonymous: &[],
        secure_only: true,
    };

    fn row(host: &str) -> AccountOfServer {
        AccountOfServer {
            user: "app_b".to_owned(),
            host: host.to_owned(),
            plugin: CACHING_SHA2.to_owned(),
            locked: false,
            expired: false,
            ssl_type: String::new(),
            retained: false,
            login_limit: None,
            several: false,
            is_role: false,
            protected: false,
        }
    }

    fn facts(rows: &[AccountOfServer], around: Surroundings<'_>) -> RoleFacts {
        let user = UserName::new("app_b").expect("a name");
        role_facts(&user, rows, around).expect("there are rows")
    }

    #[test]
    fn a_user_is_all_its_rows_and_no_other() {
        let mut other = row("%");
        other.user = "APP_B".to_owned();
        let found = facts(&[row("%"), other, row("10.%")], AROUND);
        assert_eq!(found.rows.len(), 2);
        assert_eq!(found.statements, 1, "one atomic statement");
        assert!(found.may_alter && found.can_log_in && found.unfit.is_none());
        let mariadb = Surroundings {
            flavour: MysqlFlavour::MariaDb,
            ..AROUND
        };
        assert_eq!(facts(&[row("%"), row("10.%")], mariadb).statements, 2);
    }

    #[test]
    fn one_row_that_is_locked_retained_or_protected_counts_for_all() {
        let mut second = row("10.%");
        second.locked = true;
        second.retained = true;
        second.protected = true;
        second.login_limit = Some(3);
        let found = facts(&[row("%"), second], AROUND);
        assert!(!found.can_log_in);
        assert_eq!(found.statements, 2);
        assert_eq!(found.login_limit, Some(3));
        assert_eq!(
            found.grant.as_deref(),
            Some("GRANT SYSTEM_USER ON *.* TO `mgr`@`%`;")
        );
    }

    #[test]
    fn rows_that_serve_other_hosts_alone_prove_nothing() {
        let found = facts(&[row("10.%")], AROUND);
        assert!(found.is_mute && found.unfit.is_some());
        assert!(facts(&[row("10.%"), row("%")], AROUND).unfit.is_none());
        // Names are not compared here; where they are, the server may know us by one.
        let names = [row("localhost"), row("cafe")];
        assert!(facts(&names, AROUND).unfit.is_some());
        let seen_as = |shown| Surroundings {
            client: Some(Client {
                shown,
                nameless: false,
            }),
            ..AROUND
        };
        let found = facts(&names, seen_as("127.0.0.1"));
        assert!(found.is_mute && found.unfit.is_none());
        for host in ["127.%", "localhost", "%"] {
            let found = facts(&[row(host)], seen_as("localhost"));
            assert!(!found.is_mute && found.unfit.is_none(), "{host}");
        }
        assert!(facts(&[row("10.%")], seen_as("127.0.0.1")).is_mute);
    }

    #[test]
    fn a_row_of_nobody_before_the_users_makes_every_answer_worthless() {
        let check = |hosts: &[&str], anonymous: &str, nameless, expected: (bool, bool)| {
            let rows: Vec<AccountOfServer> = hosts.iter().copied().map(row).collect();
            let anonymous = [anonymous.to_owned()];
            let around = Surroundings {
                client: Some(Client {
                    shown: "127.0.0.1",
                    nameless,
                }),
                anonymous: &anonymous,
                ..AROUND
            };
            let found = facts(&rows, around);
            let words = found.unfit.map(|unfit| (unfit.found, unfit.remedy));
            let told = (found.is_mute, words.is_some());
            assert_eq!(told, expected, "{hosts:?} {anonymous:?}");
            words
        };
        let words = check(&["%"], "127.0.0.1", true, (true, true)).expect("is told");
        assert!(words.0.contains("''@'127.0.0.1'"), "{}", words.0);
        assert_eq!(words.1, "DROP USER ``@`127.0.0.1`;");
        check(&["%"], "127.%", true, (true, true));
        check(&["%", "127.0.0.1"], "127.0.0.1", true, (false, false));
        check(&["%", "127.0.0.1"], "127.%", true, (false, false));
        check(&["127.%"], "127.%", true, (false, false));
        check(&["%"], "%", true, (false, false));
        check(&["%"], "10.%", true, (false, false));
        // Whether the server knows us by that name is not told.
        check(&["%"], "localhost", true, (false, false));
        check(&["%"], "localhost", false, (true, false));
    }

    #[test]
    fn what_no_password_alone_lets_in_is_named_with_its_remedy() {
        let check = |change: fn(&mut AccountOfServer), around, words: &str| {
            let mut row = row("%");
            change(&mut row);
            let found = facts(&[row], around);
            let unfit = found.unfit.expect("is unfit");
            assert!(unfit.found.contains(words), "{}", unfit.found);
        };
        check(|row| row.is_role = true, AROUND, "is a role");
        check(|row| row.several = true, AROUND, "several ways");
        check(
            |row| row.plugin = "auth_socket".to_owned(),
            AROUND,
            "auth_socket",
        );
        check(
            |row| row.ssl_type = "X509".to_owned(),
            AROUND,
            "certificate",
        );
        let open = Surroundings {
            encrypted: false,
            ..AROUND
        };
        check(|row| row.ssl_type = "ANY".to_owned(), open, "TLS");
    }
}
