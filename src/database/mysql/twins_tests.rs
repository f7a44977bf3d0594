use super::*;

fn side(user: &str, host: &str, lines: &[&str]) -> Side {
    let account = Account {
        user: user.to_owned(),
        host: host.to_owned(),
    };
    let direct = Grants::read(lines, Some(&as_role(&account)));
    Side {
        effective: direct.clone(),
        default_roles: direct.default_role.iter().cloned().collect(),
        takes_wider: true,
        inherited: BTreeSet::new(),
        account,
        direct,
        properties: Properties::of_plugin("caching_sha2_password"),
    }
}

fn pair(flavour: MysqlFlavour, mut current: Vec<Side>, mut idle: Vec<Side>) -> Pair {
    inherit(&mut current);
    inherit(&mut idle);
    Pair {
        flavour,
        defaults: Defaults::default(),
        all_roles: false,
        sides: [current, idle],
    }
}

fn found(flavour: MysqlFlavour, x: &[&str], y: &[&str]) -> Vec<Difference> {
    let (x, y) = (side("x", "%", x), side("y", "%", y));
    pair(flavour, vec![x], vec![y]).differences()
}

/// Kind, holder, the statement that gives, and the one that takes.
fn mended(differences: &[Difference]) -> Vec<(DifferenceKind, Twin, &str, &str)> {
    differences
        .iter()
        .map(|one| {
            let give = one.give.as_deref().unwrap_or("-");
            let take = one.take.as_deref().unwrap_or("-");
            (one.kind, one.holder, give, take)
        })
        .collect()
}

#[test]
fn each_object_has_its_exact_statements() {
    let differences = found(
        MysqlFlavour::MySql,
        &[
            "GRANT SELECT, PROCESS ON *.* TO `x`@`%`",
            "GRANT BACKUP_ADMIN ON *.* TO `x`@`%` WITH GRANT OPTION",
            r"GRANT UPDATE ON `d\_b`.* TO `x`@`%` WITH GRANT OPTION",
            "GRANT INSERT (`a`, `b`) ON `d``b`.`t` TO `x`@`%`",
            "GRANT EXECUTE ON PROCEDURE `d_b`.`p` TO `x`@`%`",
        ],
        &["GRANT SELECT ON *.* TO `y`@`%`", "GRANT `r`@`%` TO `y`@`%`"],
    );
    assert_eq!(
        mended(&differences),
        [
            (
                DifferenceKind::Membership,
                Twin::Idle,
                "GRANT `r`@`%` TO `x`@`%`;",
                "REVOKE `r`@`%` FROM `y`@`%`;",
            ),
            (
                DifferenceKind::Column,
                Twin::Current,
                "GRANT INSERT (`a`) ON `d``b`.`t` TO `y`@`%`;",
                "REVOKE INSERT (`a`) ON `d``b`.`t` FROM `x`@`%`;",
            ),
            (
                DifferenceKind::Column,
                Twin::Current,
                "GRANT INSERT (`b`) ON `d``b`.`t` TO `y`@`%`;",
                "REVOKE INSERT (`b`) ON `d``b`.`t` FROM `x`@`%`;",
            ),
            (
                DifferenceKind::Function,
                Twin::Current,
                "GRANT EXECUTE ON PROCEDURE `d_b`.`p` TO `y`@`%`;",
                "REVOKE EXECUTE ON PROCEDURE `d_b`.`p` FROM `x`@`%`;",
            ),
            (
                DifferenceKind::Database,
                Twin::Current,
                r"GRANT UPDATE ON `d\_b`.* TO `y`@`%` WITH GRANT OPTION;",
                r"REVOKE GRANT OPTION, UPDATE ON `d\_b`.* FROM `x`@`%`;",
            ),
            (
                DifferenceKind::Attribute,
                Twin::Current,
                "GRANT BACKUP_ADMIN ON *.* TO `y`@`%` WITH GRANT OPTION;",
                "REVOKE BACKUP_ADMIN ON *.* FROM `x`@`%`;",
            ),
            (
                DifferenceKind::Attribute,
                Twin::Current,
                "GRANT PROCESS ON *.* TO `y`@`%`;",
                "REVOKE PROCESS ON *.* FROM `x`@`%`;",
            ),
        ]
    );
    assert_eq!(
        differences[4].what.as_str(),
        r"UPDATE on d\_b.* with grant option"
    );
}

