//! What all handles of one breaker share: the locked core, and the words that spare most calls the lock.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

use crate::config::Window;
use crate::core::{Admission, Change, Core};
use crate::counters::Counters;
use crate::sync::{AtomicU64, Mutex, MutexGuard, lock};
use crate::tick::Tick;
use crate::word::Word;
use crate::{Config, Outcome, Rejected, State, Transition};

/// Read by every call, written at changes only: a cache line of its own keeps the writers of outcomes away.
#[derive(Debug)]
#[repr(align(64))]
struct Published {
    word: AtomicU64,
    /// While open: when a call may probe, as the bits of a [`Tick`]; [`Tick::NEVER`] while held open.
    open_until: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Shared {
    published: Published,
    pub(crate) counters: Counters,
    core: Mutex<Core>,
    pub(crate) config: Config,
    pub(crate) name: Arc<str>,
    /// The moment all ticks count from.
    pub(crate) origin: Instant,
}

/// What a permit must remember.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    pub(crate) epoch: u64,
    /// When the call was admitted, as far as anybody asked the clock.
    pub(crate) admitted_at: Option<Instant>,
}

impl Shared {
    pub(crate) fn new(name: Arc<str>, config: Config, now: Instant, seed: u64) -> Self {
        let core = Core::new(&config, seed);
        Self {
            published: Published {
                word: AtomicU64::new(Word::of(&core).0),
                open_until: AtomicU64::new(bits(Tick::NEVER)),
            },
            counters: Counters::default(),
            core: Mutex::new(core),
            config,
            name,
            origin: now,
        }
    }

    #[inline]
    pub(crate) fn word(&self) -> Word {
        Word(self.published.word.load(Acquire))
    }

    #[inline]
    pub(crate) fn tick(&self, now: Instant) -> Tick {
        Tick::from_origin(self.origin, now)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }

    /// Whether the start of a call must be known to judge it.
    #[inline]
    pub(crate) const fn times_calls(&self) -> bool {
        self.config.slow_call.is_some()
    }

    #[inline]
    pub(crate) fn admit(
        &self,
        admitted_at: Option<Instant>,
        clock: impl FnOnce() -> Instant,
    ) -> (Result<Ticket, Rejected>, Option<Transition>) {
        let word = self.word();
        if word.state() == State::Closed {
            return (Ok(Ticket { epoch: word.epoch(), admitted_at }), None);
        }
        let now = admitted_at.unwrap_or_else(clock);
        if word.state() == State::Open {
            // Written before the word that says open, so it is of this opening or of a later one.
            let until = Tick(self.published.open_until.load(Acquire).cast_signed());
            let tick = self.tick(now);
            if tick < until {
                self.counters.reject();
                let retry_after = (until != Tick::NEVER).then(|| until.since(tick));
                return (Err(Rejected { state: State::Open, retry_after }), None);
            }
        }
        self.admit_locked(now)
    }

    #[cold]
    fn admit_locked(&self, now: Instant) -> (Result<Ticket, Rejected>, Option<Transition>) {
        let mut core = self.lock();
        match core.admit(&self.config, self.tick(now)) {
            Admission::Pass(change) => {
                let ticket = Ticket { epoch: core.epoch, admitted_at: Some(now) };
                (Ok(ticket), self.finish(core, change, now))
            }
            Admission::Refuse { retry_after } => {
                self.counters.reject();
                (Err(Rejected { state: core.state, retry_after }), None)
            }
        }
    }

    #[inline]
    pub(crate) fn record(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        took: Option<Duration>,
        clock: impl FnOnce() -> Instant,
    ) -> Option<Transition> {
        if outcome == Outcome::Success && !self.times_calls() {
            if self.word().is_settled_in(ticket.epoch) {
                self.counters.count(outcome);
                return None;
            }
            if matches!(self.config.window, Window::Count(_)) && self.succeed_without_time(ticket) {
                return None;
            }
        }
        self.record_at(ticket, outcome, took, clock())
    }

    /// False, with nothing done, if the time is needed.
    #[inline]
    fn succeed_without_time(&self, ticket: Ticket) -> bool {
        let mut core = self.lock();
        let done = core.succeed_without_time(&self.config, ticket.epoch);
        if done {
            self.counters.count(Outcome::Success);
            self.publish(&core);
        }
        done
    }

    fn record_at(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        took: Option<Duration>,
        now: Instant,
    ) -> Option<Transition> {
        let slow = self.config.slow_call.is_some_and(|slow| {
            let took = took.or_else(|| Some(now.saturating_duration_since(ticket.admitted_at?)));
            took.is_some_and(|took| took > slow.duration)
        });
        if outcome == Outcome::Success && !slow && self.word().is_settled_in(ticket.epoch) {
            self.counters.count(outcome);
            return None;
        }
        let tick = self.tick(now);
        let mut core = self.lock();
        self.counters.count(outcome);
        let change = core.record(&self.config, ticket.epoch, outcome, slow, tick);
        self.finish(core, change, now)
    }

    /// A permit went away without an outcome.
    pub(crate) fn cancel(&self, ticket: Ticket) {
        self.counters.count(Outcome::Cancelled);
        let word = self.word();
        // Only a probe holds a slot that must come back.
        if word.state() == State::HalfOpen && word.epoch() == ticket.epoch {
            let mut core = self.lock();
            core.cancel(ticket.epoch);
        }
    }

    /// Makes a step of the core known: to the busy paths, and after unlocking to the listeners.
    pub(crate) fn finish(
        &self,
        core: MutexGuard<'_, Core>,
        change: Option<Change>,
        now: Instant,
    ) -> Option<Transition> {
        self.publish(&core);
        let change = change?;
        let listeners = core.listeners.clone();
        drop(core);
        let transition = self.transition(change, now);
        listeners.tell(&transition);
        Some(transition)
    }

    #[inline]
    fn publish(&self, core: &Core) {
        let word = Word::of(core).0;
        let until = bits(if core.held { Tick::NEVER } else { core.open_until });
        if self.published.open_until.load(Relaxed) != until {
            self.published.open_until.store(until, Release);
        }
        if self.published.word.load(Relaxed) != word {
            self.published.word.store(word, Release);
        }
    }

    #[cold]
    fn transition(&self, change: Change, now: Instant) -> Transition {
        Transition {
            breaker: Arc::clone(&self.name),
            sequence: change.sequence,
            from: change.from,
            to: change.to,
            reason: change.reason,
            at: now,
            consecutive_failures: change.consecutive_failures,
            probe_successes: change.probe_successes,
            window: change.window,
            open_count: change.open_count,
            open_for: change.open_for,
            since_first_opened: change.since_first_opened,
        }
    }

    /// While open and not held: when a call may probe.
    pub(crate) fn open_until(&self) -> Option<Tick> {
        if self.word().state() != State::Open {
            return None;
        }
        let until = Tick(self.published.open_until.load(Acquire).cast_signed());
        (until != Tick::NEVER).then_some(until)
    }
}

const fn bits(tick: Tick) -> u64 {
    tick.0.cast_unsigned()
}
