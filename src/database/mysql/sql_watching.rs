//! Every question of the connection that samples. None of them asks for the text of a
//! statement, and none changes anything.

use super::MysqlFlavour;
use super::sql::text;
use crate::model::AccountId;

/// The first words that are told; whatever else a statement begins with stays untold.
const COMMANDS: [&str; 44] = [
    "ALTER",
    "ANALYZE",
    "BEGIN",
    "BINLOG",
    "CALL",
    "CHANGE",
    "CHECK",
    "COMMIT",
    "CREATE",
    "DEALLOCATE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DO",
    "DROP",
    "EXECUTE",
    "EXPLAIN",
    "FLUSH",
    "GRANT",
    "HANDLER",
    "INSERT",
    "KILL",
    "LOAD",
    "LOCK",
    "OPTIMIZE",
    "PREPARE",
    "RELEASE",
    "RENAME",
    "REPAIR",
    "REPLACE",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "SHOW",
    "START",
    "TRUNCATE",
    "UNLOCK",
    "UPDATE",
    "USE",
    "WITH",
    "XA",
];

/// What a connection of these servers is for, where it is not a client's: a thread that sends
/// the log to a replica.
const SENDS_LOG: &str = "Binlog Dump%";

/// Who the server is, its clock, and for how many whole seconds it runs. All of it is taken
/// at the begin of one statement, so that the second at which the server was started comes
/// out the same each time.
pub(super) fn server(flavour: MysqlFlavour) -> &'static str {
    match flavour {
        MysqlFlavour::MariaDb => {
            "SELECT @@global.server_uid AS server, UNIX_TIMESTAMP(NOW(6)) AS server_time, \
             @@global.performance_schema AS has_attributes, @@global.userstat AS counts, \
             (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS \
             WHERE VARIABLE_NAME = 'UPTIME') AS uptime"
        }
        MysqlFlavour::MySql => {
            "SELECT @@global.server_uuid AS server, UNIX_TIMESTAMP(NOW(6)) AS server_time, \
             @@global.performance_schema AS has_attributes, \
             @@global.performance_schema AS counts, \
             (SELECT VARIABLE_VALUE FROM performance_schema.global_status \
             WHERE VARIABLE_NAME = 'Uptime') AS uptime"
        }
    }
}

/// The same on a MariaDB without `server_uid` (until 10.11.8), as the managing connection
/// names it then.
pub(super) const SERVER_BY_PLACE: &str = "SELECT CONCAT(@@global.hostname, ':', @@global.port) \
     AS server, UNIX_TIMESTAMP(NOW(6)) AS server_time, \
     @@global.performance_schema AS has_attributes, @@global.userstat AS counts, \
     (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS \
     WHERE VARIABLE_NAME = 'UPTIME') AS uptime";

/// The sessions of these users where the performance schema is kept, with our own, which
/// shows that the answer is one, and those that replication needs.
pub(super) fn sessions(users: &[AccountId]) -> String {
    format!(
        "SELECT t.PROCESSLIST_ID AS id, t.PROCESSLIST_USER AS user, t.PROCESSLIST_HOST AS host, \
         t.PROCESSLIST_DB AS db, t.PROCESSLIST_COMMAND AS command, t.PROCESSLIST_TIME AS time, \
         {} AS verb, UNIX_TIMESTAMP(NOW(6)) AS server_time, \
         a.ATTR_VALUE AS application, t.NAME AS thread, \
         (SELECT s.VARIABLE_VALUE FROM performance_schema.global_status s \
         WHERE s.VARIABLE_NAME = 'Performance_schema_thread_instances_lost') AS lost \
         FROM performance_schema.threads t \
         LEFT JOIN performance_schema.session_connect_attrs a \
         ON a.PROCESSLIST_ID = t.PROCESSLIST_ID AND a.ATTR_NAME = 'program_name' \
         WHERE t.PROCESSLIST_ID IS NOT NULL AND (t.PROCESSLIST_USER IN ({}) \
         OR t.PROCESSLIST_ID = CONNECTION_ID() OR t.PROCESSLIST_COMMAND LIKE '{SENDS_LOG}' \
         OR t.NAME LIKE '%/replica\\_io' OR t.NAME LIKE '%/slave\\_io')",
        verb("t.PROCESSLIST_INFO"),
        list(users)
    )
}

