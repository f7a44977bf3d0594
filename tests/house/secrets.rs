//! A type that holds a secret derives nothing that could spread or show it, and none
//! appears in the console's model.

use crate::source::{Source, closing, tree, words};
use crate::{assert_found, assert_nothing_found};

/// Types whose value must not be seen.
const SECRET_TYPES: [&str; 6] = [
    "Secret",
    "SecretString",
    "SecretBox",
    "Zeroizing",
    "DataKey",
    "MasterKey",
];

/// Types whose own `Debug` shows their value; the others redact it.
const SHOWN_BY_DEBUG: &str = "Zeroizing";

fn spreading_secrets(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for item in items(&source.code) {
            let names = |name: &&&str| words(item.body, name).next().is_some();
            let owns =
                |name: &&&str| words(item.body, name).any(|at| !is_borrowed(&item.body[..at]));
            let Some(secret) = SECRET_TYPES.iter().find(names) else {
                continue;
            };
            let line = source.line_of(item.at);
            let place = format!("{}:{line}: {}", source.path, item.name);
            for derived in ["Serialize", "Clone"] {
                // A copy of a borrow is no second secret; its text in JSON is one.
                let spreads = derived == "Serialize" || SECRET_TYPES.iter().any(|name| owns(&name));
                if item.derives(derived) && spreads {
                    found.push(format!("{place} holds {secret} and derives {derived}"));
                }
            }
            if item.derives("Debug") && names(&&SHOWN_BY_DEBUG) {
                found.push(format!("{place} holds {SHOWN_BY_DEBUG} and derives Debug"));
            }
            if source.path.starts_with("console/model") {
                found.push(format!("{place} holds {secret} in the console's model"));
            }
        }
    }
    found
}

/// Whether what stands before a type's name makes it a reference: `&` or `&'a `, and a
/// path before the name.
fn is_borrowed(before: &str) -> bool {
    let before = before.trim_end_matches(|character: char| {
        character.is_alphanumeric() || character == '_' || character == ':'
    });
    let before = before.trim_end();
    let without_lifetime = match before.rfind('\'') {
        Some(at)
            if before[at + 1..]
                .chars()
                .all(|character| character.is_alphanumeric() || character == '_') =>
        {
            &before[..at]
        }
        _ => before,
    };
    without_lifetime.ends_with('&')
}

/// A struct or an enum.
struct Item<'a> {
    at: usize,
    name: &'a str,
    /// Everything between the item before and this one: its attributes.
    attributes: &'a str,
    body: &'a str,
}

impl Item<'_> {
    fn derives(&self, name: &str) -> bool {
        words(self.attributes, "derive").any(|at| {
            let list = &self.attributes[at..];
            let end = list.find(')').unwrap_or(list.len());
            words(&list[..end], name).next().is_some()
        })
    }
}

fn items(code: &str) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    for keyword in ["struct", "enum"] {
        for at in words(code, keyword) {
            let after = &code[at + keyword.len()..];
            let name = after
                .trim_start()
                .split(|character: char| !character.is_alphanumeric() && character != '_')
                .next()
                .unwrap_or_default();
            // The body may follow generics and a where clause, none of which has braces.
            let Some(open) = after.find(['{', '(', ';']) else {
                continue;
            };
            let open = at + keyword.len() + open;
            let end = closing(code, open);
            let before = &code[..at];
            // An attribute may hold braces and brackets, but no item ends within one.
            let start = before.rfind(['}', ';']).map_or(0, |end| end + 1);
            items.push(Item {
                at,
                name,
                attributes: &before[start..],
                body: &code[open..end],
            });
        }
    }
    items
}

#[test]
fn types_that_hold_a_secret_derive_nothing_that_spreads_it() {
    assert_nothing_found(&spreading_secrets(&tree()));
}

#[test]
fn a_secret_that_could_spread_is_found() {
    let samples = [
        Source::new(
            "model/users.rs",
            "use x;\n#[derive(Debug, Clone)]\npub struct A { password: Secret }",
        ),
        Source::new(
            "store/row.rs",
            "#[derive(serde::Serialize)]\n#[serde(untagged)]\nenum B { One(Option<MasterKey>), Two }",
        ),
        Source::new(
            "secret/key.rs",
            "#[derive(Debug)]\nstruct C(Zeroizing<[u8; 32]>);",
        ),
        Source::new("console/model/run.rs", "struct D { shown: Secret }"),
        Source::new(
            "secret/fine.rs",
            "#[derive(Debug)]\nstruct E(Secret);\n#[derive(Clone)]\nstruct F(SecretId);\n\
             #[derive(Clone, Copy)]\nstruct G<'a> { one: &'a Secret, two: &crate::secret::Secret }",
        ),
        Source::new(
            "secret/borrowed.rs",
            "#[derive(Clone, Serialize)]\nstruct H<'a> { one: &'a Secret }",
        ),
        Source::new(
            "secret/both.rs",
            "#[derive(Clone)]\nstruct I<'a> { one: &'a Secret, two: Secret }",
        ),
    ];
    assert_found(
        &spreading_secrets(&samples),
        &[
            "model/users.rs:3: A holds Secret and derives Clone",
            "store/row.rs:3: B holds MasterKey and derives Serialize",
            "secret/key.rs:2: C holds Zeroizing and derives Debug",
            "D holds Secret in the console's model",
            "H holds Secret and derives Serialize",
            "I holds Secret and derives Clone",
        ],
    );
}
