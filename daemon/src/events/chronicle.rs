//! Writes events down, and keeps in memory what analytics needs of the last thirty days.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use breakwatch_breaker::State;
use breakwatch_model::{Batch, Clock, StateStore, Status, Table, TimeRange, Timestamp};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Event, EventKind};
use crate::alerting::{self, Input};

/// The longest window of analytics.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// The most that is kept in memory of one check or breaker: a change every 26 seconds for thirty days.
const MAX_ENTRIES: usize = 100_000;
/// More transitions than this within [`FLAPPING_WINDOW`] are flapping: a full cycle has three or four.
const FLAPPING_LIMIT: usize = 6;
const FLAPPING_WINDOW: Duration = Duration::from_secs(15 * 60);
/// How often the daemon notes that it is alive: bounds what is wrongly counted after a crash.
const BEAT: Duration = Duration::from_secs(30);
/// A beat that comes this late means that the machine was suspended or the daemon starved.
const LATE: Duration = Duration::from_secs(90);
/// The key in the state log of when the daemon was last alive.
const ALIVE: &str = "alive_at";

/// A change of a breaker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// The state from then on.
    pub to: State,
}

/// What is known of the past of one check or breaker, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// What it is: `check`, `notifier`, `exporter`, `store`.
    pub component: String,
    /// From when on it had which status; breakers of other things than checks have none.
    pub statuses: VecDeque<(Timestamp, Status)>,
    /// What its breaker went through.
    pub steps: VecDeque<Step>,
    /// Whether its breaker changes too often.
    pub flapping: bool,
}

impl Past {
    fn status(&self) -> Status {
        self.statuses.back().map_or(Status::Unknown, |(_, status)| *status)
    }

    fn flaps(&self, now: Timestamp) -> bool {
        let recent = self.steps.iter().rev().take_while(|step| now.since(step.at) < FLAPPING_WINDOW);
        recent.take(FLAPPING_LIMIT + 1).count() > FLAPPING_LIMIT
    }

    /// Forgets what no window reaches, but for the last entry before: it says how things stood.
    fn trim(&mut self, oldest: Timestamp) {
        while self.statuses.len() > MAX_ENTRIES || self.statuses.get(1).is_some_and(|(at, _)| *at <= oldest) {
            self.statuses.pop_front();
        }
        // Whole episodes only: a window that reaches into one needs to know when it began.
        while self.steps.len() > MAX_ENTRIES
            || self.steps.iter().take_while(|step| step.at <= oldest).any(|step| step.to == State::Closed)
        {
            self.steps.pop_front();
        }
    }
}

#[derive(Default)]
struct Inner {
    pasts: BTreeMap<String, Past>,
    /// Spans in which nothing was measured; the last may be open (no end yet).
    blind: VecDeque<(Timestamp, Option<Timestamp>)>,
}

/// Writes events down and knows the last thirty days. One lock, held for moments.
pub struct Chronicle {
    clock: Arc<dyn Clock>,
    alerting: alerting::Handle,
    inner: Mutex<Inner>,
}

impl Chronicle {
    /// Reads what was written down before, and notes that the daemon has started. Blocks on the disk.
    #[must_use]
    pub fn restore(state: &dyn StateStore, clock: Arc<dyn Clock>, alerting: alerting::Handle) -> Self {
        let now = clock.now();
        let (mut inner, mut last) = (Inner::default(), None);
        match state.journal(Table::Events, TimeRange::new(Timestamp::default(), now), 0) {
            Ok(records) => {
                let mut events: Vec<Event> =
                    records.iter().filter_map(|record| serde_json::from_slice(&record.value).ok()).collect();
                events.sort_by_key(|event| event.at);
                for event in &events {
                    inner.apply(event);
                }
                last = events.last().map(|event| event.at);
            }
            Err(error) => {
                tracing::error!(%error, "the event log cannot be read: recovery figures begin anew");
            }
        }
        let alive: Option<Timestamp> =
            state.get(Table::Meta, ALIVE).and_then(|value| serde_json::from_slice(&value).ok());
        let chronicle = Self { clock, alerting, inner: Mutex::new(inner) };
        // Whoever writes an event is alive, whatever the last beat says.
        let started = Event::daemon(EventKind::DaemonStarted, now, alive.max(last), "");
        chronicle.record(started);
        chronicle
    }

    /// Writes an event down.
    pub fn record(&self, event: Event) {
        let mut inner = self.inner.lock();
        inner.apply(&event);
        drop(inner);
        self.write(&event);
    }

    fn write(&self, event: &Event) {
        match serde_json::to_vec(event) {
            Ok(value) => {
                let mut batch = Batch::new();
                batch.append(Table::Events, self.clock.now(), value);
                self.alerting.tell(Input::Record(batch));
            }
            Err(error) => tracing::error!(%error, "an event could not be written down"),
        }
    }

    /// Notes a check's status; writes an event down if it has changed, and says whether it has.
    pub fn status(&self, check: &str, status: Status, at: Timestamp, why: (&str, &str)) -> bool {
        let mut inner = self.inner.lock();
        let before = inner.pasts.get(check).map_or(Status::Unknown, Past::status);
        if before == status {
            return false;
        }
        let mut event = Event::new(EventKind::StatusChanged, at, "check", check);
        event.from = before.as_str().to_owned();
        event.to = status.as_str().to_owned();
        (event.reason, event.message) = (why.0.to_owned(), why.1.to_owned());
        inner.apply(&event);
        drop(inner);
        self.write(&event);
        true
    }

