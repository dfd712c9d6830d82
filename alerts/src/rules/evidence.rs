//! After a start: whether what a rule sees is news or only what the daemon has missed.
//!
//! When the daemon comes up, the series it feeds are old or absent until the checks have run. A rule that now finds
//! nothing has not seen its condition end, and one that finds something missing has not seen it go missing. For a
//! while after the start, an instance ends or begins to fire only if every selector of the expression has a series
//! that could belong to it with a sample from after the start.

use std::time::Duration;

use breakwatch_model::{Labels, METRIC_NAME, TimeRange, Timestamp};
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

    /// Whether fresh samples stand behind what the rule sees of this instance. A store that cannot be read gives none.
    pub(super) fn has_evidence(
        &self,
        query: &Prepared,
        labels: &Labels,
        at: Timestamp,
        env: &Environment<'_>,
    ) -> bool {
        let range = TimeRange::new(Timestamp(self.since.0.saturating_add(1)), at);
        query.expr().selectors().into_iter().all(|selector| {
            let Ok(series) = env.store.prepare(&selector.matchers, env.cancel) else { return false };
            let mut last = Vec::new();
            if env.store.last_samples(&series, range, env.cancel, &mut last).is_err() {
                return false;
            }
            let fresh = last.iter().filter_map(|(index, _)| series.series.get(*index));
            fresh.into_iter().any(|entry| compatible(&entry.labels, labels))
        })
    }
}

/// Whether a series could be behind an alert: no label that both have differs.
fn compatible(series: &Labels, alert: &Labels) -> bool {
    let own = |name: &str| name == METRIC_NAME || name == "alertname";
    series
        .iter()
        .filter(|(name, _)| !own(name))
        .all(|(name, value)| alert.get(name).is_none_or(|v| v == value))
}
