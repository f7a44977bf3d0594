use proptest::prelude::*;

use super::*;

const STATE: [Segment; 0] = [];

fn path(text: &str) -> Vec<Segment> {
    text.parse::<crate::document::PropertyPath>()
        .expect("a good path")
        .0
}

fn done(text: &str, at: &str, value: &Fragment) -> String {
    set(text, &path(at), value).expect("the edit is possible")
}

fn state(current: &str, previous: &str) -> Fragment {
    let user = |name: &str| {
        Fragment::mapping([
            ("username", Fragment::string(name)),
            (
                "password",
                Fragment::mapping([(
                    "fn::secret",
                    Fragment::mapping([("ciphertext", Fragment::String(format!("ZXNj{name}==")))]),
                )]),
            ),
        ])
    };
    Fragment::mapping([("current", user(current)), ("previous", user(previous))])
}

const SEED: &str = "\
# the shop
values:
    db: # rotated
        fn::rotate::postgres:
            inputs: { host: db, port: 5432 } # where
            state:
                # who is current
                current:
                    username: \"app_a\" # first
                    password: {fn::secret: {ciphertext: OLD}}
                previous:
                    username: app_b
                    password:
                        fn::secret: plain # to be sealed

    # the end
    last: x
";

#[test]
fn blank_lines_behind_what_is_removed_do_not_join_a_block_that_keeps_its_own() {
    let text = "a: |+\n x\n\nb: 1\n\nc: 2\n";
    assert_eq!(
        remove(text, &path("b")).as_deref().ok(),
        Some("a: |+\n x\n\nc: 2\n")
    );
    // Elsewhere they stay.
    let text = "a: |\n x\nb: 1\n\nc: 2\n";
    assert_eq!(
        remove(text, &path("b")).as_deref().ok(),
        Some("a: |\n x\n\nc: 2\n")
    );
}

#[test]
fn only_changed_leaves_are_written_and_comments_stay() {
    let edited = done(
        SEED,
        "values.db[\"fn::rotate::postgres\"].state",
        &state("app_b", "app_a"),
    );
    assert_eq!(
        edited,
        SEED.replace("\"app_a\" # first", "\"app_b\" # first")
            .replace("ciphertext: OLD", "ciphertext: ZXNjapp_b==")
            .replace("username: app_b\n", "username: app_a\n")
            .replace(
                "fn::secret: plain # to be sealed",
                "fn::secret: # to be sealed\n                            ciphertext: ZXNjapp_a=="
            )
    );
}

#[test]
fn state_is_added_with_the_indentation_of_its_neighbours() {
    let text =
        "values:\n    db:\n        fn::rotate::postgres:\n            inputs: {a: 1}\n    # end\n";
    let edited = done(
        text,
        "values.db[\"fn::rotate::postgres\"].state",
        &state("a", "b"),
    );
    let expected = "\
values:
    db:
        fn::rotate::postgres:
            inputs: {a: 1}
            state:
                current:
                    username: a
                    password:
                        fn::secret:
                            ciphertext: ZXNja==
                previous:
                    username: b
                    password:
                        fn::secret:
                            ciphertext: ZXNjb==
    # end
";
    assert_eq!(edited, expected);
}

#[test]
fn flow_style_stays_flow_style() {
    let text = "values: {db: {fn::rotate::postgres: {inputs: {a: 1}}}, x: [1, {b: 2}]} # c\n";
    let edited = done(
        text,
        "values.db[\"fn::rotate::postgres\"].state",
        &Fragment::mapping([("a", Fragment::string("b c"))]),
    );
    assert_eq!(
        edited,
        "values: {db: {fn::rotate::postgres: {inputs: {a: 1}, state: {a: \"b c\"}}}, x: [1, {b: 2}]} # c\n"
    );
    assert_eq!(
        done(text, "values.x[1].b", &Fragment::Number("3".to_owned())),
        text.replace("b: 2", "b: 3")
    );
}

