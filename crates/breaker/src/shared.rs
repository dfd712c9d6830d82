//! What all handles of one breaker share: the locked core, and the words that spare most calls the lock.
//!
//! Three kinds of calls do without it: those a closed breaker admits, those an open one rejects, and good
//! calls that cannot move the breaker. The last are counted, and the core catches up on them the next time it
//! is locked, before it does anything else.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

use crate::config::Window;
use crate::core::{Admission, Change, Core};
use crate::counters::Counters;
use crate::sync::{AtomicU64, Mutex, MutexGuard, lock};
use crate::tick::{self, Tick};
use crate::word::Word;
use crate::{Config, Outcome, Rejected, State, Transition};

/// Read by every call, written at changes only.
#[derive(Debug)]
#[repr(C)]
struct Published {
    word: AtomicU64,
    /// While open: when a call may probe, as the bits of a [`Tick`]; [`Tick::NEVER`] while held open.
    open_until: AtomicU64,
    /// When the newest bucket of a time window ends, as the bits of a [`Tick`].
    bucket_end: AtomicU64,
}

/// In this order, what every call reads stands between what never changes and the quiet end of the first
/// stripe of counters: no busy writer shares its cache line.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) name: Arc<str>,
    /// The moment all ticks count from.
    origin: Instant,
    /// The length of a bucket in nanoseconds; of a count window, none.
    bucket_length: Option<i64>,
    published: Published,
    pub(crate) counters: Counters,
    core: Mutex<Core>,
}

/// What a permit must remember. Plain numbers, because every call copies it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    epoch: u64,
    /// When the call was admitted; [`Tick::NEVER`] where slow calls are not looked at.
    admitted_at: Tick,
}

impl Ticket {
    /// That of a permit that has been turned in. No breaker lives to see this epoch.
    pub(crate) const SPENT: Self = Self { epoch: u64::MAX, admitted_at: Tick::NEVER };

    #[inline]
    pub(crate) const fn is_spent(self) -> bool {
        self.epoch == u64::MAX
    }
}

/// Nanoseconds until an open breaker lets a call through; those of [`Tick::NEVER`] while it is held. A plain
/// number on the way to the caller, because half-written words are slow to copy.
#[derive(Clone, Copy)]
pub(crate) struct Left(i64);

impl Left {
    #[inline]
    pub(crate) fn rejected(self) -> Rejected {
        let known = self.0 != Tick::NEVER.0;
        Rejected { state: State::Open, retry_after: known.then(|| Tick(self.0).since(Tick(0))) }
    }
}

