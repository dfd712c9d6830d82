//! Scenarios of the alert generator compliance suite, in simulated time.
//!
//! A scenario is a rule group, series with a sample every 15 s, and for each alert the states it must go through,
//! counted in samples. A state may show up to one interval and two polls late and never early; so at every evaluation
//! the state must be one of those expected since then.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use breakwatch_model::{
    Alert, CancelToken, Clock, Labels, Queryable as _, Sample, StorageError, TimeRange, Timestamp,
};
use breakwatch_plugin_api::Diagnostics;
use breakwatch_promql::testing::MemoryStore;
use breakwatch_promql::{Engine, EngineOptions};
use serde::Deserialize;

use super::{LoadText, Report, texts};
use crate::rules::{ActiveState, Defaults, Environment, Group, RuleFile, SampleSink};

/// How much later than the interval a state may show (two polls of 5 s).
pub(super) const SLACK: f64 = 10.0;

/// Where evaluations lie between samples: a little behind every second one.
const PHASE: f64 = 1.0;

#[derive(Deserialize)]
pub(super) struct Cases {
    pub(super) sample_interval_s: f64,
    pub(super) group_interval_s: f64,
    pub(super) resend_delay_s: f64,
    pub(super) ends_at_delta_s: f64,
    pub(super) resolved_resend_s: f64,
    pub(super) scenarios: Vec<Scenario>,
}

#[derive(Deserialize)]
pub(super) struct Scenario {
    pub(super) group: serde_json::Value,
    pub(super) series: Vec<Series>,
    pub(super) watch_samples: Option<f64>,
    pub(super) alerts: Vec<Expected>,
}

#[derive(Deserialize)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) values: Vec<Option<f64>>,
}

#[derive(Deserialize)]
pub(super) struct Expected {
    pub(super) labels: Labels,
    pub(super) states: Vec<Vec<serde_json::Value>>,
}

/// A state from a time on, with the value it must show.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) from: f64,
    pub(super) state: ActiveState,
    pub(super) value: Option<f64>,
}

/// Runs every scenario of a file of cases.
///
/// # Errors
/// A file that is not one of cases.
pub fn run_generator(cases: &str, load: &LoadText<'_>) -> Result<Report, String> {
    let cases: Cases = serde_json::from_str(cases).map_err(|error| error.to_string())?;
    let mut report = Report::default();
    for scenario in &cases.scenarios {
        let failures = run_scenario(&cases, scenario, load)?;
        if failures.is_empty() {
            report.passed += 1;
        } else {
            let name = &scenario.group["name"];
            report.failures.push(format!("{name}:\n{}", failures.join("\n")));
        }
    }
    Ok(report)
}

pub(super) fn states(expected: &Expected, cases: &Cases) -> Result<Vec<State>, String> {
    let bad = || format!("unreadable states of {}", expected.labels);
    let read = |entry: &Vec<serde_json::Value>| {
        let from = match entry.first() {
            Some(serde_json::Value::Number(at)) => at.as_f64().ok_or_else(bad)? * cases.sample_interval_s,
            // "8 + one evaluation"
            Some(serde_json::Value::String(text)) => {
                let (at, _) = text.split_once(" + one evaluation").ok_or_else(bad)?;
                at.parse::<f64>().map_err(|_| bad())? * cases.sample_interval_s + cases.group_interval_s
            }
            _ => return Err(bad()),
        };
        let state = match entry.get(1).and_then(serde_json::Value::as_str) {
            Some("inactive") => ActiveState::Inactive,
            Some("pending") => ActiveState::Pending,
            Some("firing") => ActiveState::Firing,
            _ => return Err(bad()),
        };
        let value = entry.get(2).and_then(serde_json::Value::as_str).and_then(|value| value.parse().ok());
        Ok(State { from, state, value })
    };
    expected.states.iter().map(read).collect()
}

/// Takes what rules write.
struct Sink<'a>(&'a MemoryStore);

impl SampleSink for Sink<'_> {
    fn write(&self, samples: &[(Labels, Sample)]) -> Result<(), StorageError> {
        samples.iter().for_each(|(labels, sample)| self.0.append(labels, *sample));
        Ok(())
    }
}

struct Still(Instant);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn monotonic(&self) -> Instant {
        self.0
    }
}