#[test]
fn items_of_block_lists_are_reached() {
    let text = "values:\n  list:\n  - a: 1 # one\n    b: 2\n  -\n    # two\n    a: 3\n  - x\n";
    assert_eq!(
        done(text, "values.list[0].a", &Fragment::string("why")),
        text.replace("a: 1", "a: why")
    );
    assert_eq!(
        done(
            text,
            "values.list[1].c",
            &Fragment::mapping([("d", Fragment::Null)])
        ),
        text.replace("    a: 3\n", "    a: 3\n    c:\n      d: null\n")
    );
    assert_eq!(
        done(
            text,
            "values.list[2]",
            &Fragment::mapping([("d", Fragment::Bool(true)), ("e", Fragment::Null)])
        ),
        text.replace("  - x\n", "  - d: true\n    e: null\n")
    );
    assert_eq!(
        done(text, "values.list[0]", &Fragment::string("s")),
        text.replace("- a: 1 # one\n    b: 2", "- s")
    );
    assert_eq!(
        remove(text, &path("values.list[0].a")).expect("removed"),
        text.replace("a: 1 # one\n    b: 2", " # one\n    b: 2")
    );
    assert_eq!(
        remove(text, &path("values.list[1]")).expect("removed"),
        text.replace("  -\n    # two\n    a: 3\n", "")
    );
}

#[test]
fn empty_and_unusual_documents_can_be_edited() {
    let one = Fragment::Number("1".to_owned());
    assert_eq!(done("", "a.b", &one), "a:\n  b: 1\n");
    assert_eq!(done("# only\n", "a", &one), "# only\na: 1\n");
    assert_eq!(done("a:", "a.b", &one), "a:\n  b: 1");
    assert_eq!(
        done("a: # c\nd: 2\n", "a.b", &one),
        "a: # c\n  b: 1\nd: 2\n"
    );
    assert_eq!(done("a: {}\n", "a.b", &one), "a: {b: 1}\n");
    assert_eq!(
        done("a: 1\r\nb: 2\r\n", "c.d", &one),
        "a: 1\r\nb: 2\r\nc:\r\n  d: 1\r\n"
    );
    assert_eq!(done("\u{feff}a: 0\n", "a", &one), "\u{feff}a: 1\n");
    assert_eq!(done("a: |+\n  x\n\nb: 2\n", "a", &one), "a: 1\nb: 2\n");
    assert_eq!(
        done("a: |\n  x\n  y\n\n# c\nb: 2\n", "a", &one),
        "a: 1\n\n# c\nb: 2\n"
    );
    assert_eq!(
        done("a:\n  x: |+\n    t\n\nb: 2\n", "a.w", &one),
        "a:\n  x: |+\n    t\n\n  w: 1\nb: 2\n"
    );
    assert_eq!(
        done("\"a\" : 'x'\n", "a", &Fragment::string("it's")),
        "\"a\" : 'it''s'\n"
    );
    assert_eq!(remove("a: 1\n", &path("a")).expect("removed"), "");
    assert_eq!(
        remove("a:\n  b: 1\nc: 2\n", &path("a.b")).expect("removed"),
        "a: {}\nc: 2\n"
    );
    assert_eq!(
        remove("a: {b: 1, c: 2}\n", &path("a.c")).expect("removed"),
        "a: {b: 1}\n"
    );
}

#[test]
fn an_object_in_place_of_a_list_below_its_key_is_indented() {
    let value = Fragment::mapping([("c", Fragment::Number("1".to_owned()))]);
    assert_eq!(done("a:\n- x\nb: 2\n", "a", &value), "a:\n  c: 1\nb: 2\n");
}

#[test]
fn a_kept_block_scalar_at_the_end_is_removed_with_its_blank_lines() {
    let text = "a:\n  b:\n    c: |+\n      x\n\n  d: 1\n";
    assert_eq!(remove(text, &path("a.b")).expect("removed"), "a:\n  d: 1\n");
}

