//! One run of one check: bulkhead, breaker, deadline, attempt; then the result is published and the breaker told.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use breakwatch_breaker::{Outcome, OwnedPermit, State};
use breakwatch_model::{CheckFailure, CheckResult, Clock, Evidence, FailureReason, Status, Timestamp};
use breakwatch_plugin_api::{CheckContext, Level, Recorder};
use futures_util::FutureExt as _;
use tracing::Instrument as _;

use super::observer::Observer;
use super::publish::Publisher;
use super::schedule::{Demand, Grid};
use super::unit::{CheckUnit, ProbePace};
use crate::bulkhead::Bulkheads;
use crate::changes::Changes;
use crate::telemetry::instruments::Instruments;

/// How long after its next run and that run's time-out a result still counts as current: room for a late start.
const GRACE: Duration = Duration::from_secs(5);

/// Runs checks.
#[derive(Clone)]
pub struct Runner {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where results go.
    pub publisher: Publisher,
    /// The daemon's own metrics.
    pub instruments: Instruments,
    /// Hears of every result before the breaker does.
    pub observer: Arc<Observer>,
    /// Who wants to know that something changed.
    pub changes: Changes,
    /// How many runs may be under way at once.
    pub bulkheads: Arc<Bulkheads>,
    /// When the daemon started, for start graces.
    pub started: Instant,
}

/// What a run leaves behind for the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// When the next run is due.
    pub next_due: Instant,
    /// What was found, unless the breaker let no run through.
    pub status: Option<Status>,
}

impl Runner {
    /// Runs a check once, confirm retries included. `due` is when a scheduled run should have started.
    pub async fn run(&self, unit: &Arc<CheckUnit>, grid: Grid, due: Option<Instant>) -> RunEnd {
        let slots = self.bulkheads.enter(&unit.id.kind, &unit.target, unit.settings.timeout).await;
        let _slots = match slots {
            Ok(slots) => slots,
            Err(refused) => return self.not_measured(unit, grid, &refused.to_string()),
        };
        let (permit, _) = unit.guard.breaker.admit(self.clock.monotonic());
        let permit = match permit {
            Ok(permit) => permit.into_owned(),
            Err(_) if unit.guard.breaker.is_held() => {
                let why = "the breaker is held: the check does not run until it is released";
                return self.not_measured(unit, grid, why);
            }
            Err(_) => return self.end(unit, grid, None),
        };
        // Only now: waiting for a slot is delay too.
        if let Some(due) = due {
            self.instruments.run_started(self.clock.monotonic().saturating_duration_since(due));
        }
        let span = tracing::info_span!(
            "check.run",
            check = &*unit.name,
            r#type = &*unit.id.kind,
            target = &*unit.target,
            status = tracing::field::Empty,
            reason = tracing::field::Empty,
        );
        let began = self.clock.now();
        let result = self.confirmed(unit).instrument(span.clone()).await;
        let believed = unit.settings.canary || unit.settings.local;
        let result = if believed { result } else { self.unless_cut_off(result) };
        span.record("status", result.status.as_str());
        if let Some(failure) = &result.failure {
            span.record("reason", failure.reason.as_str());
        }
        drop(span);
        self.finish(unit, grid, permit, (result, began))
    }

    /// No attempt was made: the status is unknown, and the breaker hears nothing.
    fn not_measured(&self, unit: &CheckUnit, grid: Grid, why: &str) -> RunEnd {
        let unknown = self.unknown(why);
        self.publish(unit, &unknown, grid, unknown.started_at);
        self.end(unit, grid, Some(Status::Unknown))
    }

    /// While the daemon itself is cut off a result says nothing about its target.
    fn unless_cut_off(&self, result: CheckResult) -> CheckResult {
        if !self.observer.is_isolated() {
            return result;
        }
        let unknown = self.unknown("the canary checks fail: breakwatch itself is cut off");
        CheckResult { started_at: result.started_at, duration: result.duration, ..unknown }
    }

