use super::*;
use crate::model::NoticeKind;

#[test]
fn webhooks_are_read_with_their_kinds_and_their_authority() {
    let text = "\
webhooks:
  - url: https://Hooks.example.com:443/handover
    secret: ${environments.ops.webhooks.handover}
    kinds: [rotation.*, drain.late_login]
    ca: ./hooks.pem
  - {url: https://other.example.com, secret: \"${keys.other}\"}
";
    let settings = parse(text).expect("is good");
    let [first, second] = settings.webhooks() else {
        panic!("not two: {:?}", settings.webhooks());
    };
    assert_eq!(first.url, "https://hooks.example.com/handover");
    assert!(first.wants(NoticeKind::RotationParked));
    assert!(!first.wants(NoticeKind::DrainDrained));
    assert_eq!(first.ca.as_deref(), Some("./hooks.pem"));
    assert_eq!(second.url, "https://other.example.com/");
    assert!(NoticeKind::ALL.into_iter().all(|kind| second.wants(kind)));
    assert_eq!(settings.files().len(), 1);
    assert!(parse("webhooks:").expect("is good").webhooks().is_empty());
}

#[test]
fn what_is_no_webhook_is_refused_at_its_place() {
    let good = "secret: \"${a.b}\"";
    for (text, part) in [
        (format!("{{url: http://a.example, {good}}}"), "https alone"),
        (
            format!("{{url: \"https://u:p@a.example\", {good}}}"),
            "hold no secrets",
        ),
        (format!("{{url: nowhere, {good}}}"), "expected an address"),
        (
            format!("{{url: \"https://a.example/#x\", {good}}}"),
            "fragment",
        ),
        (
            format!("{{url: https://a.example, {good}, kinds: []}}"),
            "nothing would ever",
        ),
        (
            format!("{{url: https://a.example, {good}, kinds: [rotation.suceeded]}}"),
            "did you mean \"rotation.succeeded\"",
        ),
        (
            format!("{{url: https://a.example, {good}, retries: 3}}"),
            "unknown property",
        ),
        (
            "{url: https://a.example}".to_owned(),
            "needs a `url` and a `secret`",
        ),
        (
            "{url: https://a.example, secret: whsec_AAAA}".to_owned(),
            "expected a reference to a secret",
        ),
        ("x".to_owned(), "expected object"),
    ] {
        let found = findings(&format!("webhooks: [{text}]"));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].0.contains(part), "{text}: {found:?}");
    }
    let twice = format!("{{url: https://a.example, {good}}}");
    let found = findings(&format!("webhooks: [{twice}, {twice}]"));
    assert!(found[0].0.contains("twice"), "{found:?}");
}
