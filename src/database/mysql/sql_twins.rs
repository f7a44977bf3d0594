//! The questions about the pair of users, and the statements that make them equal.
//!
//! The statements are shown to people and run by them: one whose names a terminal would not
//! draw as they are is not offered.

use super::grants::{ALL, GRANT_OPTION, Grants, Held, MEMBER, Object, Role};
use super::quote::{account, identifier, literal, safe_to_draw};
use super::{Account, MysqlFlavour};

/// What the server gives to each session, and how many there are.
pub(super) fn room(flavour: MysqlFlavour) -> &'static str {
    match flavour {
        MysqlFlavour::MySql => {
            "SELECT CURRENT_USER() AS manager, @@GLOBAL.max_connections AS most, \
             @@GLOBAL.max_user_connections AS user_limit, \
             @@GLOBAL.default_password_lifetime AS lifetime, \
             @@GLOBAL.activate_all_roles_on_login AS all_roles"
        }
        MysqlFlavour::MariaDb => {
            "SELECT CURRENT_USER() AS manager, @@GLOBAL.max_connections AS most, \
             @@GLOBAL.max_user_connections AS user_limit, \
             @@GLOBAL.default_password_lifetime AS lifetime, 0 AS all_roles"
        }
    }
}

/// Sessions now; it needs no privilege.
pub(super) const USED: &str = "SHOW GLOBAL STATUS LIKE 'Threads_connected'";

/// The account rows of two users, each column a text. The password's hash stays on the
/// server.
pub(super) fn properties(flavour: MysqlFlavour) -> String {
    let (columns, table) = match flavour {
        MysqlFlavour::MySql => (
            "plugin, ssl_type, ssl_cipher, x509_issuer, x509_subject, \
             CAST(max_questions AS CHAR) AS queries, CAST(max_updates AS CHAR) AS updates, \
             CAST(max_connections AS CHAR) AS connections, \
             CAST(max_user_connections AS CHAR) AS sessions, '0' AS statement_time, \
             CAST(password_lifetime AS CHAR) AS lifetime, \
             user_attributes->>'$.Password_locking.failed_login_attempts' AS attempts, \
             user_attributes->>'$.Password_locking.password_lock_time_days' AS lock_days",
            "mysql.user",
        ),
        MysqlFlavour::MariaDb => (
            "JSON_VALUE(Priv, '$.plugin') AS plugin, \
             ELT(IFNULL(JSON_VALUE(Priv, '$.ssl_type'), 0) + 1, '', 'ANY', 'X509', 'SPECIFIED') \
                 AS ssl_type, \
             JSON_VALUE(Priv, '$.ssl_cipher') AS ssl_cipher, \
             JSON_VALUE(Priv, '$.x509_issuer') AS x509_issuer, \
             JSON_VALUE(Priv, '$.x509_subject') AS x509_subject, \
             JSON_VALUE(Priv, '$.max_questions') AS queries, \
             JSON_VALUE(Priv, '$.max_updates') AS updates, \
             JSON_VALUE(Priv, '$.max_connections') AS connections, \
             JSON_VALUE(Priv, '$.max_user_connections') AS sessions, \
             JSON_VALUE(Priv, '$.max_statement_time') AS statement_time, \
             JSON_VALUE(Priv, '$.password_lifetime') AS lifetime, \
             NULL AS attempts, NULL AS lock_days",
            "mysql.global_priv",
        ),
    };
    format!("SELECT User AS name, Host AS host, {columns} FROM {table} WHERE User IN (?, ?)")
}

/// The roles that sessions of two users begin with. MariaDB tells it among the grants.
pub(super) const DEFAULT_ROLES: &str = "SELECT User AS name, Host AS host, \
     DEFAULT_ROLE_USER AS role, DEFAULT_ROLE_HOST AS role_host \
     FROM mysql.default_roles WHERE User IN (?, ?)";

/// What the managing user itself has, with the roles that are active now.
pub(super) const OWN_GRANTS: &str = "SHOW GRANTS";

/// What an account has itself.
pub(super) fn grants_of(whose: &Account) -> Option<String> {
    Some(format!("SHOW GRANTS FOR {}", account(whose)?))
}

/// What an account has with these roles (MySQL).
pub(super) fn grants_with(whose: &Account, roles: &[Role]) -> Option<String> {
    Some(format!("{} USING {}", grants_of(whose)?, list(roles)?))
}

/// What a role has, and the roles that it has (MariaDB).
pub(super) fn grants_of_role(role: &Role) -> Option<String> {
    Some(format!("SHOW GRANTS FOR {}", role_name(role)?))
}

/// What everybody has (MariaDB).
pub(super) const GRANTS_OF_ALL: &str = "SHOW GRANTS FOR PUBLIC";

/// Privileges on one object; of those that can be passed on one by one, all can or none.
#[derive(Debug)]
pub(super) struct Bundle<'a> {
    /// On what.
    pub(super) object: &'a Object,
    /// Which.
    pub(super) privileges: Vec<&'a str>,
    /// Whether each may be passed on by itself.
    pub(super) grantable: bool,
}