/// The same from the process list, which knows no names of applications. MariaDB's tells the
/// time of a state in milliseconds.
pub(super) fn sessions_by_process_list(flavour: MysqlFlavour, users: &[AccountId]) -> String {
    let time = match flavour {
        MysqlFlavour::MariaDb => "TIME_MS / 1000",
        MysqlFlavour::MySql => "TIME",
    };
    const RECEIVES: &str =
        "(COMMAND = 'Slave_IO' OR STATE LIKE 'Waiting for source to send event%')";
    format!(
        "SELECT ID AS id, USER AS user, HOST AS host, DB AS db, COMMAND AS command, \
         {time} AS time, {} AS verb, UNIX_TIMESTAMP(NOW(6)) AS server_time, \
         NULL AS application, IF({RECEIVES}, 'thread/sql/replica_io', '') AS thread \
         FROM information_schema.PROCESSLIST WHERE USER IN ({}) OR ID = CONNECTION_ID() \
         OR COMMAND LIKE '{SENDS_LOG}' OR {RECEIVES}",
        verb("INFO"),
        list(users)
    )
}

/// What the applications on a MariaDB with a performance schema call themselves.
pub(super) const APPLICATIONS: &str = "SELECT PROCESSLIST_ID AS id, ATTR_VALUE AS application \
     FROM performance_schema.session_connect_attrs WHERE ATTR_NAME = 'program_name'";

/// Since when there are transactions. InnoDB writes the time of the machine's zone, whatever
/// the session's is.
pub(super) const TRANSACTIONS: &str = "SELECT trx_mysql_thread_id AS id, \
     UNIX_TIMESTAMP(CONVERT_TZ(trx_started, 'SYSTEM', '+00:00')) AS since \
     FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id > 0";

/// The rows of these users and whether each is locked.
pub(super) fn locks(flavour: MysqlFlavour, users: &[AccountId]) -> String {
    let users = list(users);
    match flavour {
        MysqlFlavour::MariaDb => format!(
            "SELECT User AS user, \
             COALESCE(JSON_VALUE(Priv, '$.account_locked'), 0) IN ('1', 'true') AS locked \
             FROM mysql.global_priv WHERE User IN ({users}) \
             AND COALESCE(JSON_VALUE(Priv, '$.is_role'), 0) NOT IN ('1', 'true')"
        ),
        MysqlFlavour::MySql => format!(
            "SELECT user AS user, account_locked = 'Y' AS locked FROM mysql.user \
             WHERE user IN ({users})"
        ),
    }
}

