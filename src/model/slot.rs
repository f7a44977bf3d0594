//! How far the run for one occurrence of a schedule has come.

use std::str::FromStr;

use serde::Serialize;

/// How far the run for one occurrence of a schedule has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotState {
    /// It was begun and is not over.
    Open,
    /// A rotation promoted everything.
    Done,
    /// Nothing was begun in its window.
    Missed,
    /// It was begun and needs a person.
    Failed,
}

impl SlotState {
    const ALL: [Self; 4] = [Self::Open, Self::Done, Self::Missed, Self::Failed];

    /// The word, as in JSON, in the store and on screens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Missed => "missed",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for SlotState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let found = Self::ALL.into_iter().find(|one| one.as_str() == text);
        found.ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_back_and_is_that_of_the_json() {
        for state in SlotState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            let json = serde_json::to_value(state).expect("plain data is JSON");
            assert_eq!(json, state.as_str());
        }
        assert_eq!("asleep".parse::<SlotState>(), Err(()));
    }
}
