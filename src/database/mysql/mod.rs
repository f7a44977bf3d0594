//! MySQL and MariaDB.
//!
//! The driver speaks the protocol and knows no TLS; the line beneath it is ours, so that a
//! password never goes over one that is not encrypted. See [`line`].

mod accounts;
mod answer;
mod change;
mod classify;
mod connector;
mod doorway;
mod ending;
mod grants;
mod guard;
mod hosts;
mod line;
mod managing;
mod obstacles;
mod packet;
mod probe;
mod properties;
mod quote;
mod rows;
mod sessions;
mod sql;
mod sql_twins;
mod sql_watching;
mod statements;
#[cfg(test)]
mod tests;
mod twins;
mod watching;

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};

use self::connector::Connector;
use super::{Database, Login, Managing, Target, Watching};
use crate::model::{
    Credential, DatabaseFault, Flavour, LoginOutcome, ManagingFacts, Node, RoleFacts, RoleRemedies,
    UserName,
};

/// Which of the two a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MysqlFlavour {
    /// Oracle's, or a server that says nothing else.
    MySql,
    /// MariaDB.
    MariaDb,
}

impl From<MysqlFlavour> for Flavour {
    fn from(flavour: MysqlFlavour) -> Self {
        match flavour {
            MysqlFlavour::MySql => Self::Mysql,
            MysqlFlavour::MariaDb => Self::Mariadb,
        }
    }
}

/// One row of `mysql.user`: the server keeps a user once for each host pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Account {
    /// The user's name.
    user: String,
    /// From where it may log in.
    host: String,
}

/// A server of this engine at one place.
pub(super) struct Mysql {
    target: Target,
    connector: Connector,
}

impl Mysql {
    /// Prepares TLS once; no connection is made yet.
    pub(super) fn new(target: Target) -> Result<Self, String> {
        let connector = Connector::new(&target.tls)?;
        Ok(Self { target, connector })
    }
}

impl Database for Mysql {
    fn probe<'a>(&'a self, login: Login<'a>) -> BoxFuture<'a, LoginOutcome> {
        probe::probe(&self.connector, &self.target, login).boxed()
    }

    fn manage<'a>(
        &'a self,
        node: &'a Node,
        manager: &'a Credential,
        application: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Managing>, DatabaseFault>> {
        async move {
            let session =
                managing::open(&self.connector, &self.target, node, manager, application).await?;
            Ok(Box::new(session) as Box<dyn Managing>)
        }
        .boxed()
    }

    fn watch<'a>(
        &'a self,
        node: &'a Node,
        login: &'a Credential,
        application: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Watching>, DatabaseFault>> {
        async move {
            let watching =
                watching::open(&self.connector, &self.target, node, login, application).await?;
            Ok(Box::new(watching) as Box<dyn Watching>)
        }
        .boxed()
    }

    fn change_statement(&self, user: &UserName, facts: Option<&ManagingFacts>) -> String {
        let role = facts.and_then(|facts| facts.roles[1].as_ref());
        let flavour = flavour_of(facts);
        let rows: Vec<(&str, &str)> = role
            .iter()
            .flat_map(|role| &role.rows)
            .map(|row| (row.host.as_str(), row.plugin.as_str()))
            .collect();
        let statements = role.map_or(1, |role| role.statements);
        statements::shown_statement(flavour, user, &rows, statements)
    }

    fn unlock_statement(&self, user: &UserName, facts: Option<&ManagingFacts>) -> String {
        let role = facts.and_then(|facts| facts.roles[1].as_ref());
        let hosts: Vec<&str> = role
            .iter()
            .flat_map(|role| &role.rows)
            .map(|row| row.host.as_str())
            .collect();
        statements::shown_unlock(flavour_of(facts), user, &hosts)
    }

    fn remedies(&self, user: &UserName, role: Option<&RoleFacts>) -> RoleRemedies {
        sql::remedies(user, role)
    }
}

fn flavour_of(facts: Option<&ManagingFacts>) -> MysqlFlavour {
    match facts.map(|facts| facts.identity.flavour) {
        Some(Flavour::Mariadb) => MysqlFlavour::MariaDb,
        _ => MysqlFlavour::MySql,
    }
}

/// Our own bound on an exchange: the server's own time-outs are not enough, since a
/// server may stop answering altogether.
async fn within<T>(limit: Duration, exchange: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, exchange).await.ok()
}
