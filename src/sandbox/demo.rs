//! The demo: a throw-away server over TLS, of one of the engines, and a store whose environments are in the
//! states that an operator meets.
//!
//! What it promises:
//! - everything lies in one private folder, and nothing outlives the program, however it
//!   ends: the server has its watchdog, the folder its [`keeper`];
//! - the server, the logins, the rotations and the crash are real. What could not be
//!   waited for, a promote four months ago, is written as fixture data that says so.

mod crash;
mod engine;
mod fixtures;
mod history;
mod keeper;
mod pools;
mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use self::fixtures::{
    APPLICATIONS, Application, BILLING, MANAGING, ORDERS, PAYMENTS, Passwords, REPORTS, SEARCH,
};
use self::keeper::Keeper;
use self::pools::{Credential, Pool, Source};
use self::server::Server;
use super::{MysqlFlavour, SandboxError};
use crate::document::PropertyPath;
use crate::model::{EnvironmentName, Flavour};
use crate::operations::hand_over::{self, Confirmation, Observer, RotateRequest};
use crate::operations::{
    Exit, Failure, InitRequest, SourceFile, Workspace, init_environment, init_environment_as_of,
    init_key,
};
use crate::process::{KeyAccess, NewKeySource, start_log};
use crate::store::Access;

/// How fast a usual pool replaces its sessions: all of them within the propagation of ten
/// seconds that the settings name.
const REPLACE_SOON: Duration = Duration::from_secs(1);

/// The billing worker holds on to its sessions: it drains over a few minutes.
const REPLACE_LATE: Duration = Duration::from_secs(30);

/// How long ago the overdue environment was promoted.
const OVERDUE: TimeDelta = TimeDelta::days(120);

/// How long ago the crashed one was promoted before.
const QUARTER: TimeDelta = TimeDelta::days(91);

/// Where all of it lies: on every system the user that runs the server can get there.
const PARENT: &str = "/tmp";

/// What is to be prepared.
#[derive(Debug, Clone, Default)]
pub struct DemoOptions {
    /// Of which engine the server is.
    pub engine: Flavour,
    /// The folder of the server's programs; `None` searches.
    pub binaries: Option<PathBuf>,
    /// A folder into which programs of MySQL and plugins of MariaDB were fetched without
    /// installing them; it may be absent.
    pub cache: Option<PathBuf>,
}

/// Where everything is, for tests and screenshots.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DemoPlace {
    /// The private folder that holds all of it.
    pub folder: PathBuf,
    /// The store's folder.
    pub store: PathBuf,
    /// The key file.
    pub key_file: PathBuf,
    /// The server's port on 127.0.0.1.
    pub port: u16,
    /// The server's process.
    pub server_process: Option<i32>,
    /// The server's own folder.
    pub server_folder: PathBuf,
}

/// A running demo. Dropping it ends the pools and the server, removes the folder and
/// waits until all is gone. The fields are dropped in this order.
pub struct Demo {
    pools: Vec<JoinHandle<()>>,
    workspace: Arc<Workspace>,
    place: DemoPlace,
    _server: Server,
    _keeper: Keeper,
}

