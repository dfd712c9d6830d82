//! The last-result table: what `/metrics`, `/health` and the page read. Never the store.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{CheckFailure, CheckResult, Evidence, FailureReason, MetricFamily, Status, Timestamp};

/// How much of the past the page shows as bars.
const HISTORY: Duration = Duration::from_secs(3600);
/// One bar of the page.
const BAR: Duration = Duration::from_secs(60);

/// The last result of a check and a little of its past.
#[derive(Clone, Debug)]
pub struct LastResult {
    /// When the run started.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// What was found.
    pub status: Status,
    /// Why it is not healthy.
    pub failure: Option<CheckFailure>,
    /// Facts for people.
    pub evidence: Evidence,
    /// The families as published, with the check's labels.
    pub families: Arc<[MetricFamily]>,
    /// Until when the result is current: its next run is due, plus time-out and grace.
    pub current_until: Timestamp,
    /// Since when the status has been what it is.
    pub since: Timestamp,
    /// When the families were last written to the store.
    pub written_at: Timestamp,
}

/// Everything that is kept of a check between runs.
#[derive(Debug, Default)]
pub struct CheckState {
    /// The last result, while there is one.
    pub last: Option<LastResult>,
    /// Runs by status.
    pub runs: BTreeMap<Status, u64>,
    /// Failures by reason.
    pub failures: BTreeMap<FailureReason, u64>,
    /// Runs that did not take place because the one before had not ended or the daemon was late.
    pub missed: u64,
    /// The worst status of each of the last sixty minutes that had one.
    pub bars: History,
}

impl CheckState {
    /// Counts a result and remembers it.
    pub fn record(&mut self, result: &CheckResult, families: Arc<[MetricFamily]>, current_until: Timestamp) {
        *self.runs.entry(result.status).or_default() += 1;
        if let Some(failure) = &result.failure {
            *self.failures.entry(failure.reason).or_default() += 1;
        }
        self.bars.add(result.started_at, result.status);
        let since = match &self.last {
            Some(last) if last.status == result.status => last.since,
            _ => result.started_at,
        };
        self.last = Some(LastResult {
            started_at: result.started_at,
            duration: result.duration,
            status: result.status,
            failure: result.failure.clone(),
            evidence: result.evidence.clone(),
            families,
            current_until,
            since,
            written_at: result.started_at,
        });
    }

    /// Says until when the last result is current, once it is known when the next run is due.
    pub fn extend(&mut self, current_until: Timestamp) {
        if let Some(last) = &mut self.last {
            last.current_until = current_until;
        }
    }

    /// The status at `now`: unknown before the first result and once the last one is no longer current.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        match &self.last {
            Some(last) if now <= last.current_until => last.status,
            _ => Status::Unknown,
        }
    }
}

/// The worst status of each minute of the last hour.
#[derive(Debug, Default)]
pub struct History(VecDeque<(i64, Status)>);

impl History {
    /// Notes a status at a time; of a minute the worst stays. Times may come in any order.
    pub fn add(&mut self, at: Timestamp, status: Status) {
        let bar = at.0.div_euclid(BAR.as_millis() as i64);
        let place = self.0.partition_point(|(known, _)| *known < bar);
        match self.0.get_mut(place) {
            Some((known, worst)) if *known == bar => *worst = worse(*worst, status),
            _ => self.0.insert(place, (bar, status)),
        }
        while self.0.len() > Self::BARS {
            self.0.pop_front();
        }
    }

    /// How many bars an hour has.
    pub const BARS: usize = (HISTORY.as_secs() / BAR.as_secs()) as usize;

    /// The last hour up to `now`, oldest first; a minute without a run shows what held before it.
    #[must_use]
    pub fn bars(&self, now: Timestamp, current: Status) -> Vec<Option<Status>> {
        let last = now.0.div_euclid(BAR.as_millis() as i64);
        let mut bars = Vec::with_capacity(Self::BARS);
        let mut held = None;
        for bar in (last - Self::BARS as i64 + 1)..=last {
            if let Some((_, status)) = self.0.iter().find(|(b, _)| *b == bar) {
                held = Some(*status);
            }
            bars.push(if bar == last && current == Status::Unknown { Some(Status::Unknown) } else { held });
        }
        bars
    }
}

/// The worse of two statuses for a bar: a failure is worse than not knowing.
fn worse(a: Status, b: Status) -> Status {
    let rank = |status| match status {
        Status::Healthy => 0,
        Status::Unknown => 1,
        Status::Degraded => 2,
        Status::Unhealthy => 3,
    };
    if rank(a) >= rank(b) { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_keep_the_worst_of_a_minute_and_fill_gaps() {
        let mut history = History::default();
        history.add(Timestamp::from_secs(60), Status::Healthy);
        history.add(Timestamp::from_secs(90), Status::Unhealthy);
        history.add(Timestamp::from_secs(100), Status::Healthy);
        history.add(Timestamp::from_secs(240), Status::Healthy);
        let bars = history.bars(Timestamp::from_secs(250), Status::Healthy);
        assert_eq!(bars.len(), 60);
        assert_eq!(bars[..56], vec![None; 56]);
        let unhealthy = Some(Status::Unhealthy);
        assert_eq!(bars[56..], [unhealthy, unhealthy, unhealthy, Some(Status::Healthy)]);
    }

    #[test]
    fn a_result_that_is_no_longer_current_is_unknown() {
        let mut state = CheckState::default();
        let result = CheckResult {
            started_at: Timestamp::from_secs(10),
            duration: Duration::from_millis(5),
            status: Status::Healthy,
            failure: None,
            evidence: Evidence::default(),
            families: Vec::new(),
        };
        assert_eq!(state.status(Timestamp::from_secs(10)), Status::Unknown);
        state.record(&result, Arc::from([]), Timestamp::from_secs(45));
        assert_eq!(state.status(Timestamp::from_secs(45)), Status::Healthy);
        assert_eq!(state.status(Timestamp::from_secs(46)), Status::Unknown);
    }
}
