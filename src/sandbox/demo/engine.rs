//! What each engine has of its own in the fixtures: the statements that make the demo's
//! users, and what they hold in place of a password.

use zeroize::Zeroizing;

use crate::model::{Engine, Flavour};
use crate::process::random_bytes;
use crate::secret::{
    CACHING_SHA2_SALT_LENGTH, CachingSha2Hash, NativePasswordHash, SCRAM_SALT_LENGTH,
    ScramVerifier, Secret, VerifierError,
};

/// Roles, tables and a few rows.
pub(super) fn setup(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Postgresql => include_str!("../../../fixtures/demo/postgres.sql"),
        Flavour::Mysql => include_str!("../../../fixtures/demo/mysql.sql"),
        Flavour::Mariadb => include_str!("../../../fixtures/demo/mariadb.sql"),
    }
}

/// What the server stores of a password, as a literal of a statement. The plugins are
/// those that the servers give a user by default.
pub(super) fn verifier(
    flavour: Flavour,
    password: &Secret,
) -> Result<Zeroizing<String>, VerifierError> {
    let quoted = |text: &str| Zeroizing::new(format!("'{text}'"));
    Ok(match flavour {
        Flavour::Postgresql => {
            let salt = random_bytes::<SCRAM_SALT_LENGTH>();
            quoted(ScramVerifier::derive(password, &salt)?.as_str())
        }
        Flavour::Mysql => {
            let salt = random_bytes::<CACHING_SHA2_SALT_LENGTH>();
            CachingSha2Hash::derive(password, &salt)?.hex_literal()
        }
        Flavour::Mariadb => quoted(NativePasswordHash::derive(password)?.as_str()),
    })
}

/// Under which provider a document names its server.
pub(super) fn provider(flavour: Flavour) -> Engine {
    match flavour {
        Flavour::Postgresql => Engine::Postgres,
        Flavour::Mysql | Flavour::Mariadb => Engine::Mysql,
    }
}

/// The database that holds the applications' tables.
pub(super) fn database(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Postgresql => "postgres",
        Flavour::Mysql | Flavour::Mariadb => "shop",
    }
}
