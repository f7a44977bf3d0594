use crate::document::{Document, Literal, Segment};

fn refusal(text: &str) -> (String, usize, usize) {
    let found = Document::load(text, "x")
        .expect_err("it is refused")
        .remove(0);
    assert!(found.hint.is_some(), "{text}");
    let place = found.place.expect("it has a place");
    (found.summary, place.line, place.column)
}

#[test]
fn every_refusal_has_its_place_and_a_remedy() {
    for (text, summary, line, column) in [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "duplicate key \"c\"", 4, 3),
        ("a:\n\tb: 1\n", "tabs cannot indent", 2, 2),
        ("a: *b\n", "aliases are not supported", 1, 4),
        ("a: &b 1\n", "anchors are not supported", 1, 7),
        ("a: {<<: {}}\n", "merge keys are not supported", 1, 5),
        ("a: !!str 1\n", "tags are not supported", 1, 10),
        ("a: 1\n---\nb: 1\n", "there is more than one document", 2, 1),
        ("é: 1\n34: x\n", "object keys must be strings", 2, 1),
        ("? [a]\n: 1\n", "object keys must be strings", 1, 3),
        ("a: \"\0\"\n", "the document contains a NUL character", 1, 5),
        (
            "a: 1\rb: 2\n",
            "a carriage return stands without a line feed",
            1,
            5,
        ),
    ] {
        assert_eq!(
            refusal(text),
            (summary.to_owned(), line, column),
            "{text:?}"
        );
    }
}

#[test]
fn limits_are_kept() {
    assert_eq!(
        refusal(&"[".repeat(100_000)).0,
        "the document is nested deeper than 64 levels"
    );
    assert_eq!(
        refusal(&" ".repeat((4 << 20) + 1)).0,
        "the document is longer than 4 MiB"
    );
    let many = format!("a: [{}]\n", "1,".repeat(200_000));
    assert_eq!(
        refusal(&many).0,
        "the document has more than 200,000 keys and values"
    );
}

#[test]
fn both_places_of_a_duplicate_are_named() {
    let found = Document::load("a: 1\na: 2\n", "x").expect_err("it is refused");
    assert_eq!(
        found[0].hint.as_deref(),
        Some("it stands at 1:1 already; remove one of the two")
    );
}

#[test]
fn nothing_is_an_empty_object() {
    for text in ["", "# only a comment\n", "---\n", "null\n"] {
        let document = Document::load(text, "x").expect("it loads");
        assert_eq!(
            document.root().entries().map(<[_]>::len),
            Some(0),
            "{text:?}"
        );
    }
}

#[test]
fn columns_count_characters_and_survive_bom_and_crlf() {
    let text = "\u{feff}a: \"世界\"\r\nb: {é: x, c: y}\r\nd: |\r\n  t\r\ne: z\r\n";
    let document = Document::load(text, "x").expect("it loads");
    let place = |path: &[Segment]| {
        let span = document.get(path).expect("it is there").span;
        (&text[span.start..span.end], span.line, span.column)
    };
    assert_eq!(place(&["a".into()]), ("\"世界\"", 1, 4));
    assert_eq!(place(&["b".into(), "c".into()]), ("y", 2, 14));
    assert_eq!(place(&["d".into()]), ("|\r\n  t", 3, 4));
    assert_eq!(place(&["e".into()]), ("z", 5, 4));
}

#[test]
fn block_collections_end_with_their_last_child() {
    let text = "a:\n  - b: 1\n\n# c\nd: 2\n";
    let document = Document::load(text, "x").expect("it loads");
    let span = document.get(&["a".into()]).expect("it is there").span;
    assert_eq!(
        (&text[span.start..span.end], span.line, span.column),
        ("- b: 1", 2, 3)
    );
}

#[test]
fn quotes_make_strings() {
    let document = Document::load("a: 1\nb: \"1\"\nc: |\n  1\nd:\n", "x").expect("it loads");
    let literal = |key: &str| {
        document
            .get(&[key.into()])
            .and_then(crate::document::Node::literal)
    };
    assert!(literal("a") == Some(Literal::Number("1".to_owned())));
    assert!(literal("b") == Some(Literal::String("1")));
    assert!(literal("c") == Some(Literal::String("1\n")));
    assert!(literal("d") == Some(Literal::Null));
}

#[test]
fn debug_output_shows_no_scalar() {
    let document = Document::load("a: canary\nb: [canary]\n", "x").expect("it loads");
    let debugged = format!("{document:?} {:?}", document.root());
    assert!(!debugged.contains("canary"), "{debugged}");
}
