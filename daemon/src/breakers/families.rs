//! Breakers as metric families. Every series exists, at 0, from the breaker's creation.

use std::sync::Arc;
use std::time::Instant;

use breakwatch_breaker::{State, Stats};
use breakwatch_model::{Labels, MetricFamily, MetricKind, Timestamp};

use super::{Guard, Histogram};
use crate::telemetry::instruments::DURATION_BOUNDS;

/// Every family about the given breakers. `now` and `wall` are the same moment.
#[must_use]
pub fn families(guards: &[Arc<Guard>], now: Instant, wall: Timestamp) -> Vec<MetricFamily> {
    let mut families = Families::default();
    for guard in guards {
        let labels = Labels::from_pairs([("name", &*guard.name), ("kind", guard.kind.as_str())]);
        let stats = guard.breaker.stats(now);
        families.state(&labels, &stats);
        families.counters(&labels, &stats);
        families.times(&labels, &stats, wall);
        families.call_duration.add(&labels, &guard.call_durations.lock());
        families.recovery_duration.add(&labels, &guard.recovery_durations.lock());
    }
    families.finish()
}

struct Families {
    state: MetricFamily,
    state_code: MetricFamily,
    held: MetricFamily,
    calls: MetricFamily,
    transitions: MetricFamily,
    failures_current: MetricFamily,
    failure_ratio: MetricFamily,
    last_failure: MetricFamily,
    open_until: MetricFamily,
    call_duration: HistogramFamily,
    recovery_duration: HistogramFamily,
}

impl Default for Families {
    fn default() -> Self {
        let gauge = |name, unit, help| MetricFamily::gauge(name, unit, help);
        Self {
            state: MetricFamily::new(
                "breakwatch_breaker_state",
                MetricKind::StateSet,
                "",
                "The state of the breaker: 1 for the present one.",
            ),
            state_code: gauge(
                "breakwatch_breaker_state_code",
                "",
                "The state of the breaker as a number: 0 closed, 1 open, 2 half-open.",
            ),
            held: gauge("breakwatch_breaker_held", "", "Whether a person holds the breaker in its state."),
            calls: MetricFamily::counter("breakwatch_breaker_calls_total", "", "Calls by outcome."),
            transitions: MetricFamily::counter(
                "breakwatch_breaker_transitions_total",
                "",
                "Changes of state.",
            ),
            failures_current: gauge("breakwatch_breaker_failures_current", "", "Failures in a row."),
            failure_ratio: gauge(
                "breakwatch_breaker_failure_ratio",
                "ratio",
                "The share of failures in the breaker's window.",
            ),
            last_failure: gauge(
                "breakwatch_breaker_last_failure_timestamp_seconds",
                "seconds",
                "When the last failure was, 0 if there was none.",
            ),
            open_until: gauge(
                "breakwatch_breaker_open_until_timestamp_seconds",
                "seconds",
                "Until when the breaker is open, 0 if it is not.",
            ),
            call_duration: HistogramFamily::new(
                "breakwatch_breaker_call_duration_seconds",
                "Duration of calls through the breaker.",
            ),
            recovery_duration: HistogramFamily::new(
                "breakwatch_breaker_recovery_duration_seconds",
                "Time from the first opening of an episode to its closing.",
            ),
        }
    }
}

impl Families {
    fn state(&mut self, labels: &Labels, stats: &Stats) {
        for state in State::ALL {
            let value = f64::from(u8::from(state == stats.state));
            self.state.push(labels.with("state", state.as_str()), value);
        }
        self.state_code.push(labels.clone(), f64::from(stats.state.code()));
        self.held.push(labels.clone(), f64::from(u8::from(stats.held)));
        self.failures_current.push(labels.clone(), f64::from(stats.consecutive_failures));
        self.failure_ratio.push(labels.clone(), stats.failure_rate().unwrap_or(0.0));
    }

    fn counters(&mut self, labels: &Labels, stats: &Stats) {
        let calls = &stats.calls;
        let outcomes = [
            ("success", calls.success),
            ("failure", calls.failure),
            ("timeout", calls.timeout),
            ("rejected", calls.rejected),
            ("cancelled", calls.cancelled),
        ];
        for (outcome, count) in outcomes {
            self.calls.push(labels.with("outcome", outcome), count as f64);
        }
        for (from, to, count) in stats.transitions.by_states() {
            let labels = labels.with("from_state", from.as_str()).with("to_state", to.as_str());
            self.transitions.push(labels, count as f64);
        }
    }

    fn times(&mut self, labels: &Labels, stats: &Stats, wall: Timestamp) {
        let last_failure = stats.last_failure_ago.map_or(0.0, |ago| (wall - ago).as_secs_f64());
        self.last_failure.push(labels.clone(), last_failure);
        let open_until = stats.next_probe_in.map_or(0.0, |wait| (wall + wait).as_secs_f64());
        self.open_until.push(labels.clone(), open_until);
    }

    fn finish(self) -> Vec<MetricFamily> {
        vec![
            self.state,
            self.state_code,
            self.held,
            self.calls,
            self.transitions,
            self.failures_current,
            self.failure_ratio,
            self.last_failure,
            self.open_until,
            self.call_duration.0,
            self.recovery_duration.0,
        ]
    }
}

struct HistogramFamily(MetricFamily);

impl HistogramFamily {
    fn new(name: &'static str, help: &str) -> Self {
        Self(MetricFamily::new(name, MetricKind::Histogram, "seconds", help))
    }

    fn add(&mut self, labels: &Labels, histogram: &Histogram) {
        self.0.push_histogram(labels, &DURATION_BOUNDS, histogram.counts(), histogram.sum());
    }
}
