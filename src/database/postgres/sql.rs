//! Every statement that is sent to PostgreSQL, built in this one place.

use std::time::Duration;

use super::super::LONGEST_SILENCE;
use crate::model::{RoleRemedies, UserName};
use crate::untrusted::Untrusted;

/// First half of the advisory lock's key: "hand" in ASCII. The second half is the
/// role's OID, so that one role is changed by one process at a time.
const ADVISORY_CLASS: i32 = 0x6861_6e64;

/// The session's role is the user that logged in, whatever its settings say.
pub(super) const AS_MYSELF: &str = "SET ROLE NONE";

/// The session's role is what the user's settings say.
pub(super) const AS_CONFIGURED: &str = "RESET ROLE";

/// The probe's own session and the server's clock.
pub(super) const WHO_AM_I: &str = "SELECT pid, backend_start, clock_timestamp() AS server_time \
     FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()";

/// Which server this is (`pg_control_*` may be called by everybody by default).
///
/// Position and transaction never go back on one server, even when it loses power: the
/// log counts as far as it was flushed, and transactions as far as a checkpoint has
/// recorded them. The control file learns of a promotion only at the next checkpoint, so
/// a primary's timeline is taken from the name of the log file that it writes.
pub(super) const IDENTITY: &str = "SELECT \
     (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system, \
     CASE WHEN pg_catalog.pg_is_in_recovery() THEN c.timeline_id::bigint \
         ELSE ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name( \
             pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::bigint END AS timeline, \
     pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery() \
         THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_flush_lsn() END, \
         '0/0')::bigint AS position, \
     pg_catalog.split_part(c.next_xid, ':', 1)::bigint * 4294967296 \
         + pg_catalog.split_part(c.next_xid, ':', 2)::bigint AS transaction, \
     pg_catalog.current_setting('server_version_num')::integer AS version, \
     pg_catalog.pg_is_in_recovery() AS read_only, \
     EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver) AS receiving, \
     CASE WHEN pg_catalog.current_setting('synchronous_commit') IN ('off', 'local') \
          OR pg_catalog.current_setting('max_wal_senders') = '0' THEN '' \
          ELSE pg_catalog.current_setting('synchronous_standby_names') END AS synchronous, \
     clock_timestamp() AS server_time \
     FROM pg_catalog.pg_control_checkpoint() c";

/// The physical standbys. What only copies or archives is none; a masked row stays, since
/// nothing but the application's name says what it is. `pg_stat_replication` would list all
/// sessions to find these; this is the same view, looked up the other way round.
pub(super) const STANDBYS: &str = "SELECT a.application_name, \
     pg_catalog.host(a.client_addr) AS client, w.state, \
     coalesce(w.sync_state IN ('sync', 'quorum'), false) AS synchronous, \
     pg_catalog.pg_wal_lsn_diff(w.flush_lsn, '0/0')::bigint AS flushed, \
     pg_catalog.pg_wal_lsn_diff(w.replay_lsn, '0/0')::bigint AS replayed \
     FROM pg_catalog.pg_stat_get_wal_senders() w \
     CROSS JOIN LATERAL pg_catalog.pg_stat_get_activity(w.pid) a \
     WHERE w.state IS DISTINCT FROM 'backup' \
     AND coalesce(a.application_name, '') NOT IN ('pg_basebackup', 'pg_receivewal') \
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots s \
                     WHERE s.active_pid = w.pid AND s.slot_type = 'logical') \
     ORDER BY a.application_name, w.pid";

/// Both roles, and what the managing user may do with them.
pub(super) const ROLES: &str = "SELECT r.oid, r.rolname::text AS name, r.rolcanlogin, r.rolsuper, \
     r.rolreplication, coalesce(r.rolvaliduntil < clock_timestamp(), false) AS expired, \
     m.rolsuper AS manager_super, m.rolcreaterole AS manager_createrole, \
     pg_catalog.pg_has_role(m.oid, r.oid, 'MEMBER WITH ADMIN OPTION') AS manager_admin \
     FROM pg_catalog.pg_roles r \
     CROSS JOIN (SELECT oid, rolsuper, rolcreaterole FROM pg_catalog.pg_roles \
                 WHERE rolname = current_user) m \
     WHERE r.rolname = ANY ($1)";

/// Sessions of one role. Workers of a parallel query are folded into their leader.
/// Masked rows have no `backend_type` and are kept.
pub(super) const SESSIONS: &str = "SELECT pid, application_name, \
     pg_catalog.host(client_addr) AS client, backend_start, backend_type \
     FROM pg_catalog.pg_stat_activity \
     WHERE usesysid = $1 AND leader_pid IS NULL \
     AND (backend_type IS NULL OR backend_type IN ('client backend', 'walsender'))";

