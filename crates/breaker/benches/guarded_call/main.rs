//! What a guarded call costs, in nanoseconds, beside the breakers others would choose.
//!
//! ```sh
//! cargo bench -p breakwatch-breaker --features tower           # all rows, ratios, memory
//! CALLS=200000 ROUNDS=15 cargo bench -p breakwatch-breaker --features tower
//! ```
//!
//! All rows take turns within each round, so that a busy moment of the machine hits them alike. Judged are
//! only ratios of rows of the same run.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench measures time and prints"
)]

mod memory;
mod ours;
mod references;
mod run;

use run::{Measured, Rows};

/// A goal: our row costs at most so many times the reference row.
struct Goal {
    row: &'static str,
    reference: &'static str,
    threads: usize,
    at_most: f64,
}

const fn goal(row: &'static str, reference: &'static str, threads: usize, at_most: f64) -> Goal {
    Goal { row, reference, threads, at_most }
}

const GOALS: [Goal; 9] = [
    goal("count window closed", "recloser closed", 1, 1.5),
    goal("open rejection", "recloser open", 1, 1.2),
    goal("time window closed", "failsafe rate over window", 1, 0.7),
    goal("tower layer", "tower-resilience", 1, 0.3),
    goal("count window closed", "recloser closed", 2, 1.5),
    goal("count window closed", "std Mutex + 100-bit ring", 2, 1.0),
    goal("count window with failures", "std Mutex + ring, with failures", 2, 1.0),
    goal("time window closed", "std Mutex + 100-bit ring + clock", 2, 1.0),
    goal("open rejection", "recloser open", 2, 1.2),
];

fn main() {
    let number = |name: &str, otherwise: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let (calls, rounds) = (number("CALLS", 300_000), number("ROUNDS", 21));
    let mut rows = Rows::default();
    references::add(&mut rows);
    ours::add(&mut rows);
    let mut measured = Vec::new();
    for threads in [1, 2] {
        measured.extend(rows.run(threads, calls, rounds));
    }
    println!("{:<34} {:>7} {:>9} {:>9} {:>9}", "row", "threads", "min ns", "median", "max");
    for row in &measured {
        println!(
            "{:<34} {:>7} {:>9.1} {:>9.1} {:>9.1}",
            row.name,
            row.threads,
            row.min(),
            row.median(),
            row.max()
        );
    }
    println!();
    println!("{:<34} {:<34} {:>7} {:>7} {:>7}", "row", "against", "threads", "ratio", "goal");
    for goal in &GOALS {
        let figure = |name: &str| {
            let row = measured.iter().find(|row: &&Measured| row.name == name && row.threads == goal.threads);
            row.map_or(f64::NAN, Measured::judged)
        };
        let ratio = figure(goal.row) / figure(goal.reference);
        let verdict = if ratio <= goal.at_most { "" } else { "  MISSED" };
        println!(
            "{:<34} {:<34} {:>7} {ratio:>7.2} {:>7.2}{verdict}",
            goal.row, goal.reference, goal.threads, goal.at_most
        );
    }
    println!();
    memory::report();
}
