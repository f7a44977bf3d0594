//! The ways back: of what shape each is, and what is said of it before somebody agrees.
//!
//! Every way back is one target user and one candidate password, a database write or none,
//! a proof by login, and a promote. None of them disables or drops a user, and three of them
//! change no password.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// One way back. The names are the same in code, tests, JSON and screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum Way {
    /// Consumers read the user in `previous` again, with the password it has.
    #[serde(rename = "re-promote")]
    Repromote,
    /// The same after the user, which we had locked, was let in again.
    #[serde(rename = "un-retire")]
    Unretire,
    /// The user in `previous` gets a new password and becomes current.
    #[serde(rename = "re-issue")]
    Reissue,
    /// The user in `current` gets the stored password, which consumers read, once more.
    #[serde(rename = "re-apply")]
    Reapply,
    /// The user that a published file names becomes current with the password that stands
    /// there: the store is older than the file.
    #[serde(rename = "import")]
    Import,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Repromote,
        Self::Unretire,
        Self::Reissue,
        Self::Reapply,
        Self::Import,
    ];

    /// The name, as in JSON and on screens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Repromote => "re-promote",
            Self::Unretire => "un-retire",
            Self::Reissue => "re-issue",
            Self::Reapply => "re-apply",
            Self::Import => "import",
        }
    }

    /// The candidate is a password that the target has already: nothing is sent that sets one.
    #[must_use]
    pub fn takes_known(self) -> bool {
        matches!(self, Self::Repromote | Self::Unretire | Self::Import)
    }

    /// The candidate is the password that the store holds of the user in `previous`: nothing is
    /// sealed either.
    #[must_use]
    pub fn takes_stored(self) -> bool {
        matches!(self, Self::Repromote | Self::Unretire)
    }

    /// Not one statement is sent to the database.
    #[must_use]
    pub fn sends_nothing(self) -> bool {
        matches!(self, Self::Repromote | Self::Import)
    }

    /// What it leaves alone.
    #[must_use]
    pub fn untouched(self) -> &'static str {
        match self {
            Self::Repromote | Self::Import => {
                "change any password in the database, lock, disable or drop a user, or end a session"
            }
            Self::Unretire => {
                "change any password in the database, disable or drop a user, or end a session"
            }
            Self::Reissue => {
                "change the password of the user that consumers read, disable or drop a user, or end a session"
            }
            Self::Reapply => {
                "change the password of the other user, disable or drop a user, or end a session"
            }
        }
    }

    /// What would make it the wrong way.
    #[must_use]
    pub fn wrong_if(self) -> &'static str {
        match self {
            Self::Repromote | Self::Unretire => {
                "the applications fail for another reason than the user they read: the old one would fail alike"
            }
            Self::Reissue => {
                "somebody still uses the user that gets a new password, on a node or through a pooler that the settings do not name"
            }
            Self::Reapply => {
                "somebody changed this password on purpose, or this is not the server that consumers reach"
            }
            Self::Import => {
                "the file is not what consumers read, or this is not the server that they reach"
            }
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl Serialize for Way {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|way| way.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no way back named {text:?}; name one of {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_is_read_by_its_name() {
        for way in Way::ALL {
            assert_eq!(way.name().parse(), Ok(way));
            let json = serde_json::to_string(&way).expect("writes");
            assert_eq!(json, format!("\"{way}\""));
            assert_eq!(serde_json::from_str::<Way>(&json).expect("reads"), way);
        }
        let error = "backwards".parse::<Way>().expect_err("no such way");
        assert!(error.contains("re-promote, un-retire"), "{error}");
    }
}