#[test]
fn what_a_session_has_through_a_role_is_not_missing() {
    let mut idle = side("y", "%", &["GRANT `r` TO `y`@`%`"]);
    idle.effective
        .add(Grants::read(&["GRANT SELECT ON `d_b`.* TO `r`"], None));
    let current = side("x", "%", &["GRANT SELECT ON `d_b`.`t` TO `x`@`%`"]);
    let differences = pair(MysqlFlavour::MariaDb, vec![current], vec![idle]).differences();
    let kinds: Vec<_> = differences
        .iter()
        .map(|one| (one.kind, one.holder))
        .collect();
    assert_eq!(kinds, [(DifferenceKind::Membership, Twin::Idle)]);
}

#[test]
fn a_part_that_both_have_is_not_taken_with_the_rest() {
    let differences = found(
        MysqlFlavour::MySql,
        &[
            "GRANT ALL PRIVILEGES ON `d_b`.* TO `x`@`%` WITH GRANT OPTION",
            "GRANT ALL PRIVILEGES ON `d_c`.* TO `x`@`%` WITH GRANT OPTION",
            "GRANT BACKUP_ADMIN ON *.* TO `x`@`%` WITH GRANT OPTION",
            "GRANT `r`@`%` TO `x`@`%` WITH ADMIN OPTION",
        ],
        &[
            "GRANT SELECT ON `d_b`.* TO `y`@`%`",
            "GRANT BACKUP_ADMIN ON *.* TO `y`@`%`",
            "GRANT `r`@`%` TO `y`@`%`",
        ],
    );
    let takes: Vec<Option<&str>> = differences.iter().map(|one| one.take.as_deref()).collect();
    let both = "REVOKE ALL PRIVILEGES ON `d_c`.* FROM `x`@`%`;\n\
                REVOKE GRANT OPTION ON `d_c`.* FROM `x`@`%`;";
    assert_eq!(takes, [None, None, Some(both), None]);
    let on_mariadb = found(
        MysqlFlavour::MariaDb,
        &["GRANT `r` TO `x`@`%` WITH ADMIN OPTION"],
        &["GRANT `r` TO `y`@`%`"],
    );
    let take = on_mariadb[0].take.as_deref();
    assert_eq!(take, Some("REVOKE ADMIN OPTION FOR `r` FROM `x`@`%`;"));
}

#[test]
fn a_global_privilege_is_given_with_its_exceptions_and_an_exception_is_lifted() {
    let given = found(
        MysqlFlavour::MySql,
        &[
            "GRANT SELECT, INSERT ON *.* TO `x`@`%`",
            "REVOKE INSERT ON `mysql`.* FROM `x`@`%`",
        ],
        &[
            "GRANT SELECT ON *.* TO `y`@`%`",
            "REVOKE SELECT ON `d_b`.* FROM `y`@`%`",
        ],
    );
    assert_eq!(
        mended(&given),
        [
            (
                DifferenceKind::Database,
                Twin::Current,
                "GRANT SELECT ON `d_b`.* TO `y`@`%`;",
                "REVOKE SELECT ON `d_b`.* FROM `x`@`%`;",
            ),
            (
                DifferenceKind::Attribute,
                Twin::Current,
                "GRANT INSERT ON *.* TO `y`@`%`;\nREVOKE INSERT ON `mysql`.* FROM `y`@`%`;",
                "REVOKE INSERT ON *.* FROM `x`@`%`;",
            ),
        ]
    );
}

#[test]
fn what_a_row_of_one_host_has_is_not_given_to_every_host() {
    let plain = ["GRANT SELECT ON `d_b`.* TO `x`@`%`"];
    let local = ["GRANT ALL PRIVILEGES ON `d_b`.* TO `x`@`localhost`"];
    let office = ["GRANT SELECT ON `d_b`.* TO `x`@`10.%`"];
    let rows = || {
        vec![
            side("x", "%", &plain),
            side("x", "localhost", &local),
            side("x", "10.%", &office),
        ]
    };
    let other = || vec![side("y", "%", &["GRANT SELECT ON `d_b`.* TO `y`@`%`"])];
    let differences = pair(MysqlFlavour::MySql, rows(), other()).differences();
    let [local] = &differences[..] else {
        panic!("the row of the office is served by that for every host: {differences:?}");
    };
    assert_eq!(local.what.as_str(), "logins from localhost, as x@localhost");
    assert_eq!(
        local.give.as_deref(),
        Some(
            "CREATE USER `y`@`localhost` IDENTIFIED WITH caching_sha2_password BY RANDOM \
             PASSWORD;\nGRANT ALL PRIVILEGES ON `d_b`.* TO `y`@`localhost`;"
        )
    );
    let of_idle = pair(MysqlFlavour::MySql, other(), rows()).differences();
    assert_eq!((of_idle.len(), of_idle[0].give.as_deref()), (1, None));
}

