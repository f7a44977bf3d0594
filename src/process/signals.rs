//! Being asked to stop: SIGTERM, SIGHUP and SIGINT.
//!
//! While something is held that must not break off in its middle, the first signal only
//! says that a stop is wanted, and whoever works ends after the running effect. The
//! second one ends the process at once, with the shell's code for that signal. A thread
//! of its own listens, so that the second signal counts even when all else is stuck.
//!
//! A signal that was ignored when the process began stays ignored: `nohup` and a shell's
//! background jobs mean it so.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::signal::unix::{self, SignalKind};
use tokio::sync::watch;

/// `timeout` sends its signal to the program and to the program's group: what follows
/// the first one so closely is the same news and not a second wish.
const SAME_NEWS: Duration = Duration::from_millis(100);

/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A signal that asks the process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: a supervisor, or `kill`.
    Terminate,
    /// SIGHUP: the terminal was closed.
    HangUp,
    /// SIGINT: ctrl-c.
    Interrupt,
}

impl Signal {
    const ALL: [Self; 3] = [Self::Terminate, Self::HangUp, Self::Interrupt];

    fn kind(self) -> SignalKind {
        match self {
            Self::Terminate => SignalKind::terminate(),
            Self::HangUp => SignalKind::hangup(),
            Self::Interrupt => SignalKind::interrupt(),
        }
    }

    /// What a shell reports of a process that this signal ended.
    #[must_use]
    pub fn exit_code(self) -> i32 {
        128 + self.kind().as_raw_value()
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
            Self::Interrupt => "SIGINT",
        })
    }
}

/// Whether this process was asked to stop.
#[derive(Debug, Clone)]
pub struct StopSignal {
    wish: Arc<watch::Sender<Option<Signal>>>,
    held: Arc<AtomicUsize>,
}

/// While this lives, the first signal ends nothing by itself.
#[derive(Debug)]
pub struct Hold(Arc<AtomicUsize>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl StopSignal {
    /// Listens from here on, for as long as the process lives. `last_words` runs before a
    /// second signal ends the process.
    ///
    /// # Errors
    /// When the system does not let us listen; signals then do what they always do.
    pub fn install(last_words: impl Fn(Signal) + Send + Sync + 'static) -> io::Result<Self> {
        let stop = Self::never();
        let listener = Listener {
            heard: Heard::default(),
            stop: stop.clone(),
        };
        let (ready, is_ready) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || listener.run(&ready, Arc::new(last_words)))?;
        is_ready
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that listens has ended")))?;
        Ok(stop)
    }

    /// A stop that no signal asks for.
    #[must_use]
    pub fn never() -> Self {
        Self {
            wish: Arc::new(watch::channel(None).0),
            held: Arc::default(),
        }
    }

    /// Asks for the stop as a signal would, for example when the terminal is found gone
    /// before the system says so.
    pub fn raise(&self, signal: Signal) {
        self.wish.send_if_modified(|wish| {
            let is_first = wish.is_none();
            wish.get_or_insert(signal);
            is_first
        });
    }

    /// From here on, until the answer is dropped, the first signal only raises the wish.
    /// With nothing held it ends the process, as it would without us.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.held.fetch_add(1, Ordering::SeqCst);
        Hold(Arc::clone(&self.held))
    }

    /// The signal that asked for the stop, if one did.
    #[must_use]
    pub fn wanted(&self) -> Option<Signal> {
        *self.wish.borrow()
    }

    /// Waits until a stop is wanted.
    pub async fn raised(&self) -> Signal {
        let mut wish = self.wish.subscribe();
        let found = wish
            .wait_for(Option::is_some)
            .await
            .map_or(None, |signal| *signal);
        match found {
            Some(signal) => signal,
            // Both cannot be: a wish is waited for, and its sender is ours.
            None => std::future::pending().await,
        }
    }
}

/// What the signals so far amount to.
#[derive(Debug, Default)]
struct Heard {
    first: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// Say that a stop is wanted.
    Raise,
    /// The same news again.
    Nothing,
    /// End the process, unasked for when nothing was held.
    End { second: bool },
}

impl Heard {
    fn take(&mut self, signal: Signal, held: bool, now: Instant) -> Answer {
        match self.first {
            None if !held => Answer::End { second: false },
            None => {
                self.first = Some(now);
                Answer::Raise
            }
            // One terminal that closes sends it several times: by the kernel to the group
            // in front, by the shell to its jobs, and once more when the shell ends.
            Some(_) if signal == Signal::HangUp => Answer::Nothing,
            Some(first) if now.duration_since(first) < SAME_NEWS => Answer::Nothing,
            Some(_) => Answer::End { second: true },
        }
    }
}

