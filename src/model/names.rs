//! Names of environments and rotations.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// `project/name`, as it is written on the command line and in references.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentName {
    project: String,
    name: String,
}

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not of the form `project/name`.
    #[error("an environment is named `project/name`; each part has 1 to 100 of A-Z a-z 0-9 - _ .")]
    Environment,
    /// Not of the form `R-0001`.
    #[error("a rotation is named like `R-0001`")]
    Rotation,
}

impl EnvironmentName {
    /// The part before the slash.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The part behind the slash.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn is_name_part(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=100).contains(&text.len())
        && text.bytes().all(allowed)
        && text.bytes().any(|byte| byte != b'.')
}

impl FromStr for EnvironmentName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (project, name) = text.split_once('/').ok_or(NameError::Environment)?;
        if !is_name_part(project) || !is_name_part(name) {
            return Err(NameError::Environment);
        }
        Ok(Self {
            project: project.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for EnvironmentName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{}/{}", self.project, self.name))
    }
}

impl Serialize for EnvironmentName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The number of a rotation, drawn as `R-0001`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct RotationId(pub u64);

impl FromStr for RotationId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("R-")
            .and_then(|number| number.parse().ok())
            .map(Self)
            .ok_or(NameError::Rotation)
    }
}

impl fmt::Display for RotationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("R-{:04}", self.0))
    }
}

impl Serialize for RotationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_names_have_two_plain_parts() {
        let name: EnvironmentName = "shop/orders-2.eu_west".parse().expect("a name");
        assert_eq!(name.to_string(), "shop/orders-2.eu_west");
        for text in ["orders", "a/b/c", "/x", "x/", "a b/c", "../x", "a/\u{1b}"] {
            assert_eq!(
                text.parse::<EnvironmentName>(),
                Err(NameError::Environment),
                "{text:?}"
            );
        }
    }

    #[test]
    fn rotation_ids_are_padded_and_read_back() {
        assert_eq!(RotationId(1).to_string(), "R-0001");
        assert_eq!("R-12345".parse(), Ok(RotationId(12345)));
        assert_eq!("X-1".parse::<RotationId>(), Err(NameError::Rotation));
    }
}
