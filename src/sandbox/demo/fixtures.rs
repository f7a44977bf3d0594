//! The files below `fixtures/demo/`, part of the program, and the passwords that are made
//! for each run.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::engine;
use crate::model::Flavour;
use crate::process::generate_password;
use crate::secret::Secret;

/// The managing user's environment.
pub(super) const MANAGING: &str = include_str!("../../../fixtures/demo/managing.yaml");
const SETTINGS: &str = include_str!("../../../fixtures/demo/settings.yaml");

const PASSWORD_LENGTH: usize = 32;

/// One application of the demo: its environment, its pair of users and its pool.
pub(super) struct Application {
    /// The environment's name within the project, the table's name, and what the names of
    /// both users begin with.
    pub(super) name: &'static str,
    /// Its document.
    pub(super) document: &'static str,
    /// What `protect` says.
    pub(super) protect: &'static str,
    /// How its sessions name themselves.
    pub(super) pool: &'static str,
    /// How many sessions its pool holds.
    pub(super) sessions: usize,
}

pub(super) const ORDERS: Application = Application {
    name: "orders",
    document: include_str!("../../../fixtures/demo/orders.yaml"),
    protect: "none",
    pool: "orders-api",
    sessions: 6,
};

pub(super) const BILLING: Application = Application {
    name: "billing",
    document: include_str!("../../../fixtures/demo/billing.yaml"),
    protect: "none",
    pool: "billing-worker",
    sessions: 5,
};

pub(super) const REPORTS: Application = Application {
    name: "reports",
    document: include_str!("../../../fixtures/demo/reports.yaml"),
    protect: "none",
    pool: "nightly-report",
    sessions: 3,
};

pub(super) const SEARCH: Application = Application {
    name: "search",
    document: include_str!("../../../fixtures/demo/search.yaml"),
    protect: "none",
    pool: "search-indexer",
    sessions: 3,
};

pub(super) const PAYMENTS: Application = Application {
    name: "payments",
    document: include_str!("../../../fixtures/demo/payments.yaml"),
    protect: "production",
    pool: "payments-api",
    sessions: 4,
};

pub(super) const APPLICATIONS: [&Application; 5] =
    [&ORDERS, &BILLING, &REPORTS, &SEARCH, &PAYMENTS];

/// The managing user of all environments.
pub(super) const MANAGER: &str = "shop_managing";

/// The passwords of this run, by role.
pub(super) struct Passwords(BTreeMap<String, Secret>);

impl Passwords {
    /// Makes one for every role.
    pub(super) fn generate() -> Self {
        let pairs = APPLICATIONS
            .iter()
            .flat_map(|application| ["a", "b"].map(|turn| format!("{}_{turn}", application.name)));
        Self(
            pairs
                .chain([MANAGER.to_owned()])
                .map(|role| (role, generate_password(PASSWORD_LENGTH)))
                .collect(),
        )
    }

    /// A copy of the password of `role`, for the pool that does not read an environment.
    pub(super) fn of(&self, role: &str) -> Option<Secret> {
        self.0.get(role).map(Secret::duplicate)
    }

    /// The statements that make roles, tables and a few rows: they hold verifiers, and no
    /// password.
    pub(super) fn setup(&self, flavour: Flavour) -> Result<Zeroizing<String>, String> {
        let mut text = Zeroizing::new(engine::setup(flavour).to_owned());
        for (role, password) in &self.0 {
            let verifier = engine::verifier(flavour, password)
                .map_err(|error| format!("no verifier for {role}: {error}"))?;
            let mark = format!("{{{{{role}.verifier}}}}");
            text = Zeroizing::new(text.replace(&mark, &verifier));
        }
        match text.contains("{{") {
            true => Err(UNFILLED.to_owned()),
            false => Ok(text),
        }
    }

    /// A document with its passwords, and where the server is.
    pub(super) fn document(
        &self,
        text: &str,
        flavour: Flavour,
        port: u16,
    ) -> Result<Zeroizing<String>, String> {
        let place = text
            .replace("{{provider}}", engine::provider(flavour).as_str())
            .replace("{{database}}", engine::database(flavour))
            .replace("{{port}}", &port.to_string());
        let mut text = Zeroizing::new(place);
        for (role, password) in &self.0 {
            let mark = format!("{{{{{role}.password}}}}");
            text = Zeroizing::new(text.replace(&mark, password.expose()));
        }
        match text.contains("{{") {
            true => Err(UNFILLED.to_owned()),
            false => Ok(text),
        }
    }
}

/// The settings of an application.
pub(super) fn settings(application: &Application) -> Result<String, String> {
    let text = SETTINGS
        .replace("{{protect}}", application.protect)
        .replace("{{table}}", application.name);
    match text.contains("{{") {
        true => Err(UNFILLED.to_owned()),
        false => Ok(text),
    }
}

const UNFILLED: &str = "a file below fixtures/demo/ has a placeholder that nothing fills";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled_and_no_password_stands_in_a_statement() {
        let passwords = Passwords::generate();
        for flavour in [Flavour::Postgresql, Flavour::Mysql, Flavour::Mariadb] {
            let statements = passwords.setup(flavour).expect("is filled");
            for (role, password) in &passwords.0 {
                assert!(statements.contains(role), "{role} is not created");
                assert!(!statements.contains(password.expose()), "{role}");
            }
            passwords.document(MANAGING, flavour, 1).expect("is filled");
            for application in APPLICATIONS {
                let document = passwords.document(application.document, flavour, 20_123);
                assert!(document.expect("is filled").contains("port: 20123"));
                settings(application).expect("is filled");
            }
        }
    }
}