struct Listener {
    heard: Heard,
    stop: StopSignal,
}

impl Listener {
    fn run<W>(mut self, ready: &mpsc::SyncSender<io::Result<()>>, last_words: Arc<W>)
    where
        W: Fn(Signal) + Send + Sync + 'static,
    {
        let runtime = match tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
        {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        runtime.block_on(async move {
            let mut streams = match listen() {
                Ok(streams) => streams,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return;
                }
            };
            let _ = ready.send(Ok(()));
            loop {
                let signal = next(&mut streams).await;
                let held = self.stop.held.load(Ordering::SeqCst) > 0;
                match self.heard.take(signal, held, Instant::now()) {
                    Answer::Nothing => {}
                    Answer::Raise => {
                        tracing::info!(%signal, "asked to stop");
                        self.stop.raise(signal);
                    }
                    Answer::End { second } => {
                        if second {
                            tracing::warn!(%signal, "asked to stop a second time: ending at once");
                            say(signal, Arc::clone(&last_words));
                        }
                        std::process::exit(signal.exit_code());
                    }
                }
            }
        });
    }
}

/// Says the last words, and does not wait for ever for a terminal that takes none.
fn say<W>(signal: Signal, last_words: Arc<W>)
where
    W: Fn(Signal) + Send + Sync + 'static,
{
    let (said, is_said) = mpsc::channel();
    let speaking = thread::Builder::new().spawn(move || {
        last_words(signal);
        let _ = said.send(());
    });
    if speaking.is_ok() {
        let _ = is_said.recv_timeout(LAST_WORDS);
    }
}

type Streams = Vec<(Signal, unix::Signal)>;

fn listen() -> io::Result<Streams> {
    let ignored = ignored_from_the_start();
    Signal::ALL
        .into_iter()
        .filter(|signal| ignored & (1 << (signal.kind().as_raw_value() - 1)) == 0)
        .map(|signal| Ok((signal, unix::signal(signal.kind())?)))
        .collect()
}

async fn next(streams: &mut Streams) -> Signal {
    std::future::poll_fn(|context| {
        for (signal, stream) in streams.iter_mut() {
            if stream.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(*signal);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// One bit for each signal that whoever started us ignores. Only Linux says so in a
/// place that can be read; elsewhere nothing counts as ignored.
pub(super) fn ignored_from_the_start() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_in(&text)
}

fn ignored_in(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(1);

    #[test]
    fn a_second_signal_ends_at_once() {
        let (mut heard, now) = (Heard::default(), Instant::now());
        assert_eq!(heard.take(Signal::Terminate, true, now), Answer::Raise);
        let second = heard.take(Signal::Interrupt, true, now + LATER);
        assert_eq!(second, Answer::End { second: true });
    }

    #[test]
    fn with_nothing_held_the_first_signal_ends() {
        let mut heard = Heard::default();
        let only = heard.take(Signal::Interrupt, false, Instant::now());
        assert_eq!(only, Answer::End { second: false });
    }

    #[test]
    fn one_closing_terminal_is_one_wish() {
        let (mut heard, now) = (Heard::default(), Instant::now());
        assert_eq!(heard.take(Signal::HangUp, true, now), Answer::Raise);
        let again = heard.take(Signal::HangUp, true, now + LATER);
        assert_eq!(again, Answer::Nothing);
        let other = heard.take(Signal::Terminate, true, now + LATER);
        assert_eq!(other, Answer::End { second: true });
    }

    #[test]
    fn a_signal_sent_to_the_program_and_to_its_group_is_one_wish() {
        let (mut heard, now) = (Heard::default(), Instant::now());
        assert_eq!(heard.take(Signal::Terminate, true, now), Answer::Raise);
        assert_eq!(heard.take(Signal::Terminate, true, now), Answer::Nothing);
    }

    #[tokio::test]
    async fn what_was_raised_first_stays() {
        let stop = StopSignal::never();
        assert_eq!(stop.wanted(), None);
        stop.raise(Signal::HangUp);
        stop.raise(Signal::Terminate);
        assert_eq!(stop.wanted(), Some(Signal::HangUp));
        assert_eq!(stop.raised().await, Signal::HangUp);
    }

    #[test]
    fn codes_are_those_of_the_shell() {
        let codes = Signal::ALL.map(Signal::exit_code);
        assert_eq!(codes, [143, 129, 130]);
    }

    #[test]
    fn what_was_ignored_from_the_start_is_read() {
        // SIGHUP is the first bit.
        assert_eq!(ignored_in("Name:\tx\nSigIgn:\t0000000000000001\n"), 1);
        assert_eq!(ignored_in("nothing of the kind"), 0);
    }
}
