use proptest::prelude::*;

use super::*;
use crate::database::mysql::quote::{account, identifier};

/// What MySQL 9.7 answered.
const OF_MYSQL: [&str; 14] = [
    "GRANT SELECT, INSERT ON *.* TO `x`@`%` WITH GRANT OPTION",
    "GRANT BACKUP_ADMIN,CONNECTION_ADMIN ON *.* TO `x`@`%`",
    "GRANT SYSTEM_VARIABLES_ADMIN ON *.* TO `x`@`%` WITH GRANT OPTION",
    r"GRANT SELECT ON `d\_%`.* TO `x`@`%`",
    "GRANT SELECT, CREATE TEMPORARY TABLES, SHOW VIEW ON `d_b`.* TO `x`@`%`",
    "GRANT SELECT, INSERT (`a`, `c``,)( d`), REFERENCES (`a`) ON `d_b`.`t` TO `x`@`%` WITH GRANT OPTION",
    r#"GRANT ALL PRIVILEGES ON `d``b "x'\\`.`t``, (1)` TO `x`@`%`"#,
    "GRANT USAGE ON `d_c`.* TO `x`@`%` WITH GRANT OPTION",
    "GRANT EXECUTE ON PROCEDURE `d_b`.`p` TO `x`@`%`",
    "GRANT EXECUTE, ALTER ROUTINE ON FUNCTION `d_b`.`f` TO `x`@`%` WITH GRANT OPTION",
    "GRANT PROXY ON ``@`` TO `x`@`%`",
    "GRANT PROXY ON `y`@`%` TO `x`@`%` WITH GRANT OPTION",
    "GRANT `r2`@`%`,`r``3 ON`@`%` TO `x`@`%`",
    "GRANT `r1`@`%` TO `x`@`%` WITH ADMIN OPTION",
];

/// What MariaDB 10.11 answered, with another word where the hash was.
const OF_MARIADB: [&str; 8] = [
    "GRANT `r1` TO `x`@`%` WITH ADMIN OPTION",
    r"GRANT SELECT, BINLOG MONITOR ON *.* TO `x`@`%` IDENTIFIED BY PASSWORD 'the-hash' REQUIRE ISSUER '/CN=ca' SUBJECT '/CN=it''s\\ WITH GRANT OPTION ' CIPHER 'A' WITH MAX_QUERIES_PER_HOUR 5 MAX_STATEMENT_TIME 2.500000",
    "GRANT ALL PRIVILEGES ON `d_b`.* TO `x`@`%`",
    "GRANT SELECT, SELECT (`a`), INSERT (`a`, `b`) ON `d_b`.`t` TO `x`@`%`",
    "GRANT EXECUTE ON PACKAGE BODY `d_b`.`pk` TO `x`@`%`",
    "GRANT SELECT (`a`) ON `d_b`.`t` TO PUBLIC",
    "GRANT DELETE ON `d_b`.* TO `r2`",
    "SET DEFAULT ROLE `r1` FOR `x`@`%`",
];

fn x() -> Role {
    Role {
        name: "x".to_owned(),
        host: Some("%".to_owned()),
    }
}

fn role(name: &str, host: Option<&str>) -> Object {
    Object::Role(Role {
        name: name.to_owned(),
        host: host.map(str::to_owned),
    })
}

fn held(object: Object, privilege: &str, grantable: bool) -> Held {
    Held {
        object,
        privilege: privilege.to_owned(),
        grantable,
    }
}

fn schema(name: &str) -> Object {
    Object::Schema(name.to_owned())
}

fn table(schema: &str, table: &str) -> Object {
    Object::Table([schema.to_owned(), table.to_owned()])
}

fn column(name: &str) -> Object {
    Object::Column(["d_b", "t", name].map(str::to_owned))
}

fn routine(noun: &str, name: &str) -> Object {
    Object::Routine {
        noun: noun.to_owned(),
        parts: ["d_b", name].map(str::to_owned),
    }
}

fn proxy(user: &str, host: &str) -> Object {
    Object::Proxy(Account {
        user: user.to_owned(),
        host: host.to_owned(),
    })
}

