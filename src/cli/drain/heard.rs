//! What is heard of a locked user, for people.

use crate::cli::style::Role;
use crate::drain::{Ear, Listening};

/// What it is called.
pub(super) fn label(heard: &Listening) -> (&'static str, Option<Role>) {
    let somebody = heard.refused.is_some_and(|refused| refused > 0);
    let word = match heard.state {
        Ear::Listening => "listening",
        Ear::Waiting => "waiting",
    };
    (word, somebody.then_some(Role::Danger))
}

/// `since` and `left` as they are written beside it.
pub(super) fn words(heard: &Listening, since: &str, left: &str) -> String {
    let found = match heard.refused {
        None => {
            "nobody can be heard: no server counts logins that a locked user is refused".to_owned()
        }
        Some(0) => "no login was refused".to_owned(),
        Some(1) => "1 login was refused: somebody still tries".to_owned(),
        Some(count) => format!("{count} logins were refused: somebody still tries"),
    };
    let left = match heard.left_seconds {
        0 => "the time to listen is over".to_owned(),
        _ => format!("{left} left"),
    };
    format!("locked since {since}; {found}; {left}")
}