#[test]
fn default_roles_are_set_as_a_whole() {
    let role = |name: &str| Role {
        name: name.to_owned(),
        host: Some("%".to_owned()),
    };
    let (mut x, mut y) = (side("x", "%", &[]), side("y", "%", &[]));
    x.default_roles = vec![role("a"), role("b")];
    y.default_roles = vec![role("b"), role("c")];
    let differences = pair(MysqlFlavour::MySql, vec![x], vec![y]).differences();
    let (give, take) = (
        differences[0].give.as_deref(),
        differences[0].take.as_deref(),
    );
    assert_eq!(
        give,
        Some("SET DEFAULT ROLE `b`@`%`, `c`@`%`, `a`@`%` TO `y`@`%`;")
    );
    assert_eq!(take, Some("SET DEFAULT ROLE `b`@`%` TO `x`@`%`;"));
    let one = found(
        MysqlFlavour::MariaDb,
        &["SET DEFAULT ROLE `a` FOR `x`@`%`"],
        &[],
    );
    let give = one[0].give.as_deref();
    assert_eq!(give, Some("SET DEFAULT ROLE `a` FOR `y`@`%`;"));
}

#[test]
fn what_cannot_be_read_or_drawn_is_named_without_a_statement() {
    let differences = found(
        MysqlFlavour::MySql,
        &[
            "GRANT SELECT ON `d\u{202e}`.* TO `x`@`%`",
            "DENY SELECT ON *.* TO `x`@`%`",
            "GRANT `y`@`%` TO `x`@`%`",
        ],
        &[],
    );
    assert_eq!(
        mended(&differences),
        [
            (
                DifferenceKind::Membership,
                Twin::Current,
                "-",
                "REVOKE `y`@`%` FROM `x`@`%`;",
            ),
            (DifferenceKind::Database, Twin::Current, "-", "-"),
            (DifferenceKind::Elsewhere, Twin::Current, "-", "-"),
        ]
    );
}

#[test]
fn the_narrowest_row_counts_and_the_servers_own_limit_is_overruled() {
    let rows = vec![side("x", "%", &[]), side("x", "10.%", &[])];
    let mut pair = pair(MysqlFlavour::MySql, rows, vec![side("y", "%", &[])]);
    assert_eq!(pair.session_limit(0), -1);
    assert_eq!(
        pair.unlimit(0, 151),
        "ALTER USER `x`@`%`, `x`@`10.%` WITH MAX_USER_CONNECTIONS 0;"
    );
    pair.defaults.sessions = 20;
    assert_eq!(pair.session_limit(1), 20);
    assert_eq!(
        pair.unlimit(1, 151),
        "ALTER USER `y`@`%` WITH MAX_USER_CONNECTIONS 151;"
    );
}

/// What is missing, in words, with the statement that gives it.
fn lacking(x: Vec<Side>, y: Vec<Side>) -> Vec<(Twin, String, Option<String>)> {
    let differences = pair(MysqlFlavour::MySql, x, y).differences().into_iter();
    differences
        .map(|one| (one.holder, one.what.as_str().to_owned(), one.give))
        .collect()
}