    /// Publishes a result before the breaker hears of it: a transition's message carries the result.
    fn finish(
        &self,
        unit: &Arc<CheckUnit>,
        grid: Grid,
        permit: OwnedPermit,
        (result, began): (CheckResult, Timestamp),
    ) -> RunEnd {
        self.instruments.run_ended(&unit.id.kind, result.status, result.duration);
        unit.guard.observe_call(result.duration);
        self.publish(unit, &result, grid, began);
        let now = self.clock.monotonic();
        // Cut off, breakers stay as they are: the permit is dropped, which counts as cancelled.
        let frozen = self.observer.is_isolated() && !unit.settings.local;
        if let Some(outcome) = outcome(&result).filter(|_| !frozen) {
            let _ = permit.record_timed(outcome, result.duration, now);
        }
        self.end(unit, grid, Some(result.status))
    }

    fn publish(&self, unit: &CheckUnit, result: &CheckResult, grid: Grid, began: Timestamp) {
        let now = self.clock.now();
        let until = now + grid.interval + unit.settings.timeout + GRACE;
        self.publisher.publish(unit, result, until, now);
        self.observer.result(unit, result, began);
        self.changes.notify();
    }

    /// Attempts until the outcome is certain: a first failure is looked at again before it counts.
    async fn confirmed(&self, unit: &CheckUnit) -> CheckResult {
        let mut result = self.attempt(unit).await;
        let closed = unit.guard.breaker.state() == State::Closed;
        let known_bad = unit.state.lock().last.as_ref().is_some_and(|last| last.status == Status::Unhealthy);
        if !closed || known_bad {
            return self.graced(unit, result);
        }
        for attempt in 1..=unit.settings.retries {
            if result.status != Status::Unhealthy {
                break;
            }
            let before = result.failure.as_ref().map(ToString::to_string).unwrap_or_default();
            tokio::time::sleep(unit.settings.retry_interval).await;
            self.instruments.retried("check", &unit.id.kind);
            result = self.attempt(unit).await;
            result.evidence.add(format!("attempt_{attempt}"), before);
        }
        self.graced(unit, result)
    }

    /// Shortly after the start a failure says nothing yet: the target may be starting too.
    fn graced(&self, unit: &CheckUnit, mut result: CheckResult) -> CheckResult {
        let age = self.clock.monotonic().saturating_duration_since(self.started);
        if result.status == Status::Unhealthy && age < unit.settings.start_grace {
            result.status = Status::Unknown;
        }
        result
    }

    /// One attempt, held to the check's time-out; a panic is a failure of this check and of nothing else.
    async fn attempt(&self, unit: &CheckUnit) -> CheckResult {
        let started_at = self.clock.now();
        let started = self.clock.monotonic();
        let timeout = unit.settings.timeout;
        let context = CheckContext {
            check: Arc::clone(&unit.name),
            timeout,
            started_at,
            clock: Arc::clone(&self.clock),
        };
        let mut rec = Recorder::new(unit.levels.lock().clone());
        let run = AssertUnwindSafe(unit.check.run(&context, &mut rec)).catch_unwind();
        let end = match tokio::time::timeout(timeout, run).await {
            Ok(Ok(end)) => end,
            Ok(Err(_)) => Err(CheckFailure::new(
                FailureReason::Panic,
                "the check itself panicked: this is a fault of breakwatch, please report it",
            )),
            Err(_) => Err(CheckFailure::new(
                FailureReason::Timeout,
                format!("no result within {}", breakwatch_plugin_api::format_duration(timeout)),
            )),
        };
        let duration = self.clock.monotonic().saturating_duration_since(started);
        let (status, failure) = verdict(end, &rec, unit.settings.negate);
        *unit.levels.lock() = rec.levels();
        CheckResult { started_at, duration, status, failure, evidence: rec.evidence, families: rec.families }
    }

