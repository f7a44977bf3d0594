//! A model of an application: it reads the current credential and logs in with it, again
//! and again, and counts how often the database refuses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use handover::sandbox::LoginOutcome;

use crate::harness::Chance;
use crate::shop::Shop;

/// What a consumer promises: it logs in within this time after it asked for a credential.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the consumers have seen.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub(crate) logins: u32,
    pub(crate) refused: Vec<String>,
    /// Credentials that had grown too old on a slow machine and were fetched again.
    pub(crate) expired: u32,
}

/// When a consumer logs in after it asked for a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Temper {
    /// At once.
    Hasty,
    /// As late as it may, because the hardest moment is a login long after its fetch.
    Patient,
    /// At once, and then it rests for a while, so that others get on with their work.
    Calm,
}

/// Several consumers, at work until [`Consumers::stop`].
pub(crate) struct Consumers {
    over: Arc<AtomicBool>,
    tally: Arc<Mutex<Tally>>,
    threads: Vec<JoinHandle<()>>,
}

impl Consumers {
    /// One for each temper.
    pub(crate) fn start(shop: &Arc<Shop>, tempers: &[Temper], chance: &mut Chance) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let tally = Arc::new(Mutex::default());
        let threads = tempers
            .iter()
            .map(|temper| {
                let (shop, over) = (Arc::clone(shop), Arc::clone(&over));
                let tally = Arc::clone(&tally);
                let (temper, chance) = (*temper, chance.split());
                thread::spawn(move || consume(&shop, &over, &tally, temper, chance))
            })
            .collect();
        Self {
            over,
            tally,
            threads,
        }
    }

    /// What they have seen so far, together.
    pub(crate) fn seen(&self) -> Tally {
        let tally = self.tally.lock();
        tally.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends them and answers what they saw.
    pub(crate) fn stop(mut self) -> Tally {
        self.over.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            thread.join().expect("a consumer does not panic");
        }
        self.seen()
    }
}

fn consume(
    shop: &Shop,
    over: &AtomicBool,
    tally: &Mutex<Tally>,
    temper: Temper,
    mut chance: Chance,
) {
    let note = || tally.lock().unwrap_or_else(PoisonError::into_inner);
    while !over.load(Ordering::Acquire) {
        let asked = Instant::now();
        let current = shop.current();
        if temper == Temper::Patient {
            thread::sleep(chance.up_to(PATIENCE.saturating_sub(asked.elapsed())));
        }
        if asked.elapsed() > PATIENCE {
            note().expired += 1;
            continue;
        }
        let outcome = shop.login(&current);
        let mut tally = note();
        tally.logins += 1;
        if outcome != LoginOutcome::Accepted {
            tally.refused.push(format!("{}: {outcome:?}", current.name));
        }
        drop(tally);
        if temper == Temper::Calm {
            thread::sleep(chance.up_to(PATIENCE));
        }
    }
}
