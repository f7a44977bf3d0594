//! Goes through the cells of a matrix, several side by side, and prints what became of each.
//!
//! `HANDOVER_CELLS=text` leaves only the cells in whose columns the text stands, to look at
//! a few of them again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::promises::Ended;

/// One cell of a matrix: one fault in one environment of its own.
pub(crate) trait Staged: Sync {
    /// What is broken where, for the table's first columns.
    fn told(&self) -> [String; 3];

    /// Panics with the promise that broke.
    fn run(&self) -> Ended;
}

/// Runs all cells, prints their table, and panics when one of them broke a promise.
pub(crate) fn go_through(head: [&str; 3], mut cells: Vec<impl Staged>, side_by_side: usize) {
    if let Ok(wanted) = std::env::var("HANDOVER_CELLS") {
        cells.retain(|cell| cell.told().join("  ").contains(&wanted));
    }
    let begun = Instant::now();
    let ended = run_all(&cells, side_by_side);
    println!("\n{}", table(head, &cells, &ended));
    println!("{} cells in {:.1?}", cells.len(), begun.elapsed());
    let broken = ended.iter().filter(|ended| ended.is_err()).count();
    assert_eq!(broken, 0, "{broken} cells broke a promise");
}

fn run_all(cells: &[impl Staged], side_by_side: usize) -> Vec<Result<Ended, String>> {
    let next = AtomicUsize::new(0);
    let ended = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..side_by_side {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(cell) = cells.get(number) else {
                        return;
                    };
                    let result = catch_unwind(AssertUnwindSafe(|| cell.run())).map_err(|panic| {
                        let text = panic.downcast_ref::<String>().cloned();
                        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
                            .unwrap_or_else(|| "panicked".to_owned())
                    });
                    ended
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((number, result));
                }
            });
        }
    });
    let mut ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    ended.sort_by_key(|(number, _)| *number);
    ended.into_iter().map(|(_, result)| result).collect()
}

fn table(head: [&str; 3], cells: &[impl Staged], ended: &[Result<Ended, String>]) -> String {
    let [first, second, third] = head;
    let head = [first, second, third, "case", "outcome", "logins"];
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
        let [first, second, third] = cell.told();
        rows.push([first, second, third, case, outcome, logins]);
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
