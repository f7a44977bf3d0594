use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::document::{
    Diagnostic, Document, PropertyPath, Severity, document_path_text, has_errors,
};
use crate::secret::Secret;

/// Opens `sealed(x)` to `x`.
struct Brackets;

impl Unseal for Brackets {
    fn unseal(&self, ciphertext: &str) -> Result<Secret, String> {
        ciphertext
            .strip_prefix("sealed(")
            .and_then(|rest| rest.strip_suffix(')'))
            .map(|plain| Secret::new(plain.to_owned()))
            .ok_or_else(|| "the ciphertext is damaged".to_owned())
    }
}

#[derive(Default)]
struct Shelf {
    texts: BTreeMap<String, String>,
    asked: RefCell<Vec<String>>,
}

impl Shelf {
    fn with(name: &str, text: &str) -> Self {
        Self {
            texts: BTreeMap::from([(name.to_owned(), text.to_owned())]),
            asked: RefCell::default(),
        }
    }
}

impl Loader for Shelf {
    fn load(&self, name: &str) -> Result<Loaded, String> {
        self.asked.borrow_mut().push(name.to_owned());
        let text = self
            .texts
            .get(name)
            .ok_or_else(|| format!("there is no environment {name}"))?;
        let document = Document::load(text, name).map_err(|_| "it does not load".to_owned())?;
        Ok(Loaded {
            environment: Environment::parse(&document).0,
            unseal: Box::new(Brackets),
        })
    }
}

fn parse(text: &str) -> (Environment, Vec<Diagnostic>) {
    Environment::parse(&Document::load(text, "shop/orders").expect("it is YAML"))
}

fn parsed(text: &str) -> Environment {
    let (environment, diagnostics) = parse(text);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    environment
}

fn json(value: &Value, reveal: bool) -> String {
    let mut out = Zeroizing::new(String::new());
    value.write_json(&mut out, reveal, Layout::Compact);
    out.to_string()
}

fn opened_with(text: &str, shelf: &Shelf) -> (String, Vec<Diagnostic>) {
    let environment = parse(text).0;
    let (value, diagnostics) = Evaluator::new(&environment, "shop/orders", shelf, &Brackets).open();
    (json(&value, true), diagnostics)
}

fn opened(text: &str) -> String {
    let (json, diagnostics) = opened_with(text, &Shelf::default());
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    json
}

/// Summary, path, line and column.
fn brief(diagnostics: &[Diagnostic]) -> Vec<(&str, &str, usize, usize)> {
    diagnostics
        .iter()
        .map(|found| {
            let place = found.place.as_ref();
            (
                found.summary.as_str(),
                found.path.as_deref().unwrap_or_default(),
                place.map_or(0, |place| place.line),
                place.map_or(0, |place| place.column),
            )
        })
        .collect()
}

fn path(text: &str) -> PropertyPath {
    text.parse().expect("a good path")
}

const ROTATED: &str = "\
values:
  orders:
    db:
      fn::rotate::postgres:
        inputs:
          database:
            host: db.example.org
            port: 5432
            database: orders
            managingUser: ${environments.shop.managing.user}
          rotateUsers: {username1: app_a, username2: app_b}
        state:
          current:
            username: app_a
            password: {fn::secret: {ciphertext: sealed(one)}}
          previous:
            username: app_b
            password:
              fn::secret: two
  url: postgres://${orders.db.current.username}:${orders.db.current.password}@db
";

fn managing() -> Shelf {
    Shelf::with(
        "shop/managing",
        "values: {user: {username: root, password: {fn::secret: top}}, other: {fn::secret: {ciphertext: bad}}}\n",
    )
}

#[test]
fn literals_keep_their_types() {
    let text = "values: {n: null, b: true, i: 42, f: 1.50, s: hello, l: [a, 1], o: {k: v}, q: '1', d: a$$b}\n";
    assert_eq!(
        opened(text),
        "{\"b\":true,\"d\":\"a$b\",\"f\":1.50,\"i\":42,\"l\":[\"a\",1],\"n\":null,\"o\":{\"k\":\"v\"},\"q\":\"1\",\"s\":\"hello\"}"
    );
    assert_eq!(opened(""), "{}");
    assert_eq!(opened("Values:\ndescription: x\nimports: []\n"), "{}");
}