/// What each server has counted of these users, a row for each user and thing.
///
/// MySQL counts each attempt to log in of which the user is known, when it is over, so that
/// the failed ones have to be taken off (seen on 9.7.4): refused with 1045, 3118 where the
/// right password meets a lock, 3955 and 1862, and broken off (1043). Within a session only
/// `LOAD DATA` without FILE is told one of these, 1045, and statements of that kind that failed
/// are added again. A client that is refused its database (1044) or one session too many
/// (1226) has shown the right password, and stays counted. A session that changes its user
/// (`COM_CHANGE_USER`) is counted for the new one and taken off the count of the old one, so
/// that a login may leave no trace: see `changes`. `accounts` can be emptied and `users` stays,
/// and emptying `users` empties what was told to them, too.
///
/// MariaDB (10.11.19) counts in `TOTAL_CONNECTIONS` logins that succeeded; a session that
/// changed its user is none. A refused one is counted in `DENIED_CONNECTIONS` where it is told
/// 1045 or 1044, and so is a statement that is refused; a locked user with the right password
/// (4151) is counted nowhere, and nor is a user of whom nothing was counted before.
pub(super) fn counters(flavour: MysqlFlavour, users: &[AccountId]) -> String {
    let users = list(users);
    match flavour {
        MysqlFlavour::MariaDb => format!(
            "SELECT USER AS user, 'attempts' AS what, TOTAL_CONNECTIONS AS amount \
             FROM information_schema.USER_STATISTICS WHERE USER IN ({users}) \
             UNION ALL SELECT USER, 'refused', DENIED_CONNECTIONS \
             FROM information_schema.USER_STATISTICS WHERE USER IN ({users})"
        ),
        MysqlFlavour::MySql => format!(
            "SELECT USER AS user, 'attempts' AS what, SUM(TOTAL_CONNECTIONS) AS amount \
             FROM performance_schema.users WHERE USER IN ({users}) GROUP BY USER \
             UNION ALL SELECT USER, CASE ERROR_NUMBER WHEN 1043 THEN 'broken' ELSE 'refused' END, \
             SUM(SUM_ERROR_RAISED - SUM_ERROR_HANDLED) \
             FROM performance_schema.events_errors_summary_by_user_by_error \
             WHERE USER IN ({users}) AND ERROR_NUMBER IN (1043, 1045, 1862, 3118, 3955) \
             GROUP BY USER, ERROR_NUMBER \
             UNION ALL SELECT USER, 'in-session', SUM(SUM_ERRORS) \
             FROM performance_schema.events_statements_summary_by_user_by_event_name \
             WHERE USER IN ({users}) AND EVENT_NAME = 'statement/sql/load' GROUP BY USER \
             UNION ALL SELECT NULL, 'changes', COUNT_STAR \
             FROM performance_schema.events_statements_summary_global_by_event_name \
             WHERE EVENT_NAME = 'statement/com/Change user' \
             UNION ALL SELECT NULL, 'lost', SUM(VARIABLE_VALUE) \
             FROM performance_schema.global_status \
             WHERE VARIABLE_NAME = 'Performance_schema_users_lost' \
             UNION ALL SELECT NULL, 'deaf', COUNT(*) FROM performance_schema.setup_instruments \
             WHERE NAME IN ('error', 'statement/sql/load', 'statement/com/Change user') \
             AND ENABLED <> 'YES' \
             UNION ALL SELECT NULL, 'deaf', COUNT(*) FROM performance_schema.setup_consumers \
             WHERE NAME IN ('global_instrumentation', 'thread_instrumentation') \
             AND ENABLED <> 'YES' \
             UNION ALL SELECT NULL, 'deaf', COALESCE(SUM(HOST = '%' AND USER = '%'), 0) = 0 \
             OR SUM(ENABLED <> 'YES') > 0 FROM performance_schema.setup_actors"
        ),
    }
}

/// The first word of a statement, if it is one of [`COMMANDS`]: the word comes out of our own
/// list, so that no part of the statement can.
fn verb(info: &str) -> String {
    let mut begin = format!("LEFT({info}, 64)");
    for separator in [9, 10, 13, 40, 59] {
        begin = format!("REPLACE({begin}, CHAR({separator}), ' ')");
    }
    let words: Vec<String> = COMMANDS.iter().map(|word| format!("'{word}'")).collect();
    let words = words.join(", ");
    format!("ELT(FIELD(UPPER(SUBSTRING_INDEX(LTRIM({begin}), ' ', 1)), {words}), {words})")
}

/// Names to compare with. The server's columns may compare less exactly than it lets in.
fn list(users: &[AccountId]) -> String {
    let names = users.iter().map(|user| text(user.as_str()));
    let names: Vec<String> = names.collect();
    match names.is_empty() {
        true => "NULL".to_owned(),
        false => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_is_bytes_in_every_question() {
        let users = [AccountId::new("it's; DROP -- `"), AccountId::new("app_b")];
        for flavour in [MysqlFlavour::MySql, MysqlFlavour::MariaDb] {
            for question in [
                sessions(&users),
                sessions_by_process_list(flavour, &users),
                locks(flavour, &users),
                counters(flavour, &users),
            ] {
                assert!(!question.contains("it's"), "{question}");
                assert!(question.contains("_utf8mb4 0x6170705f62"), "{question}");
            }
        }
        assert!(sessions(&[]).contains("IN (NULL)"));
    }
}
