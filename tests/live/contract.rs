//! The shape of what `rotate` and `recover` print, exactly as it is promised.

use serde_json::Value;

use crate::harness::Run;
use crate::shop::{Shop, ShopOptions};

const RESULT_MEMBERS: [&str; 6] = [
    "rotation",
    "environment",
    "status",
    "revision",
    "error",
    "paths",
];
const PATH_MEMBERS: [&str; 7] = [
    "path", "status", "step", "case", "user", "revision", "error",
];
const ERROR_MEMBERS: [&str; 3] = ["code", "message", "remedy"];
const STATUSES: [&str; 8] = [
    "planned",
    "done",
    "partial",
    "refused",
    "parked",
    "interrupted",
    "unreachable",
    "failed",
];

/// The result object of a run, after its shape was checked.
#[track_caller]
pub(crate) fn result_of(run: &Run) -> Value {
    let value = run.json();
    assert_members(&value, &RESULT_MEMBERS);
    let status = value["status"].as_str().expect("a status");
    assert!(STATUSES.contains(&status), "{value:#}");
    assert!(is_rotation(&value["rotation"]), "{value:#}");
    assert!(
        value["revision"].is_null() || value["revision"].is_u64(),
        "{value:#}"
    );
    assert_error(&value["error"]);
    for path in value["paths"].as_array().expect("a list of paths") {
        assert_path_members(path);
        let step = path["step"].as_str().expect("a step");
        assert!(
            ["S1", "S2", "S3", "S4", "S5", "S6"].contains(&step),
            "{value:#}"
        );
        assert!(path["path"].is_string(), "{value:#}");
        assert!(path["status"].is_string(), "{value:#}");
        assert_error(&path["error"]);
    }
    value
}

/// Whether a result names `case`, as the cause of the whole or of one path.
pub(crate) fn names_case(result: &Value, case: &str) -> bool {
    let paths = result["paths"].as_array().into_iter().flatten();
    result["error"]["code"] == case
        || paths
            .into_iter()
            .any(|path| path["case"] == case || path["error"]["code"] == case)
}

/// A refusal: exit 4, a result that says so, the case, and a remedy.
#[track_caller]
pub(crate) fn assert_refused(run: &Run, case: &str) -> Value {
    assert_eq!(run.code(), Some(4), "{run:#?}");
    let result = result_of(run);
    assert_eq!(result["status"], "refused", "{result:#}");
    assert!(names_case(&result, case), "not {case}: {result:#}");
    assert!(!errors_of(&result).is_empty(), "no error: {result:#}");
    for error in errors_of(&result) {
        assert!(error["remedy"].is_string(), "no remedy: {result:#}");
    }
    result
}

/// The errors of a result, of the whole and of its paths.
pub(crate) fn errors_of(result: &Value) -> Vec<&Value> {
    let paths = result["paths"].as_array().into_iter().flatten();
    std::iter::once(&result["error"])
        .chain(paths.map(|path| &path["error"]))
        .filter(|error| !error.is_null())
        .collect()
}

/// The rows of a user that no login from here proves are named where there are any.
#[track_caller]
fn assert_path_members(path: &Value) {
    let Some(rows) = path.get("unproven_rows") else {
        return assert_members(path, &PATH_MEMBERS);
    };
    assert_members(path, &[&PATH_MEMBERS[..], &["unproven_rows"]].concat());
    let rows = rows.as_array().expect("a list");
    assert!(
        !rows.is_empty() && rows.iter().all(Value::is_string),
        "{path:#}"
    );
}

#[track_caller]
fn assert_members(value: &Value, expected: &[&str]) {
    let object = value.as_object().expect("an object");
    let mut found: Vec<&str> = object.keys().map(String::as_str).collect();
    let mut expected = expected.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{value:#}");
}

#[track_caller]
fn assert_error(error: &Value) {
    if error.is_null() {
        return;
    }
    assert_members(error, &ERROR_MEMBERS);
    for member in ["code", "message"] {
        let text = error[member].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "no {member}: {error:#}");
    }
}

/// `"R-0001"` or null.
fn is_rotation(value: &Value) -> bool {
    match value.as_str() {
        Some(text) => text.strip_prefix("R-").is_some_and(|number| {
            number.len() >= 4 && number.bytes().all(|byte| byte.is_ascii_digit())
        }),
        None => value.is_null(),
    }
}

