//! From a result to what others read: families in the last-result table, samples in the store.

use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{CheckResult, Labels, MetricFamily, MetricKind, Status, Timestamp};

use super::results::CheckState;
use super::series::SeriesWriter;
use super::unit::CheckUnit;
use crate::telemetry::instruments::Instruments;

/// While a result is current its series are written again at least this often, so that a check that runs every
/// ten minutes does not vanish from PromQL's five-minute look-back.
pub const REPEAT_EVERY: Duration = Duration::from_secs(60);

/// Writes results and counts what the store did not take.
#[derive(Clone)]
pub struct Publisher {
    writer: SeriesWriter,
    instruments: Instruments,
}

impl Publisher {
    /// A publisher that writes with `writer`.
    #[must_use]
    pub fn new(writer: SeriesWriter, instruments: Instruments) -> Self {
        Self { writer, instruments }
    }

    /// Remembers and stores a result. `current_until` is when it stops being current.
    pub fn publish(&self, unit: &CheckUnit, result: &CheckResult, current_until: Timestamp, at: Timestamp) {
        let families: Arc<[MetricFamily]> = {
            let mut state = unit.state.lock();
            state.record(result, Arc::from([]), current_until);
            let families: Arc<[MetricFamily]> = families(unit, &state, result).into();
            if let Some(last) = &mut state.last {
                last.families = Arc::clone(&families);
                last.written_at = at;
            }
            families
        };
        self.write(unit, &families, at);
    }

    /// Writes a current result again if that is due; ends the series of one that is no longer current.
    pub fn repeat(&self, unit: &CheckUnit, now: Timestamp) {
        let again = {
            let mut state = unit.state.lock();
            match &mut state.last {
                Some(last) if now > last.current_until || unit.is_paused() => None,
                Some(last) if now.since(last.written_at) >= REPEAT_EVERY => {
                    last.written_at = now;
                    Some(Arc::clone(&last.families))
                }
                _ => return,
            }
        };
        match again {
            Some(families) => {
                let written = self.writer.write_again(&unit.source, &families, now);
                self.count_dropped(unit, &families, written);
            }
            None => self.end(unit, now),
        }
    }

    /// Ends every series of a check: it is gone, paused or no longer measured.
    pub fn end(&self, unit: &CheckUnit, now: Timestamp) {
        if let Err(error) = self.writer.end(&unit.source, now) {
            self.instruments.store_dropped("store", 1);
            tracing::debug!(check = &*unit.name, %error, "series could not be ended");
        }
    }

    fn write(&self, unit: &CheckUnit, families: &[MetricFamily], at: Timestamp) {
        self.count_dropped(unit, families, self.writer.write(&unit.source, families, at));
    }

    fn count_dropped(
        &self,
        unit: &CheckUnit,
        families: &[MetricFamily],
        written: Result<(), breakwatch_model::StorageError>,
    ) {
        if let Err(error) = written {
            let points = families.iter().map(|family| family.points.len() as u64).sum();
            self.instruments.store_dropped("store", points);
            tracing::debug!(check = &*unit.name, %error, "samples were not stored");
        }
    }
}

/// The check's own families with its labels laid over them, and those every check has.
fn families(unit: &CheckUnit, state: &CheckState, result: &CheckResult) -> Vec<MetricFamily> {
    let labels = &unit.labels;
    let mut families = common(labels, state, result);
    for family in &result.families {
        let mut family = family.clone();
        for point in &mut family.points {
            point.labels = point.labels.merged(labels);
        }
        families.push(family);
    }
    families
}

fn common(labels: &Labels, state: &CheckState, result: &CheckResult) -> Vec<MetricFamily> {
    let mut families = Vec::with_capacity(8);
    // Not measured is neither success nor failure: the series ends.
    if result.status != Status::Unknown {
        let success = f64::from(u8::from(result.status != Status::Unhealthy));
        let help = "Whether the check's target works: 1 healthy or degraded, 0 unhealthy.";
        families.push(MetricFamily::gauge("probe_success", "", help).with(labels.clone(), success));
    }
    let help = "How long the check's last run took.";
    let duration = MetricFamily::gauge("probe_duration_seconds", "seconds", help);
    families.push(duration.with(labels.clone(), result.duration.as_secs_f64()));

    let help = "The status of the check: 1 for the present one.";
    let mut status = MetricFamily::new("breakwatch_check_status", MetricKind::StateSet, "", help);
    for each in Status::ALL {
        status.push(labels.with("status", each.as_str()), f64::from(u8::from(each == result.status)));
    }
    families.push(status);

    let help = "When the check's last run started.";
    let last_run = MetricFamily::gauge("breakwatch_check_last_run_timestamp_seconds", "seconds", help);
    families.push(last_run.with(labels.clone(), result.started_at.as_secs_f64()));

    let mut runs = MetricFamily::counter("breakwatch_check_runs_total", "", "Runs of the check by status.");
    for each in Status::ALL {
        let count = state.runs.get(&each).copied().unwrap_or(0);
        runs.push(labels.with("status", each.as_str()), count as f64);
    }
    families.push(runs);

    let help = "Runs that found the target worse than it should be, by reason.";
    let mut failures = MetricFamily::counter("breakwatch_check_failures_total", "", help);
    for (reason, count) in &state.failures {
        failures.push(labels.with("reason", reason.as_str()), *count as f64);
    }
    families.push(failures);

    let help = "Runs that did not take place in time.";
    let missed = MetricFamily::counter("breakwatch_check_missed_runs_total", "", help);
    families.push(missed.with(labels.clone(), state.missed as f64));
    families
}