impl Bundle<'_> {
    /// In words.
    pub(super) fn words(&self) -> String {
        let has_option = self.grantable || self.privileges.contains(&GRANT_OPTION);
        let with = match (self.object, has_option) {
            (Object::Role(_), true) => " with admin option",
            (_, true) => " with grant option",
            (_, false) => "",
        };
        let names = self.privileges.iter().copied();
        let names: Vec<&str> = names.filter(|name| *name != GRANT_OPTION).collect();
        let (names, with) = match &names[..] {
            [] => (GRANT_OPTION.to_owned(), ""),
            names => (names.join(", "), with),
        };
        match self.object {
            Object::Role(role) => format!("{}{with}", role_words(role)),
            Object::Global => format!("{names} on *.*{with}"),
            Object::Schema(schema) => format!("{names} on {schema}.*{with}"),
            Object::Table([schema, table]) => format!("{names} on {schema}.{table}{with}"),
            Object::Column([schema, table, column]) => {
                format!("{names} ({column}) on {schema}.{table}{with}")
            }
            Object::Routine { noun, parts } => format!(
                "{names} on {} {}.{}{with}",
                noun.to_lowercase(),
                parts[0],
                parts[1]
            ),
            Object::Proxy(account) => format!("PROXY on {}@{}{with}", account.user, account.host),
        }
    }

    /// Gives it to an account.
    pub(super) fn give(&self, taker: &Account) -> Option<String> {
        let taker = account(taker)?;
        if let Object::Role(role) = self.object {
            let with = if self.grantable {
                " WITH ADMIN OPTION"
            } else {
                ""
            };
            return safe(format!("GRANT {} TO {taker}{with};", role_name(role)?));
        }
        let has_option = self.grantable || self.privileges.contains(&GRANT_OPTION);
        let with = if has_option { " WITH GRANT OPTION" } else { "" };
        let names = self.privileges.iter().copied();
        let names: Vec<&str> = names.filter(|name| *name != GRANT_OPTION).collect();
        let names = if names.is_empty() {
            vec!["USAGE"]
        } else {
            names
        };
        let on = self.on()?;
        safe(format!(
            "GRANT {} ON {on} TO {taker}{with};",
            self.list(&names)?
        ))
    }

    /// Takes it from an account. `None` where the two have parts of it in common that one
    /// statement would take, too.
    pub(super) fn take(&self, holder: &Account, other: &Grants) -> Option<String> {
        let mut others = other.held.iter();
        let has_part = others.any(|held| {
            held.object == *self.object
                && (self.privileges.contains(&ALL) || self.privileges.contains(&&*held.privilege))
        });
        if has_part {
            return None;
        }
        let from = account(holder)?;
        if let Object::Role(role) = self.object {
            return safe(format!("REVOKE {} FROM {from};", role_name(role)?));
        }
        let on = self.on()?;
        // `ALL PRIVILEGES` and the option in one statement would mean those on all objects.
        if self.privileges.contains(&ALL) && self.privileges.contains(&GRANT_OPTION) {
            return safe(format!(
                "REVOKE {ALL} ON {on} FROM {from};\nREVOKE {GRANT_OPTION} ON {on} FROM {from};"
            ));
        }
        let list = self.list(&self.privileges)?;
        safe(format!("REVOKE {list} ON {on} FROM {from};"))
    }

    fn list(&self, names: &[&str]) -> Option<String> {
        let Object::Column([_, _, column]) = self.object else {
            return Some(names.join(", "));
        };
        let column = identifier(column)?;
        let names: Vec<String> = names
            .iter()
            .map(|name| format!("{name} ({column})"))
            .collect();
        Some(names.join(", "))
    }

    fn on(&self) -> Option<String> {
        let path = |schema: &str, name: &str| {
            Some(format!("{}.{}", identifier(schema)?, identifier(name)?))
        };
        match self.object {
            Object::Role(_) => None,
            Object::Global => Some("*.*".to_owned()),
            Object::Schema(schema) => Some(format!("{}.*", identifier(schema)?)),
            Object::Table([schema, table]) | Object::Column([schema, table, _]) => {
                path(schema, table)
            }
            Object::Routine { noun, parts } => {
                Some(format!("{noun} {}", path(&parts[0], &parts[1])?))
            }
            Object::Proxy(whose) => account(whose),
        }
    }
}

/// Puts what belongs into one statement together.
pub(super) fn bundles<'a>(held: impl IntoIterator<Item = &'a Held>) -> Vec<Bundle<'a>> {
    let mut bundles: Vec<Bundle<'a>> = Vec::new();
    for one in held {
        let is_dynamic = |name: &str| name.contains('_');
        // A dynamic privilege shares no `GRANT OPTION` with the others on `*.*`.
        let fits = |bundle: &Bundle<'_>| {
            *bundle.object == one.object
                && bundle.grantable == one.grantable
                && bundle
                    .privileges
                    .first()
                    .is_some_and(|first| is_dynamic(first) == is_dynamic(&one.privilege))
        };
        match bundles.iter_mut().find(|bundle| fits(bundle)) {
            Some(bundle) => bundle.privileges.push(&one.privilege),
            None => bundles.push(Bundle {
                object: &one.object,
                privileges: vec![&one.privilege],
                grantable: one.grantable,
            }),
        }
    }
    bundles
}

