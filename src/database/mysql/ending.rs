//! Ending one session of a user, by its number.
//!
//! A number says nothing of whose the session is, and so the list is asked right before, on
//! the same connection. Numbers are not used again before the server restarts, which ends
//! this connection, too.

use std::time::Duration;

use tokio::time::Instant;

use super::super::{Ending, SessionToEnd};
use super::answer::{number, text};
use super::managing::{MysqlManaging, has};
use super::{MysqlFlavour, classify, sql, sql_watching};
use crate::model::DatabaseFault;

/// `ER_NO_SUCH_THREAD`.
const NO_SUCH_SESSION: u16 = 1094;

/// `ER_KILL_DENIED_ERROR` and `ER_SPECIFIC_ACCESS_DENIED_ERROR`.
const MAY_NOT: [u16; 2] = [1095, 1227];

/// Between two looks whether the session is gone; a server that rolls back takes longer.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Whether a session is listed.
enum Listed {
    Yes,
    No,
    /// Not all are, so that nobody knows.
    Unknown {
        grant: String,
    },
}

impl MysqlManaging {
    /// Ends it and waits until the list has it no more.
    pub(super) async fn end(&mut self, session: SessionToEnd<'_>) -> Result<Ending, DatabaseFault> {
        let Ok(id) = u64::try_from(session.pid) else {
            return Ok(Ending::Gone);
        };
        match self.is_listed(session).await? {
            Listed::Yes => {}
            Listed::No => return Ok(Ending::Gone),
            Listed::Unknown { grant } => return Ok(Ending::NoRight { grant }),
        }
        match self.run(&sql::kill(id)).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => match classify::server_code(&error) {
                Some(NO_SUCH_SESSION) => return Ok(Ending::Gone),
                Some(code) if MAY_NOT.contains(&code) => {
                    let grant = self.right_to_end().await?.1;
                    return Ok(Ending::NoRight { grant });
                }
                _ => return Err(self.fault(&error)),
            },
            None => return Err(self.timed_out()),
        }
        let begun = Instant::now();
        let mut pause = PAUSE;
        loop {
            if let Listed::No = self.is_listed(session).await? {
                return Ok(Ending::Ended);
            }
            if begun.elapsed() >= self.timeouts.statement {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        // MariaDB takes some forms of the statement from whoever may not, and does nothing.
        Ok(match self.right_to_end().await? {
            (false, grant) if self.flavour() == MysqlFlavour::MariaDb => Ending::NoRight { grant },
            _ => Ending::StillThere,
        })
    }

    async fn is_listed(&mut self, session: SessionToEnd<'_>) -> Result<Listed, DatabaseFault> {
        let users = std::slice::from_ref(session.account);
        let by_process_list = sql_watching::sessions_by_process_list(self.flavour(), users);
        let listing = self
            .list_sessions(&sql_watching::sessions(users), &by_process_list)
            .await?;
        let is_it = |row| {
            number(row, "id") == Some(session.pid)
                && text(row, "user").is_some_and(|user| user == session.account.as_str())
        };
        Ok(match (listing.rows.iter().any(is_it), listing.grant) {
            (true, _) => Listed::Yes,
            (false, None) => Listed::No,
            (false, Some(grant)) => Listed::Unknown { grant },
        })
    }

    /// Whether the managing user may end sessions of others, and what lets it. MySQL protects
    /// those of users with SYSTEM_USER from whoever lacks it.
    pub(super) async fn right_to_end(&mut self) -> Result<(bool, String), DatabaseFault> {
        let right = match self.flavour() {
            MysqlFlavour::MariaDb => "CONNECTION ADMIN",
            MysqlFlavour::MySql => "CONNECTION_ADMIN",
        };
        let own = self.own_rights().await?;
        let may = has(&own, right) || has(&own, "SUPER");
        let wanted = match (may, self.flavour()) {
            (true, MysqlFlavour::MySql) => "SYSTEM_USER",
            _ => right,
        };
        Ok((may, format!("GRANT {wanted} ON *.* TO {};", self.manager)))
    }
}
