//! The statements that change a user's rows, those of S3 and of retiring, under the lock on
//! the user, and what their answers mean.
//!
//! Each statement commits by itself. The lock is the session's, so that it is held for as
//! long as a statement of ours can still be running, whatever became of its client.

use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Error, Row};
use zeroize::Zeroizing;

use super::super::{Change, ChangeOutcome, ChangePart, LONGEST_SILENCE};
use super::accounts::{AccountOfServer, must_stay};
use super::answer::{flag, number, text};
use super::managing::{MARGIN, MysqlManaging, words};
use super::statements::{Statement, is_idle, parts, statement};
use super::{MysqlFlavour, classify, sql, within};
use crate::model::{AccountId, DatabaseFault, UserName};
use crate::process::failpoint::{self, Failpoint};
use crate::rotation::RefusalClass;
use crate::untrusted::Untrusted;

/// `ER_CANNOT_USER`.
const NOT_DONE: u16 = 1396;

impl MysqlManaging {
    /// Sets the bounds, takes the lock and looks up what has to be changed.
    pub(super) async fn begin(
        &mut self,
        account: &AccountId,
        wait: Duration,
    ) -> Result<Vec<ChangePart>, ChangeOutcome> {
        failpoint::before("begin-change").map_err(lost_before_sending)?;
        // First of all: a session that goes silent right after it got the lock gives it back.
        let bounds = sql::silence_bound(self.timeouts.lock, LONGEST_SILENCE);
        self.bound(&bounds).await?;
        let lock = sql::take_lock(account.as_str(), wait);
        let conn = &mut self.connection.conn;
        let taken = match within(wait + MARGIN, conn.query::<Row, _>(lock)).await {
            Some(Ok(rows)) => rows.first().is_some_and(|row| flag(row, "taken")),
            Some(Err(error)) => return Err(not_begun(&error)),
            None => {
                return Err(retryable(
                    "no-answer",
                    "no answer while waiting for the lock",
                ));
            }
        };
        if !taken {
            return Err(retryable(
                "locked",
                "another run holds the lock on this user",
            ));
        }
        if self.flavour() == MysqlFlavour::MariaDb {
            // Only now, since it would cut the wait for the lock.
            let bound = sql::statement_deadline(self.timeouts.lock, self.timeouts.statement);
            self.bound(&bound).await?;
        }
        let user = UserName::new(account.as_str())
            .map_err(|error| retryable("name", &error.to_string()))?;
        let rows = match self.accounts([&user, &user]).await {
            Ok(rows) => rows,
            Err(DatabaseFault::NoRight { message, .. }) => {
                return Err(ChangeOutcome::Refused {
                    class: RefusalClass::Final,
                    code: "no-right".to_owned(),
                    message,
                });
            }
            Err(fault) => return Err(retryable("no-answer", &fault.to_string())),
        };
        let parts = parts(self.flavour(), &rows);
        self.changing = Some((account.clone(), rows));
        failpoint::after("begin-change").map_err(lost_before_sending)?;
        Ok(parts)
    }

    async fn bound(&mut self, bounds: &str) -> Result<(), ChangeOutcome> {
        match self.run(bounds).await {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(not_begun(&error)),
            None => Err(retryable("no-answer", "no answer to the time-outs")),
        }
    }

