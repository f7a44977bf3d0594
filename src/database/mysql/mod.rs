//! MySQL and MariaDB under rotation.

mod grants;
mod properties;
mod quote;
mod sql_twins;
#[expect(
    dead_code,
    reason = "the managing connection that asks this comes next"
)]
mod twins;

/// Which of the two families answers.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the connection that finds it out comes next")
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MysqlFlavour {
    /// MySQL.
    MySql,
    /// MariaDB.
    MariaDb,
}

/// One row of `mysql.user`: the server keeps a user once for each host pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Account {
    /// The user's name.
    user: String,
    /// From where it may log in.
    host: String,
}
