//! The questions about the pair of users, and the statements that make them equal.
//!
//! What counts is what is in effect: a privilege that one was granted directly and the
//! other has through a group or PUBLIC is no difference. So the server compares, with
//! its own rules. Every question takes X's OID as `$1` and Y's as `$2`.
//!
//! The statements are shown to people and run by them, so a name is quoted such that it
//! is exact and safe to draw at the same time.

use super::quote::{identifier, list_of_names, literal};

/// Each of the pair with the other one.
const PAIR: &str = "WITH pair(oid, other, idle) AS \
     (VALUES ($1::oid, $2::oid, false), ($2::oid, $1::oid, true))";

/// A privilege as `has_…_privilege` wants it.
const WANTED: &str =
    "a.privilege_type || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END";

/// What the server notes of each grant: who has something on which object of this
/// database, or on a shared one. It is found by an index, so that the question costs as
/// much as the pair has grants, and not as much as the catalog is long.
const NOTED: &str = "noted AS (\
     SELECT DISTINCT p.oid, p.other, p.idle, s.classid, s.objid, s.objsubid \
     FROM pair p JOIN pg_catalog.pg_shdepend s ON s.refobjid = p.oid \
     WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.deptype = 'a' \
     AND s.dbid IN (0, (SELECT d.oid FROM pg_catalog.pg_database d \
         WHERE d.datname = pg_catalog.current_database())))";

/// Directly granted privileges that the other has not in effect, a row for each object.
pub(super) fn privileges() -> String {
    let class_parts = "ARRAY[n.nspname::text, c.relname::text]";
    let noted = |catalog: &str, key: &str| {
        format!(
            "FROM noted p JOIN pg_catalog.{catalog} ON {key}.oid = p.objid \
             AND p.classid = 'pg_catalog.{}'::regclass",
            catalog.split(' ').next().unwrap_or_default()
        )
    };
    format!(
        "{PAIR}, {NOTED}, held AS (\
         SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS noun, p.idle, \
             a.privilege_type, a.is_grantable, {class_parts} AS parts, NULL::text AS detail, \
             CASE c.relkind WHEN 'S' \
                 THEN pg_catalog.has_sequence_privilege(p.other, c.oid, {WANTED}) \
                 ELSE pg_catalog.has_table_privilege(p.other, c.oid, {WANTED}) END AS shared \
         {classes} AND p.objsubid = 0 \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN LATERAL pg_catalog.aclexplode(c.relacl) a ON a.grantee = p.oid \
         WHERE c.relowner <> p.oid \
         UNION ALL \
         SELECT 'COLUMN', p.idle, a.privilege_type, a.is_grantable, {class_parts}, \
             t.attname::text, \
             pg_catalog.has_column_privilege(p.other, c.oid, t.attnum, {WANTED}) \
         {classes} JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND t.attnum = p.objsubid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN LATERAL pg_catalog.aclexplode(t.attacl) a ON a.grantee = p.oid \
         WHERE c.relowner <> p.oid AND NOT t.attisdropped \
         UNION ALL \
         SELECT 'SCHEMA', p.idle, a.privilege_type, a.is_grantable, ARRAY[n.nspname::text], NULL, \
             pg_catalog.has_schema_privilege(p.other, n.oid, {WANTED}) \
         {schemas} JOIN LATERAL pg_catalog.aclexplode(n.nspacl) a ON a.grantee = p.oid \
         WHERE n.nspowner <> p.oid \
         UNION ALL \
         SELECT 'ROUTINE', p.idle, a.privilege_type, a.is_grantable, \
             ARRAY[n.nspname::text, f.proname::text], \
             pg_catalog.pg_get_function_identity_arguments(f.oid), \
             pg_catalog.has_function_privilege(p.other, f.oid, {WANTED}) \
         {routines} JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace \
         JOIN LATERAL pg_catalog.aclexplode(f.proacl) a ON a.grantee = p.oid \
         WHERE f.proowner <> p.oid \
         UNION ALL \
         SELECT 'DATABASE', p.idle, a.privilege_type, a.is_grantable, ARRAY[d.datname::text], NULL, \
             pg_catalog.has_database_privilege(p.other, d.oid, {WANTED}) \
         {databases} JOIN LATERAL pg_catalog.aclexplode(d.datacl) a ON a.grantee = p.oid \
         WHERE d.datdba <> p.oid) \
         SELECT noun, idle, is_grantable, parts, detail, \
             pg_catalog.array_agg(DISTINCT privilege_type ORDER BY privilege_type) AS privileges \
         FROM held WHERE NOT shared GROUP BY noun, idle, is_grantable, parts, detail \
         ORDER BY idle, parts, detail",
        classes = noted("pg_class c", "c"),
        schemas = noted("pg_namespace n", "n"),
        routines = noted("pg_proc f", "f"),
        databases = noted("pg_database d", "d"),
    )
}

