//! The outbox is emptied: at least once, in the order of each environment and webhook, by one
//! process at a time.
//!
//! What is sent was fixed when it was enqueued; the key that signs it is evaluated for each
//! attempt, and kept nowhere.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use rusqlite::Transaction;
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::loading::{EnvironmentKey, Head, StoreLoader};
use super::{Exit, Failure, Workspace, notices};
use crate::environment::Evaluator;
use crate::model::{EnvironmentName, NoticeKind, Webhook};
use crate::process::random_bytes;
use crate::publish::{Answer, Message, Receiver, SigningKey, pause_after};
use crate::store::outbox::{self, Outcome, Which};
use crate::store::{Delivery, DeliveryState, StoreError};
use crate::untrusted::Untrusted;

/// How long a receiver may take to answer.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);
/// How long a command may take at its end.
const AT_THE_END: Duration = Duration::from_secs(3);
/// Less than that by so much: the outcome has to be written down, too.
const TO_WRITE: Duration = Duration::from_millis(300);
/// How long somebody waits who has asked for another attempt.
const WHILE_ASKED: Duration = Duration::from_secs(30);
/// After so long without success a delivery is given up.
const PATIENCE: TimeDelta = TimeDelta::days(1);
/// How many receivers are talked to at once.
const MOST_AT_ONCE: usize = 16;
/// How soon it is noticed that something else is due while receivers are waited for.
const LOOK: Duration = Duration::from_secs(1);

/// Whether something could be delivered now.
///
/// # Errors
/// The store's own.
pub async fn is_due(workspace: &Workspace) -> Result<bool, StoreError> {
    let read = |transaction: &Transaction<'_>| outbox::is_due(transaction, Utc::now());
    workspace.store.read(read).await
}

/// Delivers what is due, for as long as something is. Answers what came of each attempt; `None`
/// where another process delivers.
///
/// # Errors
/// The store's own: the outcome of an attempt may then not stand in it, and the notice is sent
/// once more.
pub async fn deliver_due(
    workspace: &Workspace,
    limit: Option<Duration>,
) -> Result<Option<Vec<Delivery>>, Failure> {
    let Some(_lock) = workspace.store.lock_outbox()? else {
        return Ok(None);
    };
    let until = limit.map(|limit| Instant::now() + limit);
    let mut running: HashSet<Queue> = HashSet::new();
    let mut queues = FuturesUnordered::new();
    let mut tried = Vec::new();
    loop {
        let is_late = until.is_some_and(|until| Instant::now() >= until);
        if !is_late && running.len() < MOST_AT_ONCE {
            let due = |transaction: &Transaction<'_>| outbox::due(transaction, Utc::now());
            for head in workspace.store.read(due).await? {
                let queue = (head.environment.clone(), head.webhook.clone());
                if running.len() < MOST_AT_ONCE && running.insert(queue.clone()) {
                    queues.push(async move { (queue, empty(workspace, head, until).await) });
                }
            }
        }
        if queues.is_empty() {
            return Ok(Some(tried));
        }
        // What becomes due meanwhile does not wait for a receiver that is slow to answer.
        if let Ok(Some((queue, ended))) = timeout(LOOK, queues.next()).await {
            running.remove(&queue);
            tried.extend(ended?);
        }
    }
}

/// Of which environment, to which webhook.
type Queue = (EnvironmentName, String);

/// One queue from its head on, until its head is not due or the time is over.
async fn empty(
    workspace: &Workspace,
    head: Delivery,
    until: Option<Instant>,
) -> Result<Vec<Delivery>, Failure> {
    let mut tried = Vec::new();
    let mut next = Some(head);
    while let Some(delivery) = next {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let limit = left.map_or(LONGEST_ANSWER, |left| left.min(LONGEST_ANSWER));
        if limit.is_zero() {
            break;
        }
        let (environment, webhook) = (delivery.environment.clone(), delivery.webhook.clone());
        tried.push(attempt(workspace, delivery, limit).await?);
        let due = workspace
            .store
            .read(|transaction| outbox::due(transaction, Utc::now()))
            .await?;
        let mut due = due.into_iter();
        next = due.find(|one| one.environment == environment && one.webhook == webhook);
    }
    Ok(tried)
}