#[test]
fn numbers_that_json_cannot_write_are_written_as_it_can() {
    let text = "\
values:
  hex: 0x1F
  octal: 0o17
  list: [+1, .5, 1., -.5, +1.e3, 0x1F, 1.50]
  same: ${hex}
  text: ${octal}/${list[0]}/${list[2]}
  quoted: \"0x1F\"
  wide: 0x1FFFFFFFFFFFFFFFF
";
    let json = opened(text);
    assert_eq!(
        json,
        "{\"hex\":31,\"list\":[1,0.5,1.0,-0.5,1.0e3,31,1.50],\"octal\":15,\"quoted\":\"0x1F\",\
         \"same\":31,\"text\":\"15/1/1.0\",\"wide\":\"0x1FFFFFFFFFFFFFFFF\"}"
    );
    serde_json::from_str::<serde_json::Value>(&json).expect("it is JSON");
}

#[test]
fn references_keep_types_and_interpolations_make_text() {
    let text = "\
values:
  n: 1
  o: {b: [true, null], a: x}
  same: ${o}
  text: ${n}/${o.a}/${o.b}/${o}/${o.b[1]}
  quoted: ${[\"k.1\"].x}
  k.1: {x: deep}
";
    assert_eq!(
        opened(text),
        "{\"k.1\":{\"x\":\"deep\"},\"n\":1,\"o\":{\"a\":\"x\",\"b\":[true,null]},\"quoted\":\"deep\",\
         \"same\":{\"a\":\"x\",\"b\":[true,null]},\
         \"text\":\"1/x/\\\"true\\\",\\\"\\\"/\\\"a\\\"=\\\"x\\\",\\\"b\\\"=\\\"\\\\\\\"true\\\\\\\",\\\\\\\"\\\\\\\"\\\"/\"}"
    );
}

#[test]
fn cycles_are_found_at_the_expression_that_is_met_again() {
    let text = "values:\n  a:\n    p: ${a.p}\n  b:\n    p: ${c.p}\n  c:\n    p: ${b.p}\n";
    let (json, diagnostics) = opened_with(text, &Shelf::default());
    assert_eq!(
        brief(&diagnostics),
        [
            ("cyclic reference to a.p", "values.a.p", 3, 8),
            ("cyclic reference to b.p", "values.b.p", 5, 8),
        ]
    );
    assert_eq!(json.matches("[unknown]").count(), 3);
}

#[test]
fn references_to_nothing_name_their_place_and_a_guess() {
    let text = "values:\n  host: x\n  l: [1]\n  a: ${hst}\n  b: \"é ${l[3]}\"\n  c: ${l.x}\n  d: ${host.x}\n  e: ${l[0][0]}\n";
    let (_, diagnostics) = opened_with(text, &Shelf::default());
    assert_eq!(
        brief(&diagnostics),
        [
            (
                "unknown property \"hst\"; did you mean \"host\"?",
                "values.a",
                4,
                8
            ),
            (
                "array index 3 out-of-bounds for array of length 1",
                "values.b",
                5,
                12
            ),
            (
                "cannot access an array element using a property name",
                "values.c",
                6,
                10
            ),
            ("receiver must be an array or an object", "values.d", 7, 13),
            ("receiver must be an array or an object", "values.e", 8, 12),
        ]
    );
}

#[test]
fn secrets_are_redacted_and_make_what_uses_them_secret() {
    let text = "values: {p: {fn::secret: hunter2}, c: {fn::secret: {ciphertext: sealed(x)}}, u: 'a:${p}', l: ['${c}']}\n";
    let environment = parsed(text);
    let shelf = Shelf::default();
    let (value, diagnostics) = Evaluator::new(&environment, "a/b", &shelf, &Brackets).open();
    assert!(diagnostics.is_empty());
    assert_eq!(
        json(&value, false),
        "{\"c\":\"[secret]\",\"l\":[\"[secret]\"],\"p\":\"[secret]\",\"u\":\"[secret]\"}"
    );
    assert_eq!(
        json(&value, true),
        "{\"c\":\"x\",\"l\":[\"x\"],\"p\":\"hunter2\",\"u\":\"a:hunter2\"}"
    );
    assert!(!format!("{value:?} {environment:?}").contains("hunter2"));
    let mut pretty = Zeroizing::new(String::new());
    value.write_json(&mut pretty, false, Layout::Pretty);
    assert!(pretty.starts_with("{\n  \"c\": \"[secret]\",\n  \"l\": [\n    \"[secret]\"\n  ],"));
}

#[test]
fn the_value_of_a_rotated_secret_is_its_state_and_inputs_stay_untouched() {
    let shelf = managing();
    let (json, diagnostics) = opened_with(ROTATED, &shelf);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    assert!(
        json.contains("\"url\":\"postgres://app_a:one@db\""),
        "{json}"
    );
    assert!(json.contains("\"previous\":{\"password\":\"two\",\"username\":\"app_b\"}"));
    assert!(shelf.asked.borrow().is_empty());
}

#[test]
fn one_path_is_opened_without_its_siblings() {
    let text = ROTATED.replace("fn::secret: two", "fn::secret: {ciphertext: damaged}");
    let environment = parsed(&text);
    let shelf = Shelf::default();
    let evaluator = Evaluator::new(&environment, "shop/orders", &shelf, &Brackets);
    let value = evaluator
        .open_path(&path("orders.db.current.password"))
        .expect("it opens");
    assert_eq!(json(&value, true), "\"one\"");
    assert!(evaluator.open_path(&path("orders.db")).is_err());
    let errors = evaluator
        .open_path(&path("orders.db.curent"))
        .expect_err("nothing is there");
    assert_eq!(
        brief(&errors),
        [(
            "unknown property \"curent\"; did you mean \"current\"?",
            "orders.db.curent",
            0,
            0
        )]
    );
}

#[test]
fn inputs_are_evaluated_for_a_rotation_through_other_environments() {
    let environment = parsed(ROTATED);
    let shelf = managing();
    let evaluator = Evaluator::new(&environment, "shop/orders", &shelf, &Brackets);
    let inputs = evaluator
        .rotation_inputs(&path("orders.db"))
        .expect("they are complete");
    assert_eq!(
        (inputs.host.as_str(), inputs.port, inputs.database.as_str()),
        ("db.example.org", 5432, "orders")
    );
    assert_eq!(inputs.managing.username.as_str(), "root");
    assert_eq!(
        inputs.managing.password.as_ref().map(Secret::expose),
        Some("top")
    );
    assert_eq!(inputs.users[1].as_str(), "app_b");
    assert_eq!(shelf.asked.borrow().as_slice(), ["shop/managing"]);
    let state = evaluator
        .state(&path("orders.db"))
        .expect("it is valid")
        .expect("it is there");
    assert_eq!(
        state.previous.password.as_ref().map(Secret::expose),
        Some("two")
    );
    let errors = evaluator
        .state(&path("order.db"))
        .expect_err("nothing is there");
    assert_eq!(errors[0].hint.as_deref(), Some("did you mean orders.db?"));
}

#[test]
fn a_missing_environment_is_an_error_where_it_is_needed() {
    let environment = parsed(ROTATED);
    let shelf = Shelf::default();
    let evaluator = Evaluator::new(&environment, "shop/orders", &shelf, &Brackets);
    let errors = evaluator
        .rotation_inputs(&path("orders.db"))
        .expect_err("nobody manages");
    assert_eq!(
        brief(&errors),
        [(
            "there is no environment shop/managing",
            "values.orders.db[\"fn::rotate::postgres\"].inputs.database.managingUser",
            10,
            27
        )]
    );
    let (value, diagnostics) = evaluator.check();
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    assert_eq!(
        json(&value, false),
        "{\"orders\":{\"db\":\"[unknown]\"},\"url\":\"[unknown]\"}"
    );
    assert_eq!(shelf.asked.borrow().len(), 1);
}

#[test]
fn environments_that_refer_to_each_other_end() {
    let shelf = Shelf::with(
        "shop/other",
        "values: {x: '${environments.shop.orders.y}', z: 1}\n",
    );
    let text = "values: {y: '${environments.shop.other.x}', ok: '${environments.shop.other.z}'}\n";
    let (json, diagnostics) = opened_with(text, &shelf);
    assert_eq!(
        brief(&diagnostics),
        [("cyclic reference to y", "values.y", 1, 13)]
    );
    assert_eq!(json, "{\"ok\":1,\"y\":\"[unknown]\"}");
    assert_eq!(shelf.asked.borrow().len(), 1);
}

#[test]
fn wrong_inputs_are_all_reported_with_their_places() {
    let text = "\
values:
  db:
    fn::rotate:
      provider: postgres
      inputs:
        database: {host: '', port: 70000, databse: x, managingUser: {username: a}, connector: {awsLambda: {}}}
        rotateUsers: {username1: a, username2: a}
";
    let environment = parsed(text);
    assert!(!environment.rotated_secrets()[0].has_state);
    assert_eq!(
        document_path_text(&environment.rotated_secrets()[0].document_path),
        "values.db[\"fn::rotate\"]"
    );
    let shelf = Shelf::default();
    let evaluator = Evaluator::new(&environment, "a/b", &shelf, &Brackets);
    let errors = evaluator
        .rotation_inputs(&path("db"))
        .expect_err("little is right");
    let found: Vec<_> = errors.iter().map(|error| error.summary.as_str()).collect();
    assert_eq!(
        found,
        [
            "unknown property \"databse\"; did you mean \"database\"?",
            "missing required properties: database",
            "connector is not supported yet",
            "the value must not be empty",
            "a port is a whole number from 1 to 65535",
            "missing required properties: password",
            "username1 and username2 must be different users",
        ]
    );
    assert!(
        errors
            .iter()
            .all(|error| error.place.is_some() && error.path.is_some())
    );
    assert!(
        evaluator
            .state(&path("db"))
            .expect("no state is fine")
            .is_none()
    );
    assert_eq!(json(&evaluator.open().0, true), "{\"db\":\"[unknown]\"}");
}

#[test]
fn a_wrong_type_of_an_input_is_named() {
    let text = ROTATED.replace("host: db.example.org", "host: 5");
    let environment = parsed(&text);
    let shelf = managing();
    let errors = Evaluator::new(&environment, "a/b", &shelf, &Brackets)
        .rotation_inputs(&path("orders.db"))
        .expect_err("a host is a string");
    assert_eq!(errors[0].summary, "expected string, got number");
    let (_, checked) = Evaluator::new(&environment, "a/b", &shelf, &Brackets).check();
    assert_eq!(checked[0].summary, "expected string, got number");
    assert!(shelf.asked.borrow().contains(&"shop/managing".to_owned()));
}

#[test]
fn state_that_does_not_fit_is_refused_at_its_place() {
    let (_, found) = parse(&ROTATED.replace(
        "            username: app_b\n",
        "            username: app_c\n",
    ));
    assert_eq!(
        found[0].summary,
        "the user \"app_c\" is not one of rotateUsers"
    );
    assert_eq!(
        found[0]
            .place
            .as_ref()
            .map(|place| (place.line, place.column)),
        Some((17, 23))
    );
    let (_, found) = parse(&ROTATED.replace("username: app_b\n", "username: app_a\n"));
    assert_eq!(
        found[0].summary,
        "current and previous must be different users"
    );
    let (_, found) = parse(&ROTATED.replace("          previous:\n", "          previos:\n"));
    let summaries: Vec<_> = found.iter().map(|found| found.summary.as_str()).collect();
    assert_eq!(
        summaries,
        [
            "unknown property \"previos\"; did you mean \"previous\"?",
            "missing required properties: previous"
        ]
    );
    let start = ROTATED.find("        state:").expect("it has a state");
    let (environment, found) = parse(&format!("{}        state: x\n", &ROTATED[..start]));
    assert_eq!(found[0].summary, "rotation state must be an object literal");
    let shelf = Shelf::default();
    let (value, _) = Evaluator::new(&environment, "a/b", &shelf, &Brackets).open();
    assert_eq!(json(&value, true), "{\"orders\":{\"db\":\"[unknown]\"}}");
}

#[test]
fn a_plain_password_in_state_opens_but_is_not_saved() {
    let text = ROTATED.replace("              fn::secret: two", "              two");
    let environment = parsed(&text);
    let found = check_for_saving(&environment);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].path.as_deref(),
        Some("values.orders.db[\"fn::rotate::postgres\"].state.previous.password")
    );
    assert!(check_for_saving(&parsed(ROTATED)).is_empty());
}