impl Demo {
    /// Starts the server, fills the store and brings every environment into its state.
    /// `tell` hears what is being done.
    ///
    /// # Errors
    /// Without the engine, with the command that gets it and [`Exit::Usage`]; else
    /// what the server, the store or a use case says. Nothing is left behind.
    pub async fn prepare(
        options: &DemoOptions,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, Failure> {
        // Looked for before a folder is made.
        Server::find(options)?;
        let mut keeper = Keeper::start(Path::new(PARENT))?;
        tell(&format!(
            "all of it lies in {} and goes with this program",
            keeper.folder().display()
        ));
        let name = options.engine.name();
        tell(&format!("starting a throw-away {name} over TLS"));
        let (wanted, parent) = (options.clone(), keeper.folder().to_owned());
        let server = tokio::task::spawn_blocking(move || Server::start(&wanted, &parent))
            .await
            .map_err(|error| broken(format!("starting the server failed: {error}")))??;
        let place = DemoPlace {
            folder: keeper.folder().to_owned(),
            store: keeper.folder().join("store"),
            key_file: keeper.folder().join("master.key"),
            port: server.port(),
            server_process: server.process(),
            server_folder: server.folder(),
        };
        let passwords = Passwords::generate();
        tell("making roles, tables and a temporary store");
        server.sql(&passwords.setup(server.flavour()).map_err(broken)?)?;
        let wanted = NewKeySource::File(place.key_file.clone());
        init_key(&place.store, wanted, &KeyAccess::default()).await?;
        start_log(&place.store);
        let workspace =
            Arc::new(Workspace::open(&place.store, &KeyAccess::default(), Access::Write).await?);
        make_environments(&workspace, &server, &passwords).await?;
        let pools = bring_into_state(&workspace, &server, &mut keeper, &passwords, tell).await?;
        Ok(Self {
            pools: pools.into_iter().map(Pool::run).collect(),
            workspace,
            place,
            _server: server,
            _keeper: keeper,
        })
    }

    /// The store, opened.
    #[must_use]
    pub fn workspace(&self) -> Arc<Workspace> {
        Arc::clone(&self.workspace)
    }

    /// Where everything is.
    #[must_use]
    pub fn place(&self) -> &DemoPlace {
        &self.place
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        for pool in &self.pools {
            pool.abort();
        }
    }
}

async fn make_environments(
    workspace: &Workspace,
    server: &Server,
    passwords: &Passwords,
) -> Result<(), Failure> {
    let file = |name: String, text: Zeroizing<String>| SourceFile {
        name,
        text,
        // The authority's certificate lies here, and is stored at the save.
        folder: server.folder(),
    };
    let (flavour, port) = (server.flavour(), server.port());
    let document = |text| passwords.document(text, flavour, port).map_err(broken);
    let managing = InitRequest {
        name: environment("managing")?,
        document: file("managing.yaml".to_owned(), document(MANAGING)?),
        settings: None,
    };
    init_environment(workspace, managing).await?;
    for application in APPLICATIONS {
        let name = application.name;
        let text = document(application.document)?;
        let settings = Zeroizing::new(fixtures::settings(application).map_err(broken)?);
        let request = InitRequest {
            name: environment(name)?,
            document: file(format!("{name}.yaml"), text),
            settings: Some(file("settings.yaml".to_owned(), settings)),
        };
        match promoted_before(application) {
            // It was there before it was promoted for the last time.
            Some(age) => {
                let made = Utc::now() - age - TimeDelta::days(1);
                init_environment_as_of(workspace, request, made).await?;
                let at = Utc::now() - age;
                history::write_promote(workspace, server, passwords, application, at).await?;
            }
            None => {
                init_environment(workspace, request).await?;
            }
        }
    }
    Ok(())
}

/// How long ago fixture data says that it was promoted.
fn promoted_before(application: &Application) -> Option<TimeDelta> {
    match application.name {
        name if name == REPORTS.name => Some(OVERDUE),
        name if name == PAYMENTS.name => Some(QUARTER),
        _ => None,
    }
}

/// The rotations and the crash. A pool that is opened before a rotation still holds its
/// sessions on the outgoing user afterwards.
async fn bring_into_state(
    workspace: &Arc<Workspace>,
    server: &Server,
    keeper: &mut Keeper,
    passwords: &Passwords,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Vec<Pool>, Failure> {
    tell("rotating shop/orders");
    rotate(workspace, &ORDERS, "weekly rotation").await?;
    let orders = open_pool(workspace, server, &ORDERS, REPLACE_SOON).await?;

    tell("rotating shop/billing, whose worker keeps its sessions");
    let billing = open_pool(workspace, server, &BILLING, REPLACE_LATE).await?;
    rotate(workspace, &BILLING, "weekly rotation").await?;

    tell("killing a rotation of shop/payments half-way");
    let payments = open_pool(workspace, server, &PAYMENTS, REPLACE_SOON).await?;
    crash::crash(workspace, server, keeper, &PAYMENTS).await?;

    let reports = open_pool(workspace, server, &REPORTS, REPLACE_SOON).await?;
    // Its environment has no state, so nothing can be read from it yet.
    let role = format!("{}_a", SEARCH.name);
    let password = passwords.of(&role).ok_or_else(|| {
        let message = format!("{role} has no password");
        broken(message)
    })?;
    let own = Source::Own(Credential { role, password });
    let search = Pool::open(&SEARCH, server.door(), own, REPLACE_SOON).await?;
    Ok(vec![orders, billing, payments, reports, search])
}

/// Each pool opens the store by itself and under its own name, as an application does: the
/// audit log then tells who read what, and the console's store is left alone.
async fn open_pool(
    workspace: &Workspace,
    server: &Server,
    application: &'static Application,
    replacing: Duration,
) -> Result<Pool, Failure> {
    let store: &Path = workspace.store.folder();
    let mut own = Workspace::open(store, &KeyAccess::default(), Access::ReadIfNeedBe).await?;
    application.pool.clone_into(&mut own.requester);
    let source = Source::Environment(Arc::new(own), environment(application.name)?);
    Pool::open(application, server.door(), source, replacing).await
}

async fn rotate(
    workspace: &Workspace,
    application: &Application,
    reason: &str,
) -> Result<(), Failure> {
    let request = RotateRequest {
        environment: environment(application.name)?,
        paths: vec![rotated_path()?],
        confirmation: Confirmation::Yes,
        reason: Some(reason.to_owned()),
        compromised: false,
        scheduled: None,
        waiver: None,
    };
    let report = hand_over::rotate(workspace, &request, &Observer::default()).await?;
    match report.error {
        None => Ok(()),
        Some(error) => Err(broken(format!(
            "{} could not be rotated: {}",
            request.environment, error.message
        ))),
    }
}

fn environment_name(name: &str) -> String {
    format!("shop/{name}")
}

fn environment(name: &str) -> Result<EnvironmentName, Failure> {
    environment_name(name)
        .parse()
        .map_err(|error| broken(format!("{name}: {error}")))
}

/// Where the rotated secret stands in every environment of the demo.
fn rotated_path() -> Result<PropertyPath, Failure> {
    "db".parse()
        .map_err(|_| broken("the path of the rotated secret is malformed".to_owned()))
}

/// The demo's own parts do not fit together, or the machine is in the way.
fn broken(message: String) -> Failure {
    Failure::new(
        "demo-failed",
        Exit::Error,
        message,
        "nothing was left behind; try again: handover demo",
    )
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        let message = error.to_string();
        match error {
            SandboxError::NoPostgres { install, .. } => {
                Self::new("no-postgres", Exit::Usage, message, install)
            }
            SandboxError::NoUnprivilegedUser => Self::new(
                "no-user",
                Exit::Error,
                message,
                "make a user, for example: useradd --system postgres; or run as an ordinary user",
            ),
            SandboxError::NoMysql {
                engine, install, ..
            } => {
                let code = match engine {
                    MysqlFlavour::MySql => "no-mysql",
                    MysqlFlavour::MariaDb => "no-mariadb",
                };
                Self::new(code, Exit::Usage, message, install)
            }
            _ => broken(message),
        }
    }
}