/// Groups of one that the other is no such member of. The options of a membership are
/// columns since PostgreSQL 16; before, a role's own INHERIT held for all of them.
pub(super) fn memberships() -> String {
    let options = |row: &str, role: &str| {
        format!(
            "coalesce((pg_catalog.to_jsonb({row}) ->> 'inherit_option')::boolean, {role}.rolinherit) AS inherits, \
             coalesce((pg_catalog.to_jsonb({row}) ->> 'set_option')::boolean, true) AS sets"
        )
    };
    format!(
        "{PAIR}, held AS (\
         SELECT m.member, m.roleid, bool_or(m.admin_option) AS admin, bool_or(o.inherits) AS inherits, \
             bool_or(o.sets) AS sets \
         FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.member \
         CROSS JOIN LATERAL (SELECT {}) o \
         WHERE m.member IN ($1, $2) GROUP BY m.member, m.roleid) \
         SELECT p.idle, g.rolname::text AS name, h.admin, h.inherits, h.sets, \
             h.roleid = p.other AS is_other \
         FROM held h JOIN pair p ON p.oid = h.member JOIN pg_catalog.pg_roles g ON g.oid = h.roleid \
         WHERE NOT EXISTS (SELECT FROM held x WHERE x.member = p.other AND x.roleid = h.roleid \
             AND x.admin >= h.admin AND x.inherits >= h.inherits AND x.sets >= h.sets) \
         ORDER BY p.idle, name",
        options("m", "r")
    )
}

/// What objects made later grant: to one of the pair, or by one of the pair.
pub(super) fn default_privileges() -> String {
    format!(
        "{PAIR}, entry AS (\
         SELECT d.defaclrole, d.defaclnamespace, d.defaclobjtype, a.grantee, a.privilege_type, \
             a.is_grantable \
         FROM pg_catalog.pg_default_acl d CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) a \
         WHERE a.grantee <> d.defaclrole), \
         mirrored AS (\
         SELECT p.idle, e.*, \
             CASE e.defaclrole WHEN p.oid THEN p.other WHEN p.other THEN p.oid \
                 ELSE e.defaclrole END AS its_role, \
             CASE e.grantee WHEN p.oid THEN p.other WHEN p.other THEN p.oid \
                 ELSE e.grantee END AS its_grantee \
         FROM entry e JOIN pair p ON p.oid = e.defaclrole \
             OR (p.oid = e.grantee AND e.defaclrole <> p.other)) \
         SELECT m.idle, m.is_grantable, m.defaclobjtype::text AS object_type, \
             n.nspname::text AS schema, maker.rolname::text AS maker, \
             its_maker.rolname::text AS its_maker, taker.rolname::text AS taker, \
             its_taker.rolname::text AS its_taker, \
             pg_catalog.array_agg(DISTINCT m.privilege_type ORDER BY m.privilege_type) AS privileges \
         FROM mirrored m LEFT JOIN pg_catalog.pg_namespace n ON n.oid = m.defaclnamespace \
         LEFT JOIN pg_catalog.pg_roles maker ON maker.oid = m.defaclrole \
         LEFT JOIN pg_catalog.pg_roles its_maker ON its_maker.oid = m.its_role \
         LEFT JOIN pg_catalog.pg_roles taker ON taker.oid = m.grantee \
         LEFT JOIN pg_catalog.pg_roles its_taker ON its_taker.oid = m.its_grantee \
         WHERE NOT EXISTS (SELECT FROM entry e WHERE e.defaclrole = m.its_role \
             AND e.grantee = m.its_grantee AND e.defaclnamespace = m.defaclnamespace \
             AND e.defaclobjtype = m.defaclobjtype AND e.privilege_type = m.privilege_type \
             AND e.is_grantable >= m.is_grantable) \
         GROUP BY m.idle, m.is_grantable, m.defaclobjtype, n.nspname, maker.rolname, \
             its_maker.rolname, taker.rolname, its_taker.rolname \
         ORDER BY m.idle, maker, schema, object_type, taker"
    )
}