    /// Sends one of the statements that [`MysqlManaging::begin`] told of.
    pub(super) async fn alter(&mut self, part: &ChangePart, change: Change<'_>) -> ChangeOutcome {
        let Some((_, rows)) = &self.changing else {
            return retryable("no-lock", "the lock was not taken");
        };
        if let Some(found) = rows.iter().find_map(|row| self.forbids(row, change)) {
            return refused("row-changed", &found);
        }
        let statement = match statement(self.flavour(), rows, part.number, change) {
            Ok(None) if is_idle(self.flavour(), part, change) => return ChangeOutcome::Confirmed,
            Ok(Some(statement)) => statement,
            Ok(None) => return refused("name", "a name of this user cannot be written safely"),
            Err(error) => return refused("hash", &error.to_string()),
        };
        let limit = self.timeouts.statement + self.timeouts.lock + MARGIN;
        match self.send(&statement.text, limit).await {
            Ok(Some(Ok(()))) => ChangeOutcome::Confirmed,
            Ok(Some(Err(error))) => match classify::server_code(&error) {
                Some(code) => {
                    let told = classify::server_words(&error);
                    let (code, message) = self.why_not(code, told).await;
                    let message = statement.without_hashes(message);
                    let message = self.name_holders(code, message).await;
                    let mut class = class_of_change(self.flavour(), code, &message);
                    if class.is_none() && self.stores_another(&statement).await {
                        class = Some(class_of(code, &message).unwrap_or(RefusalClass::Retryable));
                    }
                    match class {
                        Some(class) => ChangeOutcome::Refused {
                            class,
                            code: code.to_string(),
                            message,
                        },
                        None => unknown(&Untrusted::new(&format!("{message} ({code})"))),
                    }
                }
                None => unknown(&Untrusted::new(&self.connection.cause(&error).to_string())),
            },
            Ok(None) => unknown(&Untrusted::new("no answer within the time-out")),
            Err(failpoint) => unknown(&words(failpoint)),
        }
    }

    /// Why a row must not be changed so. What S1 admitted may have been changed since, and rows
    /// may have come: a password would destroy what somebody made of a row, and that of S3
    /// would let in a user whom somebody locked. Who was locked when S1 looked was so by us,
    /// since S1 admits no other; a lock alone destroys nothing.
    fn forbids(&self, row: &AccountOfServer, change: Change<'_>) -> Option<String> {
        match change {
            Change::Lock(_) | Change::Unlock(_) => None,
            Change::Scramble(_) => must_stay(row, self.flavour()),
            Change::Password(_) if row.locked && !self.found_locked.contains(&row.host) => {
                Some(format!("{} is locked, and not by us", row.shown()))
            }
            Change::Password(_) => must_stay(row, self.flavour()),
        }
    }

    /// One exchange between its two failpoints; `None` inside when no answer came.
    async fn send(
        &mut self,
        statement: &str,
        limit: Duration,
    ) -> Result<Option<Result<(), Error>>, Failpoint> {
        failpoint::before("alter")?;
        let answer = within(limit, self.connection.conn.query_drop(statement)).await;
        failpoint::after("alter")?;
        Ok(answer)
    }

    /// Whether the row of a statement of MariaDB that has failed certainly does not store what
    /// was sent. The statement is over and the lock is ours, so that nothing can still come.
    async fn stores_another(&mut self, statement: &Statement) -> bool {
        let (Some((user, host)), [hash]) = (&statement.row, &statement.hashes[..]) else {
            return false;
        };
        let question = Zeroizing::new(sql::stores(user, host, hash));
        match self.run(&question).await {
            Some(Ok(rows)) => rows
                .first()
                .is_some_and(|row| text(row, "same").is_some_and(|same| same == "0")),
            Some(Err(_)) | None => false,
        }
    }

    /// What stands behind [`NOT_DONE`], where the server tells it.
    async fn why_not(&mut self, code: u16, message: Untrusted) -> (u16, Untrusted) {
        if code != NOT_DONE {
            return (code, message);
        }
        let told = self.run(sql::WHY_NOT).await;
        let rows = told.and_then(Result::ok).unwrap_or_default();
        let causes = rows.iter().filter_map(|row| {
            let code = number::<u16>(row, "Code")?;
            Some((code, Untrusted::new(&text(row, "Message")?)))
        });
        let mut causes = causes.filter(|(code, _)| *code != NOT_DONE);
        causes.next().unwrap_or((code, message))
    }

