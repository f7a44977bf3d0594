//! Fixture data: a past that the demo cannot wait for.
//!
//! What is written here did not happen. It says so: the revision's reason, its author
//! and an audit entry of today all call it a fixture of the demo.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

use super::fixtures::{Application, MANAGER, Passwords};
use super::server::Server;
use super::{broken, engine, environment, rotated_path};
use crate::database::{self, Target, Timeouts, Tls};
use crate::model::{
    AccountId, Credential, DatabaseFault, Node, NodeTime, ServerIdentity, UserName,
};
use crate::operations::{Failure, Workspace};
use crate::store::{NewRevision, StoreError, environments, revisions, rotated_secrets};

/// Far more than a server on loopback takes.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(10),
    statement: Duration::from_secs(10),
    lock: Duration::from_secs(10),
};

/// How the look at the server names itself to it.
const APPLICATION: &str = "handover/demo";

/// Writes a promote at `at`: a revision with that time, and the promote times that the
/// gate and the age on screens are computed from.
pub(super) async fn write_promote(
    workspace: &Workspace,
    server: &Server,
    passwords: &Passwords,
    application: &Application,
    at: DateTime<Utc>,
) -> Result<(), Failure> {
    let name = environment(application.name)?;
    let (identity, accounts) = facts(server, passwords, application).await?;
    let promoted = [NodeTime {
        node: node(server),
        server_time: at,
        connection: None,
    }];
    let path = rotated_path()?.to_string();
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    workspace
        .store
        .write(move |transaction| {
            let missing = || StoreError::Damaged(format!("{name} is not complete"));
            let row = environments::find(transaction, &name)?.ok_or_else(missing)?;
            let head = revisions::get(transaction, &row.id, row.head)?;
            let revision = NewRevision {
                document: &head.document,
                settings: &head.settings,
                files: &head.files,
                cause: "rotation",
                author: "demo fixture",
                reason: Some("fixture of the demo: nothing was promoted then"),
                rotation: None,
                now: &at.to_rfc3339_opts(SecondsFormat::Micros, true),
            };
            revisions::add(transaction, &row.id, &revision)?;
            let secret = rotated_secrets::find(transaction, &row.id, &path)?.ok_or_else(missing)?;
            rotated_secrets::record_promotion(
                transaction,
                secret.id,
                &identity,
                &accounts,
                &promoted,
            )?;
            let detail = json!({"path": path, "as-if-promoted": at});
            let action = "demo.fixture";
            Workspace::audit(
                &master,
                transaction,
                &requester,
                action,
                Some(&name),
                detail,
            )
        })
        .await?;
    Ok(())
}

/// What the server says of itself and of two users, as a rotation would have recorded it.
async fn facts(
    server: &Server,
    passwords: &Passwords,
    application: &Application,
) -> Result<(ServerIdentity, BTreeMap<String, AccountId>), Failure> {
    let database = database::connect(Target {
        engine: engine::provider(server.flavour()),
        database: engine::database(server.flavour()).to_owned(),
        tls: Tls::VerifyFull {
            authority: Some(server.ca_pem().to_owned()),
        },
        timeouts: TIMEOUTS,
    })
    .map_err(broken)?;
    let manager = Credential {
        username: user(MANAGER)?,
        password: passwords.of(MANAGER),
    };
    let pair = ["a", "b"].map(|turn| format!("{}_{turn}", application.name));
    let users = [user(&pair[0])?, user(&pair[1])?];
    let untold = |fault: DatabaseFault| broken(fault.to_string());
    let mut managing = database
        .manage(&node(server), &manager, APPLICATION)
        .await
        .map_err(untold)?;
    let facts = managing.facts(&users[0], &users[1]).await;
    managing.close().await;
    let facts = facts.map_err(untold)?;
    let accounts = pair
        .into_iter()
        .zip(facts.roles)
        .filter_map(|(user, role)| Some((user, role?.account)))
        .collect();
    Ok((facts.identity, accounts))
}

fn user(name: &str) -> Result<UserName, Failure> {
    UserName::new(name).map_err(|error| broken(format!("{name}: {error}")))
}

fn node(server: &Server) -> Node {
    Node {
        host: "127.0.0.1".to_owned(),
        port: server.port(),
    }
}