/// Prepared transactions of one role: no session, but they hold its locks.
pub(super) const PREPARED: &str = "SELECT x.gid, x.prepared \
     FROM pg_catalog.pg_prepared_xact() x WHERE x.ownerid = $1";

/// The backend that holds the role's advisory lock while it waits for a synchronous
/// standby. It is one of the managing user's own, so its wait is visible to it.
pub(super) fn waiting_for_standby(oid: u32) -> String {
    format!(
        "SELECT a.pid FROM pg_catalog.pg_locks l \
         JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 \
         AND l.classid = {ADVISORY_CLASS} AND l.objid = {oid} AND a.wait_event = 'SyncRep'"
    )
}

/// Whether the managing user sees everything of that role's sessions.
pub(super) const VIEW: &str = "SELECT \
     pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') \
     OR pg_catalog.pg_has_role(current_user, $1::oid, 'USAGE') AS complete, \
     clock_timestamp() AS server_time";

/// A backend whose client is gone ends instead of applying the statement later.
/// Unknown before PostgreSQL 14 and on some systems; it is a help, not a need.
pub(super) const NOTICE_LOST_CLIENTS: &str = "SET client_connection_check_interval = '1s'";

/// A position at or after every commit that this session has seen.
pub(super) const POSITION: &str =
    "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), '0/0')::bigint AS position";

/// What the managing session begins with. Without warnings a commit that was not
/// replicated could not be told from one that was. Its backend asks a silent client
/// whether it is still there: behind a network that lost it, the backend would keep its
/// locks for hours.
pub(super) const MANAGING_OPTIONS: &str = "-c search_path=pg_catalog \
     -c client_min_messages=warning -c tcp_keepalives_idle=10 \
     -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2";

/// What a session that samples begins with: it is kept for long, can change nothing, and
/// what it has given up waiting for ends on the server, too.
pub(super) fn watching_options(statement: Duration) -> String {
    format!(
        "{MANAGING_OPTIONS} -c default_transaction_read_only=on -c statement_timeout={}",
        milliseconds(statement)
    )
}

/// Begins the change and waits for the role's advisory lock. With an asynchronous commit a
/// crash of the server could take back a change that was confirmed.
pub(super) fn begin_change(oid: u32, wait: Duration) -> String {
    let object = i32::from_ne_bytes(oid.to_ne_bytes());
    format!(
        "BEGIN; SET LOCAL idle_in_transaction_session_timeout = {silence}; \
         SELECT pg_catalog.set_config('synchronous_commit', 'on', true) \
             WHERE pg_catalog.current_setting('synchronous_commit') = 'off'; \
         SET LOCAL lock_timeout = {wait}; SET LOCAL statement_timeout = {statement}; \
         SELECT pg_catalog.pg_advisory_xact_lock({ADVISORY_CLASS}, {object})",
        silence = milliseconds(LONGEST_SILENCE),
        wait = milliseconds(wait),
        statement = milliseconds(wait + Duration::from_secs(1)),
    )
}

/// The time-outs of the statement that follows.
pub(super) fn set_change_timeouts(lock: Duration, statement: Duration) -> String {
    format!(
        "SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {}",
        milliseconds(lock),
        milliseconds(statement)
    )
}

/// The time-out of statements inside the present transaction.
pub(super) fn set_statement_timeout(timeout: Duration) -> String {
    format!("SET LOCAL statement_timeout = {}", milliseconds(timeout))
}

/// The one statement of S3. `LOGIN` undoes a lock of ours in the same moment.
///
/// `verifier` is base64 with `$` and `:`; it cannot end the literal.
pub(super) fn alter_role(user: &UserName, verifier: &str) -> String {
    format!(
        "ALTER ROLE {} LOGIN PASSWORD '{verifier}'",
        quote_identifier(user.as_str())
    )
}

/// Locks a role: its password stays, and so do its open sessions.
pub(super) fn lock_role(user: &UserName) -> String {
    format!("ALTER ROLE {} NOLOGIN", quote_identifier(user.as_str()))
}

/// Undoes [`lock_role`].
pub(super) fn unlock_role(user: &UserName) -> String {
    format!("ALTER ROLE {} LOGIN", quote_identifier(user.as_str()))
}

/// Changes the password alone: a locked role stays locked. `verifier` as in [`alter_role`].
pub(super) fn scramble_role(user: &UserName, verifier: &str) -> String {
    format!(
        "ALTER ROLE {} PASSWORD '{verifier}'",
        quote_identifier(user.as_str())
    )
}

/// Ends the session with the number `$1` if it is of the role `$2` and began at `$3`, in one
/// statement: numbers are used again. Answers what is found under that number.
pub(super) const END_SESSION: &str = "SELECT a.backend_start IS NULL AS masked, \
     CASE WHEN a.backend_start = $3::timestamptz \
          THEN pg_catalog.pg_terminate_backend(a.pid) END AS told \
     FROM pg_catalog.pg_stat_activity a WHERE a.pid = $1::int4 AND a.usesysid = $2::oid";