/// Sends it once, and writes down what came of it.
async fn attempt(
    workspace: &Workspace,
    delivery: Delivery,
    limit: Duration,
) -> Result<Delivery, Failure> {
    let message = Message {
        id: &delivery.id,
        body: &delivery.payload,
    };
    let webhook = delivery.webhook.as_str();
    let answer = match prepare(workspace, &delivery.environment, webhook).await {
        Ok(Some(prepared)) => Some(prepared.send(&message, limit).await),
        Ok(None) => None,
        Err(failure) => Some(Answer::Failed(format!(
            "{} ({})",
            failure.message, failure.remedy
        ))),
    };
    let now = Utc::now();
    let outcome = match &answer {
        None => Outcome::Dead,
        Some(answer) => outcome_of(answer, &delivery, now, u64::from_ne_bytes(random_bytes())),
    };
    let words = match &answer {
        Some(answer) => Untrusted::new(answer.words()).as_str().to_owned(),
        None => "the settings do not name this webhook any more".to_owned(),
    };
    let (id, to, said) = (delivery.id.clone(), delivery.webhook.clone(), words.clone());
    let written = workspace
        .store
        .write(move |transaction| outbox::record(transaction, (&id, &to), outcome, &said, now));
    written.await?;
    let (state, next_try_at) = match outcome {
        Outcome::Delivered => (DeliveryState::Delivered, None),
        Outcome::Again(next) => (DeliveryState::Waiting, Some(next)),
        Outcome::Dead => (DeliveryState::Dead, None),
    };
    Ok(Delivery {
        state,
        next_try_at,
        attempts: delivery.attempts + 1,
        answer: Some(words),
        ..delivery
    })
}

/// What follows from an answer.
fn outcome_of(answer: &Answer, delivery: &Delivery, now: DateTime<Utc>, chance: u64) -> Outcome {
    match answer {
        Answer::Taken(_) => Outcome::Delivered,
        Answer::Gone(_) => Outcome::Dead,
        Answer::Failed(_) => {
            let first = delivery.first_try_at.unwrap_or(now);
            if now - first >= PATIENCE {
                return Outcome::Dead;
            }
            Outcome::Again(now + pause_after(delivery.attempts + 1, chance))
        }
    }
}

/// What a webhook needs to be sent something.
struct Prepared {
    webhook: Webhook,
    key: SigningKey,
    authority: Option<String>,
}

impl Prepared {
    async fn send(&self, message: &Message<'_>, limit: Duration) -> Answer {
        match Receiver::new(&self.webhook.url, self.authority.as_deref(), limit) {
            Ok(receiver) => {
                let timestamp = Utc::now().timestamp();
                receiver.send(&self.key, message, timestamp).await
            }
            Err(words) => Answer::Failed(words),
        }
    }
}

/// Reads what the newest settings say of the webhook at an address; `None` where they do not
/// name it any more.
async fn prepare(
    workspace: &Workspace,
    environment: &EnvironmentName,
    url: &str,
) -> Result<Option<Prepared>, Failure> {
    let (environment, url) = (environment.clone(), url.to_owned());
    let master = Arc::clone(&workspace.master);
    let read = workspace.store.read(move |transaction| {
        let head = Head::load(transaction, &environment)?;
        let mut webhooks = head.settings.webhooks().iter();
        let Some(webhook) = webhooks.find(|webhook| webhook.url == url).cloned() else {
            return Ok(None);
        };
        let authority = match &webhook.ca {
            Some(name) => Some(head.revision.files.get(name).cloned().ok_or_else(|| {
                StoreError::Damaged(format!("the revision does not hold the file {name}"))
            })?),
            None => None,
        };
        let key = EnvironmentKey::load(transaction, &master, &head.row.id)?;
        let loader = StoreLoader {
            transaction,
            master: &master,
        };
        let name = environment.to_string();
        let evaluator = Evaluator::new(&head.environment, &name, &loader, &key);
        let secret = evaluator.secret("secret", &webhook.secret);
        let secret = secret.map_err(|found| {
            let summaries: Vec<&str> = found.iter().map(|one| one.summary.as_str()).collect();
            bad_secret(&environment, &summaries.join("; "))
        })?;
        let key = SigningKey::new(&secret).map_err(|words| bad_secret(&environment, &words))?;
        Ok(Some(Prepared {
            webhook,
            key,
            authority,
        }))
    });
    read.await
}