impl Shared {
    pub(crate) fn new(name: Arc<str>, config: Config, now: Instant, seed: u64) -> Self {
        let core = Core::new(&config, seed);
        let bucket_length = match config.window {
            Window::Count(_) => None,
            Window::Time { length, buckets } => Some(tick::bucket_length(length, buckets)),
        };
        Self {
            published: Published {
                word: AtomicU64::new(Word::of(&core, &config).0),
                open_until: AtomicU64::new(bits(Tick::NEVER)),
                bucket_end: AtomicU64::new(bits(core.bucket_end())),
            },
            counters: Counters::default(),
            core: Mutex::new(core),
            config,
            name,
            origin: now,
            bucket_length,
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

    pub(crate) const fn origin(&self) -> Instant {
        self.origin
    }

    /// Locks the core, which first catches up on the calls that were recorded without it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        let mut core = lock(&self.core);
        core.catch_up(self.counters.settled());
        core
    }

    /// Whether the start of a call must be known to judge it.
    #[inline]
    pub(crate) const fn times_calls(&self) -> bool {
        self.config.slow_call.is_some()
    }

    /// Admits a call on the busiest path: closed, and no need to know when it starts.
    #[inline]
    pub(crate) fn admit_untimed(&self) -> Option<Ticket> {
        let word = self.word();
        let admits = word.state() == State::Closed && !self.times_calls();
        admits.then(|| Ticket { epoch: word.epoch(), admitted_at: Tick::NEVER })
    }

    /// Refuses a call without the lock: open, and not yet time to probe. Returns the time left until then.
    pub(crate) fn refuse(&self, now: Instant) -> Option<Left> {
        if self.word().state() != State::Open {
            return None;
        }
        let tick = self.tick(now);
        // Written before the word that says open, so it is of this opening or of a later one.
        let until = Tick(self.published.open_until.load(Acquire).cast_signed());
        if tick >= until {
            return None;
        }
        self.counters.reject();
        Some(Left(if until == Tick::NEVER { Tick::NEVER.0 } else { until.0.saturating_sub(tick.0) }))
    }

    /// Admits or refuses any call.
    pub(crate) fn admit(&self, now: Instant) -> (Result<Ticket, Rejected>, Option<Transition>) {
        if let Some(left) = self.refuse(now) {
            return (Err(left.rejected()), None);
        }
        let (word, tick) = (self.word(), self.tick(now));
        if word.state() == State::Closed {
            return (Ok(Ticket { epoch: word.epoch(), admitted_at: tick }), None);
        }
        self.admit_locked(now, tick)
    }

    #[cold]
    fn admit_locked(&self, now: Instant, tick: Tick) -> (Result<Ticket, Rejected>, Option<Transition>) {
        let mut core = self.lock();
        match core.admit(&self.config, tick) {
            Admission::Pass(change) => {
                let ticket = Ticket { epoch: core.epoch, admitted_at: tick };
                (Ok(ticket), self.finish(core, change, now))
            }
            Admission::Refuse { retry_after } => {
                self.counters.reject();
                (Err(Rejected { state: core.state, retry_after }), None)
            }
        }
    }

    /// Records a call on the busy path; otherwise the time, for the core must be asked.
    #[inline]
    pub(crate) fn record(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        took: Option<Duration>,
        clock: impl FnOnce() -> Instant,
    ) -> Result<(), Instant> {
        if outcome != Outcome::Success || !self.word().is_settled_in(ticket.epoch) {
            return Err(clock());
        }
        if self.bucket_length.is_some() || self.times_calls() {
            let now = clock();
            let tick = self.tick(now);
            if self.is_slow(ticket, took, tick) || !self.is_in_newest_bucket(tick) {
                return Err(now);
            }
        }
        self.counters.settle();
        Ok(())
    }

    #[inline]
    fn is_in_newest_bucket(&self, now: Tick) -> bool {
        let Some(length) = self.bucket_length else { return true };
        let end = self.published.bucket_end.load(Acquire).cast_signed();
        now.0 < end && now.0 >= end.saturating_sub(length)
    }

    #[inline]
    fn is_slow(&self, ticket: Ticket, took: Option<Duration>, now: Tick) -> bool {
        self.config
            .slow_call
            .is_some_and(|slow| took.unwrap_or_else(|| now.since(ticket.admitted_at)) > slow.duration)
    }

    #[cold]
    pub(crate) fn record_locked(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        took: Option<Duration>,
        now: Instant,
    ) -> Option<Transition> {
        let tick = self.tick(now);
        let slow = self.is_slow(ticket, took, tick);
        let mut core = self.lock();
        self.counters.count(outcome);
        let change = core.record(&self.config, ticket.epoch, outcome, slow, tick);
        self.finish(core, change, now)
    }

    /// A permit went away without an outcome.
    #[cold]
    pub(crate) fn cancel(&self, ticket: Ticket) {
        self.counters.count(Outcome::Cancelled);
        let word = self.word();
        // Only a probe holds a slot that must come back.
        if word.state() == State::HalfOpen && word.epoch() == ticket.epoch {
            self.lock().cancel(ticket.epoch);
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

    /// What is read without the lock, the word last: who reads it finds the rest to be as new.
    fn publish(&self, core: &Core) {
        let until = bits(if core.held { Tick::NEVER } else { core.open_until });
        renew(&self.published.open_until, until);
        renew(&self.published.bucket_end, bits(core.bucket_end()));
        renew(&self.published.word, Word::of(core, &self.config).0);
    }

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

/// Stores what has changed; a line that others read is not touched for nothing.
fn renew(published: &AtomicU64, value: u64) {
    if published.load(Relaxed) != value {
        published.store(value, Release);
    }
}

const fn bits(tick: Tick) -> u64 {
    tick.0.cast_unsigned()
}
