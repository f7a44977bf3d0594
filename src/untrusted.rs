//! Text that came from a database or a network, made safe to draw.
//!
//! Role, database and application names may hold escape sequences, and so may the
//! messages of a server. They pass through [`Untrusted`] once, where they enter the
//! program; from then on they can go to a terminal, a table or JSON.

use std::fmt;

use serde::{Serialize, Serializer};

/// Longest text that is kept, in characters, marks included; the rest is cut with a mark.
const LONGEST: usize = 400;

/// Text in which control, bidi and zero-width characters are visible marks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Untrusted(String);

impl Untrusted {
    /// Takes raw text and replaces everything that a terminal would act upon. Text that has
    /// passed stays as it is when it passes again, such as on its way back from the store.
    #[must_use]
    pub fn new(raw: &str) -> Self {
        // Nearly all of it is short and plain, and one look at a server has thousands of them.
        if raw.len() <= LONGEST && raw.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Self(raw.to_owned());
        }
        let mut safe = String::with_capacity(raw.len());
        let mut length = 0;
        for character in raw.chars() {
            let before = safe.len();
            push_visible(&mut safe, character);
            length += safe.get(before..).map_or(0, |added| added.chars().count());
            if length > LONGEST {
                safe.truncate(before);
                safe.push('…');
                break;
            }
        }
        Self(safe)
    }

    /// The safe text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn push_visible(safe: &mut String, character: char) {
    match character {
        // The control pictures block mirrors C0 one to one.
        '\u{0}'..='\u{1f}' => {
            let picture = char::from_u32(0x2400 + u32::from(character));
            safe.push(picture.unwrap_or('␦'));
        }
        '\u{7f}' => safe.push('␡'),
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => {
            safe.push_str(&format!("‹U+{:04X}›", u32::from(character)));
        }
        _ => safe.push(character),
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Serialize for Untrusted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_and_bidi_overrides_become_marks() {
        let raw = "\u{1b}[31mred\u{7}\r\n\u{202e}gnol\u{200b}";
        assert_eq!(
            Untrusted::new(raw).as_str(),
            "␛[31mred␇␍␊‹U+202E›gnol‹U+200B›"
        );
    }

    #[test]
    fn ordinary_text_of_any_language_stays() {
        let raw = "Bestellungen für Zürich – 注文";
        assert_eq!(Untrusted::new(raw).as_str(), raw);
    }

    proptest! {
        #[test]
        fn no_control_character_survives(raw in any::<String>()) {
            let safe = Untrusted::new(&raw);
            prop_assert!(!safe.as_str().chars().any(char::is_control));
        }

        #[test]
        fn what_has_passed_stays_as_it_is(raw in "[a\u{1b}\u{202e}…]{0,500}") {
            let safe = Untrusted::new(&raw);
            prop_assert!(safe.as_str().chars().count() <= LONGEST + 1);
            prop_assert_eq!(Untrusted::new(safe.as_str()), safe);
        }
    }
}