    /// Gives the lock back, so that the connection can go on.
    pub(super) async fn release(&mut self) {
        let Some((account, _)) = self.changing.take() else {
            return;
        };
        let usual = sql::usual_bounds(self.flavour());
        let conn = &mut self.connection.conn;
        let release = sql::release_lock(account.as_str());
        let _ = within(MARGIN, conn.query_drop(release)).await;
        let _ = within(MARGIN, conn.query_drop(usual)).await;
    }
}

/// What a server's refusal of an `ALTER USER` means; `None` where it leaves open whether
/// something was changed. MySQL's statement is atomic, so that an error means that nothing
/// was. MariaDB's is not: one that ran into its time-out, or could not be written to the
/// binary log, may have changed the row all the same.
fn class_of_change(flavour: MysqlFlavour, code: u16, message: &Untrusted) -> Option<RefusalClass> {
    match flavour {
        MysqlFlavour::MariaDb if !BEFORE_THE_WRITE.contains(&code) => None,
        _ => class_of(code, message),
    }
}

/// What MariaDB finds out before it writes: rights, a server that takes no changes, the
/// syntax, a plugin that is not there, a hash that is none, policies, a row that is gone.
const BEFORE_THE_WRITE: [u16; 11] = [
    1044, 1064, 1142, 1143, 1227, 1290, 1372, NOT_DONE, 1524, 1819, 1827,
];

fn class_of(code: u16, message: &Untrusted) -> Option<RefusalClass> {
    Some(match code {
        // Lock wait time-out, deadlock, MariaDB's statement time-out, a cluster that is not
        // ready, too many connections, a read lock of a backup.
        1205 | 1213 | 1969 | 1047 | 1040 | 1223 => RefusalClass::Retryable,
        // The policies on passwords: too weak, used before.
        1819 | 3638 | 4165 => RefusalClass::Password,
        // An option of the server forbids it: that of MariaDB's policies, which then take no
        // hash, or that it is read-only.
        1290 if message.as_str().contains("strict-password-validation") => RefusalClass::Password,
        // Killed, or shutting down: whether it was still written is not known.
        1317 | 1053 | 3024 => return None,
        _ => RefusalClass::Final,
    })
}

/// An error at a point where nothing can have been changed.
fn not_begun(error: &Error) -> ChangeOutcome {
    let message = classify::server_words(error);
    let code = classify::server_code(error);
    let class = code.and_then(|code| class_of(code, &message));
    ChangeOutcome::Refused {
        class: class.unwrap_or(RefusalClass::Retryable),
        code: code.map_or_else(|| "connection".to_owned(), |code| code.to_string()),
        message,
    }
}

/// The line is gone before anything was sent that could change something.
fn lost_before_sending(failpoint: Failpoint) -> ChangeOutcome {
    ChangeOutcome::Refused {
        class: RefusalClass::Retryable,
        code: "connection".to_owned(),
        message: words(failpoint),
    }
}

fn retryable(code: &str, message: &str) -> ChangeOutcome {
    ChangeOutcome::Refused {
        class: RefusalClass::Retryable,
        code: code.to_owned(),
        message: Untrusted::new(message),
    }
}

fn refused(code: &str, message: &str) -> ChangeOutcome {
    ChangeOutcome::Refused {
        class: RefusalClass::Final,
        code: code.to_owned(),
        message: Untrusted::new(message),
    }
}

fn unknown(message: &Untrusted) -> ChangeOutcome {
    ChangeOutcome::Unknown {
        message: message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mariadb_may_have_written_what_it_reports_as_failed() {
        let class = |flavour, code| class_of_change(flavour, code, &Untrusted::new("words"));
        use MysqlFlavour::{MariaDb, MySql};
        assert_eq!(class(MySql, 1205), Some(RefusalClass::Retryable));
        for code in [1205, 1969, 1213, 1026, 1598] {
            assert_eq!(class(MariaDb, code), None, "{code}");
        }
        for code in [1227, 1290, 1524, NOT_DONE] {
            assert_eq!(class(MariaDb, code), Some(RefusalClass::Final), "{code}");
        }
        assert_eq!(class(MariaDb, 1819), Some(RefusalClass::Password));
    }
}