fn bad_secret(environment: &EnvironmentName, words: &str) -> Failure {
    Failure::new(
        "bad-webhook-secret",
        Exit::Error,
        format!(
            "the `secret` of a webhook in the settings of {environment} cannot be used: {}",
            Untrusted::new(words)
        ),
        format!("mend it, then: handover webhook test {environment}"),
    )
}

/// The number of the newest notice, to be shown to [`deliver_at_the_end`].
pub async fn newest_notice(workspace: &Workspace) -> i64 {
    workspace
        .store
        .read(outbox::newest)
        .await
        .unwrap_or(i64::MAX)
}

/// At the end of a command: if there are notices that are newer than `since`, what is due is
/// tried once, for three seconds at most. Answers a line about what is not delivered yet.
pub async fn deliver_at_the_end(workspace: &Workspace, since: i64) -> Option<String> {
    if !workspace.store.is_writable() || newest_notice(workspace).await <= since {
        return None;
    }
    let tried = timeout(
        AT_THE_END,
        deliver_due(workspace, Some(AT_THE_END.saturating_sub(TO_WRITE))),
    );
    match tried.await {
        // Whoever delivers now has these before it as well.
        Ok(Ok(None)) => return None,
        Ok(Ok(Some(_))) | Err(_) => {}
        Ok(Err(failure)) => tracing::warn!(error = %failure.message, "nothing was delivered"),
    }
    let listed = workspace
        .store
        .read(|transaction| outbox::list(transaction, &Which::default()));
    let listed = listed.await.unwrap_or_default();
    let mut late = listed
        .iter()
        .filter(|one| one.seq > since && one.state != DeliveryState::Delivered);
    let first = late.next()?;
    let count = match late.count() {
        0 => "1 notice is".to_owned(),
        more => format!("{} notices are", more + 1),
    };
    let answer = first.answer.as_deref();
    Some(format!(
        "{count} not delivered yet ({}: {}); the agent tries again, or: handover outbox retry {}",
        Untrusted::new(&first.webhook),
        answer.unwrap_or("it waits behind older ones, or was not tried in time"),
        first.environment
    ))
}

/// Deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutboxListing {
    /// In the order in which their notices were made.
    pub deliveries: Vec<Delivery>,
}

/// What stands in the outbox, delivered ones included.
///
/// # Errors
/// No such environment, or the store's own.
pub async fn list_outbox(
    workspace: &Workspace,
    environment: Option<EnvironmentName>,
) -> Result<OutboxListing, Failure> {
    let read = workspace.store.read(move |transaction| {
        if let Some(name) = &environment {
            Head::load(transaction, name)?;
        }
        let which = Which {
            environment,
            id: None,
        };
        Ok::<_, Failure>(OutboxListing {
            deliveries: outbox::list(transaction, &which)?,
        })
    });
    read.await
}

/// Tries at once what is not delivered, what was given up included; all, or what `which` means.
///
/// # Errors
/// No such environment or notice, or the store's own.
pub async fn retry_outbox(workspace: &Workspace, which: Which) -> Result<OutboxListing, Failure> {
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    let meant = workspace.store.write(move |transaction| {
        if let Some(name) = &which.environment {
            Head::load(transaction, name)?;
        }
        let mut meant = outbox::list(transaction, &which)?;
        if let (true, Some(id)) = (meant.is_empty(), &which.id) {
            return Err(Failure::new(
                "no-such-notice",
                Exit::Usage,
                format!("there is no notice {}", Untrusted::new(id)),
                "`handover outbox ls` shows them",
            ));
        }
        meant.retain(|one| one.state != DeliveryState::Delivered);
        if outbox::again(transaction, &which, Utc::now())? > 0 {
            let ids: Vec<&str> = meant.iter().map(|one| one.id.as_str()).collect();
            let environment = which.environment.as_ref();
            let (action, detail) = ("outbox.retried", json!({"notices": ids}));
            Workspace::audit(
                &master,
                transaction,
                &requester,
                action,
                environment,
                detail,
            )?;
        }
        Ok::<_, Failure>(meant)
    });
    let meant = meant.await?;
    if !meant.is_empty() {
        deliver_due(workspace, Some(WHILE_ASKED)).await?;
    }
    let listed = list_outbox(workspace, None).await?.deliveries.into_iter();
    let is_meant = |one: &Delivery| {
        let mut meant = meant.iter();
        meant.any(|other| other.id == one.id && other.webhook == one.webhook)
    };
    Ok(OutboxListing {
        deliveries: listed.filter(is_meant).collect(),
    })
}

