//! What the drain costs, each beside a floor in the same run: `make bench`. Figures for people
//! and no test, since a machine that does something else besides would fail one.
//!
//! `HANDOVER_BENCH_SECONDS` says how long the idle agent is looked at.

#[expect(dead_code, reason = "shared with the live tests")]
#[path = "../../tests/live/harness.rs"]
mod harness;
#[expect(dead_code, reason = "shared with the live tests")]
#[path = "../../tests/live/shop.rs"]
mod shop;

mod agent;
mod sample;
mod store;

use std::time::Duration;

fn main() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load before: {}", load.trim());
    // `cargo bench --bench drain -- sample` measures the first alone.
    sample::measure();
    if !std::env::args().any(|argument| argument == "sample") {
        let shop = agent::measure();
        store::measure(&shop);
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load after: {}", load.trim());
}

/// The middle of several times, and the one that nine of ten are not above.
fn middle(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() * 9 / 10])
}

/// Prints the floor, ours, and how they stand to each other.
fn told(what: &str, floor: Vec<Duration>, ours: Vec<Duration>, budget: Option<f64>) {
    let ((floor, floor_most), (ours, ours_most)) = (middle(floor), middle(ours));
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    let budget = budget.map_or(String::new(), |budget| {
        let word = if ratio <= budget { "within" } else { "OVER" };
        format!(", {word} the budget of {budget}")
    });
    println!(
        "{what}: floor {floor:.2?} (p90 {floor_most:.2?}), ours {ours:.2?} (p90 {ours_most:.2?}), \
         ratio {ratio:.2}{budget}"
    );
}
