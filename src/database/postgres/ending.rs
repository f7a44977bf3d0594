//! Ends one session that an operator means: by number, user and start in one statement, so
//! that nobody else's session is met whose number is the same. Not to be asked for within a
//! change: a transaction sees one picture of the sessions.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use super::super::{Ending, SessionToEnd};
use super::managing::{PostgresManaging, oid};
use super::{login, sql, within};
use crate::model::{AccountId, DatabaseFault};
use crate::untrusted::Untrusted;

/// How long a session may take to end after it was told: it finishes what it cannot leave.
const LONGEST: Duration = Duration::from_secs(5);

/// Between two looks whether it has ended.
const BETWEEN: Duration = Duration::from_millis(20);

impl PostgresManaging {
    pub(super) async fn end(&self, session: SessionToEnd<'_>) -> Result<Ending, DatabaseFault> {
        if session.pid == 0 {
            return Err(self.unclear(
                "a prepared transaction has no session to end; COMMIT PREPARED or \
                 ROLLBACK PREPARED in its database ends it",
            ));
        }
        let Ok(pid) = i32::try_from(session.pid) else {
            return Ok(Ending::Gone);
        };
        let role = oid(session.account);
        let meant: [(&(dyn ToSql + Sync), Type); 3] = [
            (&pid, Type::INT4),
            (&role, Type::OID),
            (&session.started, Type::TIMESTAMPTZ),
        ];
        let question = self.client().query_typed(sql::END_SESSION, &meant);
        let found = match within(self.timeouts.statement, question).await {
            Some(Err(error)) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                let of_role: [(&(dyn ToSql + Sync), Type); 1] = [(&role, Type::OID)];
                let superuser = self.client().query_typed(sql::IS_SUPERUSER, &of_role);
                let superuser = !self.ask(superuser).await?.is_empty();
                let grant = sql::grant_ending(&self.manager, superuser);
                return Ok(Ending::NoRight { grant });
            }
            answer => login::answer(&self.node, answer)?,
        };
        let Some(row) = found.first() else {
            return Ok(Ending::Gone);
        };
        if row.get("masked") {
            let grant = sql::grant_view(&self.manager);
            return Ok(Ending::NoRight { grant });
        }
        if session.started.is_none() {
            return Err(self.unclear(
                "the session was seen without its start, so that another one may have its \
                 number by now; look again",
            ));
        }
        match row.get("told") {
            // Another session has its number, or it ended at this moment by itself.
            None | Some(false) => Ok(Ending::Gone),
            Some(true) => self.until_gone(&meant).await,
        }
    }

    /// What lets the managing user end sessions of a role, where it may not.
    pub(super) async fn may_not_end(
        &self,
        account: &AccountId,
    ) -> Result<Option<String>, DatabaseFault> {
        let role = oid(account);
        let of_role: [(&(dyn ToSql + Sync), Type); 1] = [(&role, Type::OID)];
        let asked = self.client().query_typed(sql::RIGHT_TO_END, &of_role);
        let rows = self.ask(asked).await?;
        let lacking = rows.first().filter(|row| !row.get::<_, bool>("may"));
        Ok(lacking.map(|row| sql::grant_ending(&self.manager, row.get("superuser"))))
    }

    /// Asks again and again, for a while.
    async fn until_gone(
        &self,
        meant: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Ending, DatabaseFault> {
        let deadline = Instant::now() + LONGEST.min(self.timeouts.statement);
        loop {
            let question = self.client().query_typed(sql::IS_SESSION_THERE, meant);
            if self.ask(question).await?.is_empty() {
                return Ok(Ending::Ended);
            }
            if Instant::now() >= deadline {
                return Ok(Ending::StillThere);
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }

    fn unclear(&self, words: &str) -> DatabaseFault {
        DatabaseFault::Server {
            node: self.node.clone(),
            code: "unclear".to_owned(),
            message: Untrusted::new(words),
        }
    }
}