#[test]
fn secret_sites_know_their_role() {
    let text = format!("{ROTATED}  other:\n    - fn::secret: x\n");
    let environment = parsed(&text);
    let document = Document::load(&text, "x").expect("it loads");
    let sites = environment.secret_sites();
    let roles: Vec<_> = sites
        .iter()
        .map(|site| {
            site.rotated
                .as_ref()
                .map(|(path, role)| (path.to_string(), *role))
        })
        .collect();
    assert_eq!(
        roles,
        [
            Some(("orders.db".to_owned(), Role::Current)),
            Some(("orders.db".to_owned(), Role::Previous)),
            None
        ]
    );
    assert!(matches!(&sites[0].form, SecretForm::Ciphertext(text) if text == "sealed(one)"));
    assert!(matches!(&sites[1].form, SecretForm::Plain(plain) if plain.expose() == "two"));
    for site in &sites {
        let node = document
            .get(&site.document_path)
            .expect("the path leads there");
        assert_eq!(node.span, site.span);
    }
}

#[test]
fn faults_of_the_document_have_the_texts_of_the_language() {
    let text = "\
vals: 1
values:
  imports: foo
  context: bar
  fn::secret: x
  a: {fn::nothing: 1}
  b: {fn::secret: x, c: 1}
  c: {fn::secret: [x]}
  d: {fn::rotate: {inputs: {}}}
  e: {fn::rotate::postgres: {input: {}}}
  f: ${a b}
";
    let (_, found) = parse(text);
    assert_eq!(found[0].severity, Severity::Warning);
    assert_eq!(
        brief(&found),
        [
            (
                "Field 'vals' does not exist on Object 'environment'. Existing fields are: values, imports, description",
                "vals",
                1,
                1
            ),
            ("\"imports\" is a reserved key", "values.imports", 3, 3),
            ("\"context\" is a reserved key", "values.context", 4, 3),
            (
                "builtin function call \"fn::secret\" not allowed at the top level",
                "values[\"fn::secret\"]",
                5,
                3
            ),
            (
                "'fn::' is a reserved prefix",
                "values.a[\"fn::nothing\"]",
                6,
                7
            ),
            (
                "illegal call to builtin function: \"fn::secret\" must be the only key within its containing object",
                "values.b",
                7,
                7
            ),
            (
                "secret values must be string literals",
                "values.c[\"fn::secret\"]",
                8,
                19
            ),
            (
                "missing provider name ('provider')",
                "values.d[\"fn::rotate\"]",
                9,
                19
            ),
            (
                "missing provider inputs ('inputs')",
                "values.e[\"fn::rotate::postgres\"]",
                10,
                29
            ),
            (
                "missing closing brace '}' in interpolation",
                "values.f",
                11,
                9
            ),
        ]
    );
}

