//! The handle: what a program holds, clones and asks.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::shared::Shared;
use crate::{Config, InvalidConfig, Permit, Rejected, Snapshot, State, Stats, Transition};

/// A circuit breaker. Clones are handles of the same breaker.
///
/// Time is an argument: the breaker holds no clock, starts no task and does no I/O. `now` should not go
/// back; if it does, no open time ends early and nothing panics.
///
/// ```
/// use breakwatch_breaker::{Breaker, Config, Outcome, State};
/// use std::time::{Duration, Instant};
///
/// let mut now = Instant::now();
/// let config = Config::builder().failure_threshold(2).jitter(0.0).build()?;
/// let breaker = Breaker::new("payments", config, now)?;
///
/// for _ in 0..2 {
///     let (permit, _) = breaker.admit(now);
///     permit?.record(Outcome::Failure, now);
/// }
/// assert_eq!(breaker.state(), State::Open);
/// let (refused, _) = breaker.admit(now);
/// assert_eq!(refused.unwrap_err().retry_after, Some(Duration::from_secs(60)));
///
/// now += Duration::from_secs(60);
/// let (probe, transition) = breaker.admit(now);
/// assert_eq!(transition.unwrap().to, State::HalfOpen);
/// probe?.record(Outcome::Success, now);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Breaker(Arc<Shared>);

impl Breaker {
    /// A closed breaker. Its jitter differs from process to process; see [`Breaker::seeded`].
    ///
    /// # Errors
    /// What [`Config::validate`] refuses.
    pub fn new(
        name: impl Into<Arc<str>>,
        config: impl Into<Config>,
        now: Instant,
    ) -> Result<Self, InvalidConfig> {
        let name = name.into();
        let seed = RandomState::new().hash_one(&*name);
        Self::seeded(name, config, now, seed)
    }

    /// A closed breaker whose jitter follows from `seed` alone.
    ///
    /// # Errors
    /// What [`Config::validate`] refuses.
    pub fn seeded(
        name: impl Into<Arc<str>>,
        config: impl Into<Config>,
        now: Instant,
        seed: u64,
    ) -> Result<Self, InvalidConfig> {
        let config = config.into();
        config.validate()?;
        Ok(Self(Arc::new(Shared::new(name.into(), config, now, seed))))
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    /// The name given to it.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The state. An open breaker whose open time is over stays open until a call comes to probe.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.word().state()
    }

    /// Asks whether a call may be made.
    ///
    /// The first call after the open time becomes a probe: then the transition to half-open is returned
    /// along with its permit.
    #[inline]
    pub fn admit(&self, now: Instant) -> (Result<Permit<'_>, Rejected>, Option<Transition>) {
        self.admit_with(|| now)
    }

    /// As [`Breaker::admit`], asking for the time only if the answer depends on it. On the usual path,
    /// closed and without [`Config::slow_call`], it does not.
    #[inline]
    pub fn admit_with(
        &self,
        clock: impl FnOnce() -> Instant,
    ) -> (Result<Permit<'_>, Rejected>, Option<Transition>) {
        if let Some(ticket) = self.0.admit_untimed() {
            return (Ok(Permit::new(self, ticket)), None);
        }
        let (ticket, transition) = self.0.admit(clock());
        (ticket.map(|ticket| Permit::new(self, ticket)), transition)
    }

    /// As [`Breaker::admit_with`], for callers who leave transitions to listeners.
    #[inline]
    pub(crate) fn enter(&self, clock: fn() -> Instant) -> Result<Permit<'_>, Rejected> {
        match self.0.admit_untimed() {
            Some(ticket) => Ok(Permit::new(self, ticket)),
            None => self.enter_timed(clock),
        }
    }

    /// Out of line, so that the busy path stays a few instructions of the caller.
    #[inline(never)]
    fn enter_timed(&self, clock: fn() -> Instant) -> Result<Permit<'_>, Rejected> {
        let now = clock();
        match self.0.refuse(now) {
            Some(left) => Err(left.rejected()),
            None => self.0.admit(now).0.map(|ticket| Permit::new(self, ticket)),
        }
    }

    /// While open: when the next call is let through as a probe, so that whoever schedules calls can wait
    /// for it. Nothing while closed, half-open or held.
    #[must_use]
    pub fn next_probe_at(&self) -> Option<Instant> {
        self.0.open_until()?.to_instant(self.0.origin())
    }

    /// While open: how long until the next call is let through as a probe; zero if one would be at `now`.
    /// Nothing while closed, half-open or held.
    #[must_use]
    pub fn retry_after(&self, now: Instant) -> Option<Duration> {
        Some(self.0.open_until()?.since(self.0.tick(now)))
    }

    /// Moves the breaker to `to`. From there the ordinary rules apply: forced open it probes after the open
    /// time. Nothing happens if it is there already. A hold stays in place, on the new state.
    pub fn force(&self, to: State, now: Instant) -> Option<Transition> {
        let mut core = self.0.lock();
        let change = core.force(to, &self.0.config, self.0.tick(now));
        self.0.finish(core, change, now)
    }

    /// Moves the breaker to `to` and keeps it there, whatever happens, until [`Breaker::release`] or
    /// [`Breaker::reset`]. Calls are counted but judged by nobody.
    pub fn hold(&self, to: State, now: Instant) -> Option<Transition> {
        let mut core = self.0.lock();
        let change = core.hold(to, &self.0.config, self.0.tick(now));
        self.0.finish(core, change, now)
    }

    /// Ends a hold; false if there was none. The state stays: an open breaker lets the next call through
    /// as a probe, a closed one judges calls from here on.
    pub fn release(&self, now: Instant) -> bool {
        let mut core = self.0.lock();
        let released = core.release(self.0.tick(now));
        self.0.finish(core, None, now);
        released
    }

    /// Whether the breaker is held in its state.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.lock().held
    }

    /// Closes the breaker, ends a hold and forgets every call in the window. Counts of calls go on.
    pub fn reset(&self, now: Instant) -> Option<Transition> {
        let mut core = self.0.lock();
        let change = core.reset(&self.0.config, self.0.tick(now));
        self.0.finish(core, change, now)
    }

    /// All figures, as of one moment.
    #[must_use]
    pub fn stats(&self, now: Instant) -> Stats {
        let core = self.0.lock();
        core.stats(self.0.counters.sum(), self.0.tick(now))
    }

    /// The state as plain data, to go on from after a restart or with another configuration.
    #[must_use]
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let core = self.0.lock();
        core.snapshot(self.0.counters.sum(), self.0.tick(now))
    }

    /// Goes on from `saved`, forgetting everything else; [age](Snapshot::aged) it first by the time nobody
    /// was there. Permits handed out before change nothing any more. Works across configurations: times are
    /// cut to the new bounds and a window of the other kind starts empty. Listeners are not told.
    pub fn restore(&self, saved: &Snapshot, now: Instant) {
        let mut core = self.0.lock();
        core.restore(saved, &self.0.config, self.0.tick(now));
        self.0.counters.set(saved.calls);
        self.0.finish(core, None, now);
    }

    /// Tells `listener` of every transition from now on, after the lock is released, on the thread that
    /// caused it. It may use the breaker; should it panic, nobody else is harmed. Transitions caused by
    /// different threads may overtake each other; [`Transition::sequence`] orders them.
    pub fn on_transition(&self, listener: impl Fn(&Transition) + Send + Sync + 'static) {
        self.0.lock().listeners.add(Arc::new(listener));
    }
}
