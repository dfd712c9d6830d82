//! The fluent way to a validated [`Config`].

use std::time::Duration;

use crate::{Config, InvalidConfig, Preset, SlowCall, Window};

/// Builds a [`Config`]; [`Builder::build`] refuses what cannot work.
///
/// ```
/// use breakwatch_breaker::{Config, Preset};
/// use std::time::Duration;
///
/// let config = Preset::HttpApi.builder().failure_threshold(3).open_for(Duration::from_secs(10)).build()?;
/// assert_eq!(config.failure_threshold, Some(3));
/// assert!(Config::builder().failure_rate(1.5).build().is_err());
/// # Ok::<(), breakwatch_breaker::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Builder {
    config: Config,
}

impl From<Config> for Builder {
    fn from(config: Config) -> Self {
        Self { config }
    }
}

impl From<Preset> for Builder {
    fn from(preset: Preset) -> Self {
        preset.builder()
    }
}

impl Config {
    /// A builder that starts from the default.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Sets [`Config::failure_threshold`]; `None` turns the rule off.
    pub fn failure_threshold(mut self, failures: impl Into<Option<u32>>) -> Self {
        self.config.failure_threshold = failures.into();
        self
    }

    /// Sets [`Config::failure_rate`]; `None` turns the rule off.
    pub fn failure_rate(mut self, rate: impl Into<Option<f64>>) -> Self {
        self.config.failure_rate = rate.into();
        self
    }

    /// Trips when `rate` of the calls in the window took longer than `duration`; see [`Config::slow_call`].
    pub fn slow_call(mut self, duration: Duration, rate: f64) -> Self {
        self.config.slow_call = Some(SlowCall { duration, rate });
        self
    }

    /// Sets [`Config::minimum_calls`].
    pub fn minimum_calls(mut self, calls: u32) -> Self {
        self.config.minimum_calls = calls;
        self
    }

    /// Takes the shares over the last `calls` calls.
    pub fn count_window(mut self, calls: u32) -> Self {
        self.config.window = Window::Count(calls);
        self
    }

    /// Takes the shares over the last `length`, in [`Config::DEFAULT_BUCKETS`] steps.
    pub fn time_window(mut self, length: Duration) -> Self {
        self.config.window = Window::Time { length, buckets: Config::DEFAULT_BUCKETS };
        self
    }

    /// Sets [`Config::window`].
    pub fn window(mut self, window: Window) -> Self {
        self.config.window = window;
        self
    }

    /// Sets [`Config::success_threshold`].
    pub fn success_threshold(mut self, successes: u32) -> Self {
        self.config.success_threshold = successes;
        self
    }

    /// Sets [`Config::half_open_permits`].
    pub fn half_open_permits(mut self, permits: u32) -> Self {
        self.config.half_open_permits = permits;
        self
    }

    /// Sets [`Config::open_for`], and [`Config::open_for_max`] with it where that would be shorter.
    pub fn open_for(mut self, length: Duration) -> Self {
        self.config.open_for = length;
        self.config.open_for_max = self.config.open_for_max.max(length);
        self
    }

    /// Sets [`Config::open_for_max`].
    pub fn open_for_max(mut self, length: Duration) -> Self {
        self.config.open_for_max = length;
        self
    }

    /// Sets [`Config::backoff_multiplier`].
    pub fn backoff_multiplier(mut self, multiplier: f64) -> Self {
        self.config.backoff_multiplier = multiplier;
        self
    }

    /// Sets [`Config::jitter`].
    pub fn jitter(mut self, share: f64) -> Self {
        self.config.jitter = share;
        self
    }

    /// Sets [`Config::call_timeout`]; `None` sets no bound.
    pub fn call_timeout(mut self, length: impl Into<Option<Duration>>) -> Self {
        self.config.call_timeout = length.into();
        self
    }

    /// Sets [`Config::count_timeout_as_failure`].
    pub fn count_timeout_as_failure(mut self, count: bool) -> Self {
        self.config.count_timeout_as_failure = count;
        self
    }

    /// The finished configuration.
    ///
    /// # Errors
    /// Every problem [`Config::validate`] finds.
    pub fn build(self) -> Result<Config, InvalidConfig> {
        self.config.validate()?;
        Ok(self.config)
    }
}
