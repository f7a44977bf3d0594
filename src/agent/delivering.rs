//! Notices are delivered while nobody looks: whenever one is due, until none is.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::News;
use crate::operations::{Delivery, Failure, Workspace, deliver_due, is_due};

/// How long what is on its way may take when the agent is to end. What is cut off is sent again.
const GOODBYE: Duration = Duration::from_secs(3);

type Answer = Result<Option<Vec<Delivery>>, Failure>;

/// The delivery that runs, if one does.
#[derive(Default)]
pub(super) struct Delivering {
    running: JoinSet<Answer>,
}

impl Delivering {
    /// Begins to deliver if something is due.
    pub(super) async fn look(&mut self, workspace: &Arc<Workspace>) {
        if !self.running.is_empty() {
            return;
        }
        match is_due(workspace).await {
            Ok(true) => {
                let workspace = Arc::clone(workspace);
                let delivering = async move { deliver_due(&workspace, None).await };
                self.running.spawn(delivering);
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the outbox could not be read"),
        }
    }

    /// Waits for a delivery to end; for ever while none runs.
    pub(super) async fn next(&mut self) -> Vec<News> {
        match self.running.join_next().await {
            Some(Ok(answer)) => told(answer),
            Some(Err(_)) => Vec::new(),
            None => std::future::pending().await,
        }
    }

    /// Lets what is on its way come to its end, for a moment.
    pub(super) async fn end(mut self) -> Vec<News> {
        match timeout(GOODBYE, self.running.join_next()).await {
            Ok(Some(Ok(answer))) => told(answer),
            _ => Vec::new(),
        }
    }
}

fn told(answer: Answer) -> Vec<News> {
    match answer {
        Ok(tried) => tried.into_iter().flatten().map(news).collect(),
        Err(failure) => {
            tracing::warn!(error = %failure.message, "what was delivered could not be noted");
            Vec::new()
        }
    }
}

fn news(delivery: Delivery) -> News {
    News::Notice {
        environment: delivery.environment,
        kind: delivery.kind,
        id: delivery.id,
        webhook: delivery.webhook,
        state: delivery.state,
        attempts: delivery.attempts,
        answer: delivery.answer,
        next_try_at: delivery.next_try_at,
    }
}