/// Policies that apply to one of the pair and not to the other.
pub(super) fn policies() -> String {
    format!(
        "{PAIR} SELECT p.idle, y.polname::text AS name, \
             ARRAY[n.nspname::text, c.relname::text] AS parts, \
             ARRAY(SELECT r.rolname::text FROM pg_catalog.pg_roles r \
                   WHERE r.oid = ANY (y.polroles) ORDER BY 1) AS roles \
         FROM pg_catalog.pg_policy y JOIN pair p ON p.oid = ANY (y.polroles) \
         JOIN pg_catalog.pg_class c ON c.oid = y.polrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE NOT EXISTS (SELECT FROM pg_catalog.unnest(y.polroles) AS taker(oid) \
             WHERE CASE taker.oid WHEN 0 THEN true \
                 ELSE pg_catalog.pg_has_role(p.other, taker.oid, 'USAGE') END) \
         ORDER BY p.idle, parts, name"
    )
}

/// Settings of one that the other has not; where both set the same one to different
/// values, X's value stands for both.
pub(super) fn settings() -> String {
    format!(
        "{PAIR}, held AS (\
         SELECT s.setrole, s.setdatabase, pg_catalog.split_part(e.entry, '=', 1) AS name, e.entry \
         FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS e(entry) \
         WHERE s.setrole IN ($1, $2)) \
         SELECT p.idle, d.datname::text AS database, h.name, \
             pg_catalog.substr(h.entry, pg_catalog.length(h.name) + 2) AS value \
         FROM held h JOIN pair p ON p.oid = h.setrole \
         LEFT JOIN pg_catalog.pg_database d ON d.oid = h.setdatabase \
         WHERE NOT EXISTS (SELECT FROM held x WHERE x.setrole = p.other \
             AND x.setdatabase = h.setdatabase AND x.name = h.name \
             AND (p.idle OR x.entry = h.entry)) \
         ORDER BY p.idle, database, h.name"
    )
}

/// Attributes and limits of both, each with whether its time is longer than the other's.
pub(super) fn attributes() -> String {
    format!(
        "{PAIR} SELECT p.idle, r.rolconnlimit, r.rolsuper, r.rolcreaterole, r.rolcreatedb, \
             r.rolreplication, r.rolbypassrls, \
             coalesce(r.rolvaliduntil, 'infinity') > coalesce(o.rolvaliduntil, 'infinity') AS outlives, \
             CASE WHEN pg_catalog.isfinite(r.rolvaliduntil) THEN pg_catalog.to_char(\
                 r.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"') END AS until \
         FROM pair p JOIN pg_catalog.pg_roles r ON r.oid = p.oid \
         JOIN pg_catalog.pg_roles o ON o.oid = p.other ORDER BY p.idle"
    )
}

/// Objects of each: in this database and shared ones by name, others counted. Default
/// privileges have an owner, too, and are compared by themselves.
pub(super) fn owned() -> String {
    format!(
        "{PAIR} SELECT p.idle, count(*) AS count, \
             coalesce((pg_catalog.array_agg(pg_catalog.pg_describe_object(s.classid, s.objid, s.objsubid)) \
                 FILTER (WHERE s.dbid = 0 OR d.oid IS NOT NULL))[1:5], ARRAY[]::text[]) AS names \
         FROM pg_catalog.pg_shdepend s JOIN pair p ON p.oid = s.refobjid \
         LEFT JOIN pg_catalog.pg_database d ON d.oid = s.dbid \
             AND d.datname = pg_catalog.current_database() \
         WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.deptype = 'o' \
         AND s.classid <> 'pg_catalog.pg_default_acl'::regclass \
         GROUP BY p.idle ORDER BY p.idle"
    )
}