/// Leaves the role to its member, only not to pass on; MySQL has no such statement.
pub(super) fn take_admin_option(role: &Role, holder: &Account) -> Option<String> {
    safe(format!(
        "REVOKE ADMIN OPTION FOR {} FROM {};",
        role_name(role)?,
        account(holder)?
    ))
}

/// A privilege on all schemas does not count in this one; MySQL's partial revoke.
pub(super) fn withhold(held: &Held, whose: &Account) -> Option<String> {
    let bundle = Bundle {
        object: &held.object,
        privileges: vec![&held.privilege],
        grantable: false,
    };
    bundle.take(whose, &Grants::default())
}

/// Which roles sessions of an account begin with.
pub(super) fn set_default_roles(
    flavour: MysqlFlavour,
    whose: &Account,
    roles: &[Role],
) -> Option<String> {
    let towards = match flavour {
        MysqlFlavour::MySql => "TO",
        MysqlFlavour::MariaDb => "FOR",
    };
    let roles = match roles {
        [] => "NONE".to_owned(),
        roles => list(roles)?,
    };
    safe(format!(
        "SET DEFAULT ROLE {roles} {towards} {};",
        account(whose)?
    ))
}

/// Changes a property of some accounts.
pub(super) fn alter(accounts: &[&Account], property: &str) -> Option<String> {
    let names: Option<Vec<String>> = accounts.iter().map(|one| account(one)).collect();
    safe(format!("ALTER USER {} {property};", names?.join(", ")))
}

/// Makes a row that nobody can log in to until a password is set. MariaDB would let
/// everybody in to a row that says nothing of it, and stores this word as a hash that no
/// password has.
pub(super) fn create(
    flavour: MysqlFlavour,
    new: &Account,
    plugin: &str,
    properties: &[String],
) -> Option<String> {
    let identified = match (flavour, plugin) {
        (
            MysqlFlavour::MySql,
            "caching_sha2_password" | "sha256_password" | "mysql_native_password",
        ) => format!("IDENTIFIED WITH {plugin} BY RANDOM PASSWORD"),
        (MysqlFlavour::MariaDb, "mysql_native_password") => {
            format!("IDENTIFIED VIA {plugin} USING 'invalid'")
        }
        _ => return None,
    };
    let properties: String = properties.iter().map(|one| format!(" {one}")).collect();
    safe(format!(
        "CREATE USER {} {identified}{properties};",
        account(new)?
    ))
}

/// `REQUIRE …` of the certificate's parts that are named.
pub(super) fn require(parts: [(&str, &str); 3]) -> Option<String> {
    let mut required = Vec::new();
    for (name, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
        required.push(format!("{name} {}", literal(text)?));
    }
    (!required.is_empty()).then(|| format!("REQUIRE {}", required.join(" AND ")))
}

/// Gives the managing user the one connection that a full server keeps.
pub(super) fn reserve(flavour: MysqlFlavour, manager: &Account) -> Option<String> {
    let privilege = match flavour {
        MysqlFlavour::MySql => "CONNECTION_ADMIN",
        MysqlFlavour::MariaDb => "CONNECTION ADMIN",
    };
    safe(format!(
        "GRANT {privilege} ON *.* TO {};",
        account(manager)?
    ))
}

/// Whether these grants let in to a full server. `SUPER` does so in MariaDB before 11 alone,
/// so that it is not relied on there.
pub(super) fn has_reserve(flavour: MysqlFlavour, own: &Grants) -> bool {
    own.held.iter().any(|held| {
        held.object == Object::Global
            && match flavour {
                MysqlFlavour::MySql => {
                    matches!(&*held.privilege, "CONNECTION_ADMIN" | "SUPER")
                }
                MysqlFlavour::MariaDb => {
                    held.privilege == "CONNECTION ADMIN" || held.privilege == ALL
                }
            }
    })
}

/// A role that was granted.
pub(super) fn member_of(held: &Held) -> Option<&Role> {
    match &held.object {
        Object::Role(role) if held.privilege == MEMBER => Some(role),
        _ => None,
    }
}

/// A role in words; the host that all roles have is left out.
pub(super) fn role_words(role: &Role) -> String {
    match role.host.as_deref() {
        None | Some("%") => role.name.clone(),
        Some(host) => format!("{}@{host}", role.name),
    }
}

fn list(roles: &[Role]) -> Option<String> {
    let names: Option<Vec<String>> = roles.iter().map(role_name).collect();
    Some(names?.join(", "))
}

fn role_name(role: &Role) -> Option<String> {
    let name = identifier(&role.name)?;
    match &role.host {
        Some(host) => Some(format!("{name}@{}", identifier(host)?)),
        None => Some(name),
    }
}

fn safe(statement: String) -> Option<String> {
    safe_to_draw(&statement).then_some(statement)
}