#[test]
fn reads_every_form_of_mysql() {
    let grants = Grants::read(&OF_MYSQL, Some(&x()));
    let hostile = table("d`b \"x'\\\\", "t`, (1)");
    let expected = BTreeSet::from([
        held(Object::Global, "SELECT", false),
        held(Object::Global, "INSERT", false),
        held(Object::Global, GRANT_OPTION, false),
        held(Object::Global, "BACKUP_ADMIN", false),
        held(Object::Global, "CONNECTION_ADMIN", false),
        held(Object::Global, "SYSTEM_VARIABLES_ADMIN", true),
        held(schema(r"d\_%"), "SELECT", false),
        held(schema("d_b"), "SELECT", false),
        held(schema("d_b"), "CREATE TEMPORARY TABLES", false),
        held(schema("d_b"), "SHOW VIEW", false),
        held(table("d_b", "t"), "SELECT", false),
        held(table("d_b", "t"), GRANT_OPTION, false),
        held(column("a"), "INSERT", false),
        held(column("c`,)( d"), "INSERT", false),
        held(column("a"), "REFERENCES", false),
        held(hostile, ALL, false),
        held(schema("d_c"), GRANT_OPTION, false),
        held(routine("PROCEDURE", "p"), "EXECUTE", false),
        held(routine("FUNCTION", "f"), "EXECUTE", false),
        held(routine("FUNCTION", "f"), "ALTER ROUTINE", false),
        held(routine("FUNCTION", "f"), GRANT_OPTION, false),
        held(proxy("", ""), "PROXY", false),
        held(proxy("y", "%"), "PROXY", true),
        held(role("r2", Some("%")), MEMBER, false),
        held(role("r`3 ON", Some("%")), MEMBER, false),
        held(role("r1", Some("%")), MEMBER, true),
    ]);
    assert_eq!(grants.held, expected);
    assert_eq!(grants.unread, [0; 0]);
}

#[test]
fn reads_every_form_of_mariadb_and_keeps_no_hash() {
    let grants = Grants::read(&OF_MARIADB, Some(&x()));
    let expected = BTreeSet::from([
        held(role("r1", None), MEMBER, true),
        held(Object::Global, "SELECT", false),
        held(Object::Global, "BINLOG MONITOR", false),
        held(schema("d_b"), ALL, false),
        held(table("d_b", "t"), "SELECT", false),
        held(column("a"), "SELECT", false),
        held(column("a"), "INSERT", false),
        held(column("b"), "INSERT", false),
        held(routine("PACKAGE BODY", "pk"), "EXECUTE", false),
    ]);
    assert_eq!(grants.held, expected);
    let name = "r1".to_owned();
    assert_eq!(grants.default_role, Some(Role { name, host: None }));
    assert_eq!(grants.unread, [0; 0]);
    assert!(!format!("{grants:?}").contains("the-hash"));
    let all = Grants::read(&OF_MARIADB, None);
    assert!(all.held.contains(&held(schema("d_b"), "DELETE", false)));
}

#[test]
fn the_option_is_found_behind_a_hash() {
    let line = "GRANT USAGE ON *.* TO `x`@`%` IDENTIFIED VIA ed25519 USING 'the-hash' OR \
                mysql_native_password USING 'another' WITH GRANT OPTION MAX_USER_CONNECTIONS 3";
    let grants = Grants::read(&[line], Some(&x()));
    let option = held(Object::Global, GRANT_OPTION, false);
    assert_eq!(grants.held, BTreeSet::from([option]));
}

#[test]
fn names_are_read_with_the_marks_of_any_mode() {
    let ansi = [
        r#"GRANT SELECT ON "d`b ""x'\".* TO "x"@"%""#,
        r#"GRANT `r1`@`%` TO "x"@"%" WITH ADMIN OPTION"#,
        "GRANT PROXY ON ''@'%' TO 'x'@'%'",
        "GRANT UPDATE (a) ON d_b.t TO x@`%`",
        "GRANT r2 TO x@`%`",
    ];
    let grants = Grants::read(&ansi, Some(&x()));
    assert_eq!(
        grants.held,
        BTreeSet::from([
            held(schema("d`b \"x'\\"), "SELECT", false),
            held(role("r1", Some("%")), MEMBER, true),
            held(proxy("", "%"), "PROXY", false),
            held(column("a"), "UPDATE", false),
            held(role("r2", None), MEMBER, false),
        ])
    );
}