fn run_scenario(cases: &Cases, scenario: &Scenario, load: &LoadText<'_>) -> Result<Vec<String>, String> {
    let diagnostics = Diagnostics::new();
    let engine = Engine::new(EngineOptions::default());
    let text = serde_json::json!({ "groups": [scenario.group] }).to_string();
    let node = load("case", &text, &diagnostics);
    let file = node.and_then(|node| RuleFile::read("case", &node, &engine, &diagnostics));
    let Some(file) = file else { return Err(texts(diagnostics)) };
    let resend_delay = Duration::from_secs_f64(cases.resend_delay_s);
    let mut groups: Vec<Group> = file
        .groups
        .iter()
        .map(|group| Group::new("case", group, Defaults { resend_delay, ..Defaults::default() }))
        .collect();
    let store = MemoryStore::new();
    let samples = scenario.samples();
    let mut failures = Vec::new();
    let mut sent: BTreeMap<Labels, Vec<(f64, Alert)>> = BTreeMap::new();
    #[expect(clippy::disallowed_methods, reason = "the starting point of a clock that stands still")]
    let clock = Still(Instant::now());
    let (mut at, mut loaded) = (PHASE, 0);
    while at < samples * cases.sample_interval_s {
        while loaded as f64 * cases.sample_interval_s <= at {
            append(&store, &scenario.series, loaded, cases.sample_interval_s);
            loaded += 1;
        }
        let env = Environment {
            engine: &engine,
            store: &store,
            sink: &Sink(&store),
            cancel: &CancelToken::new(),
            workers: 1,
            clock: &clock,
            external_url: "http://localhost",
            external_labels: &Labels::empty(),
        };
        for group in &mut groups {
            let outcome = group.evaluate(time(at), &env);
            failures.extend(
                outcome.failures.iter().map(|failure| format!("{at}: {}: {}", failure.rule, failure.error)),
            );
            for alert in outcome.alerts {
                sent.entry(alert.labels.clone()).or_default().push((at, alert));
            }
        }
        for expected in &scenario.alerts {
            failures.extend(check_state(expected, &states(expected, cases)?, at, cases, &groups, &store));
        }
        at += cases.group_interval_s;
    }
    for expected in &scenario.alerts {
        let messages = sent.remove(&expected.labels).unwrap_or_default();
        failures.extend(check_sent(expected, &states(expected, cases)?, &messages, at, cases));
    }
    failures.extend(sent.keys().map(|labels| format!("sent though nobody expects it: {labels}")));
    Ok(failures)
}

fn time(seconds: f64) -> Timestamp {
    Timestamp::from_secs_f64(1_700_000_000.0 + seconds)
}

impl Series {
    /// The sample of that number, if there is one. A series that stops without a marker ends with one, as the suite's
    /// writer does.
    pub(super) fn value(&self, index: usize) -> Option<f64> {
        match self.values.get(index) {
            Some(value) => *value,
            None if index == self.values.len() => Some(breakwatch_model::stale_nan()),
            None => None,
        }
    }
}

impl Scenario {
    /// For how many samples it is watched.
    pub(super) fn samples(&self) -> f64 {
        let longest = self.series.iter().map(|series| series.values.len()).max().unwrap_or(0);
        self.watch_samples.unwrap_or(longest as f64)
    }
}

fn append(store: &MemoryStore, series: &[Series], index: usize, step: f64) {
    for one in series {
        if let Some(value) = one.value(index) {
            store.append(&one.labels, Sample::new(time(index as f64 * step), value));
        }
    }
}

/// The expected states between two times.
pub(super) fn between(states: &[State], from: f64, to: f64) -> Vec<&State> {
    let ends = states.iter().skip(1).map(|state| state.from).chain([f64::INFINITY]);
    states
        .iter()
        .zip(ends)
        .filter(|(state, end)| state.from <= to && from < *end)
        .map(|(state, _)| state)
        .collect()
}

