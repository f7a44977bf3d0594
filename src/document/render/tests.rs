use crate::document::{Diagnostic, Document, RenderStyle, Segment, SourceText, render};

const CANARY: &str = "canary";

fn drawn(text: &str, diagnostics: &[Diagnostic]) -> String {
    let texts = [SourceText {
        source: "shop/orders",
        text,
    }];
    render(diagnostics, &texts, RenderStyle::Plain)
}

fn at(text: &str, path: &[Segment]) -> Diagnostic {
    let document = Document::load(text, "shop/orders").expect("it loads");
    let node = document.get(path).expect("it is there");
    Diagnostic::error("something is wrong").with_place("shop/orders", node.span)
}

#[test]
fn a_diagnostic_shows_its_line_with_a_caret_and_what_to_do() {
    let text = "values:\n  host: [1]\n";
    let diagnostic = at(text, &["values".into(), "host".into()])
        .with_path("values.host")
        .with_hint("write a name");
    insta::assert_snapshot!(drawn(text, &[diagnostic]), @r"
    error: something is wrong
     --> shop/orders:2:9
      |
    2 |   host: [1]
      |         ^^^
      |
      = note: at values.host
      = help: write a name
    ");
}

#[test]
fn secrets_are_hidden_and_the_place_stays_exact() {
    let text = "a: {password: canary1, host: x} # canary2 is not on the line of the secret\n";
    let diagnostic = at(text, &["a".into(), "host".into()]);
    let drawn = drawn(&text.replace(" # canary2", " # "), &[diagnostic]);
    assert!(!drawn.contains(CANARY), "{drawn}");
    assert!(drawn.contains("shop/orders:1:30"), "{drawn}");
    assert!(drawn.contains("password: ‹hidden›, host: x}"), "{drawn}");
}

#[test]
fn no_diagnostic_of_a_loaded_document_shows_a_secret() {
    let text = "\
values:
  db:
    user: shown
    password: canary # canary before
    key: {fn::secret: 'canary'}
  block:
    fn::secret: |
      canary
      canary: canary
  apiToken:
    - canary
    - {x: canary}
  folded:
    fn::secret: \"canary
      canary\"
";
    for (offset, _) in text.char_indices() {
        let span = crate::document::tree::span_of(text, offset, (offset + 3).min(text.len()));
        let drawn = drawn(
            text,
            &[Diagnostic::error("x").with_place("shop/orders", span)],
        );
        assert!(!drawn.contains(CANARY), "{drawn}");
    }
}

#[test]
fn no_syntax_error_shows_a_secret() {
    for text in [
        "password: *canary\n",
        "a: 1\npassword: \"canary\n",
        "a: 1\npassword: \"can\ncanary\n",
        "password: [canary\n b: canary\n",
        "fn::secret: |\n  x\n canary: canary\n",
        "values:\n\tpassword: canary\n",
        "secret:\n  deep:\n    x: canary\n   y: canary\n",
        "password: canary: canary\n",
        "- canary\nb: c\n",
        "password: canary\npassword: canary\n",
        "password: &canary canary\n",
        "password: !canary canary\n",
        "password: 'a'canary\n",
        "password: canary\0\n",
    ] {
        let diagnostics = Document::load(text, "shop/orders").expect_err(text);
        assert!(diagnostics.iter().all(|found| found.place.is_some()));
        let drawn = drawn(text, &diagnostics);
        assert!(!drawn.contains(CANARY), "{text}\n{drawn}");
    }
}

#[test]
fn an_innocent_syntax_error_shows_its_line() {
    let text = "a:\n  b: [1,2\n c: 3\n";
    let diagnostics = Document::load(text, "shop/orders").expect_err("a bracket is open");
    let drawn = drawn(text, &diagnostics);
    assert!(drawn.contains("c: 3"), "{drawn}");
}

#[test]
fn a_document_cannot_send_commands_to_the_terminal() {
    let text = "\"\\e[2J\u{202e}\": 1\n\"\\e[2J\u{202e}\": 2\n";
    let diagnostics = Document::load(text, "shop/orders").expect_err("a key stands twice");
    let diagnostic = diagnostics[0]
        .clone()
        .with_path("\u{1b}[2J")
        .with_hint("\u{9b}2J");
    let drawn = drawn(text, &[diagnostic]);
    let has_control =
        |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}');
    assert!(!drawn.contains(has_control), "{drawn:?}");
}
