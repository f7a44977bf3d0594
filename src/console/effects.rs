//! All IO of the console: effects in, messages out.
//!
//! Each effect runs as a task of its own, so that a database that hangs holds up
//! nothing. Looks are bounded: a store with many environments does not open a
//! connection to each at once.

mod export;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use self::requests::{
    end_request, publish_request, recover_request, retire_request, roll_back_request,
    rotate_request,
};
use super::message::{Effect, Message};
use super::model::{Answer, Problem, Target};
use super::terminal;
use crate::model::EnvironmentName;
use crate::operations::drain::{self, Pace};
use crate::operations::hand_over::{self, Confirmation, Observer, Report};
use crate::operations::{self, Failure, Pause, Workspace};
use crate::process::StopSignal;

/// Looks at the same time.
const MOST_LOOKS: usize = 4;
/// How long sampling may take to say goodbye to its servers.
const GOODBYE: Duration = Duration::from_millis(500);
/// Days of starts that the schedules screen shows: today and the seven after it.
const DAYS: u32 = 8;
/// Audit entries that an environment's screen holds.
const MOST_ENTRIES: u64 = 200;

/// Carries out effects.
pub(super) struct Effects {
    workspace: Arc<Workspace>,
    answers: mpsc::Sender<Message>,
    looks: Arc<Semaphore>,
    stop: StopSignal,
    /// What samples; ends when its other half is dropped.
    watching: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// What an effect means for the loop itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ForTheLoop {
    Nothing,
    Suspend,
    Redraw,
    Quit,
}

impl Effects {
    pub(super) fn new(
        workspace: Arc<Workspace>,
        answers: mpsc::Sender<Message>,
        stop: StopSignal,
    ) -> Self {
        Self {
            stop,
            watching: None,
            workspace,
            answers,
            looks: Arc::new(Semaphore::new(MOST_LOOKS)),
        }
    }

    /// Begins an effect and does not wait for it.
    pub(super) fn begin(&mut self, effect: Effect) -> ForTheLoop {
        let workspace = Arc::clone(&self.workspace);
        match effect {
            Effect::ReadStatus => self.answer(async move {
                let result = operations::read_status(&workspace, None).await;
                Message::Status(result.map_err(problem))
            }),
            Effect::ReadSchedules => self.answer(async move {
                let now = Utc::now();
                let result = operations::list_schedules(&workspace, None, now, DAYS).await;
                Message::Schedules(result.map_err(problem))
            }),
            Effect::ReadDetail(environment) => self.answer(async move {
                let result = read_detail(&workspace, &environment).await.map_err(problem);
                Message::Detail {
                    environment,
                    result,
                }
            }),
            Effect::LookAt { environment, depth } => {
                let looks = Arc::clone(&self.looks);
                self.answer(async move {
                    let _turn = looks.acquire_owned().await;
                    let result = hand_over::look(&workspace, &environment, depth).await;
                    Message::Looked {
                        environment,
                        result: result.map_err(problem),
                    }
                });
            }
            Effect::WatchDrains => self.watch_drains(),
            Effect::ReadDrains(environment) => self.read_drains(environment),
            Effect::PlanRotation { target, review } => self.answer(async move {
                let result = plan(&workspace, &target).await;
                reviewed(review, result, Answer::HandOver)
            }),
            Effect::GatherEvidence { target, review } => self.answer(async move {
                let request = recover_request(&target, Confirmation::None);
                let result = hand_over::explain(&workspace, &request, &Observer::default()).await;
                reviewed(review, result, Answer::HandOver)
            }),
            Effect::PlanRollBack { target, review } => self.answer(async move {
                let planned = async {
                    let request = roll_back_request(&target, None, Confirmation::None)?;
                    hand_over::plan_roll_back(&workspace, &request, &Observer::default()).await
                };
                reviewed(review, planned.await, Answer::HandOver)
            }),
            Effect::PlanRetire {
                target,
                undo,
                review,
            } => self.answer(async move {
                let planned = async {
                    let request = retire_request(&target, undo, Confirmation::None)?;
                    hand_over::plan_retire(&workspace, &request).await
                };
                reviewed(review, planned.await, Answer::Retire)
            }),
            Effect::PlanEndSession {
                target,
                session,
                review,
            } => self.answer(async move {
                let planned = async {
                    let request = end_request(&target, session, Confirmation::None)?;
                    hand_over::plan_end_session(&workspace, &request).await
                };
                reviewed(review, planned.await, Answer::EndSession)
            }),
            Effect::PlanPublish { target, review } => self.answer(async move {
                let request = publish_request(&target, Confirmation::None);
                let planned = hand_over::plan_publish(&workspace, &request).await;
                reviewed(review, planned, Answer::Publish)
            }),
            Effect::Publish {
                target,
                confirmation,
                review,
            } => {
                let observer = Observer::default().with_stop(&self.stop);
                self.answer(async move {
                    let request = publish_request(&target, confirmation);
                    let done = hand_over::publish(&workspace, &request, &observer).await;
                    acted(review, done, Answer::Publish)
                });
            }
            Effect::PlanPause {
                target,
                resume,
                review,
            } => self.answer(async move {
                let planned = operations::plan_pause(&workspace, target.environment, resume).await;
                reviewed(review, planned, Answer::Schedule)
            }),
            Effect::Pause {
                target,
                reason,
                confirmation,
                review,
            } => self.answer(async move {
                let pause = Pause {
                    reason,
                    until: None,
                };
                let name = target.environment;
                let done = operations::pause_schedule(&workspace, name, pause, &confirmation).await;
                acted(review, done, Answer::Schedule)
            }),
            Effect::Resume {
                target,
                confirmation,
                review,
            } => self.answer(async move {
                let name = target.environment;
                let done = operations::resume_schedule(&workspace, name, &confirmation).await;
                acted(review, done, Answer::Schedule)
            }),
            Effect::Export(rotation) => self.answer(async move {
                let written = export::export(&workspace, rotation).await;
                Message::Exported(written.map_err(problem))
            }),
            Effect::Retire {
                target,
                undo,
                confirmation,
                review,
            } => {
                let observer = Observer::default().with_stop(&self.stop);
                self.answer(async move {
                    let done = async {
                        let request = retire_request(&target, undo, confirmation)?;
                        hand_over::retire(&workspace, &request, &observer).await
                    };
                    acted(review, done.await, Answer::Retire)
                });
            }
            Effect::EndSession {
                target,
                session,
                confirmation,
                review,
            } => self.answer(async move {
                let done = async {
                    let request = end_request(&target, session, confirmation)?;
                    hand_over::end_session(&workspace, &request).await
                };
                acted(review, done.await, Answer::EndSession)
            }),
            Effect::Rotate {
                target,
                confirmation,
            } => self.hand_over(|workspace, observer| async move {
                let request = rotate_request(&target, confirmation)?;
                hand_over::rotate(&workspace, &request, &observer).await
            }),
            Effect::Recover {
                target,
                confirmation,
            } => self.hand_over(|workspace, observer| async move {
                let request = recover_request(&target, confirmation);
                hand_over::resume(&workspace, &request, &observer).await
            }),
            Effect::RollBack {
                target,
                way,
                confirmation,
            } => self.hand_over(move |workspace, observer| async move {
                let request = roll_back_request(&target, Some(way), confirmation)?;
                hand_over::roll_back(&workspace, &request, &observer).await
            }),
            Effect::Copy(text) => terminal::copy(&text),
            Effect::StartTimer { timer, after } => self.answer(async move {
                tokio::time::sleep(after).await;
                Message::TimeUp(timer)
            }),
            Effect::Suspend => return ForTheLoop::Suspend,
            Effect::Redraw => return ForTheLoop::Redraw,
            Effect::Quit => return ForTheLoop::Quit,
        }
        ForTheLoop::Nothing
    }

