//! What one look at the sessions of outgoing users asks. Every question takes the OIDs of
//! their roles as `$1` and is answered whatever became of the roles since.
//!
//! The text of a statement may hold anything, a password too: the server itself takes the
//! first word from it, and only a word of a closed list.

use super::quote::identifier;

/// The server, and a row for each role in the order asked; one row with no OID for none.
/// The clock is read first, so that a look is never said to be later than it was.
pub(super) const NODE: &str = "SELECT (SELECT clock_timestamp()) AS server_time, \
     (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system, \
     pg_catalog.pg_postmaster_start_time() AS server_started, \
     EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver) AS receiving, \
     asked.oid, r.rolcanlogin, \
     pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') \
         OR coalesce(pg_catalog.pg_has_role(current_user, asked.oid, 'USAGE'), false) AS complete \
     FROM (VALUES (true)) AS always(once) \
     LEFT JOIN pg_catalog.unnest($1::oid[]) WITH ORDINALITY AS asked(oid, place) ON always.once \
     LEFT JOIN pg_catalog.pg_roles r ON r.oid = asked.oid \
     ORDER BY asked.place";

/// The words that a session's last statement may begin with, to be told of it.
const COMMANDS: &str = "'{SELECT,INSERT,UPDATE,DELETE,MERGE,WITH,VALUES,TABLE,COPY,CALL,DO,\
     BEGIN,START,COMMIT,END,ROLLBACK,ABORT,SAVEPOINT,RELEASE,PREPARE,EXECUTE,DEALLOCATE,\
     DECLARE,FETCH,MOVE,CLOSE,LISTEN,UNLISTEN,NOTIFY,LOCK,SET,RESET,SHOW,DISCARD,EXPLAIN,\
     TRUNCATE,CREATE,ALTER,DROP,COMMENT,SECURITY,GRANT,REVOKE,REASSIGN,IMPORT,ANALYZE,VACUUM,\
     REINDEX,CLUSTER,REFRESH,CHECKPOINT,LOAD,START_REPLICATION,BASE_BACKUP}'::text[]";

/// Sessions and prepared transactions. Workers of a parallel query are folded into their
/// leader; a masked row has no `backend_type` and is kept. Both are found by the role's OID,
/// which outlives its name.
///
/// Most statements begin with their word and a blank, so that is looked at first; the rest is
/// looked at past one comment, blanks and parentheses. No regular expression does it, since
/// whoever writes the statements could make that one slow.
pub(super) fn sessions() -> String {
    let first = "pg_catalog.upper(pg_catalog.split_part(pg_catalog.left(a.query, 20), ' ', 1) \
         COLLATE \"C\")";
    let past_comment = "CASE pg_catalog.left(h.head, 2) \
         WHEN '/*' THEN pg_catalog.substr(h.head, pg_catalog.strpos(h.head, '*/') + 2) \
         WHEN '--' THEN pg_catalog.substr(h.head, pg_catalog.strpos(h.head, E'\\n') + 1) \
         ELSE h.head END";
    let blanks = "E' \\n\\r\\t(;'";
    let later = format!(
        "SELECT l.word FROM (SELECT pg_catalog.upper(pg_catalog.split_part(pg_catalog.translate( \
             pg_catalog.left(pg_catalog.ltrim({past_comment}, {blanks}), 20), \
             E'\\n\\r\\t(;*', '      '), ' ', 1) COLLATE \"C\") AS word \
             FROM (SELECT pg_catalog.left(a.query, 400) AS head) h OFFSET 0) l \
         WHERE l.word = ANY ({COMMANDS})"
    );
    format!(
        "SELECT a.usesysid AS owner, a.pid, a.backend_start AS started, a.backend_type AS kind, \
             a.application_name AS application, pg_catalog.host(a.client_addr) AS client, \
             a.datname::text AS database, a.state, a.state_change AS state_since, \
             a.xact_start AS transaction_since, \
             CASE WHEN a.backend_type IS NULL OR a.query = '' THEN NULL \
                  WHEN {first} = ANY ({COMMANDS}) THEN {first} \
                  ELSE coalesce(({later}), 'other') END AS command \
         FROM pg_catalog.pg_stat_activity a \
         WHERE a.usesysid = ANY ($1::oid[]) AND a.leader_pid IS NULL \
         AND (a.backend_type IS NULL OR a.backend_type IN ('client backend', 'walsender')) \
         UNION ALL \
         SELECT x.ownerid, 0, x.prepared, 'prepared transaction', x.gid, NULL, d.datname::text, \
             NULL, NULL, NULL, NULL \
         FROM pg_catalog.pg_prepared_xact() x LEFT JOIN pg_catalog.pg_database d ON d.oid = x.dbid \
         WHERE x.ownerid = ANY ($1::oid[])"
    )
}

/// The schema of `pg_stat_statements` in this database, and whether it tells since when it
/// counts. Only what belongs to the extension is asked for: anybody may have made a view of
/// that name.
pub(super) const STATEMENTS: &str = "SELECT n.nspname::text AS schema, \
     EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid \
         WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e' \
         AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid \
         AND c.relname = 'pg_stat_statements_info' AND c.relnamespace = n.oid) AS tells_since \
     FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace \
     WHERE e.extname = 'pg_stat_statements'";

/// How many statements each role has run, with no text of any. No rows where nothing is
/// counted, and none for a role whose settings take it out.
pub(super) fn count_statements(schema: &str, tells_since: bool) -> String {
    let schema = identifier(schema);
    let (since, information) = if tells_since {
        (
            "i.stats_reset",
            format!("CROSS JOIN {schema}.pg_stat_statements_info i"),
        )
    } else {
        ("NULL::timestamptz", String::new())
    };
    format!(
        "SELECT asked.oid, coalesce(counted.calls, 0) AS total, {since} AS since \
         FROM pg_catalog.unnest($1::oid[]) AS asked(oid) \
         LEFT JOIN (SELECT s.userid, pg_catalog.sum(s.calls)::bigint AS calls \
             FROM {schema}.pg_stat_statements(false) s WHERE s.userid = ANY ($1::oid[]) \
             GROUP BY s.userid) counted ON counted.userid = asked.oid \
         {information} \
         WHERE pg_catalog.current_setting('pg_stat_statements.track', true) <> 'none' \
         AND coalesce(pg_catalog.current_setting('compute_query_id', true), 'auto') <> 'off' \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_db_role_setting d \
             WHERE d.setrole IN (0, asked.oid) AND d.setconfig \
                 && ARRAY['pg_stat_statements.track=none', 'compute_query_id=off'])"
    )
}
