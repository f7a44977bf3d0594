//! MySQL and MariaDB under rotation.

#[expect(dead_code, reason = "the managing connection that asks comes next")]
mod grants;
#[expect(dead_code, reason = "the managing connection that asks comes next")]
mod quote;
#[expect(dead_code, reason = "the managing connection that asks comes next")]
mod sql_twins;
#[expect(dead_code, reason = "the managing connection that asks comes next")]
mod twins;

/// Which of the two families answers.
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