#[test]
fn what_the_language_has_and_we_have_not_is_refused() {
    for (text, summary) in [
        ("imports: [a/b]\n", "imports is not supported yet"),
        (
            "values: {a: {fn::join: [',', []]}}\n",
            "fn::join is not supported yet",
        ),
        (
            "values: {a: {fn::open::aws-login: {}}}\n",
            "fn::open::aws-login is not supported yet",
        ),
        (
            "values: {a: {fn::rotate::password: {inputs: {}}}}\n",
            "fn::rotate::password is not supported yet",
        ),
        (
            "values: {a: 'x ${context.rootEnvironment.name}'}\n",
            "context is not supported yet",
        ),
        (
            "values: {a: '${imports.x.y}'}\n",
            "imports is not supported yet",
        ),
    ] {
        let (_, found) = parse(text);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].summary, summary);
        assert!(found[0].place.is_some() && has_errors(&found));
    }
}

#[test]
fn long_chains_and_multiplying_references_end() {
    let chain: String = (0..2000)
        .map(|at| format!("  v{at:04}: ${{v{:04}}}\n", at + 1))
        .collect();
    let (_, found) = opened_with(
        &format!("values:\n{chain}  v2000: end\n"),
        &Shelf::default(),
    );
    assert!(
        found
            .iter()
            .any(|found| found.summary == "references are nested too deeply")
    );
    for line in [
        "${v}${v}${v}${v}",
        "[\"${v}\", \"${v}\", \"${v}\", \"${v}\"]",
    ] {
        let mut text = "values:\n  v00: a long text that is copied\n".to_owned();
        for at in 1..40 {
            let line = line.replace("${v}", &format!("${{v{:02}}}", at - 1));
            text.push_str(&format!("  v{at:02}: {line}\n"));
        }
        let (json, found) = opened_with(&text, &Shelf::default());
        assert!(
            found
                .iter()
                .any(|found| found.summary == "the value is too large")
        );
        assert!(json.len() < 100_000_000);
    }
}

