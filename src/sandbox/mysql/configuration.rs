//! The settings of a MySQL or MariaDB server, and its first statements.

use std::path::Path;

use super::super::login::Superuser;
use super::MysqlFlavour;
use super::binaries::Programs;

/// Both servers' own settings. Durability is left out as far as the data survives the end of
/// the server's process, since tests end it that way; the machine's end loses it.
const COMMON: &str = "
bind_address = 127.0.0.1
skip_name_resolve = ON
max_connections = 300
general_log = ON
sync_binlog = 0
innodb_flush_log_at_trx_commit = 2
innodb_flush_method = nosync
innodb_doublewrite = OFF
innodb_buffer_pool_size = 32M
";

/// Without these MySQL looks for folders of a system's own installation, and listens on a
/// second port.
const MYSQL: &str = "
mysqlx = OFF
secure_file_priv = NULL
innodb_redo_log_capacity = 16M
require_secure_transport = ON
gtid_mode = ON
enforce_gtid_consistency = ON
";

const MARIADB: &str = "
innodb_log_file_size = 16M
gtid_strict_mode = ON
";

/// What the server reads at each start, and the making of its data as well.
pub(super) fn settings(programs: &Programs, folder: &Path, number: u32) -> String {
    let below = |name: &str| value(&folder.join(name));
    let mut text = format!(
        "[mysqld]\n{COMMON}{}\nserver_id = {number}\n",
        match programs.flavour() {
            MysqlFlavour::MySql => MYSQL,
            MysqlFlavour::MariaDb => MARIADB,
        }
    );
    let mut add = |name: &str, value: String| {
        text.push_str(&format!("{name} = {value}\n"));
    };
    for (name, file) in [
        ("datadir", "data"),
        ("tmpdir", ""),
        ("socket", "server.sock"),
        ("pid_file", "server.pid"),
        ("general_log_file", "general.log"),
        ("log_bin", "binlog"),
        ("relay_log", "relay"),
        ("ssl_ca", "ca.crt"),
        ("ssl_cert", "server.crt"),
        ("ssl_key", "server.key"),
    ] {
        add(name, below(file));
    }
    if let Programs::MySql(binaries) = programs
        && let Some(base) = &binaries.base
    {
        add("basedir", value(base));
        add("lc_messages_dir", value(&base.join("share/mysql")));
        add(
            "character_sets_dir",
            value(&base.join("share/mysql/charsets")),
        );
        add("plugin_dir", value(&base.join("lib/mysql/plugin")));
    }
    text
}

/// What the server reads once its data is made; the making has plugins of its own.
pub(super) fn later_settings(programs: &Programs) -> Vec<String> {
    match programs {
        Programs::MariaDb(binaries) => {
            let folder = binaries.plugins.as_ref();
            folder.map_or_else(Vec::new, |folder| {
                vec![
                    format!("plugin_dir = {}", value(folder)),
                    "plugin_load_add = auth_ed25519".to_owned(),
                ]
            })
        }
        Programs::MySql(_) => Vec::new(),
    }
}

/// Run while the data is made, without an entry in any log; each stands on one line. The
/// first one makes the statements about accounts possible there.
pub(super) fn first_statements(superuser: &Superuser) -> String {
    let name = &superuser.name;
    let password = superuser.password.expose();
    format!(
        "FLUSH PRIVILEGES;\n\
         ALTER USER '{name}'@'localhost' IDENTIFIED BY '{password}';\n\
         DROP USER IF EXISTS '{name}'@'127.0.0.1';\n\
         CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY '{password}';\n\
         GRANT ALL ON *.* TO '{name}'@'127.0.0.1' WITH GRANT OPTION;\n"
    )
}

/// A path as a value within an option file.
fn value(path: &Path) -> String {
    let text = path.display().to_string();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