/// What the webhooks of an environment answered to a try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhookTest {
    /// Of which environment.
    pub environment: EnvironmentName,
    /// The id of the notice that was sent.
    pub id: String,
    /// Webhook by webhook.
    pub webhooks: Vec<WebhookAnswer>,
}

/// What one webhook answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhookAnswer {
    /// Which.
    pub url: String,
    /// Whether it took the notice.
    pub is_delivered: bool,
    /// What it answered, or why it did not.
    pub answer: String,
}

/// Sends a notice to each webhook of an environment, beside the outbox: nothing of it is kept,
/// and it does not wait behind others.
///
/// # Errors
/// No such environment, one without webhooks, or the store's own.
pub async fn test_webhooks(
    workspace: &Workspace,
    environment: EnvironmentName,
) -> Result<WebhookTest, Failure> {
    let (name, id) = (environment.clone(), notices::new_id());
    let of_id = id.clone();
    let read = workspace.store.read(move |transaction| {
        let head = Head::load(transaction, &name)?;
        let urls = head.settings.webhooks().iter().map(|one| one.url.clone());
        let kind = NoticeKind::WebhookTest;
        let body = notices::payload(transaction, &of_id, &name, kind, &json!({}))?;
        Ok::<_, Failure>((urls.collect::<Vec<String>>(), body))
    });
    let (urls, body) = read.await?;
    if urls.is_empty() {
        return Err(Failure::new(
            "no-webhook",
            Exit::Usage,
            format!("the settings of {environment} name no webhook"),
            format!("add `webhooks` with `handover env settings set {environment} -f FILE`"),
        ));
    }
    let message = Message {
        id: &id,
        body: &body,
    };
    let asked = urls.into_iter().map(|url| async {
        let answer = match prepare(workspace, &environment, &url).await {
            Ok(Some(prepared)) => prepared.send(&message, LONGEST_ANSWER).await,
            Ok(None) => Answer::Failed("the settings were changed meanwhile".to_owned()),
            Err(failure) => Answer::Failed(format!("{} ({})", failure.message, failure.remedy)),
        };
        WebhookAnswer {
            url,
            is_delivered: matches!(answer, Answer::Taken(_)),
            answer: Untrusted::new(answer.words()).as_str().to_owned(),
        }
    });
    let webhooks = stream::iter(asked).buffered(MOST_AT_ONCE).collect().await;
    Ok(WebhookTest {
        environment,
        id,
        webhooks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_given_up_by_410_or_a_day_after_its_first_attempt() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let delivery = |first_try_at| Delivery {
            seq: 1,
            id: "msg_1".to_owned(),
            environment: "shop/orders".parse().expect("a name"),
            kind: "webhook.test".to_owned(),
            made_at: now - TimeDelta::days(7),
            webhook: "https://a.example/".to_owned(),
            state: DeliveryState::Waiting,
            attempts: 3,
            first_try_at,
            next_try_at: None,
            over_at: None,
            answer: None,
            payload: "{}".to_owned(),
        };
        let failed = Answer::Failed("500".to_owned());
        let outcome = |answer: &Answer, first| outcome_of(answer, &delivery(first), now, 0);
        // However old it is, it was tried never before.
        let again = now + Duration::from_secs(20);
        assert_eq!(outcome(&failed, None), Outcome::Again(again));
        let young = Some(now - PATIENCE + TimeDelta::seconds(1));
        assert_eq!(outcome(&failed, young), Outcome::Again(again));
        assert_eq!(outcome(&failed, Some(now - PATIENCE)), Outcome::Dead);
        let gone = Answer::Gone("410 Gone".to_owned());
        assert_eq!(outcome(&gone, None), Outcome::Dead);
        let taken = Answer::Taken("200 OK".to_owned());
        assert_eq!(outcome(&taken, Some(now - PATIENCE)), Outcome::Delivered);
    }
}