    /// Reads what is stored of an environment's drains; if that fails, the sampler tells why.
    fn read_drains(&self, environment: EnvironmentName) {
        let workspace = Arc::clone(&self.workspace);
        let answers = self.answers.clone();
        tokio::spawn(async move {
            if let Ok(report) = drain::read_drains(&workspace, &environment, &[]).await {
                let _ = answers.send(Message::Drained(Box::new(report))).await;
            }
        });
    }

    /// Samples until the console is left.
    fn watch_drains(&mut self) {
        let (going, mut over) = oneshot::channel();
        let mut watch = drain::watch(&self.workspace, None, Pace::EveryRound);
        let answers = self.answers.clone();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    _ = &mut over => break,
                    report = watch.next() => {
                        let _ = answers.send(Message::Drained(Box::new(report))).await;
                    }
                }
            }
            watch.end().await;
        });
        self.watching = Some((going, task));
    }

    /// Ends what goes on by itself; a server that hangs does not hold up the leaving.
    pub(super) async fn end(self) {
        if let Some((going, task)) = self.watching {
            drop(going);
            let _ = tokio::time::timeout(GOODBYE, task).await;
        }
    }

    /// Runs a task whose result is one message.
    fn answer(&self, work: impl Future<Output = Message> + Send + 'static) {
        let answers = self.answers.clone();
        tokio::spawn(async move {
            let message = work.await;
            let _ = answers.send(message).await;
        });
    }

    /// Runs a hand-over whose progress is told while it goes on.
    fn hand_over<W>(&self, work: impl FnOnce(Arc<Workspace>, Observer) -> W)
    where
        W: Future<Output = Result<Report, Failure>> + Send + 'static,
    {
        let (sender, mut told) = mpsc::channel(64);
        let observer = Observer::new(sender).with_stop(&self.stop);
        let work = work(Arc::clone(&self.workspace), observer);
        let answers = self.answers.clone();
        tokio::spawn(async move {
            let telling = async {
                while let Some(progress) = told.recv().await {
                    let _ = answers.send(Message::Told(progress)).await;
                }
            };
            let (result, ()) = tokio::join!(work, telling);
            let _ = answers
                .send(Message::Ended(result.map(Box::new).map_err(problem)))
                .await;
        });
    }
}

async fn read_detail(
    workspace: &Workspace,
    environment: &EnvironmentName,
) -> Result<(operations::History, Vec<operations::AuditEntry>), Failure> {
    let history = operations::environment_history(workspace, environment.clone()).await?;
    let listing =
        operations::list_audit(workspace, Some(environment.clone()), MOST_ENTRIES).await?;
    Ok((history, listing.entries))
}

async fn plan(workspace: &Workspace, target: &Target) -> Result<Report, Failure> {
    let request = rotate_request(target, Confirmation::None)?;
    hand_over::plan(workspace, &request, &Observer::default()).await
}

/// The answer that a review waits for.
fn reviewed<T>(
    number: u64,
    result: Result<T, Failure>,
    kind: impl FnOnce(Box<T>) -> Answer,
) -> Message {
    Message::Reviewed {
        number,
        result: result.map(Box::new).map(kind).map_err(problem),
    }
}

/// How what a review agreed to has ended.
fn acted<T>(
    number: u64,
    result: Result<T, Failure>,
    kind: impl FnOnce(Box<T>) -> Answer,
) -> Message {
    Message::Acted {
        number,
        result: result.map(Box::new).map(kind).map_err(problem),
    }
}

fn problem(failure: Failure) -> Problem {
    Problem {
        message: failure.message,
        remedy: failure.remedy,
    }
}