fn yaml() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(vec![
        "a",
        "b",
        "c",
        "values",
        "state",
        "inputs",
        "current",
        "previous",
        "username",
        "password",
        "database",
        "rotateUsers",
        "fn::secret",
        "fn::rotate",
        "fn::rotate::postgres",
        "ciphertext",
        "provider",
        "fn::x",
    ]);
    let scalars = prop::sample::select(vec![
        "x",
        "1",
        "null",
        "'${a}'",
        "'${a.b[0]}'",
        "'${c.a} ${b}'",
        "'${environments.a.b.c}'",
        "'$$${'",
        "postgres",
        "sealed(x)",
        "'${a.current.password}'",
    ])
    .prop_map(str::to_owned);
    let tree = scalars.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::btree_map(keys.clone(), inner, 0..5).prop_map(|entries| {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, value)| format!("{key}: {value}"))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }),
        ]
    });
    prop::collection::vec(tree, 3).prop_map(|trees| {
        format!(
            "values:\n  a: {}\n  b: {}\n  c: {}\n",
            trees[0], trees[1], trees[2]
        )
    })
}

proptest! {
    #[test]
    fn evaluating_random_documents_never_panics(text in yaml(), other in yaml()) {
        let document = Document::load(&text, "shop/orders").expect("the generator writes YAML");
        let (environment, _) = Environment::parse(&document);
        let shelf = Shelf::with("a/b", &other);
        let evaluator = Evaluator::new(&environment, "shop/orders", &shelf, &Brackets);
        let (value, diagnostics) = evaluator.open();
        let written = json(&value, true);
        let reread: Result<serde_json::Value, _> = serde_json::from_str(&written);
        prop_assert!(reread.is_ok(), "{written}");
        for found in diagnostics.iter().chain(&evaluator.check().1) {
            prop_assert!(found.path.is_some());
        }
        for rotated in environment.rotated_secrets() {
            prop_assert!(document.get(&rotated.document_path).is_some());
            let _ = evaluator.rotation_inputs(&rotated.path);
            let _ = evaluator.state(&rotated.path);
        }
        for site in environment.secret_sites() {
            prop_assert!(document.get(&site.document_path).is_some());
        }
        let _ = check_for_saving(&environment);
    }
}

