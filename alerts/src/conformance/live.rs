//! Scenarios of the alert generator compliance suite for a daemon that lives in real time: what to write, and whether
//! what it shows and sends is what the suite expects.

use std::collections::HashMap;
use std::time::Duration;

use breakwatch_model::Labels;

use super::generator::{Cases, Expected, SLACK, Scenario, State, between, states};
use crate::rules::ActiveState;

/// The scenarios, all played at once.
pub struct LiveCases(Cases);

/// An alert as the daemon shows it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Pending or firing.
    pub state: ActiveState,
    /// The value of the expression.
    pub value: f64,
}

impl LiveCases {
    /// Reads a file of cases.
    ///
    /// # Errors
    /// When it is not one.
    pub fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map(Self).map_err(|error| error.to_string())
    }

    /// The groups of all scenarios, as a rule file.
    #[must_use]
    pub fn rule_file(&self) -> String {
        let groups: Vec<&serde_json::Value> =
            self.0.scenarios.iter().map(|scenario| &scenario.group).collect();
        serde_json::json!({ "groups": groups }).to_string()
    }

    /// The time between samples.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(self.0.sample_interval_s)
    }

    /// How long the longest scenario is watched.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_secs_f64(
            self.0.scenarios.iter().map(|scenario| self.end(scenario)).fold(0.0, f64::max),
        )
    }

    fn end(&self, scenario: &Scenario) -> f64 {
        scenario.samples() * self.0.sample_interval_s
    }

    /// What is written at sample `index`.
    #[must_use]
    pub fn samples(&self, index: usize) -> Vec<(&Labels, f64)> {
        let series = self.0.scenarios.iter().flat_map(|scenario| &scenario.series);
        series.filter_map(|series| Some((&series.labels, series.value(index)?))).collect()
    }

    fn watched(&self, at: f64) -> impl Iterator<Item = &Expected> {
        let running = self.0.scenarios.iter().filter(move |scenario| at < self.end(scenario));
        running.flat_map(|scenario| &scenario.alerts)
    }

    fn allowed(&self, expected: &Expected, at: f64) -> Vec<State> {
        let states = states(expected, &self.0).unwrap_or_default();
        let since = at - self.0.group_interval_s - SLACK;
        between(&states, since, at).into_iter().cloned().collect()
    }

    /// What is wrong with the alerts the daemon shows `at` seconds after the first sample.
    #[must_use]
    pub fn judge(&self, at: f64, shown: &HashMap<Labels, Seen>) -> Vec<String> {
        let mut wrong = Vec::new();
        for expected in self.watched(at) {
            let seen = shown.get(&expected.labels);
            let (state, value) =
                seen.map_or((ActiveState::Inactive, None), |seen| (seen.state, Some(seen.value)));
            let fits =
                |wanted: &State| wanted.state == state && (wanted.value.is_none() || wanted.value == value);
            let allowed = self.allowed(expected, at);
            if !allowed.iter().any(fits) {
                let state = state.as_str();
                let labels = &expected.labels;
                wrong.push(format!("{at}: {labels} is {state} ({value:?}), expected one of {allowed:?}"));
            }
        }
        wrong
    }

    /// What is wrong with the messages (when, of which alert, firing or over) the daemon has sent.
    #[must_use]
    pub fn judge_messages(&self, sent: &[(f64, Labels, bool)]) -> Vec<String> {
        let mut wrong = Vec::new();
        let late = self.0.group_interval_s + SLACK;
        for scenario in &self.0.scenarios {
            for expected in &scenario.alerts {
                let own = sent
                    .iter()
                    .filter(|(at, labels, _)| *labels == expected.labels && *at < self.end(scenario));
                let own: Vec<(f64, bool)> = own.map(|(at, _, firing)| (*at, *firing)).collect();
                for (at, firing) in &own {
                    let wanted = if *firing { ActiveState::Firing } else { ActiveState::Inactive };
                    if !self.allowed(expected, *at).iter().any(|state| state.state == wanted) {
                        wrong.push(format!(
                            "{at}: {} sent as {} out of turn",
                            expected.labels,
                            wanted.as_str()
                        ));
                    }
                }
                let mut phases = states(expected, &self.0).unwrap_or_default();
                phases.dedup_by_key(|state| state.state);
                for pair in phases.windows(2) {
                    let [before, after] = pair else { continue };
                    let told = |firing: bool| {
                        own.iter()
                            .any(|(at, f)| *f == firing && (after.from..=after.from + late).contains(at))
                    };
                    if after.from + late >= self.end(scenario) {
                        continue;
                    }
                    if after.state == ActiveState::Firing && !told(true) {
                        wrong.push(format!("{}: {} was not sent in time", after.from, expected.labels));
                    }
                    if before.state == ActiveState::Firing && !told(false) {
                        wrong.push(format!(
                            "{}: the end of {} was not sent in time",
                            after.from, expected.labels
                        ));
                    }
                }
            }
        }
        wrong
    }
}
