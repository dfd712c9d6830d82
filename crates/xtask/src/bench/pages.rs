//! How soon a page is out: from the first bad answer of a target to the request at the receiver.
//!
//! Beside Prometheus, blackbox_exporter and Alertmanager on the same targets in the same run, alone many times over
//! for the tail, and in a storm in which everything fails at once.

mod latency;
mod peers;
mod storm;
mod world;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::process::load_average;
use crate::print::say;

/// How much is measured.
pub(super) struct Amount {
    /// Incidents of one check, for the tail.
    pub(super) incidents: usize,
    /// Incidents seen by both peers.
    pub(super) rounds: usize,
    /// Checks in the storm.
    pub(super) checks: usize,
}

/// Measures everything; fails when a figure is missed.
pub(super) fn run(binary: &Path, amount: &Amount) -> Result<ExitCode, String> {
    let mut reached = true;
    if amount.incidents > 0 {
        reached &= latency::alone(binary, amount.incidents)?;
    }
    if amount.rounds > 0 {
        reached &= latency::side_by_side(binary, amount.rounds)?;
    }
    if amount.checks > 0 {
        reached &= storm::few_groups(binary, amount.checks)?;
        reached &= storm::a_group_for_each(binary, amount.checks)?;
    }
    say(&format!("\nload average {}", load_average()));
    Ok(if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Spans, sorted.
struct Spans(Vec<Duration>);

impl Spans {
    fn new(mut spans: Vec<Duration>) -> Self {
        spans.sort_unstable();
        Self(spans)
    }

    /// The span that `percent` of all do not exceed, in milliseconds.
    fn percentile(&self, percent: usize) -> f64 {
        let at = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(at).copied().unwrap_or_default().as_secs_f64() * 1e3
    }

    fn median(&self) -> f64 {
        self.percentile(50)
    }

    fn max(&self) -> f64 {
        self.percentile(100)
    }
}

/// A line that says whether a figure is reached; gives just that.
fn goal(what: &str, figure: f64, unit: &str, limit: f64) -> bool {
    let mark = if figure <= limit { "" } else { "  MISSED" };
    say(&format!("  {what:<54} {figure:>10.1} {unit:<4} (at most {limit}){mark}"));
    figure <= limit
}