/// Privileges on objects of rarer kinds, and in other databases.
pub(super) fn others() -> String {
    format!(
        "{PAIR} SELECT DISTINCT p.idle, \
             CASE WHEN s.dbid <> 0 AND d.datname <> pg_catalog.current_database() \
                 THEN d.datname::text END AS elsewhere, \
             CASE WHEN s.dbid = 0 OR d.datname = pg_catalog.current_database() \
                 THEN pg_catalog.pg_describe_object(s.classid, s.objid, s.objsubid) END AS object \
         FROM pg_catalog.pg_shdepend s JOIN pair p ON p.oid = s.refobjid \
         LEFT JOIN pg_catalog.pg_database d ON d.oid = s.dbid \
         WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.deptype = 'a' \
         AND (s.dbid <> 0 AND d.datname <> pg_catalog.current_database() \
             OR s.classid NOT IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass, \
                 'pg_catalog.pg_namespace'::regclass, 'pg_catalog.pg_database'::regclass, \
                 'pg_catalog.pg_default_acl'::regclass) \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_shdepend x WHERE x.refobjid = p.other \
                 AND x.refclassid = s.refclassid AND x.deptype IN ('a', 'o') AND x.dbid = s.dbid \
                 AND x.classid = s.classid AND x.objid = s.objid)) \
         ORDER BY p.idle, elsewhere, object"
    )
}

/// The room for sessions. `reserved_connections` and the role that may use them are known
/// since PostgreSQL 16.
pub(super) const CAPACITY: &str = "SELECT \
     pg_catalog.current_setting('server_version_num')::integer AS version, \
     pg_catalog.current_setting('max_connections')::bigint AS most, \
     pg_catalog.current_setting('superuser_reserved_connections')::bigint AS for_superusers, \
     coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::bigint AS reserved, \
     (SELECT coalesce(sum(numbackends), 0)::bigint FROM pg_catalog.pg_stat_database) AS used, \
     (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AS superuser, \
     EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'pg_use_reserved_connections' \
         AND pg_catalog.pg_has_role(current_user, oid, 'USAGE')) AS may_use_reserved, \
     ARRAY(SELECT subname::text FROM pg_catalog.pg_subscription ORDER BY 1) AS subscriptions";

/// `GRANT SELECT, UPDATE ON TABLE "s"."t" TO "b";` and its contrary.
pub(super) fn grant(privilege: &Privilege<'_>, taker: &str, holder: &str) -> [String; 2] {
    let object = privilege.phrase();
    let list = privilege.list();
    let option = match privilege.grantable {
        true => " WITH GRANT OPTION",
        false => "",
    };
    [
        format!("GRANT {list} ON {object} TO {}{option};", identifier(taker)),
        format!("REVOKE {list} ON {object} FROM {};", identifier(holder)),
    ]
}

/// Privileges on one object.
pub(super) struct Privilege<'a> {
    pub(super) noun: &'a str,
    pub(super) parts: &'a [String],
    /// A column's name, or a function's argument types.
    pub(super) detail: Option<&'a str>,
    pub(super) privileges: &'a [String],
    pub(super) grantable: bool,
}

impl Privilege<'_> {
    fn phrase(&self) -> String {
        let name = qualified(self.parts);
        match self.noun {
            "COLUMN" => format!("TABLE {name}"),
            // The server writes the types itself, quoted where need be.
            "ROUTINE" => format!("ROUTINE {name}({})", self.detail.unwrap_or_default()),
            noun => format!("{noun} {name}"),
        }
    }

    fn list(&self) -> String {
        let column = self.detail.filter(|_| self.noun == "COLUMN");
        let each = self.privileges.iter().map(|privilege| match column {
            Some(column) => format!("{privilege} ({})", identifier(column)),
            None => privilege.clone(),
        });
        each.collect::<Vec<_>>().join(", ")
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        format!("{} on {}", self.list(), self.phrase())
    }
}

