//! What a breaker is told: when to trip, how long to stay open, how to find its way back.

use std::time::Duration;

/// The behaviour of a breaker. Plain data: every source of configuration (code, the builder, a file)
/// ends here, and [`Config::validate`] judges them all alike.
///
/// The default suits calls to a remote service: trip at 5 failures in a row, or when half of at least
/// 10 calls of the last 60 s failed; open 60 s, doubling to 300 s; recover by 2 good probes.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "crate::text::ConfigText", into = "crate::text::ConfigText"))]
pub struct Config {
    /// Trip after this many failures in a row (reached, not exceeded). `None` turns the rule off.
    pub failure_threshold: Option<u32>,
    /// Trip when this share (above 0, at most 1) of the calls in the window failed. `None` turns the rule off.
    pub failure_rate: Option<f64>,
    /// Trip on slow calls. `None` (the default) turns the rule off.
    pub slow_call: Option<SlowCall>,
    /// The shares are judged only once the window holds this many calls.
    pub minimum_calls: u32,
    /// Which calls the shares are taken over.
    pub window: Window,
    /// Close after this many good probes in a row.
    pub success_threshold: u32,
    /// How many probes may run at the same time while half-open.
    pub half_open_permits: u32,
    /// How long the breaker stays open the first time. At most: see [`Config::jitter`].
    pub open_for: Duration,
    /// The longest open time the backoff grows to.
    pub open_for_max: Duration,
    /// Each further opening without a recovery in between multiplies the open time by this (at least 1).
    pub backoff_multiplier: f64,
    /// Up to this share (0 to 1) of every open time is taken off at random, so that many breakers on one
    /// dependency do not probe in step. The configured times stay the longest possible.
    pub jitter: f64,
    /// How long one call may take. Enforced where a timer is at hand: [`Breaker::call_with_timer`] and the
    /// tower layer. `None` sets no bound.
    ///
    /// [`Breaker::call_with_timer`]: crate::Breaker::call_with_timer
    pub call_timeout: Option<Duration>,
    /// Whether a call that ran into its time-out counts as a failure. If not it is counted apart and
    /// neither trips the breaker nor helps it to recover.
    pub count_timeout_as_failure: bool,
}

/// The calls over which a breaker takes its shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "crate::text::WindowText", into = "crate::text::WindowText"))]
pub enum Window {
    /// The last so many calls. Right for rare calls, such as a check every 30 s.
    Count(u32),
    /// The calls of the last `length`, kept in `buckets` of equal length. The oldest bucket leaves as a
    /// whole, so between `length - length / buckets` and `length` is covered.
    Time {
        /// How far back the window reaches.
        length: Duration,
        /// How many steps it moves in; more are finer and cost 12 bytes each.
        buckets: u32,
    },
}

/// What makes a call slow, and how many slow calls trip the breaker.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct SlowCall {
    /// A call that takes longer than this is slow, whatever its outcome.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::duration"))]
    pub duration: Duration,
    /// Trip when this share (above 0, at most 1) of the calls in the window was slow.
    pub rate: f64,
}

impl Config {
    /// The usual number of buckets of a time window: a tenth of the window is a fine enough step.
    pub const DEFAULT_BUCKETS: u32 = 10;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            failure_threshold: Some(5),
            failure_rate: Some(0.5),
            slow_call: None,
            minimum_calls: 10,
            window: Window::Time { length: Duration::from_secs(60), buckets: Self::DEFAULT_BUCKETS },
            success_threshold: 2,
            half_open_permits: 3,
            open_for: Duration::from_secs(60),
            open_for_max: Duration::from_secs(300),
            backoff_multiplier: 2.0,
            jitter: 0.1,
            call_timeout: None,
            count_timeout_as_failure: true,
        }
    }
}
