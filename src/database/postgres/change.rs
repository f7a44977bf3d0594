//! S3, and the statements that retire a user: the one statement, under the role's lock, and
//! what its answer means.

use std::pin::pin;
use std::time::Duration;

use tokio_postgres::Error;
use zeroize::Zeroizing;

use super::super::{Change, ChangeOutcome, NewPassword};
use super::managing::{MARGIN, PostgresManaging, words};
use super::{classify, sql, within};
use crate::process::failpoint::{self, Failpoint};
use crate::rotation::RefusalClass;
use crate::secret::{ScramVerifier, VerifierError};
use crate::untrusted::Untrusted;

impl PostgresManaging {
    /// Begins the transaction and takes the role's lock.
    pub(super) async fn begin(&self, oid: u32, wait: Duration) -> Result<(), ChangeOutcome> {
        // A help that not every server offers; without it the advisory lock still
        // tells when an abandoned statement has ended.
        let _ = within(
            MARGIN,
            self.client().batch_execute(sql::NOTICE_LOST_CLIENTS),
        )
        .await;
        let text = sql::begin_change(oid, wait);
        failpoint::before("begin-change").map_err(lost_before_sending)?;
        let exchange = self.client().batch_execute(&text);
        match within(wait + MARGIN, exchange).await {
            Some(Ok(())) => failpoint::after("begin-change").map_err(lost_before_sending),
            // Nothing was sent that could change anything, so even silence is a
            // refusal that may pass.
            Some(Err(error)) => Err(refused_before_sending(&error)),
            None => Err(ChangeOutcome::Refused {
                class: RefusalClass::Retryable,
                code: "no-answer".to_owned(),
                message: Untrusted::new("no answer while waiting for the role's lock"),
            }),
        }
    }

    /// One exchange between its two failpoints; `None` inside when no answer came.
    async fn send(
        &self,
        effect: &'static str,
        statement: &str,
        limit: Duration,
    ) -> Result<Option<Result<(), Error>>, Failpoint> {
        failpoint::before(effect)?;
        let answer = within(limit, self.client().batch_execute(statement)).await;
        failpoint::after(effect)?;
        Ok(answer)
    }

    pub(super) async fn alter_and_commit(&self, change: Change<'_>) -> ChangeOutcome {
        let alter = match statement(change) {
            Ok(alter) => alter,
            Err(error) => {
                return ChangeOutcome::Refused {
                    class: RefusalClass::Final,
                    code: "verifier".to_owned(),
                    message: Untrusted::new(&error.to_string()),
                };
            }
        };
        let timeouts = sql::set_change_timeouts(self.timeouts.lock, self.timeouts.statement);
        let statement = Zeroizing::new(format!("{timeouts}; {}", alter.as_str()));
        let limit = self.timeouts.statement + MARGIN;
        match self.send("alter", &statement, limit).await {
            Ok(Some(Ok(()))) => {}
            // The transaction is open: whatever the server said, nothing is applied
            // unless a commit follows, and none will.
            Ok(Some(Err(error))) if error.as_db_error().is_some() => {
                let _ = within(MARGIN, self.client().batch_execute("ROLLBACK")).await;
                return refused_before_sending(&error);
            }
            Ok(Some(Err(error))) => return unknown(&classify::server_words(&error)),
            Ok(None) => return unknown(&Untrusted::new("no answer within the time-out")),
            Err(failpoint) => return unknown(&words(failpoint)),
        }
        match self.commit(limit).await {
            Ok(Some(Ok(()))) if self.connection.take_unreplicated() => self.applied_locally().await,
            Ok(Some(Ok(()))) => ChangeOutcome::Confirmed,
            // Once the commit was sent, even an error of the server leaves open what
            // was written; a login tells.
            Ok(Some(Err(error))) => unknown(&classify::server_words(&error)),
            Ok(None) => unknown(&Untrusted::new(
                "no answer to the commit within the time-out",
            )),
            Err(failpoint) => unknown(&words(failpoint)),
        }
    }

    /// Commits. When no answer comes, the server may be waiting for a synchronous standby,
    /// which no time-out of its own ends: it is asked to stop waiting. What is committed
    /// cannot be undone by that, so asking does no harm if something else is the cause.
    async fn commit(&self, limit: Duration) -> Result<Option<Result<(), Error>>, Failpoint> {
        failpoint::before("commit")?;
        self.connection.take_unreplicated();
        let mut exchange = pin!(self.client().batch_execute("COMMIT"));
        let mut answer = within(limit, exchange.as_mut()).await;
        if answer.is_none() {
            let asked = within(self.timeouts.connect, self.connection.cancel()).await;
            tracing::warn!(node = %self.node, ?asked, "no answer to the commit, asked to end its wait");
            answer = within(MARGIN, exchange).await;
        }
        failpoint::after("commit")?;
        Ok(answer)
    }

    /// The commit holds here; asks for a position that standbys have to reach.
    async fn applied_locally(&self) -> ChangeOutcome {
        // The request to stop waiting travels on its own and may arrive once more than it
        // is needed: it then hits this question, which is asked again.
        for _ in 0..2 {
            let question = self.client().query_typed(sql::POSITION, &[]);
            match within(MARGIN, question).await {
                Some(Ok(rows)) => {
                    if let Some(row) = rows.first() {
                        let position = row.get("position");
                        return ChangeOutcome::AppliedLocally { position };
                    }
                }
                Some(Err(error)) if error.as_db_error().is_some() => {}
                Some(Err(_)) | None => break,
            }
        }
        unknown(&Untrusted::new(
            "no standby confirmed the commit, and the server did not say its position",
        ))
    }
}

/// What is sent; of a password only its verifier.
fn statement(change: Change<'_>) -> Result<Zeroizing<String>, VerifierError> {
    let statement = match change {
        Change::Password(new) => sql::alter_role(new.user, verifier(new)?.as_str()),
        Change::Scramble(new) => sql::scramble_role(new.user, verifier(new)?.as_str()),
        Change::Lock(user) => sql::lock_role(user),
        Change::Unlock(user) => sql::unlock_role(user),
    };
    Ok(Zeroizing::new(statement))
}

fn verifier(new: NewPassword<'_>) -> Result<ScramVerifier, VerifierError> {
    let salt = new
        .salt
        .first_chunk()
        .expect("what is kept is longer than what SCRAM takes");
    ScramVerifier::derive(new.password, salt)
}

fn unknown(message: &Untrusted) -> ChangeOutcome {
    ChangeOutcome::Unknown {
        message: message.clone(),
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

/// An error at a point where nothing can have been changed.
fn refused_before_sending(error: &Error) -> ChangeOutcome {
    let (class, code, message) = classify::change_refusal(error).unwrap_or_else(|| {
        (
            RefusalClass::Retryable,
            "connection".to_owned(),
            classify::server_words(error),
        )
    });
    ChangeOutcome::Refused {
        class,
        code,
        message,
    }
}