#[test]
fn impossible_edits_are_refused() {
    let one = Fragment::Number("1".to_owned());
    assert!(set("a: x\n", &path("a.b"), &one).is_err());
    assert!(set("a: [1]\n", &path("a[1]"), &one).is_err());
    assert!(set("a: 1\na: 2\n", &path("a"), &one).is_err());
    assert!(set("a: 1\n", &STATE, &one).is_err());
    assert!(remove("a: 1\n", &path("b")).is_err());
}

#[test]
fn a_slice_is_dedented_and_keeps_its_comments() {
    let document = Document::load(SEED, "x").expect("it loads");
    let node = document
        .get(&path("values.db[\"fn::rotate::postgres\"].state.current"))
        .expect("there");
    assert_eq!(
        slice(&document, node),
        "username: \"app_a\" # first\npassword: {fn::secret: {ciphertext: OLD}}\n"
    );
    let node = document
        .get(&path("values.db[\"fn::rotate::postgres\"].state"))
        .expect("there");
    assert!(slice(&document, node).starts_with("# who is current\ncurrent:\n    username"));
    let node = document.get(&path("values.last")).expect("there");
    assert_eq!(slice(&document, node), "x");
}

fn scalar() -> impl Strategy<Value = Fragment> {
    prop_oneof![
        Just(Fragment::Null),
        any::<bool>().prop_map(Fragment::Bool),
        any::<i32>().prop_map(|number| Fragment::Number(number.to_string())),
        "[a-z ]{0,8}".prop_map(Fragment::String),
        "\\PC{0,8}".prop_map(Fragment::String),
        prop::sample::select(vec![
            "null", "yes", "1.0", "a: b", "#x", "- x", "x\ny\n", "{", "é", "~", "0x1F", "'", "\"",
            "\t", "a\u{85}b", "x:"
        ])
        .prop_map(Fragment::string),
    ]
}

fn fragment() -> impl Strategy<Value = Fragment> {
    scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Fragment::Sequence),
            prop::collection::btree_map(
                "[a-z]{1,3}|fn::[a-z]{2}|[a-z ]{0,4}|[0-9]{1,2}",
                inner,
                0..4
            )
            .prop_map(|entries| Fragment::Mapping(entries.into_iter().collect())),
        ]
    })
}

/// Writes a fragment with comments, blank lines and both styles, by a list of choices.
fn written(
    value: &Fragment,
    indent: usize,
    step: usize,
    dice: &mut impl Iterator<Item = u8>,
) -> String {
    let mut roll = |sides: u8| dice.next().unwrap_or(0) % sides;
    let comment = |roll: u8| if roll == 0 { " # note: {x" } else { "" };
    if let Fragment::String(text) = value
        && text == "x\ny\n"
        && indent > 0
        && roll(2) == 0
    {
        let header = ["|", "|+", "|-", ">"][usize::from(roll(4))];
        let margin = " ".repeat(indent);
        let gap = ["", "\n"][usize::from(roll(2))];
        return format!(" {header}{}\n{margin}x\n{margin}y\n{gap}", comment(roll(4)));
    }
    if is_inline(value) || roll(5) == 0 {
        let style = [
            ScalarStyle::Plain,
            ScalarStyle::DoubleQuoted,
            ScalarStyle::SingleQuoted,
        ];
        let style = style[usize::from(roll(3))];
        return format!(" {}{}\n", flow_text(value, style), comment(roll(4)));
    }
    let margin = " ".repeat(indent);
    let mut text = format!("{}\n", comment(roll(4)));
    match value {
        Fragment::Mapping(entries) => {
            for (key, value) in entries {
                match dice.next().unwrap_or(0) % 6 {
                    0 => text.push_str(&format!("{margin}# above: [\n")),
                    1 => text.push('\n'),
                    _ => {}
                }
                text.push_str(&format!("{margin}{}:", key_text(key)));
                let is_list = matches!(value, Fragment::Sequence(_));
                let inner = if is_list && dice.next().unwrap_or(0).is_multiple_of(2) {
                    indent
                } else {
                    indent + step
                };
                text.push_str(&written(value, inner, step, dice));
            }
        }
        Fragment::Sequence(items) => {
            for item in items {
                if dice.next().unwrap_or(0).is_multiple_of(6) {
                    text.push_str(&format!("{margin}# - item\n"));
                }
                text.push_str(&format!("{margin}-"));
                text.push_str(&written(item, indent + 2, step, dice));
            }
        }
        _ => {}
    }
    text
}

