//! Every question and statement that the managing connection of MySQL or MariaDB sends, but
//! for the comparison of the pair.
//!
//! All are sent as text: a prepared statement would cost a second way there and back, and
//! what they hold is built from names alone. A name stands between backticks where it is an
//! account, and as bytes where it is compared.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{MysqlFlavour, quote};
use crate::model::{RoleFacts, RoleRemedies, UserName};

/// A session whose statements mean what they say here: no mode of the server's own, its
/// clock in UTC, and no transaction that a statement would have to commit.
pub(super) const PLAIN_SESSION: &str =
    "SET SESSION sql_mode = '', time_zone = '+00:00', autocommit = 1";

/// Rights that come by a role are off until the role is set; MariaDB has one at a time and
/// sets the default one by itself.
pub(super) const ALL_ROLES: &str = "SET ROLE ALL";

/// Who the managing user is to the server, and by which roles.
pub(super) const WHO_MANAGES: &str =
    "SELECT CURRENT_USER() AS account, CURRENT_ROLE() AS roles, CONNECTION_ID() AS id";

/// What a probe asks: the row that let it in, and the clock.
pub(super) const WHO_AM_I: &str = "SELECT CURRENT_USER() AS account, CONNECTION_ID() AS id, \
     UNIX_TIMESTAMP(NOW(6)) AS server_time";

/// Which server this is, in the words of its flavour.
pub(super) fn identity(flavour: MysqlFlavour) -> &'static str {
    match flavour {
        MysqlFlavour::MariaDb => {
            "SELECT @@global.server_uid AS server, @@global.gtid_current_pos AS gtids, \
             @@global.read_only AS read_only, UNIX_TIMESTAMP(NOW(6)) AS server_time, \
             @@global.require_secure_transport AS secure_only, \
             @@global.skip_name_resolve AS nameless"
        }
        MysqlFlavour::MySql => {
            "SELECT @@global.server_uuid AS server, @@global.gtid_executed AS gtids, \
             @@global.read_only AS read_only, UNIX_TIMESTAMP(NOW(6)) AS server_time, \
             @@global.require_secure_transport AS secure_only, \
             @@global.skip_name_resolve AS nameless"
        }
    }
}

/// The same on a MariaDB without `server_uid` (until 10.11.8): host and port say where it is.
pub(super) const IDENTITY_BY_PLACE: &str = "SELECT CONCAT(@@global.hostname, ':', @@global.port) \
     AS server, @@global.gtid_current_pos AS gtids, @@global.read_only AS read_only, \
     UNIX_TIMESTAMP(NOW(6)) AS server_time, @@global.require_secure_transport AS secure_only, \
     @@global.skip_name_resolve AS nameless";

/// Up to where InnoDB's redo log is on the disk. Anybody may ask.
pub(super) fn redo_log(flavour: MysqlFlavour) -> &'static str {
    match flavour {
        MysqlFlavour::MariaDb => "SHOW GLOBAL STATUS LIKE 'Innodb_lsn_flushed'",
        MysqlFlavour::MySql => "SHOW GLOBAL STATUS LIKE 'Innodb_redo_log_flushed_to_disk_lsn'",
    }
}