fn check_state(
    expected: &Expected,
    states: &[State],
    at: f64,
    cases: &Cases,
    groups: &[Group],
    store: &MemoryStore,
) -> Option<String> {
    let allowed = between(states, at - cases.group_interval_s - SLACK, at);
    let alerts = groups.iter().flat_map(Group::rules).filter_map(|rule| rule.alerting).flat_map(|a| a.alerts);
    let found = alerts.into_iter().find(|alert| alert.labels == expected.labels);
    let (state, value) =
        found.map_or((ActiveState::Inactive, None), |alert| (alert.state, Some(alert.value)));
    let fits = |wanted: &&State| wanted.state == state && (wanted.value.is_none() || wanted.value == value);
    if !allowed.iter().any(fits) {
        return Some(format!(
            "{at}: {} is {} ({value:?}), expected one of {allowed:?}",
            expected.labels,
            state.as_str()
        ));
    }
    let shown = stored_states(store, &expected.labels, at);
    let wanted: Vec<&str> = if state == ActiveState::Inactive { Vec::new() } else { vec![state.as_str()] };
    (shown != wanted)
        .then(|| format!("{at}: ALERTS of {} shows {shown:?}, expected {wanted:?}", expected.labels))
}

/// The values of `alertstate` that a query for `ALERTS` would show.
fn stored_states(store: &MemoryStore, labels: &Labels, at: f64) -> Vec<String> {
    let matchers: Vec<breakwatch_model::Matcher> = labels
        .iter()
        .map(|(name, value)| breakwatch_model::Matcher::equal(name, value))
        .chain([breakwatch_model::Matcher::equal("__name__", "ALERTS")])
        .collect();
    let cancel = CancelToken::new();
    let mut last = Vec::new();
    let Ok(selector) = store.prepare(&matchers, &cancel) else { return Vec::new() };
    let range = TimeRange::lookback(time(at), Duration::from_secs(300));
    if store.last_samples(&selector, range, &cancel, &mut last).is_err() {
        return Vec::new();
    }
    let series = last.iter().filter_map(|(index, _)| selector.series.get(*index));
    series.map(|entry| entry.labels.value("alertstate").to_owned()).collect()
}

/// Messages: firing ones while it fires and ended ones for a while after, each in time and repeated in time.
fn check_sent(
    expected: &Expected,
    states: &[State],
    sent: &[(f64, Alert)],
    end: f64,
    cases: &Cases,
) -> Vec<String> {
    let mut failures = Vec::new();
    let mut fail = |at: f64, what: &str| failures.push(format!("{at}: {} {what}", expected.labels));
    let late = cases.group_interval_s + SLACK;
    let mut previous: Option<&(f64, Alert)> = None;
    for message in sent {
        let (at, alert) = message;
        let firing = alert.ends_at.is_some_and(|end| end > time(*at));
        let wanted = if firing { ActiveState::Firing } else { ActiveState::Inactive };
        if !between(states, at - late, *at).iter().any(|state| state.state == wanted) {
            fail(*at, &format!("sent as {} out of turn", wanted.as_str()));
        }
        if firing && alert.ends_at != Some(time(at + cases.ends_at_delta_s)) {
            fail(*at, "has a wrong end");
        }
        if !firing
            && alert
                .ends_at
                .is_some_and(|end| time(*at).since(end).as_secs_f64() >= cases.resolved_resend_s + late)
        {
            fail(*at, "is still announced as over");
        }
        if let Some((before, last)) = previous.filter(|(_, last)| last.starts_at == alert.starts_at) {
            let same = last.ends_at.is_some_and(|end| end > time(*before)) == firing;
            if same && at - before > cases.resend_delay_s + cases.group_interval_s {
                fail(*at, "was repeated late");
            }
        }
        previous = Some(message);
    }
    // A new value in the same state is no new beginning.
    let mut phases: Vec<&State> = states.iter().collect();
    phases.dedup_by_key(|state| state.state);
    let ends = phases.iter().skip(1).map(|state| state.from).chain([end]);
    for (state, until) in phases.iter().zip(ends).filter(|(state, _)| state.state == ActiveState::Firing) {
        if !sent.iter().any(|(at, _)| state.from <= *at && *at <= (state.from + late).min(until + late)) {
            fail(state.from, "began to fire and was not sent in time");
        }
        if until + late < end
            && !sent.iter().any(|(at, a)| until <= *at && *at <= until + late && a.ends_at <= Some(time(*at)))
        {
            fail(until, "ended and that was not sent in time");
        }
    }
    failures
}
