//! Reading the event log: filters, and counts per step.

use std::collections::BTreeMap;
use std::time::Duration;

use breakwatch_model::{StateStore, StorageError, Table, TimeRange, Timestamp};
use serde::Serialize;

use super::{Event, EventKind};

/// An event is written down at most this long after it happened: a run's time-out with its repetitions.
const WRITTEN_WITHIN: Duration = Duration::from_secs(3600);

/// Which events.
#[derive(Clone, Debug)]
pub struct Filter {
    /// From when to when, both included.
    pub range: TimeRange,
    /// Only these kinds; none means all.
    pub kinds: Vec<EventKind>,
    /// Only this check's or breaker's.
    pub name: Option<String>,
}

/// How many events of which kind happened in a step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Count {
    /// The beginning of the step.
    pub start: Timestamp,
    /// All of them.
    pub total: usize,
    /// By kind.
    pub types: BTreeMap<&'static str, usize>,
}

/// The events that pass a filter, oldest first. Blocks on the disk.
///
/// # Errors
/// When the log cannot be read.
pub fn read(state: &dyn StateStore, filter: &Filter) -> Result<Vec<Event>, StorageError> {
    let written = TimeRange::new(filter.range.start, filter.range.end + WRITTEN_WITHIN);
    let records = state.journal(Table::Events, written, 0)?;
    let mut events: Vec<Event> = records
        .iter()
        .filter_map(|record| serde_json::from_slice::<Event>(&record.value).ok())
        .filter(|event| filter.range.contains(event.at))
        .filter(|event| filter.kinds.is_empty() || filter.kinds.contains(&event.kind))
        .filter(|event| filter.name.as_ref().is_none_or(|name| *name == event.name))
        .collect();
    events.sort_by_key(|event| event.at);
    Ok(events)
}

/// Counts events per step; steps lie on multiples of `step`, and steps without events are there with 0.
#[must_use]
pub fn count(events: &[Event], range: TimeRange, step: Duration) -> Vec<Count> {
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    let first = range.start.0.div_euclid(step);
    let last = range.end.0.div_euclid(step);
    let empty = |n: i64| Count { start: Timestamp(n * step), total: 0, types: BTreeMap::new() };
    let mut counts: Vec<Count> = (first..=last).map(empty).collect();
    for event in events {
        let index = usize::try_from(event.at.0.div_euclid(step) - first).unwrap_or(usize::MAX);
        if let Some(count) = counts.get_mut(index) {
            count.total += 1;
            *count.types.entry(event.kind.as_str()).or_default() += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lie_on_multiples_of_the_step_with_the_empty_ones_between() {
        let event = |at| Event::new(EventKind::CircuitOpened, Timestamp::from_secs(at), "check", "a");
        let range = TimeRange::new(Timestamp::from_secs(65), Timestamp::from_secs(300));
        let counts = count(&[event(70), event(80), event(250)], range, Duration::from_secs(60));
        let seen: Vec<(i64, usize)> = counts.iter().map(|c| (c.start.secs(), c.total)).collect();
        assert_eq!(seen, [(60, 2), (120, 0), (180, 0), (240, 1), (300, 0)]);
        assert_eq!(counts[0].types["circuit_opened"], 2);
    }
}
