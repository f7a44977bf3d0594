//! What a plain scalar means: null, a boolean, a number as written, or a string.
//!
//! The YAML 1.2 core rules: `yes`, `on` and `0123` are strings. `.inf` and `.nan`,
//! which JSON cannot say, stay strings as well.

/// A scalar's meaning.
#[derive(Clone, PartialEq, Eq)]
pub enum Literal<'a> {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number in JSON's notation, as written wherever that is possible.
    Number(String),
    /// Everything else.
    String(&'a str),
}

impl Literal<'_> {
    /// The word that diagnostics use for this type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
        }
    }
}

/// Resolves a plain scalar.
pub(super) fn resolve_plain(text: &str) -> Literal<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Literal::Null,
        "true" | "True" | "TRUE" => return Literal::Bool(true),
        "false" | "False" | "FALSE" => return Literal::Bool(false),
        _ => {}
    }
    match number(text) {
        Some(number) => Literal::Number(number),
        None => Literal::String(text),
    }
}

fn number(text: &str) -> Option<String> {
    if let Some(digits) = text.strip_prefix("0x") {
        let value = u64::from_str_radix(digits, 16).ok()?;
        return (!digits.starts_with('+')).then(|| value.to_string());
    }
    if let Some(digits) = text.strip_prefix("0o") {
        let value = u64::from_str_radix(digits, 8).ok()?;
        return (!digits.starts_with('+')).then(|| value.to_string());
    }
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => unsigned.split_at(at),
        None => (unsigned, ""),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !fraction.is_none_or(digits) {
        return None;
    }
    if whole.is_empty() && fraction.is_none_or(str::is_empty) {
        return None;
    }
    // A leading zero means octal to some readers and a string to others.
    if whole.len() > 1 && whole.starts_with('0') {
        return None;
    }
    if !exponent.is_empty() {
        let power = exponent[1..]
            .strip_prefix(['+', '-'])
            .unwrap_or(&exponent[1..]);
        if power.is_empty() || !digits(power) {
            return None;
        }
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = match fraction {
        None => String::new(),
        Some("") => ".0".to_owned(),
        Some(fraction) => format!(".{fraction}"),
    };
    Some(format!("{sign}{whole}{fraction}{exponent}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    #[test]
    fn numbers_stay_as_written_where_json_allows_it() {
        for (text, expected) in [
            ("42", "42"),
            ("-1.50", "-1.50"),
            ("1e5", "1e5"),
            ("+1", "1"),
            (".5", "0.5"),
            ("5.", "5.0"),
            ("-.5e-3", "-0.5e-3"),
            ("+1.E+5", "1.0E+5"),
            ("-0", "-0"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("0", "0"),
        ] {
            assert!(
                resolve_plain(text) == Literal::Number(expected.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_only_looks_like_a_number_is_a_string() {
        for text in [
            "0123", "1_000", "12:30:00", ".", "+", "1e", "0x", "1.2.3", ".inf", "0x+1", "-0x1",
            "0o8", "-01", "1e5e5", "e5", "-.e1", "٣",
        ] {
            assert!(resolve_plain(text) == Literal::String(text), "{text}");
        }
    }

    #[test]
    fn yes_and_on_are_strings() {
        for text in ["yes", "on", "NO", "y"] {
            assert!(resolve_plain(text) == Literal::String(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_number_is_one_in_json(text in "[-+]?(0x|0o)?[0-9a-f.]{0,5}([eE][-+]?[0-9]{0,4})?") {
            if let Literal::Number(number) = resolve_plain(&text) {
                // It checks the notation; a reader may have a limit of its own.
                let read = serde_json::from_str::<IgnoredAny>(&number);
                prop_assert!(read.is_ok(), "{text} became {number}");
            }
        }
    }
}
