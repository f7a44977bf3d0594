//! Signals while a command changes something: it ends after the running effect, a
//! second one ends it at once.

use std::io::Write;

use super::output::Printer;
use crate::operations::hand_over::Observer;
use crate::process::{Hold, Signal, StopSignal};

/// Listens to signals from here on. Nothing is held yet, so they end the program as
/// ever, for example while a question waits for its answer.
pub(super) fn listen() -> StopSignal {
    StopSignal::install(last_words).unwrap_or_else(|error| {
        tracing::warn!(%error, "signals cannot be listened to");
        StopSignal::never()
    })
}

/// Until the answer is dropped, the first signal lets the running effect finish; the
/// operator is told so.
pub(super) fn hold(stop: &StopSignal, printer: &Printer, observer: Observer) -> (Observer, Held) {
    let hold = stop.hold();
    let is_for_people = !printer.is_json();
    let told = stop.clone();
    let telling = tokio::spawn(async move {
        let signal = told.raised().await;
        if is_for_people {
            tell(&format!(
                "{signal}: stopping as soon as the running step has ended; a second signal ends at once"
            ));
        }
    });
    (
        observer.with_stop(stop),
        Held {
            _hold: hold,
            telling,
        },
    )
}

/// Something runs that must not break off in its middle.
pub(super) struct Held {
    _hold: Hold,
    telling: tokio::task::JoinHandle<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.telling.abort();
    }
}

fn last_words(signal: Signal) {
    tell(&format!(
        "{signal} a second time: ended at once; what was begun is kept: handover recover"
    ));
}

/// A terminal that was closed takes no words, and no word is worth a panic.
fn tell(words: &str) {
    let _ = writeln!(std::io::stderr(), "{words}");
}