#[test]
fn the_login_that_samples_is_a_reference_to_a_user_with_a_password() {
    let text = "values:\n  own: {username: watcher, password: {fn::secret: first-password}}\n  \
                number: 7\n  half: {username: watcher}\n";
    let environment = parsed(text);
    let shelf = Shelf::with(
        "shop/managing",
        "values: {monitor: {username: m, password: {fn::secret: second-password}}}",
    );
    let evaluator = Evaluator::new(&environment, "shop/orders", &shelf, &Brackets);
    for (reference, user) in [
        ("${own}", "watcher"),
        (" ${environments.shop.managing.monitor} ", "m"),
    ] {
        let found = evaluator.credential("monitor", reference);
        let found = found.unwrap_or_else(|found| panic!("{reference}: {found:?}"));
        assert_eq!(found.username.as_str(), user);
        assert!(found.password.is_some());
    }
    for (reference, summary) in [
        ("watcher", "expected a reference and nothing else"),
        ("${own}-x", "expected a reference and nothing else"),
        ("${own", "missing closing brace '}' in interpolation"),
        ("${onw}", "unknown property \"onw\"; did you mean \"own\"?"),
        ("${number}", "expected object, got number"),
        ("${half}", "missing required properties: password"),
        (
            "${environments.shop.nobody.x}",
            "there is no environment shop/nobody",
        ),
    ] {
        let found = evaluator
            .credential("monitor", reference)
            .expect_err(reference);
        assert!(found.iter().any(|one| one.summary == summary), "{found:?}");
        assert!(found.iter().all(|one| one.place.is_none()), "{found:?}");
    }
}