/// The rows of both users, and those of nobody, which may take their logins; the hash is
/// never asked for.
pub(super) fn accounts(flavour: MysqlFlavour, users: [&UserName; 2]) -> String {
    let [first, second] = users.map(|user| text(user.as_str()));
    match flavour {
        // `password_last_changed` 0 is `PASSWORD EXPIRE`; a lifetime of -1 is the server's. A
        // list of ways to log in that became one again stays, with one entry.
        MysqlFlavour::MariaDb => format!(
            "SELECT User AS user, Host AS host, \
             COALESCE(JSON_VALUE(Priv, '$.plugin'), '') AS plugin, \
             COALESCE(JSON_VALUE(Priv, '$.account_locked'), 0) IN ('1', 'true') AS locked, \
             COALESCE(JSON_VALUE(Priv, '$.password_last_changed') = 0 OR \
             IF(COALESCE(JSON_VALUE(Priv, '$.password_lifetime'), -1) < 0, \
             @@global.default_password_lifetime, JSON_VALUE(Priv, '$.password_lifetime')) > 0 \
             AND JSON_VALUE(Priv, '$.password_last_changed') + 86400 * \
             IF(COALESCE(JSON_VALUE(Priv, '$.password_lifetime'), -1) < 0, \
             @@global.default_password_lifetime, JSON_VALUE(Priv, '$.password_lifetime')) \
             < UNIX_TIMESTAMP(), 0) AS expired, \
             CASE COALESCE(JSON_VALUE(Priv, '$.ssl_type'), 0) WHEN 0 THEN '' WHEN 1 THEN 'ANY' \
             ELSE 'X509' END AS ssl_type, 0 AS retained, \
             IF(@@global.max_password_errors < 4294967295, @@global.max_password_errors, NULL) \
             AS login_limit, \
             COALESCE(JSON_LENGTH(Priv, '$.auth_or'), 0) > 1 AS several, \
             COALESCE(JSON_VALUE(Priv, '$.is_role'), 0) IN ('1', 'true') AS is_role, 0 AS protected \
             FROM mysql.global_priv WHERE User IN ({first}, {second}, '') ORDER BY User, Host"
        ),
        MysqlFlavour::MySql => format!(
            "SELECT u.user AS user, u.host AS host, u.plugin AS plugin, \
             u.account_locked = 'Y' AS locked, \
             u.password_expired = 'Y' OR COALESCE(COALESCE(u.password_lifetime, \
             @@global.default_password_lifetime) > 0 AND u.password_last_changed + INTERVAL \
             COALESCE(u.password_lifetime, @@global.default_password_lifetime) DAY < NOW(), 0) \
             AS expired, u.ssl_type AS ssl_type, \
             COALESCE(JSON_CONTAINS_PATH(u.user_attributes, 'one', '$.additional_password'), 0) \
             AS retained, \
             JSON_UNQUOTE(JSON_EXTRACT(u.user_attributes, \
             '$.Password_locking.failed_login_attempts')) AS login_limit, \
             COALESCE(JSON_CONTAINS_PATH(u.user_attributes, 'one', \
             '$.multi_factor_authentication'), 0) AS several, 0 AS is_role, \
             EXISTS (SELECT 1 FROM mysql.global_grants g WHERE g.user = u.user AND \
             g.host = u.host AND g.priv = 'SYSTEM_USER') AS protected \
             FROM mysql.user u WHERE u.user IN ({first}, {second}, '') ORDER BY u.user, u.host"
        ),
    }
}

/// When a user's password was last changed, of all its rows the latest.
pub(super) fn password_changed(flavour: MysqlFlavour, user: &UserName) -> String {
    let user = text(user.as_str());
    match flavour {
        MysqlFlavour::MariaDb => format!(
            "SELECT MAX(CAST(JSON_VALUE(Priv, '$.password_last_changed') AS UNSIGNED)) AS changed \
             FROM mysql.global_priv WHERE User = {user}"
        ),
        MysqlFlavour::MySql => format!(
            "SELECT UNIX_TIMESTAMP(MAX(password_last_changed)) AS changed FROM mysql.user \
             WHERE user = {user}"
        ),
    }
}

/// The rights of the managing user. MySQL resolves roles that are named; MariaDB shows those
/// of the role that is set.
pub(super) fn own_grants(flavour: MysqlFlavour, roles: Option<&str>) -> String {
    match (flavour, roles) {
        (MysqlFlavour::MySql, Some(roles)) => {
            format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}")
        }
        _ => "SHOW GRANTS".to_owned(),
    }
}

/// All connections where the performance schema is kept: it is refused to whoever may not see
/// all of them. `lost` counts those for which it had no room.
pub(super) const SESSIONS: &str = "SELECT t.PROCESSLIST_ID AS id, \
     t.PROCESSLIST_USER AS user, t.PROCESSLIST_HOST AS host, t.PROCESSLIST_COMMAND AS command, \
     a.ATTR_VALUE AS application, t.NAME AS thread, \
     (SELECT s.VARIABLE_VALUE FROM performance_schema.global_status s \
     WHERE s.VARIABLE_NAME = 'Performance_schema_thread_instances_lost') AS lost \
     FROM performance_schema.threads t \
     LEFT JOIN performance_schema.session_connect_attrs a \
     ON a.PROCESSLIST_ID = t.PROCESSLIST_ID AND a.ATTR_NAME = 'program_name' \
     WHERE t.PROCESSLIST_ID IS NOT NULL";

/// The same without names of applications.
pub(super) const SESSIONS_BY_PROCESS_LIST: &str = "SELECT ID AS id, USER AS user, HOST AS host, \
     COMMAND AS command, NULL AS application, \
     IF(COMMAND = 'Slave_IO' OR STATE LIKE 'Waiting for source to send event%', \
     'thread/sql/replica_io', '') AS thread FROM information_schema.PROCESSLIST";

/// Refused to whoever lacks PROCESS. Without that right the process list shows one's own
/// sessions alone and says nothing of it.
pub(super) const MAY_SEE_ALL: &str = "SELECT 1 FROM information_schema.INNODB_METRICS LIMIT 1";

/// The clock alone.
pub(super) const SERVER_TIME: &str = "SELECT UNIX_TIMESTAMP(NOW(6)) AS server_time";