/// What objects of one maker will grant to one taker.
pub(super) struct DefaultGrant<'a> {
    pub(super) maker: &'a str,
    /// `None` is PUBLIC.
    pub(super) taker: Option<&'a str>,
    pub(super) schema: Option<&'a str>,
    pub(super) object_type: &'a str,
    pub(super) privileges: &'a [String],
    pub(super) grantable: bool,
}

impl DefaultGrant<'_> {
    fn statement(&self, verb: &str, preposition: &str, end: &str) -> String {
        let schema = match self.schema {
            Some(schema) => format!(" IN SCHEMA {}", identifier(schema)),
            None => String::new(),
        };
        format!(
            "ALTER DEFAULT PRIVILEGES FOR ROLE {}{schema} {verb} {} ON {} {preposition} {}{end};",
            identifier(self.maker),
            self.privileges.join(", "),
            self.objects(),
            self.taker.map_or_else(|| "PUBLIC".to_owned(), identifier),
        )
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        let to = self.taker.unwrap_or("PUBLIC");
        let place = self
            .schema
            .map_or_else(String::new, |schema| format!(" in {schema}"));
        let privileges = self.privileges.join(", ");
        format!(
            "{privileges} on {} of {}{place} to {to}",
            self.objects(),
            self.maker
        )
    }

    fn objects(&self) -> &'static str {
        match self.object_type {
            "r" => "TABLES",
            "S" => "SEQUENCES",
            "f" => "FUNCTIONS",
            "T" => "TYPES",
            "n" => "SCHEMAS",
            _ => "LARGE OBJECTS",
        }
    }

    pub(super) fn give(&self) -> String {
        let option = match self.grantable {
            true => " WITH GRANT OPTION",
            false => "",
        };
        self.statement("GRANT", "TO", option)
    }

    pub(super) fn take(&self) -> String {
        self.statement("REVOKE", "FROM", "")
    }
}

/// Makes `taker` a member of `group`, with options from PostgreSQL 16 on.
pub(super) fn grant_membership(
    version: i32,
    group: &str,
    taker: &str,
    [admin, inherits, sets]: [bool; 3],
) -> String {
    let shown = |flag: bool| if flag { "TRUE" } else { "FALSE" };
    let options = match (version >= 160_000, admin) {
        (true, _) => format!(
            " WITH ADMIN {}, INHERIT {}, SET {}",
            shown(admin),
            shown(inherits),
            shown(sets)
        ),
        (false, true) => " WITH ADMIN OPTION".to_owned(),
        (false, false) => String::new(),
    };
    format!(
        "GRANT {} TO {}{options};",
        identifier(group),
        identifier(taker)
    )
}

/// Ends a membership.
pub(super) fn revoke_membership(group: &str, holder: &str) -> String {
    format!("REVOKE {} FROM {};", identifier(group), identifier(holder))
}

/// Names exactly these roles in a policy.
pub(super) fn alter_policy(name: &str, table: &[String], roles: &[&str]) -> String {
    let roles: Vec<String> = roles.iter().map(|role| identifier(role)).collect();
    format!(
        "ALTER POLICY {} ON {} TO {};",
        identifier(name),
        qualified(table),
        roles.join(", ")
    )
}

/// Settings whose value is a list of names, kept as the server quoted it.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Sets, or with `None` resets, one setting of a role.
pub(super) fn alter_setting(
    role: &str,
    database: Option<&str>,
    name: &str,
    value: Option<&str>,
) -> String {
    let database = match database {
        Some(database) => format!(" IN DATABASE {}", identifier(database)),
        None => String::new(),
    };
    // A name with a dot is a custom setting: each part is quoted by itself.
    let setting: Vec<String> = name.split('.').map(identifier).collect();
    let setting = setting.join(".");
    let action = match value {
        None => format!("RESET {setting}"),
        Some(value) if LISTS.contains(&name.to_ascii_lowercase().as_str()) => {
            let names: Vec<String> = list_of_names(value).iter().map(|n| literal(n)).collect();
            match names.is_empty() {
                true => format!("SET {setting} TO ''"),
                false => format!("SET {setting} TO {}", names.join(", ")),
            }
        }
        Some(value) => format!("SET {setting} TO {}", literal(value)),
    };
    format!("ALTER ROLE {}{database} {action};", identifier(role))
}

