//! Fixture data: a past that the demo cannot wait for.
//!
//! What is written here did not happen. It says so: the revision's reason, its author
//! and an audit entry of today all call it a fixture of the demo.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

use super::super::PostgresServer;
use super::fixtures::Application;
use super::{broken, environment, rotated_path};
use crate::model::{AccountId, Flavour, Node, ServerIdentity};
use crate::operations::{Failure, Workspace};
use crate::rotation::NodeTime;
use crate::store::{NewRevision, StoreError, environments, revisions, rotated_secrets};

/// What the server says of itself and of two roles.
const FACTS: &str = "SELECT (SELECT system_identifier::text FROM pg_control_system()), \
     (SELECT timeline_id::text FROM pg_control_checkpoint()), \
     pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint::text, \
     current_setting('server_version_num'), ";

/// Writes a promote at `at`: a revision with that time, and the promote times that the
/// gate and the age on screens are computed from.
pub(super) async fn write_promote(
    workspace: &Workspace,
    server: &PostgresServer,
    application: &Application,
    at: DateTime<Utc>,
) -> Result<(), Failure> {
    let name = environment(application.name)?;
    let (identity, oids) = facts(server, application)?;
    let promoted = [NodeTime {
        node: Node {
            host: "127.0.0.1".to_owned(),
            port: server.port(),
        },
        server_time: at,
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
            rotated_secrets::record_promotion(transaction, secret.id, &identity, &oids, &promoted)?;
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

fn facts(
    server: &PostgresServer,
    application: &Application,
) -> Result<(ServerIdentity, BTreeMap<String, AccountId>), Failure> {
    let users = ["a", "b"].map(|turn| format!("{}_{turn}", application.name));
    let rows = server.sql(&format!(
        "{FACTS} '{}'::regrole::oid::text, '{}'::regrole::oid::text",
        users[0], users[1]
    ))?;
    let values: Option<Vec<String>> = rows.into_iter().flatten().collect();
    let unreadable = || broken("the server's answer about itself cannot be read".to_owned());
    let values = values.ok_or_else(unreadable)?;
    let [system, timeline, position, version, first, second] = &values[..] else {
        return Err(unreadable());
    };
    let identity = ServerIdentity {
        flavour: Flavour::Postgresql,
        gtids: String::new(),
        system: system.clone(),
        timeline: timeline.parse().map_err(|_| unreadable())?,
        position: position.parse().map_err(|_| unreadable())?,
        transaction: 0,
        version: version.parse().map_err(|_| unreadable())?,
    };
    let [first_user, second_user] = users;
    let oids = BTreeMap::from([
        (first_user, AccountId::new(first)),
        (second_user, AccountId::new(second)),
    ]);
    Ok((identity, oids))
}