/// Bounds of the change: a lock that a backup or `FLUSH TABLES WITH READ LOCK` holds is not
/// waited for longer, and a session that says nothing for this long is ended.
pub(super) fn silence_bound(lock: Duration, silence: Duration) -> String {
    let (seconds, silence) = (lock.as_secs().max(1), silence.as_secs());
    format!("SET SESSION lock_wait_timeout = {seconds}, wait_timeout = {silence}")
}

/// MariaDB waits for the read lock of a backup without looking at `lock_wait_timeout`, and
/// the statement has nothing else to do that takes time.
pub(super) fn statement_deadline(lock: Duration, statement: Duration) -> String {
    let longest = statement.min(lock).as_secs_f64();
    format!("SET SESSION max_statement_time = {longest}")
}

/// Takes the lock on a user, which goes with the session at the latest.
pub(super) fn take_lock(account: &str, wait: Duration) -> String {
    let wait = wait.as_secs().max(1);
    format!("SELECT GET_LOCK('{}', {wait}) AS taken", lock_name(account))
}

/// Gives it back, and lets the session live as long as others.
pub(super) fn release_lock(account: &str) -> String {
    format!("SELECT RELEASE_LOCK('{}')", lock_name(account))
}

pub(super) fn usual_bounds(flavour: MysqlFlavour) -> &'static str {
    match flavour {
        MysqlFlavour::MariaDb => "SET SESSION wait_timeout = DEFAULT, max_statement_time = DEFAULT",
        MysqlFlavour::MySql => "SET SESSION wait_timeout = DEFAULT",
    }
}

/// Why the last statement failed, the cause first: MariaDB answers with 1396, that it did
/// not come about, and keeps the reason for whoever asks.
pub(super) const WHY_NOT: &str = "SHOW ERRORS";

/// MySQL takes 64 characters, and names may be hostile.
fn lock_name(account: &str) -> String {
    let digest = Sha256::digest(account.as_bytes());
    format!("handover:{}", hex::encode(&digest[..20]))
}

/// Who holds a lock that keeps every change of a user waiting (MySQL).
pub(super) const LOCK_HOLDERS: &str = "SELECT m.OBJECT_TYPE AS lock_kind, t.PROCESSLIST_ID AS id, \
     t.PROCESSLIST_USER AS user, t.PROCESSLIST_HOST AS host FROM performance_schema.metadata_locks m \
     JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID \
     WHERE m.LOCK_STATUS = 'GRANTED' AND m.LOCK_DURATION = 'EXPLICIT' \
     AND m.OBJECT_TYPE IN ('GLOBAL', 'BACKUP LOCK') AND t.PROCESSLIST_ID <> CONNECTION_ID()";

/// One row and what it shall store instead of a password.
pub(super) struct NewHash<'a> {
    pub(super) user: &'a str,
    pub(super) host: &'a str,
    pub(super) plugin: &'a str,
    /// As the statement takes it: a literal of the flavour.
    pub(super) hash: &'a str,
}