    /// Notes a breaker's transition, and whether the breaker flaps now.
    pub fn transition(&self, event: Event) {
        let (name, component, at) = (event.name.clone(), event.component.clone(), event.at);
        self.record(event);
        let flaps = self.inner.lock().pasts.get(&name).is_some_and(|past| past.flaps(at) && !past.flapping);
        if flaps {
            let mut event = Event::new(EventKind::FlappingStarted, at, &component, &name);
            event.message = "the breaker changes its state too often".to_owned();
            tracing::warn!(target: "circuit_breaker", component = name, "circuit_flapping");
            self.record(event);
        }
    }

    /// Ends the flapping of breakers that have calmed down.
    fn calm(&self, now: Timestamp) {
        let calm: Vec<(String, String)> = {
            let inner = self.inner.lock();
            let still = inner.pasts.iter().filter(|(_, past)| past.flapping && !past.flaps(now));
            still.map(|(name, past)| (name.clone(), past.component.clone())).collect()
        };
        for (name, component) in calm {
            self.record(Event::new(EventKind::FlappingEnded, now, &component, &name));
        }
    }

    /// Notes that the daemon is alive: every half minute, and last of all before it stops.
    pub fn beat(&self) {
        let mut batch = Batch::new();
        batch.put(Table::Meta, ALIVE, self.clock.now().0.to_string().into_bytes());
        self.alerting.tell(Input::Record(batch));
    }

    /// Whether a breaker changes its state too often.
    #[must_use]
    pub fn is_flapping(&self, name: &str) -> bool {
        self.inner.lock().pasts.get(name).is_some_and(|past| past.flapping)
    }

    /// Since when the daemon has been cut off, if it is.
    #[must_use]
    pub fn isolated_since(&self) -> Option<Timestamp> {
        let inner = self.inner.lock();
        inner.blind.back().filter(|(_, end)| end.is_none()).map(|(start, _)| *start)
    }

    /// Looks at the past of every check and breaker, and at the spans in which nothing was measured (an open one
    /// ends at `now`).
    pub fn look<R>(
        &self,
        now: Timestamp,
        look: impl FnOnce(&BTreeMap<String, Past>, &[(Timestamp, Timestamp)]) -> R,
    ) -> R {
        let inner = self.inner.lock();
        let blind: Vec<_> = inner.blind.iter().map(|(start, end)| (*start, end.unwrap_or(now))).collect();
        look(&inner.pasts, &blind)
    }
}

impl Inner {
    /// Takes an event into account. Reading the log and recording something new both come through here.
    fn apply(&mut self, event: &Event) {
        let oldest = event.at - KEPT;
        match event.kind {
            EventKind::MonitorIsolated => self.blind.push_back((event.since.unwrap_or(event.at), None)),
            EventKind::MonitorConnected => {
                if let Some((_, end)) = self.blind.back_mut() {
                    end.get_or_insert(event.at);
                }
            }
            EventKind::DaemonStarted | EventKind::DaemonPaused => {
                let since = event.since.unwrap_or(event.at);
                let open = self.blind.back_mut().filter(|(_, end)| end.is_none());
                if open.is_none() {
                    self.blind.push_back((since, Some(event.at)));
                }
                // Nothing is known until the next result.
                for past in self.pasts.values_mut().filter(|past| past.status() != Status::Unknown) {
                    past.statuses.push_back((since, Status::Unknown));
                }
            }
            _ => {
                let past = self.pasts.entry(event.name.clone()).or_default();
                past.component.clone_from(&event.component);
                past.apply(event);
                past.trim(oldest);
            }
        }
        while self.blind.front().is_some_and(|(_, end)| end.is_some_and(|end| end <= oldest)) {
            self.blind.pop_front();
        }
    }
}

impl Past {
    fn apply(&mut self, event: &Event) {
        if let Some(status) = event.status() {
            // A run that began before the last change was known is dated right after it.
            let at = self.statuses.back().map_or(event.at, |(last, _)| event.at.max(*last));
            self.statuses.push_back((at, status));
        }
        if let Some(to) = event.kind.state() {
            self.steps.push_back(Step { at: event.at, to });
        }
        match event.kind {
            EventKind::FlappingStarted => self.flapping = true,
            EventKind::FlappingEnded => self.flapping = false,
            _ => {}
        }
    }
}

/// Notes every half minute that the daemon is alive; notices when it was not.
pub async fn heartbeat(chronicle: Arc<Chronicle>, mut stop: watch::Receiver<bool>) {
    let mut last = chronicle.clock.now();
    loop {
        chronicle.beat();
        tokio::select! {
            () = tokio::time::sleep(BEAT) => {}
            _ = stop.changed() => return,
        }
        let now = chronicle.clock.now();
        if now.since(last) > LATE {
            let message = "the daemon did not run in this span: a suspended machine, or a clock set forward";
            chronicle.record(Event::daemon(EventKind::DaemonPaused, now, Some(last), message));
        }
        last = now;
        chronicle.calm(now);
    }
}
