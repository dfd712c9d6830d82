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

/// How many of a breaker's [`values`] come before those of its histograms: what a transition can change.
pub const WITHOUT_HISTOGRAMS: usize = 20;

/// The value of every point that [`families`] has for one breaker, family by family, without the labels: those are the
/// same each time, and there may be half a million of them.
#[must_use]
pub fn values(guard: &Guard, now: Instant, wall: Timestamp) -> Vec<f64> {
    let stats = guard.breaker.stats(now);
    let calls = &stats.calls;
    let (last_failure, open_until) = moments(&stats, wall);
    let mut values: Vec<f64> =
        State::ALL.iter().map(|state| f64::from(u8::from(*state == stats.state))).collect();
    values.extend([f64::from(stats.state.code()), f64::from(u8::from(stats.held))]);
    let outcomes = [calls.success, calls.failure, calls.timeout, calls.rejected, calls.cancelled];
    values.extend(outcomes.map(|count| count as f64));
    values.extend(stats.transitions.by_states().map(|(_, _, count)| count as f64));
    values.extend([f64::from(stats.consecutive_failures), stats.failure_rate().unwrap_or(0.0)]);
    values.extend([last_failure, open_until]);
    for histogram in [&guard.call_durations, &guard.recovery_durations] {
        let histogram = histogram.lock();
        let mut total = 0;
        values.extend(histogram.counts().iter().map(|count| {
            total += count;
            total as f64
        }));
        values.extend([histogram.sum(), total as f64]);
    }
    values
}

/// When the last failure was, and until when the breaker is open, in seconds since 1970; 0 for neither.
fn moments(stats: &Stats, wall: Timestamp) -> (f64, f64) {
    let last_failure = stats.last_failure_ago.map_or(0.0, |ago| (wall - ago).as_secs_f64());
    (last_failure, stats.next_probe_in.map_or(0.0, |wait| (wall + wait).as_secs_f64()))
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
        let (last_failure, open_until) = moments(stats, wall);
        self.last_failure.push(labels.clone(), last_failure);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use breakwatch_breaker::{Outcome, Preset};
    use breakwatch_model::{Clock as _, SystemClock};

    use super::super::{Breakers, GuardKind};
    use super::*;

    #[test]
    fn values_are_those_of_the_families_in_their_order() {
        let breakers = Breakers::new(Arc::new(|_, _| {}));
        let (start, wall) = (SystemClock.monotonic(), SystemClock.now());
        let config = Preset::Check.config();
        let guard = breakers.ensure(&"http/a".into(), GuardKind::Check, config, None, start).unwrap();
        let compare = |now: Instant| {
            let families = families(std::slice::from_ref(&guard), now, wall);
            let points = families.iter().flat_map(|family| &family.points);
            let expected: Vec<f64> = points.map(|point| point.value).collect();
            assert_eq!(values(&guard, now, wall), expected);
            let histogram = |family: &&MetricFamily| family.meta.kind == MetricKind::Histogram;
            let points: usize = families.iter().filter(histogram).map(|family| family.points.len()).sum();
            assert_eq!(expected.len() - points, WITHOUT_HISTOGRAMS);
            assert!(families.iter().skip_while(|family| !histogram(family)).all(|f| histogram(&f)));
        };
        compare(start);
        for (seconds, outcome) in
            [(1, Outcome::Success), (2, Outcome::Failure), (3, Outcome::Failure), (4, Outcome::Failure)]
        {
            let now = start + Duration::from_secs(seconds);
            guard.observe_call(Duration::from_millis(40 * seconds));
            guard.breaker.admit(now).0.unwrap().record(outcome, now);
            compare(now);
        }
        assert_eq!(guard.breaker.state(), State::Open);
        guard.recovery_durations.lock().observe(Duration::from_secs(7));
        compare(start + Duration::from_secs(5));
    }
}
