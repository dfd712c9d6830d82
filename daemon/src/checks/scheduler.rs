//! The scheduler: one task that knows when every check is due, and starts the runs.
//!
//! A check never runs twice at once: while a run is under way its next grid line is counted as missed and skipped,
//! not queued. The loop's pulse feeds the systemd watchdog and `/-/healthy`: if this loop is stuck, the daemon is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use breakwatch_model::{Clock, Status, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::runner::{RunEnd, Runner, demand};
use super::schedule::Grid;
use super::unit::{CheckUnit, Units};

/// The loop wakes at least this often, for its pulse and for results that stop being current.
const TICK: Duration = Duration::from_secs(1);
/// How often current results are looked over for writing again.
const REPEAT_TICK: Duration = Duration::from_secs(5);

/// What the scheduler can be told.
pub enum Command {
    /// The set of checks has changed: look at [`Units`] again.
    Refresh,
    /// Run a check now; the answer is what was found.
    RunNow(Arc<str>, oneshot::Sender<Option<Status>>),
    /// A check's breaker was moved by a person: its next run may be due at another time.
    Reschedule(Arc<str>),
    /// Start no more runs, wait for those under way, end.
    Stop,
}

/// When the loop last came round, as milliseconds since it was made.
#[derive(Debug)]
pub struct Pulse {
    origin: Instant,
    last_millis: AtomicU64,
}

impl Pulse {
    /// A pulse that beats now.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { origin: now, last_millis: AtomicU64::new(0) }
    }

    /// The loop came round.
    pub fn beat(&self, now: Instant) {
        let millis = now.saturating_duration_since(self.origin).as_millis();
        self.last_millis.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long ago the loop came round.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        let last = Duration::from_millis(self.last_millis.load(Ordering::Relaxed));
        now.saturating_duration_since(self.origin).saturating_sub(last)
    }
}

/// One check as the scheduler sees it.
struct Slot {
    unit: Arc<CheckUnit>,
    grid: Grid,
    due: Instant,
    running: bool,
    waiters: Vec<oneshot::Sender<Option<Status>>>,
}

/// The scheduler's own data; [`Scheduler::run`] is its loop.
pub struct Scheduler {
    runner: Runner,
    clock: Arc<dyn Clock>,
    units: Units,
    origin: Instant,
    pulse: Arc<Pulse>,
    slots: BTreeMap<Arc<str>, Slot>,
    due: BinaryHeap<Reverse<(Instant, Arc<str>)>>,
    runs: JoinSet<(Arc<str>, RunEnd)>,
    next_repeat: Instant,
}

impl Scheduler {
    /// A scheduler for the checks in `units`.
    #[must_use]
    pub fn new(runner: Runner, units: Units, pulse: Arc<Pulse>) -> Self {
        let clock = Arc::clone(&runner.clock);
        let origin = clock.monotonic();
        Self {
            runner,
            clock,
            units,
            origin,
            pulse,
            slots: BTreeMap::new(),
            due: BinaryHeap::new(),
            runs: JoinSet::new(),
            next_repeat: origin + REPEAT_TICK,
        }
    }

    /// The time every check's grid counts from.
    #[must_use]
    pub fn origin(&self) -> Instant {
        self.origin
    }