#[test]
fn a_narrow_row_that_takes_the_logins_must_have_what_the_wide_one_has() {
    let all = ["GRANT PROCESS ON *.* TO `x`@`%`"];
    let x = || vec![side("x", "%", &all)];
    let y = |host| {
        vec![
            side("y", "%", &["GRANT PROCESS ON *.* TO `y`@`%`"]),
            side("y", host, &[]),
        ]
    };
    let found = lacking(x(), y("127.0.0.2"));
    let what = "PROCESS on *.*, as x@% and not as y@127.0.0.2".to_owned();
    let give = "GRANT PROCESS ON *.* TO `y`@`127.0.0.2`;".to_owned();
    assert_eq!(found, [(Twin::Current, what, Some(give))]);
    // The other way round it is one rotation later that it is lacking.
    let found = lacking(y("127.0.0.2"), x());
    assert_eq!((found.len(), found[0].0), (1, Twin::Idle));
    // Where X has that row, too, it is that row's logins that Y's takes.
    let mut with_row = x();
    with_row.push(side("x", "127.0.0.2", &[]));
    assert_eq!(lacking(with_row, y("127.0.0.2")), []);
    // A row that serves only some of the hosts may be that of a login; a name in doubt.
    let office = vec![side(
        "x",
        "10.%.1",
        &["GRANT PROCESS ON *.* TO `x`@`10.%.1`"],
    )];
    for (host, is_lacking) in [("10.0.%", 1), ("app.example", 1), ("192.%", 0)] {
        let mut found = lacking(office_of(&office), y(host));
        found.retain(|one| one.0 == Twin::Current);
        assert_eq!(found.len(), is_lacking, "{host}: {found:?}");
        assert!(found.iter().all(|one| one.2.is_none()), "{found:?}");
    }
}

fn office_of(rows: &[Side]) -> Vec<Side> {
    let line = "GRANT PROCESS ON *.* TO `x`@`10.%.1`";
    rows.iter()
        .map(|row| side("x", &row.account.host, &[line]))
        .collect()
}

#[test]
fn roles_and_limits_of_a_narrow_row_count_as_well() {
    let mut x = side("x", "%", &["GRANT `r`@`%` TO `x`@`%`"]);
    let role = Role {
        name: "r".to_owned(),
        host: Some("%".to_owned()),
    };
    x.default_roles = vec![role.clone()];
    let mut wide = side("y", "%", &["GRANT `r`@`%` TO `y`@`%`"]);
    wide.default_roles = vec![role];
    let found = lacking(vec![x], vec![wide, side("y", "127.0.0.2", &[])]);
    let gives: Vec<Option<&str>> = found.iter().map(|one| one.2.as_deref()).collect();
    assert_eq!(
        gives,
        [
            Some("GRANT `r`@`%` TO `y`@`127.0.0.2`;"),
            Some("SET DEFAULT ROLE `r`@`%` TO `y`@`127.0.0.2`;"),
        ]
    );
}

#[test]
fn a_session_through_a_narrow_row_has_what_the_wide_one_has_on_schemas() {
    let x = || {
        vec![side(
            "x",
            "%",
            &["GRANT SELECT, INSERT ON `d_b`.* TO `x`@`%`"],
        )]
    };
    let y = |lines: &[&str]| {
        vec![
            side("y", "%", &["GRANT SELECT, INSERT ON `d_b`.* TO `y`@`%`"]),
            side("y", "127.0.0.2", lines),
        ]
    };
    assert_eq!(lacking(x(), y(&[])), []);
    // A row of its own for the schema stands before that of the wide one.
    let found = lacking(x(), y(&["GRANT SELECT ON `d_b`.* TO `y`@`127.0.0.2`"]));
    assert_eq!(
        found[0].2.as_deref(),
        Some("GRANT INSERT ON `d_b`.* TO `y`@`127.0.0.2`;")
    );
    // With a role MySQL looks at the row alone.
    let mut rows = y(&[]);
    rows[1].takes_wider = false;
    assert_eq!(lacking(x(), rows).len(), 1);
}

#[test]
fn what_is_had_through_a_wider_row_is_not_taken_from_the_narrow_one() {
    let x = vec![
        side("x", "%", &["GRANT SELECT ON `d_b`.* TO `x`@`%`"]),
        side("x", "127.0.0.2", &[]),
    ];
    let y = vec![
        side("y", "%", &["GRANT SELECT ON `d_b`.* TO `y`@`%`"]),
        side(
            "y",
            "127.0.0.2",
            &["GRANT INSERT ON `d_b`.* TO `y`@`127.0.0.2`"],
        ),
    ];
    let differences = pair(MysqlFlavour::MySql, x, y).differences();
    let of_current: Vec<_> = mended(&differences)
        .into_iter()
        .filter(|one| one.1 == Twin::Current)
        .collect();
    assert_eq!(
        of_current,
        [(
            DifferenceKind::Database,
            Twin::Current,
            "GRANT SELECT ON `d_b`.* TO `y`@`127.0.0.2`;",
            "-"
        )]
    );
}
