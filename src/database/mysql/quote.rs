//! Names and texts within statements.
//!
//! What is written here means the same in every `sql_mode`: also with
//! `NO_BACKSLASH_ESCAPES`, and with `ANSI_QUOTES`. What cannot be written so is refused.

use super::Account;
use crate::untrusted::Untrusted;

/// A name between backticks, in which a backslash is no escape in any mode. Control
/// characters are refused.
pub(super) fn identifier(name: &str) -> Option<String> {
    let refused = name.chars().any(char::is_control);
    (!refused).then(|| format!("`{}`", name.replace('`', "``")))
}

/// Both parts of an account; each is a name, so that backticks serve for the host, too.
pub(super) fn account(account: &Account) -> Option<String> {
    Some(format!(
        "{}@{}",
        identifier(&account.user)?,
        identifier(&account.host)?
    ))
}

/// A text between single quotes. Whether a backslash within it is an escape depends on the
/// session that runs the statement, so a text with one is refused.
pub(super) fn literal(text: &str) -> Option<String> {
    let refused = text
        .chars()
        .any(|character| character == '\\' || character.is_control());
    (!refused).then(|| format!("'{}'", text.replace('\'', "''")))
}

/// A statement that people read and run: refused where a terminal would show another one.
/// There is no way to write a character as an escape within backticks.
pub(super) fn safe_to_draw(statement: &str) -> bool {
    statement.lines().all(|line| {
        let mut buffer = [0; 4];
        line.chars().all(|character| {
            let one: &str = character.encode_utf8(&mut buffer);
            Untrusted::new(one).as_str() == one
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_names() {
        assert_eq!(identifier("a`; DROP").as_deref(), Some("`a``; DROP`"));
        assert_eq!(identifier("it's\\").as_deref(), Some("`it's\\`"));
        assert_eq!(identifier("a\u{1b}[2J"), None);
        let account_of_two = Account {
            user: "a@b".to_owned(),
            host: "10.%".to_owned(),
        };
        assert_eq!(account(&account_of_two).as_deref(), Some("`a@b`@`10.%`"));
    }

    #[test]
    fn a_text_that_means_something_else_in_another_mode_is_refused() {
        assert_eq!(literal("/CN=it's").as_deref(), Some("'/CN=it''s'"));
        assert_eq!(literal("a\\b"), None);
        assert_eq!(literal("a\u{0}"), None);
    }

    #[test]
    fn a_statement_with_what_turns_the_line_around_is_not_drawn() {
        assert!(safe_to_draw("GRANT `a` TO `b`;\nGRANT `ü` TO `注`;"));
        assert!(!safe_to_draw("GRANT `a\u{202e}` TO `b`;"));
        assert!(!safe_to_draw("GRANT `a\u{1b}[2J` TO `b`;"));
    }
}