    fn unknown(&self, why: &str) -> CheckResult {
        CheckResult {
            started_at: self.clock.now(),
            duration: Duration::ZERO,
            status: Status::Unknown,
            failure: Some(CheckFailure::new(FailureReason::Internal, why)),
            evidence: Evidence::default(),
            families: Vec::new(),
        }
    }

    /// When the next run is due, and how long the last result stays current because of it.
    fn end(&self, unit: &CheckUnit, grid: Grid, status: Option<Status>) -> RunEnd {
        let now = self.clock.monotonic();
        // Cut off, canaries are asked often: everything else waits for their answer.
        let demand = match unit.settings.canary && self.observer.is_isolated() {
            true => Demand::Within(unit.settings.retry_interval),
            false => demand(unit),
        };
        let next_due = grid.next(now, demand);
        let wait = next_due.saturating_duration_since(now);
        let until = self.clock.now() + wait + unit.settings.timeout + GRACE;
        unit.state.lock().extend(until);
        RunEnd { next_due, status }
    }
}

/// What the breaker wants of the next run.
#[must_use]
pub fn demand(unit: &CheckUnit) -> Demand {
    let breaker = &unit.guard.breaker;
    match (breaker.state(), unit.settings.pace) {
        (State::Closed, _) | (State::Open, ProbePace::Normal) => Demand::Grid,
        (State::HalfOpen, _) | (State::Open, ProbePace::Fast) => Demand::Within(unit.settings.retry_interval),
        // A held breaker names no time: the grid keeps asking, and says "unknown" meanwhile.
        (State::Open, ProbePace::Stretch) => breaker.next_probe_at().map_or(Demand::Grid, Demand::NotBefore),
    }
}

/// What a result means to the breaker; unknown means nothing.
fn outcome(result: &CheckResult) -> Option<Outcome> {
    match (result.status, &result.failure) {
        (Status::Healthy | Status::Degraded, _) => Some(Outcome::Success),
        (Status::Unhealthy, Some(failure)) if failure.reason == FailureReason::Timeout => {
            Some(Outcome::Timeout)
        }
        (Status::Unhealthy, _) => Some(Outcome::Failure),
        (Status::Unknown, _) => None,
    }
}

/// Whether a run that failed for this reason has found nothing out about its target: it could not look (`internal`),
/// its program could not be started (`spawn`) or was ended before it had decided (`signal`).
const fn says_nothing(reason: FailureReason) -> bool {
    matches!(reason, FailureReason::Internal | FailureReason::Spawn | FailureReason::Signal)
}

/// The status of a run: the worst of its judgements and its failure.
fn verdict(end: Result<(), CheckFailure>, rec: &Recorder, negate: bool) -> (Status, Option<CheckFailure>) {
    let (status, failure) = match end {
        Err(failure) if says_nothing(failure.reason) => (Status::Unknown, Some(failure)),
        Err(failure) => (Status::Unhealthy, Some(failure)),
        Ok(()) => judged(rec),
    };
    match (negate, status) {
        (true, Status::Unhealthy) => (Status::Healthy, None),
        (true, Status::Healthy | Status::Degraded) => {
            let message = "the target works, and this check is negated: it should not";
            (Status::Unhealthy, Some(CheckFailure::new(FailureReason::Assertion, message)))
        }
        _ => (status, failure),
    }
}

fn judged(rec: &Recorder) -> (Status, Option<CheckFailure>) {
    let worst = rec.judgements.iter().max_by_key(|judgement| judgement.level);
    if let Some(judgement) = worst.filter(|judgement| judgement.level > Level::Fine) {
        let status = if judgement.level == Level::Unhealthy { Status::Unhealthy } else { Status::Degraded };
        return (status, Some(CheckFailure::new(judgement.reason, judgement.message.clone())));
    }
    match &rec.degraded {
        Some(failure) => (Status::Degraded, Some(failure.clone())),
        None => (Status::Healthy, None),
    }
}
