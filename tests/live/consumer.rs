//! A model of an application: it reads the current credential and logs in with it, again
//! and again, and counts how often the database refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use handover::sandbox::LoginOutcome;

use crate::harness::{Chance, server};
use crate::shop::Shop;

/// What a consumer promises: it logs in within this time after it asked for a credential.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the consumers have seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) logins: u32,
    pub(crate) refused: Vec<String>,
    /// Credentials that had grown too old on a slow machine and were fetched again.
    pub(crate) expired: u32,
}

/// Several consumers, at work until [`Consumers::stop`].
pub(crate) struct Consumers {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Tally>>,
}

impl Consumers {
    /// Half of them log in at once; the other half waits as long as it may, because the
    /// hardest moment is a login long after its fetch.
    pub(crate) fn start(shop: &Arc<Shop>, count: usize, chance: &mut Chance) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let threads = (0..count)
            .map(|number| {
                let (shop, over) = (Arc::clone(shop), Arc::clone(&over));
                let chance = (number % 2 == 1).then(|| chance.split());
                thread::spawn(move || consume(&shop, &over, chance))
            })
            .collect();
        Self { over, threads }
    }

    /// Ends them and adds up what they saw.
    pub(crate) fn stop(self) -> Tally {
        self.over.store(true, Ordering::Release);
        let mut sum = Tally::default();
        for thread in self.threads {
            let tally = thread.join().expect("a consumer does not panic");
            sum.logins += tally.logins;
            sum.expired += tally.expired;
            sum.refused.extend(tally.refused);
        }
        sum
    }
}

fn consume(shop: &Shop, over: &AtomicBool, mut chance: Option<Chance>) -> Tally {
    let mut tally = Tally::default();
    while !over.load(Ordering::Acquire) {
        let asked = Instant::now();
        let current = shop.current();
        if let Some(chance) = &mut chance {
            thread::sleep(chance.up_to(PATIENCE.saturating_sub(asked.elapsed())));
        }
        if asked.elapsed() > PATIENCE {
            tally.expired += 1;
            continue;
        }
        let outcome = server().login(&current.name, &current.password);
        tally.logins += 1;
        if outcome != LoginOutcome::Accepted {
            tally.refused.push(format!("{}: {outcome:?}", current.name));
        }
    }
    tally
}
