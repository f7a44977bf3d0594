//! No password is left on MySQL or MariaDB, nor anywhere else: in none of the files of a
//! server, of which the test has one of its own, and in no table of statistics.

use std::fs;

use handover::sandbox::MysqlFlavour;

use crate::crash::impatient;
use crate::leak::{Evidence, Story, files_below, live_through};
use crate::shop::{Shop, ShopEngine, ShopOptions};

for_both! {
    no_password_is_found_in_any_log_file_statistic_or_output
}

/// Where MySQL keeps texts of statements, and which.
const STATISTICS: [(&str, &str); 5] = [
    ("events_statements_current", "SQL_TEXT, DIGEST_TEXT"),
    ("events_statements_history", "SQL_TEXT, DIGEST_TEXT"),
    ("events_statements_history_long", "SQL_TEXT, DIGEST_TEXT"),
    (
        "events_statements_summary_by_digest",
        "DIGEST_TEXT, QUERY_SAMPLE_TEXT",
    ),
    ("prepared_statements_instances", "SQL_TEXT"),
];

fn no_password_is_found_in_any_log_file_statistic_or_output(engine: ShopEngine) {
    let options = ShopOptions {
        own_server: true,
        ..impatient()
    };
    let Some(shop) = Shop::bare_on(engine, "leak", options) else {
        return;
    };
    // Everything that a server can be told to write down.
    shop.run_sql("SET GLOBAL long_query_time = 0; SET GLOBAL slow_query_log = ON");
    let server = shop.mysql_server();
    let is_mysql = server.flavour() == MysqlFlavour::MySql;
    if is_mysql {
        shop.run_sql("UPDATE performance_schema.setup_consumers SET ENABLED = 'YES'");
    }
    let private = || fs::metadata(shop.home()).expect("is there").modified();
    let before = private().expect("a time");
    let Story { said, passwords } = live_through(&shop);
    assert!(private().expect("a time") > before, "no socket was made");

    let planted = shop.store().join("planted-by-the-test");
    fs::write(&planted, "before planted-canary-text after").expect("writes");
    let mut found = said;
    if is_mysql {
        for (table, columns) in STATISTICS {
            let query = format!("SELECT {columns} FROM performance_schema.{table}");
            let rows = shop.run_sql(&query).into_iter().flatten().flatten();
            let texts: Vec<String> = rows.collect();
            found.push((table.to_owned(), texts.join("\n").into_bytes()));
        }
    }
    // Its files no longer change then, and what it held in memory is gone.
    server.stop().expect("stops");
    files_below(server.folder(), &shop.file(""), &mut found);
    let sockets: Vec<_> = fs::read_dir(shop.home())
        .expect("lists")
        .flatten()
        .map(|entry| entry.file_name().display().to_string())
        .filter(|name| name.starts_with("handover-"))
        .collect();
    assert_eq!(sockets, [""; 0], "private sockets are left");
    files_below(shop.home(), &shop.file(""), &mut found);
    let evidence = Evidence::new(found);

    // The search is known to find: a planted text, and what each source must hold.
    let places = evidence.places_of("planted-canary-text");
    assert_eq!(places, [planted.display().to_string()]);
    let places = evidence.places_of(&shop.second.name);
    let mut sources = vec!["general.log", "binlog.0", "-slow.log", "output of"];
    if is_mysql {
        sources.push("events_statements_history_long");
        sources.push("events_statements_summary_by_digest");
    }
    for source in sources {
        assert!(
            places.iter().any(|place| place.contains(source)),
            "{source} does not hold the user's name, so that it proves nothing: {places:?}"
        );
    }
    assert!(!server.server_log().is_empty(), "it has a log");
    evidence.assert_own_log();
    evidence.assert_without(&passwords);
}
