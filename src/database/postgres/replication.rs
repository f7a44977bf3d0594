//! What PostgreSQL says of its standbys.

use tokio_postgres::Row;

use crate::model::Standby;
use crate::untrusted::Untrusted;

/// One row of the question for standbys; what is masked is NULL.
pub(super) fn standby(row: &Row) -> Standby {
    let text = |column: &str| row.get::<_, Option<&str>>(column).map(Untrusted::new);
    let or_empty = |column: &str| text(column).unwrap_or_else(|| Untrusted::new(""));
    Standby {
        application: or_empty("application_name"),
        client: text("client"),
        state: or_empty("state"),
        synchronous: row.get("synchronous"),
        flushed: row.get("flushed"),
        replayed: row.get("replayed"),
    }
}

/// How many standbys a commit waits for, by `synchronous_standby_names`: nothing,
/// `FIRST 2 (a, b)`, `ANY 2 (a, b)`, `2 (a, b)`, or a list of which one is enough.
pub(super) fn synchronous_wanted(names: &str) -> u32 {
    let names = names.trim();
    if names.is_empty() {
        return 0;
    }
    let after_keyword = ["first", "any"]
        .iter()
        .find_map(|keyword| {
            let (word, rest) = names.split_at_checked(keyword.len())?;
            (word.eq_ignore_ascii_case(keyword) && rest.starts_with(char::is_whitespace))
                .then(|| rest.trim_start())
        })
        .unwrap_or(names);
    let digits = after_keyword
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(after_keyword.len());
    let (number, rest) = after_keyword.split_at(digits);
    // A number that no list follows is a standby's name.
    if rest.trim_start().starts_with('(') {
        number.parse().unwrap_or(1)
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_standbys_that_a_commit_waits_for() {
        for (names, expected) in [
            ("", 0),
            ("  ", 0),
            ("missing", 1),
            ("*", 1),
            ("a, b", 1),
            ("FIRST 2 (a, b)", 2),
            ("first 3(a,b,c)", 3),
            ("ANY 2 (*)", 2),
            (" any  2  ( a , b ) ", 2),
            ("2 (a, b)", 2),
            ("2(a, b)", 2),
            ("2", 1),
            ("firstborn, any1", 1),
            ("\"FIRST 2 (a)\"", 1),
            ("é", 1),
        ] {
            assert_eq!(synchronous_wanted(names), expected, "{names}");
        }
    }
}
