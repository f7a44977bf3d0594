//! The crash matrix: a rotation is killed, fails or hangs right before and right after
//! each of its effects, and one `recover` brings it to an end while a consumer goes on
//! logging in.

#[path = "../live/consumer.rs"]
mod consumer;
#[expect(dead_code, reason = "shared with the live tests")]
#[path = "../live/harness.rs"]
mod harness;
#[expect(dead_code, reason = "shared with the live tests")]
#[path = "../live/shop.rs"]
mod shop;

mod cell;
mod sleeper;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use handover::process::failpoint::EFFECTS;

use crate::cell::{Cell, Ended};

/// Cells that run at the same time.
const SIDE_BY_SIDE: usize = 4;

/// How a rotation comes to an effect: what runs before, and what runs with the failpoint.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    effect: &'static str,
    /// A place at which a rotation is killed first; the failpoint is then one of `recover`.
    killed_at: Option<&'static str>,
    /// A fault on the way that makes the run come to the effect at all.
    with: Option<&'static str>,
}

/// The plain way comes to the effect.
const fn plain(effect: &'static str) -> Scene {
    Scene {
        effect,
        killed_at: None,
        with: None,
    }
}

const fn in_recover(effect: &'static str, killed_at: &'static str) -> Scene {
    Scene {
        effect,
        killed_at: Some(killed_at),
        with: None,
    }
}

const fn after_fault(effect: &'static str, with: &'static str) -> Scene {
    Scene {
        effect,
        killed_at: None,
        with: Some(with),
    }
}

const SCENES: &[Scene] = &[
    plain("lock"),
    plain("managing-login"),
    plain("probe-current"),
    plain("probe-previous"),
    plain("opened"),
    plain("pending-sealed"),
    plain("begin-change"),
    plain("apply-sent"),
    plain("alter"),
    plain("commit"),
    plain("apply-confirmed"),
    after_fault("apply-refused", "begin-change.before=error"),
    plain("probe-pending"),
    plain("verified"),
    plain("promoted"),
    in_recover("recover", "pending-sealed.after"),
    in_recover("probe-current", "pending-sealed.after"),
    in_recover("managing-login", "pending-sealed.after"),
    in_recover("probe-previous", "alter.before"),
    in_recover("probe-pending", "commit.after"),
    in_recover("outwaited", "alter.before"),
    in_recover("aborted", "opened.after"),
    after_fault("parked", "probe-pending.before=error"),
];

/// No scene comes here: it needs a server with a password policy.
const WITHOUT_SCENE: [&str; 1] = ["pending-dropped"];

#[test]
fn every_failpoint_ends_well_after_one_recover() {
    for effect in EFFECTS {
        let staged = SCENES.iter().any(|scene| scene.effect == effect);
        assert_ne!(
            staged,
            WITHOUT_SCENE.contains(&effect),
            "{effect} has no scene, or one too many"
        );
    }
    let mut cells = Vec::new();
    for scene in SCENES {
        for side in ["before", "after"] {
            for action in ["kill", "error", "hang"] {
                let number = cells.len();
                cells.push(Cell::new(number, *scene, side, action));
            }
        }
    }
    let begun = Instant::now();
    let ended = run_all(&cells);
    println!("\n{}", table(&cells, &ended));
    println!("{} cells in {:.1?}", cells.len(), begun.elapsed());
    let broken = ended.iter().filter(|ended| ended.is_err()).count();
    assert_eq!(broken, 0, "{broken} cells broke a promise");
}

fn run_all(cells: &[Cell]) -> Vec<Result<Ended, String>> {
    let next = AtomicUsize::new(0);
    let ended = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = catch_unwind(AssertUnwindSafe(|| cell.run())).map_err(|panic| {
                        let text = panic.downcast_ref::<String>().cloned();
                        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
                            .unwrap_or_else(|| "panicked".to_owned())
                    });
                    ended
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((cell.number, result));
                }
            });
        }
    });
    let mut ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    ended.sort_by_key(|(number, _)| *number);
    ended.into_iter().map(|(_, result)| result).collect()
}

fn table(cells: &[Cell], ended: &[Result<Ended, String>]) -> String {
    let head = ["failpoint", "action", "in", "case", "outcome", "logins"];
    let mut rows = vec![head.map(str::to_owned)];
    for (cell, ended) in cells.iter().zip(ended) {
        let [case, outcome, logins] = match ended {
            Ok(ended) => [
                ended.case.clone(),
                ended.outcome.clone(),
                format!("{}, 0 refused", ended.logins),
            ],
            Err(broken) => [
                String::new(),
                "BROKEN".to_owned(),
                broken.lines().next().unwrap_or_default().to_owned(),
            ],
        };
        rows.push([
            cell.place.clone(),
            cell.action.to_owned(),
            cell.story(),
            case,
            outcome,
            logins,
        ]);
    }
    let widths: [usize; 6] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        if column == 5 {
            0
        } else {
            cells.max().unwrap_or(0)
        }
    });
    let line = |row: &[String; 6]| {
        let padded = row
            .iter()
            .zip(widths)
            .map(|(text, width)| format!("{text:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