/// `ALTER ROLE` with one attribute, for example `CREATEDB` or `CONNECTION LIMIT 5`.
pub(super) fn alter_attribute(role: &str, attribute: &str) -> String {
    format!("ALTER ROLE {} {attribute};", identifier(role))
}

/// `VALID UNTIL '…'`.
pub(super) fn valid_until(until: Option<&str>) -> String {
    format!("VALID UNTIL {}", literal(until.unwrap_or("infinity")))
}

/// A group that owns what one of the pair owns now, so that both can work with it.
pub(super) fn share_ownership(holder: &str, pair: [&str; 2]) -> String {
    let group = identifier(&format!("{holder}_owner"));
    let [first, second] = pair.map(identifier);
    format!(
        "CREATE ROLE {group} NOLOGIN; GRANT {group} TO {first}, {second}; \
         REASSIGN OWNED BY {} TO {group}; ALTER ROLE {first} SET role = {group}; \
         ALTER ROLE {second} SET role = {group};",
        identifier(holder)
    )
}

/// What lets the managing user in when the server is full.
pub(super) fn reserve(manager: &str, reserved: i64) -> String {
    let mut statements = Vec::new();
    if reserved == 0 {
        statements.push("ALTER SYSTEM SET reserved_connections = 3; -- needs a restart".to_owned());
    }
    statements.insert(
        0,
        format!(
            "GRANT pg_use_reserved_connections TO {};",
            identifier(manager)
        ),
    );
    statements.join(" ")
}

fn qualified(parts: &[String]) -> String {
    let quoted: Vec<String> = parts.iter().map(|part| identifier(part)).collect();
    quoted.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_name_object_column_and_option() {
        let words = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let (parts, privileges) = (words(&["s", "t"]), words(&["SELECT", "UPDATE"]));
        let mut privilege = Privilege {
            noun: "TABLE",
            parts: &parts,
            detail: None,
            privileges: &privileges,
            grantable: true,
        };
        assert_eq!(
            grant(&privilege, "b", "a"),
            [
                "GRANT SELECT, UPDATE ON TABLE \"s\".\"t\" TO \"b\" WITH GRANT OPTION;",
                "REVOKE SELECT, UPDATE ON TABLE \"s\".\"t\" FROM \"a\";"
            ]
        );
        privilege.noun = "COLUMN";
        privilege.detail = Some("c");
        privilege.grantable = false;
        assert_eq!(
            grant(&privilege, "b", "a")[0],
            "GRANT SELECT (\"c\"), UPDATE (\"c\") ON TABLE \"s\".\"t\" TO \"b\";"
        );
    }

    #[test]
    fn a_list_setting_stays_a_list_and_another_one_a_text() {
        assert_eq!(
            alter_setting(
                "b",
                None,
                "search_path",
                Some("\"$user\", \"a\"\"b, c\", public")
            ),
            "ALTER ROLE \"b\" SET \"search_path\" TO '$user', 'a\"b, c', 'public';"
        );
        assert_eq!(
            alter_setting("b", Some("d"), "app.flag", Some("a, b")),
            "ALTER ROLE \"b\" IN DATABASE \"d\" SET \"app\".\"flag\" TO 'a, b';"
        );
        assert_eq!(
            alter_setting("b", None, "work_mem", None),
            "ALTER ROLE \"b\" RESET \"work_mem\";"
        );
    }

    #[test]
    fn a_membership_carries_its_options_from_16_on() {
        let options = [false, true, false];
        assert_eq!(
            grant_membership(160_000, "g", "b", options),
            "GRANT \"g\" TO \"b\" WITH ADMIN FALSE, INHERIT TRUE, SET FALSE;"
        );
        assert_eq!(
            grant_membership(150_000, "g", "b", options),
            "GRANT \"g\" TO \"b\";"
        );
    }
}