#[test]
fn a_plan_and_a_rotation_print_the_promised_object() {
    let shop = Shop::open("contract", ShopOptions::default());
    let before = shop.revision_count();
    let verifiers = [
        shop.verifier_of(&shop.first),
        shop.verifier_of(&shop.second),
    ];

    let planned = result_of(&shop.plan().expect_code(0));
    assert_eq!(planned["status"], "planned", "{planned:#}");
    assert_eq!(planned["environment"], "shop/orders");
    assert_eq!(planned["rotation"], Value::Null);
    assert_eq!(planned["revision"], Value::Null, "a plan makes no revision");
    assert_eq!(planned["error"], Value::Null);
    assert_eq!(planned["paths"][0]["path"], "db");
    assert_eq!(planned["paths"][0]["status"], "planned");
    assert_eq!(planned["paths"][0]["case"], Value::Null);
    assert_eq!(planned["paths"][0]["user"], shop.second.name.as_str());

    assert_eq!(shop.revision_count(), before, "a plan writes no revision");
    assert_eq!(shop.verifier_of(&shop.first), verifiers[0]);
    assert_eq!(shop.verifier_of(&shop.second), verifiers[1]);
    let current = shop.assert_current_logs_in("after a plan");
    assert_eq!(current.name, shop.first.name);

    let done = result_of(&shop.rotate(&[]).expect_code(0));
    assert_eq!(done["status"], "done", "{done:#}");
    assert_eq!(done["environment"], "shop/orders");
    assert!(done["rotation"].is_string(), "{done:#}");
    assert_eq!(done["revision"], before + 1, "the revision that it made");
    assert_eq!(done["error"], Value::Null);
    assert_eq!(done["paths"].as_array().map(Vec::len), Some(1), "{done:#}");
    assert_eq!(done["paths"][0]["path"], "db");
    assert_eq!(done["paths"][0]["status"], "done");
    assert_eq!(done["paths"][0]["case"], Value::Null);
    assert_eq!(done["paths"][0]["user"], shop.second.name.as_str());

    assert_eq!(shop.revision_count(), before + 1);
    assert_eq!(shop.verifier_of(&shop.first), verifiers[0]);
    assert_ne!(shop.verifier_of(&shop.second), verifiers[1]);
    let current = shop.assert_current_logs_in("after a rotation");
    assert_eq!(current.name, shop.second.name);
}

#[test]
fn a_path_may_be_named_and_one_that_matches_nothing_is_a_usage_error() {
    let shop = Shop::open("path", ShopOptions::default());
    let before = shop.verifier_of(&shop.second);
    for (path, arguments) in [
        (
            "no.such.path",
            &["rotate", "shop/orders", "no.such.path", "--yes"][..],
        ),
        ("greeting", &["rotate", "shop/orders", "greeting", "--yes"]),
        (
            "no.such.path",
            &["env", "open", "shop/orders", "no.such.path"],
        ),
        (
            "no.such.path",
            &["env", "get", "shop/orders", "no.such.path"],
        ),
    ] {
        shop.run(arguments)
            .expect_code(2)
            .expect_no_stack_trace()
            .expect_told(&[path]);
    }
    assert_eq!(shop.verifier_of(&shop.second), before);
    let done = result_of(&shop.rotate(&["db"]).expect_code(0));
    assert_eq!(done["status"], "done", "{done:#}");
}

#[test]
fn open_history_and_audit_print_the_promised_objects() {
    let shop = Shop::open("objects", ShopOptions::default());
    shop.rotate(&["--reason", "the contract test"])
        .expect_code(0);

    let opened = shop
        .run(&["env", "open", "shop/orders", "db", "--output", "json"])
        .expect_code(0)
        .json();
    for role in ["current", "previous"] {
        assert_members(&opened[role], &["username", "password"]);
    }
    assert_eq!(opened["current"]["username"], shop.second.name.as_str());
    assert_eq!(opened["previous"]["username"], shop.first.name.as_str());
    assert_eq!(
        opened["previous"]["password"],
        shop.first.password.expose(),
        "the old current keeps its password"
    );

    let audit = shop
        .run(&["audit", "ls", "--output", "json"])
        .expect_code(0);
    let entries = audit.json()["entries"].as_array().expect("a list").len();
    assert!(entries > 0, "a rotation is audited");
    audit.expect_told(&["the contract test"]);
    shop.run(&["audit", "verify"]).expect_code(0);

    let nothing_open = shop.run(&["recover", "--yes", "--output", "json"]);
    assert_eq!(nothing_open.code(), Some(0), "{nothing_open:#?}");
    shop.run(&["status"])
        .expect_code(0)
        .expect_told(&["shop/orders"]);
    shop.run(&["env", "ls"])
        .expect_code(0)
        .expect_told(&["shop/orders", "shop/managing"]);
}