#[test]
fn what_is_not_understood_is_said_and_not_dropped() {
    for line in [
        "",
        "DENY SELECT ON *.* TO `x`@`%`",
        "GRANT SELECT ON `d_b`.* TO `x`@`%",
        "GRANT SELECT ON `d_b` TO `x`@`%`",
        "GRANT SELECT (`a`) ON `d_b`.* TO `x`@`%`",
        "GRANT ON *.* TO `x`@`%`",
        "GRANT SELECT ON *.* TO `x`@`%` IDENTIFIED BY PASSWORD 'the-hash",
    ] {
        let grants = Grants::read(&[line], None);
        assert_eq!(grants.unread, [1], "{line}");
        assert!(grants.held.is_empty(), "{line}");
    }
}

#[test]
fn the_wider_covers_the_narrower_unless_it_is_withheld() {
    let mut grants = Grants::read(
        &[
            "GRANT SELECT, INSERT ON *.* TO `x`@`%`",
            "REVOKE INSERT ON `d_b`.* FROM `x`@`%`",
            r"GRANT UPDATE ON `e\_f`.* TO `x`@`%`",
            "GRANT DELETE ON `d_b`.`t` TO `x`@`%`",
            "GRANT ALL PRIVILEGES ON `g`.* TO `x`@`%`",
        ],
        Some(&x()),
    );
    let covers =
        |grants: &Grants, object, privilege| grants.covers(&held(object, privilege, false));
    assert!(covers(&grants, column("a"), "SELECT"));
    assert!(covers(&grants, table("other", "t"), "INSERT"));
    assert!(!covers(&grants, table("d_b", "t"), "INSERT"));
    assert!(!covers(&grants, schema("d_b"), "INSERT"));
    assert!(covers(&grants, table("e_f", "t"), "UPDATE"));
    assert!(!covers(&grants, table("exf", "t"), "UPDATE"));
    assert!(!covers(&grants, Object::Global, "UPDATE"));
    assert!(!covers(&grants, column("a"), "UPDATE"));
    assert!(covers(&grants, table("g", "t"), "TRIGGER"));
    assert!(!covers(&grants, table("g", "t"), GRANT_OPTION));
    assert!(!covers(&grants, Object::Global, "BACKUP_ADMIN"));
    let line = "GRANT BACKUP_ADMIN ON *.* TO `x`@`%`";
    grants.add(Grants::read(&[line], None));
    assert!(covers(&grants, Object::Global, "BACKUP_ADMIN"));
    assert!(!grants.covers(&held(Object::Global, "BACKUP_ADMIN", true)));
}

#[test]
fn the_roles_of_a_role_are_not_granted_to_its_members() {
    let mut grants = Grants::default();
    let answer = ["GRANT `r2` TO `r1`", "GRANT DELETE ON `d_b`.* TO `r2`"];
    grants.add(Grants::read(&answer, None));
    let delete = held(schema("d_b"), "DELETE", false);
    assert_eq!(grants.held, BTreeSet::from([delete]));
}

proptest! {
    #[test]
    fn what_is_quoted_is_read_back(names in proptest::array::uniform5("\\PC{1,16}")) {
        let [schema, table, column, user, host] = names;
        let whose = Account { user: user.clone(), host: host.clone() };
        let quoted = |name: &str| identifier(name).expect("has no control character");
        let line = format!(
            "GRANT INSERT ({}) ON {}.{} TO {} IDENTIFIED BY PASSWORD 'the-hash'",
            quoted(&column),
            quoted(&schema),
            quoted(&table),
            account(&whose).expect("has no control character"),
        );
        let whose = Role { name: user, host: Some(host) };
        let grants = Grants::read(&[line], Some(&whose));
        let object = Object::Column([schema, table, column]);
        prop_assert_eq!(grants.held, BTreeSet::from([held(object, "INSERT", false)]));
    }

    #[test]
    fn any_line_is_read_or_refused(line in "(GRANT |REVOKE |SET DEFAULT ROLE )?[ -~`'\"ü]{0,60}") {
        let grants = Grants::read(&[line], None);
        prop_assert!(grants.unread.len() <= 1);
    }
}
