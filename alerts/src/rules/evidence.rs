//! After a start: whether what a rule sees is news or only what the daemon has missed.
//!
//! When the daemon comes up, the series it feeds are old or absent until the checks have run. A rule that now finds
//! nothing has not seen its condition end, and one that finds something missing has not seen it go missing. For a
//! while after the start, an instance ends or begins to fire only if every selector of the expression has a series
//! that could belong to it with a sample from after the start.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Labels, METRIC_NAME, Matcher, TimeRange, Timestamp};
use breakwatch_promql::Prepared;

use super::output::Environment;

/// The time after a start in which evidence is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct StartGrace {
    /// When the daemon started.
    pub(super) since: Timestamp,
    /// Until when.
    pub(super) until: Timestamp,
}

impl StartGrace {
    /// Two intervals, and at least until the last samples from before the start are out of sight.
    pub(super) fn new(since: Timestamp, interval: Duration, lookback: Duration) -> Self {
        Self { since, until: since + (interval * 2).max(lookback) }
    }
}

/// The fresh series behind one rule at one evaluation.
#[derive(Default)]
pub(super) struct Evidence {
    /// For each selector; `None`: nobody asks, because the grace is over.
    selectors: Option<Vec<FreshSeries>>,
}

impl Evidence {
    /// Looks up what the selectors of `query` see that came after the start. A store that cannot be read gives nothing.
    pub(super) fn read(grace: StartGrace, query: &Prepared, at: Timestamp, env: &Environment<'_>) -> Self {
        let range = TimeRange::new(Timestamp(grace.since.0.saturating_add(1)), at);
        let selectors = query.expr().selectors().into_iter();
        let fresh = selectors.map(|selector| FreshSeries::read(&selector.matchers, range, env));
        Self { selectors: Some(fresh.collect()) }
    }

    /// Whether fresh samples stand behind what the rule sees of this instance.
    pub(super) fn stands_behind(&mut self, labels: &Labels) -> bool {
        let Some(selectors) = &mut self.selectors else { return true };
        selectors.iter_mut().all(|fresh| fresh.has_one_for(labels))
    }
}

/// The series of a selector with samples from after the start.
struct FreshSeries {
    /// Series that have the same label names.
    shapes: Vec<Shape>,
}

struct Shape {
    names: Vec<Arc<str>>,
    series: Vec<Labels>,
    /// For the label names they share with an alert: every combination of values there is.
    values: HashMap<Vec<Arc<str>>, HashSet<Vec<Arc<str>>>>,
}

impl FreshSeries {
    fn read(matchers: &[Matcher], range: TimeRange, env: &Environment<'_>) -> Self {
        let mut last = Vec::new();
        let selector = env.store.prepare(matchers, env.cancel);
        let Ok(selector) = selector else { return Self { shapes: Vec::new() } };
        if env.store.last_samples(&selector, range, env.cancel, &mut last).is_err() {
            return Self { shapes: Vec::new() };
        }
        let mut shapes: HashMap<Vec<Arc<str>>, Vec<Labels>> = HashMap::new();
        for entry in last.iter().filter_map(|(index, _)| selector.series.get(*index)) {
            let names = entry.labels.pairs().iter().map(|(name, _)| Arc::clone(name));
            let own = |name: &Arc<str>| **name != *METRIC_NAME && **name != *"alertname";
            shapes.entry(names.filter(own).collect()).or_default().push(entry.labels.clone());
        }
        let shape = |(names, series)| Shape { names, series, values: HashMap::new() };
        Self { shapes: shapes.into_iter().map(shape).collect() }
    }

    /// Whether a series could be behind an alert: no label that both have differs.
    fn has_one_for(&mut self, alert: &Labels) -> bool {
        self.shapes.iter_mut().any(|shape| {
            let shared: Vec<Arc<str>> =
                shape.names.iter().filter(|name| alert.get(name).is_some()).cloned().collect();
            let wanted = values_of(alert, &shared);
            let series = &shape.series;
            let values = shape.values.entry(shared);
            let values =
                values.or_insert_with_key(|shared| series.iter().map(|s| values_of(s, shared)).collect());
            values.contains(&wanted)
        })
    }
}

fn values_of(labels: &Labels, names: &[Arc<str>]) -> Vec<Arc<str>> {
    names.iter().filter_map(|name| labels.get_shared(name).cloned()).collect()
}