/// Whether that session is still there.
pub(super) const IS_SESSION_THERE: &str = "SELECT FROM pg_catalog.pg_stat_activity a \
     WHERE a.pid = $1::int4 AND a.usesysid = $2::oid AND a.backend_start = $3::timestamptz";

/// Whether a role is a superuser.
pub(super) const IS_SUPERUSER: &str = "SELECT FROM pg_catalog.pg_roles \
     WHERE oid = $1::oid AND rolsuper";

/// Whether the managing user may end sessions of the role `$1`.
pub(super) const RIGHT_TO_END: &str = "SELECT r.rolsuper AS superuser, m.rolsuper \
     OR (NOT r.rolsuper AND (pg_catalog.pg_has_role(m.oid, 'pg_signal_backend', 'USAGE') \
         OR pg_catalog.pg_has_role(m.oid, r.oid, 'USAGE'))) AS may \
     FROM pg_catalog.pg_roles r \
     CROSS JOIN (SELECT oid, rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) m \
     WHERE r.oid = $1::oid";

/// What lets the managing user end sessions. No grant reaches those of a superuser.
pub(super) fn grant_ending(manager: &UserName, superuser: bool) -> String {
    if superuser {
        return "-- only a superuser can end the sessions of a superuser".to_owned();
    }
    format!(
        "GRANT pg_signal_backend TO {}; -- not for sessions of superusers",
        quote_identifier(manager.as_str())
    )
}

/// What lets the managing user change the password of both users.
pub(super) fn grant_right(
    version: i32,
    manager: &UserName,
    users: [&UserName; 2],
    has_createrole: bool,
) -> String {
    let manager = quote_identifier(manager.as_str());
    let mut statements = Vec::new();
    if !has_createrole {
        statements.push(format!("ALTER ROLE {manager} CREATEROLE;"));
    }
    // Since PostgreSQL 16 CREATEROLE alone does not reach roles that others made.
    if version >= 160_000 {
        statements.push(format!(
            "GRANT {}, {} TO {manager} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;",
            quote_identifier(users[0].as_str()),
            quote_identifier(users[1].as_str())
        ));
    }
    statements.join(" ")
}

/// What lets the managing user see all sessions.
pub(super) fn grant_view(manager: &UserName) -> String {
    format!(
        "GRANT pg_read_all_stats TO {};",
        quote_identifier(manager.as_str())
    )
}

/// What mends a role that is absent, locked or expired.
pub(super) fn remedies(user: &UserName) -> RoleRemedies {
    let role = quote_identifier(user.as_str());
    let shown = |statement: String| Untrusted::new(&statement).as_str().to_owned();
    RoleRemedies {
        create: shown(format!("CREATE ROLE {role} LOGIN;")),
        let_in: shown(format!("ALTER ROLE {role} LOGIN;")),
        prolong: shown(format!("ALTER ROLE {role} VALID UNTIL 'infinity';")),
    }
}

/// Quotes by doubling. Control bytes cannot be here: `UserName` refuses them.
fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// PostgreSQL takes zero for "no time-out", so a span never becomes zero.
fn milliseconds(span: Duration) -> u128 {
    span.as_millis().clamp(1, 86_400_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserName {
        UserName::new(name).expect("a name")
    }

    #[test]
    fn hostile_names_stay_identifiers() {
        assert_eq!(
            alter_role(&user("we\"ird; DROP"), "X"),
            "ALTER ROLE \"we\"\"ird; DROP\" LOGIN PASSWORD 'X'"
        );
    }

    #[test]
    fn a_scramble_says_nothing_of_the_login_and_a_lock_nothing_of_the_password() {
        let locked = user("a");
        assert_eq!(lock_role(&locked), "ALTER ROLE \"a\" NOLOGIN");
        assert_eq!(unlock_role(&locked), "ALTER ROLE \"a\" LOGIN");
        assert_eq!(scramble_role(&locked, "X"), "ALTER ROLE \"a\" PASSWORD 'X'");
    }

    #[test]
    fn the_grant_names_what_is_missing_and_nothing_else() {
        let users = [&user("a"), &user("b")];
        let manager = user("mgr");
        assert_eq!(
            grant_right(150_018, &manager, users, false),
            "ALTER ROLE \"mgr\" CREATEROLE;"
        );
        assert_eq!(
            grant_right(180_004, &manager, users, true),
            "GRANT \"a\", \"b\" TO \"mgr\" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;"
        );
    }

    #[test]
    fn a_zero_span_is_never_sent_as_no_timeout() {
        assert_eq!(milliseconds(Duration::ZERO), 1);
    }
}