    /// Runs until told to stop; runs under way are waited for.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        self.refresh();
        loop {
            let now = self.clock.monotonic();
            self.pulse.beat(now);
            self.start_due(now);
            self.repeat_results(now);
            let wake = self.next_wake(now);
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Refresh) => self.refresh(),
                    Some(Command::RunNow(name, answer)) => self.run_now(&name, answer),
                    Some(Command::Reschedule(name)) => self.reschedule(&name),
                    Some(Command::Stop) | None => break,
                },
                Some(ended) = self.runs.join_next() => self.ended(ended),
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
        while self.runs.join_next().await.is_some() {
            self.pulse.beat(self.clock.monotonic());
        }
    }

    /// Brings the slots in line with the set of checks; unchanged checks keep their place in time.
    fn refresh(&mut self) {
        let units = self.units.read().clone();
        self.slots.retain(|name, _| units.contains_key(name));
        let (now, wall) = (self.clock.monotonic(), self.clock.now());
        for (name, unit) in units {
            self.look_at_windows(&unit, wall);
            let grid = Grid::new(self.origin, &name, unit.settings.interval);
            match self.slots.get_mut(&name) {
                Some(slot) if Arc::ptr_eq(&slot.unit, &unit) => {}
                Some(slot) => {
                    slot.unit = unit;
                    slot.grid = grid;
                    slot.due = grid.after(now);
                    self.due.push(Reverse((slot.due, name)));
                }
                None => {
                    let due = first_run(&unit, grid, now);
                    self.due.push(Reverse((due, Arc::clone(&name))));
                    self.slots.insert(name, Slot { unit, grid, due, running: false, waiters: Vec::new() });
                }
            }
        }
    }

    /// Suspends a check whose window has opened, and lets one run again whose window has closed.
    fn look_at_windows(&self, unit: &CheckUnit, wall: Timestamp) {
        if !unit.pause.look(wall) {
            return;
        }
        let paused = unit.is_paused();
        tracing::info!(check = &*unit.name, paused, "check_pause_window");
        if paused {
            self.runner.observer.forgotten(unit);
        }
        self.runner.changes.notify();
    }

    fn start_due(&mut self, now: Instant) {
        let wall = self.clock.now();
        while let Some(Reverse((due, name))) = self.due.peek() {
            if *due > now {
                break;
            }
            let (due, name) = (*due, Arc::clone(name));
            self.due.pop();
            // An entry that no longer agrees with its slot was replaced by a later one.
            let Some(unit) = self.slots.get(&name).map(|slot| Arc::clone(&slot.unit)) else { continue };
            self.look_at_windows(&unit, wall);
            let Some(slot) = self.slots.get_mut(&name).filter(|slot| slot.due == due) else { continue };
            if slot.running {
                let missed = 1 + slot.grid.lines_between(due, now);
                slot.unit.state.lock().missed += missed;
                self.runner.instruments.runs_missed(&slot.unit.id.kind, missed);
                slot.due = slot.grid.after(now);
                self.due.push(Reverse((slot.due, name)));
            } else if slot.unit.is_paused() {
                slot.due = slot.grid.after(now);
                self.due.push(Reverse((slot.due, name)));
            } else {
                self.start(&name, Some(due));
            }
        }
    }

    /// Starts a run. `due` is when it should have started, unless somebody asked for it now.
    fn start(&mut self, name: &Arc<str>, due: Option<Instant>) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        slot.running = true;
        let (runner, unit, grid, name) =
            (self.runner.clone(), Arc::clone(&slot.unit), slot.grid, Arc::clone(name));
        self.runs.spawn(async move { (name, runner.run(&unit, grid, due).await) });
    }

    fn ended(&mut self, ended: Result<(Arc<str>, RunEnd), tokio::task::JoinError>) {
        let (name, end) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // The runner catches panics of checks; this would be one of the runner itself.
                tracing::error!(%error, "a check run ended abnormally");
                return self.recover();
            }
        };
        let now = self.clock.monotonic();
        let Some(slot) = self.slots.get_mut(&name) else { return };
        slot.running = false;
        // Grid lines that passed while the run was under way were skipped, not queued.
        let missed = slot.grid.lines_between(slot.due, now);
        if missed > 0 {
            slot.unit.state.lock().missed += missed;
            self.runner.instruments.runs_missed(&slot.unit.id.kind, missed);
        }
        slot.due = end.next_due;
        if slot.unit.is_paused() {
            // It was under way when the pause began, or somebody asked for it.
            self.runner.observer.forgotten(&slot.unit);
        }
        for waiter in slot.waiters.drain(..) {
            let _ = waiter.send(end.status);
        }
        self.due.push(Reverse((slot.due, name)));
    }

    /// After a run whose check is not known: every running slot without a task is put back on its grid.
    fn recover(&mut self) {
        let now = self.clock.monotonic();
        if !self.runs.is_empty() {
            return;
        }
        for (name, slot) in self.slots.iter_mut().filter(|(_, slot)| slot.running) {
            slot.running = false;
            slot.due = slot.grid.after(now);
            self.due.push(Reverse((slot.due, Arc::clone(name))));
        }
    }

    fn reschedule(&mut self, name: &str) {
        let now = self.clock.monotonic();
        let Some((name, slot)) = self.slots.get_key_value(name).filter(|(_, slot)| !slot.running) else {
            return;
        };
        let (name, due) = (Arc::clone(name), slot.grid.next(now, demand(&slot.unit)));
        if let Some(slot) = self.slots.get_mut(&name) {
            slot.due = due;
        }
        self.due.push(Reverse((due, name)));
    }

    fn run_now(&mut self, name: &str, answer: oneshot::Sender<Option<Status>>) {
        let Some((name, slot)) = self.slots.get_key_value(name) else {
            let _ = answer.send(None);
            return;
        };
        let (name, running) = (Arc::clone(name), slot.running);
        if let Some(slot) = self.slots.get_mut(&name) {
            slot.waiters.push(answer);
        }
        if !running {
            self.start(&name, None);
        }
    }

    fn repeat_results(&mut self, now: Instant) {
        if now < self.next_repeat {
            return;
        }
        self.next_repeat = now + REPEAT_TICK;
        let wall = self.clock.now();
        for slot in self.slots.values() {
            self.look_at_windows(&slot.unit, wall);
            if !slot.running {
                self.runner.publisher.repeat(&slot.unit, wall);
            }
        }
    }

    fn next_wake(&self, now: Instant) -> Instant {
        let next = self.due.peek().map_or(now + TICK, |Reverse((due, _))| *due);
        next.min(now + TICK)
    }
}

/// The first run: at once for what is local and cheap, so that a fresh daemon has something to show; on the grid
/// for everything else, so that a restart does not hit every target in the same moment.
fn first_run(unit: &CheckUnit, grid: Grid, now: Instant) -> Instant {
    use super::unit::ProbePace;
    if unit.settings.pace == ProbePace::Normal {
        return now;
    }
    // Not later than five seconds: nobody waits ten minutes to learn whether a new check works.
    let spread = Duration::from_nanos(u64::try_from(grid.phase.as_nanos() % 5_000_000_000).unwrap_or(0));
    (now + spread).min(grid.after(now))
}
