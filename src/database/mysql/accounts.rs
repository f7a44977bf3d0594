//! The rows `user@host` of the pair, as the server keeps them, and what they mean for a
//! rotation: whether a password can be set and proven at all, and with what.

use mysql_async::Row;

use super::answer::{flag, number, text};
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
    locked: bool,
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

    fn shown(&self) -> String {
        sql::account(&self.user, &self.host)
            .unwrap_or_else(|| Untrusted::new(&self.user).as_str().to_owned())
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
    /// The address from which the server sees us come, where it told.
    pub(super) own_address: Option<&'a str>,
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
    Some(RoleFacts {
        account: AccountId::new(user.as_str()),
        can_log_in: rows.iter().all(|row| !row.locked),
        expired: rows.iter().any(|row| row.expired),
        is_mute: rows
            .iter()
            .any(|row| asks_more(row, around.encrypted).is_some())
            || serves_elsewhere(&rows, around).is_some(),
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
            .or_else(|| serves_elsewhere(&rows, around)),
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
    if row.locked {
        return Some(format!("{} is locked, and not by us", row.shown()));
    }
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
    let address = around.own_address?;
    if rows.iter().any(|row| may_serve(&row.host, address)) {
        return None;
    }
    let shown: Vec<String> = rows.iter().map(|row| row.shown()).collect();
    Some(Unfit {
        found: format!(
            "has no row that serves this host, which the server sees as {} ({}), so that no login \
             from here proves a password",
            Untrusted::new(address),
            shown.join(", ")
        ),
        remedy: "run handover from a host that one of the rows serves, or give the user a row for \
                 this one"
            .to_owned(),
    })
}

/// Whether a row may serve an address. Patterns of addresses are compared; a name may be
/// any host's, which the server looks up and we do not.
fn may_serve(host: &str, address: &str) -> bool {
    let is_address = host
        .chars()
        .all(|letter| letter.is_ascii_hexdigit() || ".:%_/".contains(letter));
    if !is_address || host.contains('/') {
        return true;
    }
    is_like(host.as_bytes(), address.as_bytes())
}

/// SQL's `LIKE`: `%` is any text, `_` any character.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'%', rest)), _) => (0..=text.len()).any(|skipped| is_like(rest, &text[skipped..])),
        (Some((b'_', rest)), Some((_, others))) => is_like(rest, others),
        (Some((letter, rest)), Some((other, others))) => {
            letter.eq_ignore_ascii_case(other) && is_like(rest, others)
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
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
        own_address: Some("127.0.0.1"),
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
        for (host, serves) in [
            ("%", true),
            ("127.0.0.1", true),
            ("127.%", true),
            ("127.0.0._", true),
            ("127.0.0.0/255.255.255.0", true),
            ("localhost", true),
            ("app-1.example", true),
            ("10.%", false),
            ("127.0.0.2", false),
            ("::1", false),
        ] {
            assert_eq!(may_serve(host, "127.0.0.1"), serves, "{host}");
        }
        let found = facts(&[row("10.%")], AROUND);
        assert!(found.is_mute && found.unfit.is_some());
        assert!(facts(&[row("10.%"), row("%")], AROUND).unfit.is_none());
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