/// Changes all rows in one statement; on MySQL that is atomic. `None` where a name cannot be
/// written. A locked row is let in again, as PostgreSQL's statement does, or stays locked.
pub(super) fn alter_user(
    flavour: MysqlFlavour,
    rows: &[NewHash<'_>],
    lets_in: bool,
) -> Option<String> {
    let parts: Option<Vec<String>> = rows
        .iter()
        .map(|row| {
            let account = account(row.user, row.host)?;
            let plugin = quote::identifier(row.plugin)?;
            let (by, is) = match flavour {
                MysqlFlavour::MariaDb => ("VIA", "USING"),
                MysqlFlavour::MySql => ("WITH", "AS"),
            };
            Some(format!(
                "{account} IDENTIFIED {by} {plugin} {is} {}",
                row.hash
            ))
        })
        .collect();
    let unlock = if lets_in { " ACCOUNT UNLOCK" } else { "" };
    Some(format!("ALTER USER {}{unlock}", parts?.join(", ")))
}

/// Locks these rows, or lets them in again; on MySQL that is atomic. Their passwords stay.
pub(super) fn lock_user(rows: &[(&str, &str)], locked: bool) -> Option<String> {
    let parts: Option<Vec<String>> = rows
        .iter()
        .map(|(user, host)| account(user, host))
        .collect();
    let word = if locked { "LOCK" } else { "UNLOCK" };
    Some(format!("ALTER USER {} ACCOUNT {word}", parts?.join(", ")))
}

/// Ends a session by its number.
pub(super) fn kill(id: u64) -> String {
    format!("KILL CONNECTION {id}")
}

/// Whether a row of MariaDB stores this hash, a literal as the statement had it.
pub(super) fn stores(user: &str, host: &str, hash: &str) -> String {
    format!(
        "SELECT COALESCE(JSON_VALUE(Priv, '$.authentication_string'), '') = {hash} AS same \
         FROM mysql.global_priv WHERE User = {} AND Host = {}",
        text(user),
        text(host)
    )
}

/// Ends the second password that MySQL may have retained; harmless where there is none.
pub(super) fn discard_old(rows: &[(&str, &str)]) -> Option<String> {
    let parts: Option<Vec<String>> = rows
        .iter()
        .map(|(user, host)| Some(format!("{} DISCARD OLD PASSWORD", account(user, host)?)))
        .collect();
    Some(format!("ALTER USER {}", parts?.join(", ")))
}

/// Bounds the statements of a probe.
pub(super) fn statement_bound(flavour: MysqlFlavour, limit: Duration) -> String {
    match flavour {
        MysqlFlavour::MySql => format!("SET SESSION max_execution_time = {}", limit.as_millis()),
        MysqlFlavour::MariaDb => {
            format!("SET SESSION max_statement_time = {}", limit.as_secs_f64())
        }
    }
}

/// The statements that mend what may be wrong with a user: for each of its rows, or for a
/// new one that may log in from everywhere.
pub(super) fn remedies(user: &UserName, role: Option<&RoleFacts>) -> RoleRemedies {
    let hosts: Vec<&str> = role
        .iter()
        .flat_map(|role| &role.rows)
        .map(|row| row.host.as_str())
        .collect();
    let hosts = match hosts.is_empty() {
        true => vec!["%"],
        false => hosts,
    };
    let accounts: Vec<String> = hosts
        .iter()
        .filter_map(|host| account(user.as_str(), host))
        .collect();
    let again: Vec<String> = accounts
        .iter()
        .map(|account| format!("{account} IDENTIFIED BY …"))
        .collect();
    let accounts = accounts.join(", ");
    RoleRemedies {
        create: format!("CREATE USER {accounts} IDENTIFIED BY …;"),
        let_in: format!("ALTER USER {accounts} ACCOUNT UNLOCK;"),
        // Neither `PASSWORD EXPIRE DEFAULT` nor `NEVER` takes a `PASSWORD EXPIRE` back on MySQL.
        prolong: format!(
            "set the stored password once more, which ends it: ALTER USER {};",
            again.join(", ")
        ),
    }
}

/// `user@host` as both flavours take it.
pub(super) fn account(user: &str, host: &str) -> Option<String> {
    Some(format!(
        "{}@{}",
        quote::identifier(user)?,
        quote::identifier(host)?
    ))
}

/// A text to compare with, which means the same in every mode of the server.
pub(super) fn text(value: &str) -> String {
    match value.is_empty() {
        true => "''".to_owned(),
        false => format!("_utf8mb4 0x{}", hex::encode(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_stand_in_one_statement() {
        let row = |host| NewHash {
            user: "app`b",
            host,
            plugin: "caching_sha2_password",
            hash: "0x24",
        };
        assert_eq!(
            alter_user(MysqlFlavour::MySql, &[row("%"), row("10.%")], true).as_deref(),
            Some(
                "ALTER USER `app``b`@`%` IDENTIFIED WITH `caching_sha2_password` AS 0x24, \
                 `app``b`@`10.%` IDENTIFIED WITH `caching_sha2_password` AS 0x24 ACCOUNT UNLOCK"
            )
        );
        assert_eq!(
            alter_user(MysqlFlavour::MariaDb, &[row("%")], false).as_deref(),
            Some("ALTER USER `app``b`@`%` IDENTIFIED VIA `caching_sha2_password` USING 0x24"),
            "a locked row stays locked"
        );
        let rows = [("app`b", "%"), ("app`b", "10.%")];
        assert_eq!(
            lock_user(&rows, true).as_deref(),
            Some("ALTER USER `app``b`@`%`, `app``b`@`10.%` ACCOUNT LOCK")
        );
        assert!(lock_user(&rows, false).is_some_and(|text| text.ends_with(" ACCOUNT UNLOCK")));
    }

    #[test]
    fn a_lock_has_a_short_name_whatever_the_user_is_called() {
        let name = lock_name(&"'".repeat(80));
        assert_eq!(name.len(), 49);
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b':')
        );
    }

    #[test]
    fn a_lock_of_less_than_a_second_is_still_waited_for() {
        let bounds = silence_bound(Duration::from_millis(200), Duration::from_secs(10));
        assert_eq!(
            bounds,
            "SET SESSION lock_wait_timeout = 1, wait_timeout = 10"
        );
        let deadline = statement_deadline(Duration::from_millis(200), Duration::from_secs(2));
        assert_eq!(deadline, "SET SESSION max_statement_time = 0.2");
    }
}