fn document() -> impl Strategy<Value = (String, Fragment, Fragment)> {
    let dice = prop::collection::vec(any::<u8>(), 64);
    (
        fragment(),
        fragment(),
        fragment(),
        fragment(),
        1..5_usize,
        dice,
    )
        .prop_map(|(before, old, after, new, step, dice)| {
            let node = Fragment::Mapping(vec![
                ("before".to_owned(), before),
                ("state".to_owned(), old.clone()),
                ("z".to_owned(), after),
            ]);
            let root = Fragment::Mapping(vec![(
                "values".to_owned(),
                Fragment::Mapping(vec![(
                    "fn::rotate".to_owned(),
                    Fragment::Sequence(vec![node]),
                )]),
            )]);
            let text = written(&root, 0, step, &mut dice.into_iter());
            let text = text.trim_start_matches([' ', '\n']).to_owned();
            let text = if text.starts_with("# note") {
                text
            } else {
                format!("# top\n{text}")
            };
            (text, old, new)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn replacing_a_node_changes_its_lines_only((text, _, new) in document()) {
        let at = path("values[\"fn::rotate\"][0].state");
        let document = Document::load(&text, "x").expect("the generator writes YAML");
        let node = document.get(&at).expect("it was written");
        let edited = match set(&text, &at, &new) {
            Ok(edited) => edited,
            Err(error) => return Err(TestCaseError::fail(format!("{error:?}\n{text}\n{new:?}"))),
        };
        // Everything above the node's first line and below its last is as it was.
        let first = line_start(&text, node.span.start);
        let marker_line = line_start(&text, marker_end(
            &text,
            document.get(&at[..3]).expect("it was written"),
            &at[3],
        ).expect("it has a marker"));
        let head = &text[..first.min(marker_line)];
        let tail = &text[block_end(&text, node.span.end)..];
        prop_assert!(edited.starts_with(head), "{text}\n---\n{edited}");
        prop_assert!(edited.ends_with(tail), "{text}\n---\n{edited}");
        let again = set(&edited, &at, &new).expect("it can be set again");
        prop_assert_eq!(again, edited);
    }

    #[test]
    fn adding_and_removing_a_key_gives_the_old_text_back((text, _, new) in document()) {
        let at = path("values[\"fn::rotate\"][0].added");
        let added = match set(&text, &at, &new) {
            Ok(edited) => edited,
            Err(error) => return Err(TestCaseError::fail(format!("{error:?}\n{text}\n{new:?}"))),
        };
        let removed = remove(&added, &at);
        prop_assert!(removed.is_ok(), "{}\n---\n{}", text, added);
        prop_assert_eq!(removed.expect("it was just seen"), text);
    }

    #[test]
    fn loading_and_drawing_any_text_never_panics(text in "[ab:{}\\[\\]#\\-\\n \"'|>&*!?%é\t,]{0,40}") {
        if let Err(diagnostics) = Document::load(&text, "x") {
            let texts = [crate::document::SourceText { source: "x", text: &text }];
            let _ = crate::document::render(&diagnostics, &texts, crate::document::RenderStyle::Plain);
        }
    }

    #[test]
    fn removing_any_node_is_exact((text, _, _) in document(), place in prop::sample::select(vec![
        "values[\"fn::rotate\"][0].before", "values[\"fn::rotate\"][0].state",
        "values[\"fn::rotate\"][0].z", "values[\"fn::rotate\"][0]", "values[\"fn::rotate\"]", "values",
    ])) {
        let removed = remove(&text, &path(place));
        prop_assert!(removed.is_ok(), "{place}\n{text}\n{removed:?}");
    }
}
