//! The shared servers of MySQL and MariaDB, each started at the first need.
//!
//! An engine that was left out by name makes no test fail, and none that needs it pass in
//! silence: who asks for its server is told so on the terminal, and gets none.

use std::io::Write;
use std::sync::LazyLock;

use handover::sandbox::{MysqlFlavour, MysqlOptions, MysqlServer};

/// The one MySQL server that most tests share, or `None` where MySQL was left out by name:
/// `let Some(server) = mysql() else { return };`
pub(crate) fn mysql() -> Option<&'static MysqlServer> {
    shared_mysql(MysqlFlavour::MySql)
}

/// The one MariaDB server that most tests share, or `None` where it was left out by name.
pub(crate) fn mariadb() -> Option<&'static MysqlServer> {
    shared_mysql(MysqlFlavour::MariaDb)
}

/// [`mysql`] or [`mariadb`]; statics are never dropped, so the watchdog of each ends it
/// together with this program.
pub(crate) fn shared_mysql(flavour: MysqlFlavour) -> Option<&'static MysqlServer> {
    static MYSQL: LazyLock<MysqlServer> = LazyLock::new(|| start(MysqlFlavour::MySql));
    static MARIADB: LazyLock<MysqlServer> = LazyLock::new(|| start(MysqlFlavour::MariaDb));
    is_wanted(flavour).then(|| match flavour {
        MysqlFlavour::MySql => &*MYSQL,
        MysqlFlavour::MariaDb => &*MARIADB,
    })
}

/// The options for a server of a test's own, or `None` where the engine was left out by name.
pub(crate) fn mysql_options(flavour: MysqlFlavour) -> Option<MysqlOptions> {
    is_wanted(flavour).then(|| options(flavour))
}

fn start(flavour: MysqlFlavour) -> MysqlServer {
    match MysqlServer::start(&options(flavour)) {
        Ok(server) => server,
        Err(error) => panic!(
            "{flavour} does not start: {error}\n`make servers` gets it, \
             HANDOVER_TESTS_WITHOUT={} leaves it out",
            name_of(flavour)
        ),
    }
}

fn options(flavour: MysqlFlavour) -> MysqlOptions {
    MysqlOptions {
        cache: Some(super::cache_folder()),
        copied_data: true,
        ..MysqlOptions::new(flavour)
    }
}

/// The name under which tests/install-servers.sh knows the engine too.
fn name_of(flavour: MysqlFlavour) -> &'static str {
    match flavour {
        MysqlFlavour::MySql => "mysql",
        MysqlFlavour::MariaDb => "mariadb",
    }
}

/// Whether the engine was not left out by name.
pub(crate) fn is_wanted(flavour: MysqlFlavour) -> bool {
    let name = name_of(flavour);
    if !std::env::var("HANDOVER_TESTS_WITHOUT").is_ok_and(|names| names.contains(name)) {
        return true;
    }
    // Past what the test's runner keeps back of a test that passes.
    writeln!(std::io::stderr(), "LEFT OUT by name: {name}").expect("says so");
    false
}
