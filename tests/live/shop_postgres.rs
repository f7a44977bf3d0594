//! A shop on PostgreSQL.

use handover::sandbox::{LoginOutcome, PostgresServer, Row};
use handover::secret::{SCRAM_SALT_LENGTH, ScramVerifier, Secret};

use super::engine::{Held, Place, ShopServer};
use super::{Account, Shop};
use crate::harness::{HeldSession, first_value, identifier, literal};

pub(super) struct PostgresShop(pub(super) Place<PostgresServer>);

impl PostgresShop {
    fn count(&self, query: &str) -> usize {
        first_value(&self.0, query).parse().expect("a count")
    }

    /// Whether the server has the rights that came with PostgreSQL 16.
    fn has_rights_since_16(&self) -> bool {
        self.count("SHOW server_version_num") >= 160_000
    }

    /// Since PostgreSQL 16 the right to alter a role is the ADMIN option on it.
    fn grant_admin(&self, account: &Account, managing: &str) {
        let role = identifier(&account.name);
        self.run_sql(&format!(
            "GRANT {role} TO {managing} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"
        ));
    }
}

impl ShopServer for PostgresShop {
    fn function(&self) -> &'static str {
        "fn::rotate::postgres"
    }

    fn database(&self) -> &'static str {
        "postgres"
    }

    fn port(&self) -> u16 {
        self.0.port()
    }

    fn ca_pem(&self) -> &str {
        self.0.ca_pem()
    }

    fn login(&self, user: &str, password: &Secret) -> LoginOutcome {
        self.0.login(user, password)
    }

    fn run_sql(&self, statements: &str) -> Vec<Row> {
        let answer = self.0.sql(statements);
        answer.expect("the server takes the statements")
    }

    fn create_accounts(&self, shop: &Shop) {
        let may_alter = shop.options.managing_may_alter;
        let attributes = if may_alter {
            "LOGIN CREATEROLE"
        } else {
            "LOGIN"
        };
        shop.create_role(&shop.managing, attributes);
        let managing = identifier(&shop.managing.name);
        if self.has_rights_since_16() {
            self.run_sql(&format!("GRANT pg_use_reserved_connections TO {managing}"));
        }
        for account in [&shop.first, &shop.second] {
            self.create_user(shop, account);
        }
        if shop.options.managing_sees_sessions {
            self.run_sql(&format!("GRANT pg_read_all_stats TO {managing}"));
        }
    }

    fn create_user(&self, shop: &Shop, account: &Account) {
        shop.create_role(account, "LOGIN");
        if self.has_rights_since_16() && shop.options.managing_may_alter {
            self.grant_admin(account, &identifier(&shop.managing.name));
        }
    }

    fn stored_hash_of(&self, user: &str) -> String {
        first_value(
            &self.0,
            &format!(
                "SELECT rolpassword FROM pg_authid WHERE rolname = {}",
                literal(user)
            ),
        )
    }

    fn way_in_of(&self, user: &str) -> Vec<Row> {
        self.run_sql(&format!(
            "SELECT rolcanlogin, rolpassword, rolvaliduntil FROM pg_authid WHERE rolname = {}",
            literal(user)
        ))
    }

    fn sessions_of(&self, user: &str) -> usize {
        self.count(&format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = {}",
            literal(user)
        ))
    }

    fn waiting_sessions_of(&self, user: &str) -> usize {
        self.count(&format!(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE usename = {} AND wait_event_type = 'Lock'",
            literal(user)
        ))
    }

    fn hold_session(&self, user: &str, password: &Secret) -> Held {
        Box::new(HeldSession::at(&self.0, user, password))
    }

    fn lock_the_user(&self, user: &str) -> Held {
        Box::new(HeldSession::row_lock_at(&self.0, user))
    }

    fn hold_the_rotation_lock(&self, user: &str) -> Held {
        let superuser = self.0.superuser();
        let session = HeldSession::at(&self.0, &superuser.name, &superuser.password);
        session.run(&format!(
            "SELECT pg_catalog.pg_advisory_lock(x'68616e64'::int, oid::int) \
             FROM pg_authid WHERE rolname = {}",
            literal(user)
        ));
        Box::new(session)
    }

    fn set_password(&self, _: &Shop, account: &Account) {
        let user = identifier(&account.name);
        let salt = [9; SCRAM_SALT_LENGTH];
        let verifier = ScramVerifier::derive(&account.password, &salt).expect("derives");
        let verifier = literal(verifier.as_str());
        self.run_sql(&format!("ALTER ROLE {user} PASSWORD {verifier}"));
    }

    fn is_running(&self) -> bool {
        self.0.process().is_some()
    }

    fn postgres(&self) -> Option<&PostgresServer> {
        Some(&self.0)
    }
}

impl Shop {
    pub(crate) fn create_role(&self, account: &Account, attributes: &str) {
        self.create_role_on(self.server(), account, attributes);
    }

    /// The same account on any server.
    pub(crate) fn create_role_on(
        &self,
        server: &PostgresServer,
        account: &Account,
        attributes: &str,
    ) {
        let salt = [7; SCRAM_SALT_LENGTH];
        let verifier = ScramVerifier::derive(&account.password, &salt).expect("derives");
        server
            .sql(&format!(
                "CREATE ROLE {} {attributes} PASSWORD {}",
                identifier(&account.name),
                literal(verifier.as_str())
            ))
            .expect("creates a role");
    }
}
