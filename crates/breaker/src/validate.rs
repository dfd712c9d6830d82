//! The one judge of configurations, whatever their source.
//!
//! All problems are found in one pass, each with the field it belongs to, so that a loader of files can
//! point at the line.

use std::fmt;
use std::time::Duration;

use crate::{Config, Window};

/// A count window costs two bits a call; a hundred thousand calls back is history, not a breaker's business.
pub(crate) const MAX_WINDOW_CALLS: u32 = 100_000;
/// Twelve bytes a bucket; a finer step than 1/360 of the window changes no decision.
pub(crate) const MAX_BUCKETS: u32 = 360;
/// A bucket shorter than this is over before the next call of any real client.
pub(crate) const MIN_BUCKET: Duration = Duration::from_millis(1);
/// An open time under a millisecond protects nobody.
pub(crate) const MIN_OPEN: Duration = Duration::from_millis(1);
/// Longer is a mistake in the unit; a breaker that must stay open is held.
pub(crate) const MAX_LENGTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// One thing wrong with a configuration.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number that must be at least 1 is 0.
    Zero {
        /// The field, as it is called in [`Config`]; nested ones with a dot.
        field: &'static str,
    },
    /// A number is outside its bounds, or not a number.
    OutOfRange {
        /// The field.
        field: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// A time is shorter than makes sense.
    TooShort {
        /// The field.
        field: &'static str,
        /// What was given.
        value: Duration,
        /// The shortest allowed.
        minimum: Duration,
    },
    /// A time is longer than makes sense.
    TooLong {
        /// The field.
        field: &'static str,
        /// What was given.
        value: Duration,
        /// The longest allowed.
        maximum: Duration,
    },
    /// Two fields contradict each other.
    Conflict {
        /// The field to change.
        field: &'static str,
        /// The field it contradicts.
        with: &'static str,
        /// How.
        problem: &'static str,
    },
    /// No rule is left that could ever open the breaker.
    NeverOpens,
}

impl ConfigError {
    /// The field to change. Nested fields are written with a dot, as in `slow_call.rate`.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Zero { field }
            | Self::OutOfRange { field, .. }
            | Self::TooShort { field, .. }
            | Self::TooLong { field, .. }
            | Self::Conflict { field, .. } => field,
            Self::NeverOpens => "failure_threshold",
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero { field } => write!(f, "`{field}` must be at least 1"),
            Self::OutOfRange { field, value, allowed } => {
                write!(f, "`{field}` must be {allowed}, not {value}")
            }
            Self::TooShort { field, value, minimum } => {
                write!(f, "`{field}` must be at least {minimum:?}, not {value:?}")
            }
            Self::TooLong { field, value, maximum } => {
                write!(f, "`{field}` must be at most {} s, not {} s", maximum.as_secs(), value.as_secs())
            }
            Self::Conflict { field, with, problem } => write!(f, "`{field}` and `{with}`: {problem}"),
            Self::NeverOpens => f.write_str(
                "the breaker would never open: set `failure_threshold`, `failure_rate` or `slow_call`",
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

/// A configuration was refused; holds every problem found, at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct InvalidConfig(Vec<ConfigError>);

impl InvalidConfig {
    /// The problems, in the order of the fields.
    #[must_use]
    pub fn problems(&self) -> &[ConfigError] {
        &self.0
    }
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid breaker configuration: ")?;
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidConfig {}

impl Config {
    /// Refuses what cannot work, for whatever source it came from.
    ///
    /// # Errors
    /// All problems at once, each with its field.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let mut problems = Vec::new();
        self.check_trips(&mut problems);
        self.check_window(&mut problems);
        self.check_recovery(&mut problems);
        self.check_open_time(&mut problems);
        if let Some(timeout) = self.call_timeout {
            check_length("call_timeout", timeout, Duration::from_nanos(1), &mut problems);
        }
        if problems.is_empty() { Ok(()) } else { Err(InvalidConfig(problems)) }
    }

    fn check_trips(&self, problems: &mut Vec<ConfigError>) {
        if self.failure_threshold.is_none() && self.failure_rate.is_none() && self.slow_call.is_none() {
            problems.push(ConfigError::NeverOpens);
        }
        if let Some(threshold) = self.failure_threshold {
            check_positive("failure_threshold", threshold, problems);
        }
        if let Some(rate) = self.failure_rate {
            check_rate("failure_rate", rate, problems);
        }
        if let Some(slow) = self.slow_call {
            check_length("slow_call.duration", slow.duration, Duration::from_nanos(1), problems);
            check_rate("slow_call.rate", slow.rate, problems);
        }
        check_positive("minimum_calls", self.minimum_calls, problems);
    }

    fn check_window(&self, problems: &mut Vec<ConfigError>) {
        match self.window {
            Window::Count(0) => problems.push(ConfigError::Zero { field: "window" }),
            Window::Count(calls) if calls > MAX_WINDOW_CALLS => problems.push(ConfigError::OutOfRange {
                field: "window",
                value: f64::from(calls),
                allowed: "at most 100000 calls",
            }),
            Window::Count(calls) if self.minimum_calls > calls && self.judges_shares() => {
                problems.push(ConfigError::Conflict {
                    field: "minimum_calls",
                    with: "window",
                    problem: "the window can never hold the minimum number of calls",
                });
            }
            Window::Count(_) => {}
            Window::Time { buckets: 0, .. } => problems.push(ConfigError::Zero { field: "window.buckets" }),
            Window::Time { buckets, .. } if buckets > MAX_BUCKETS => problems.push(ConfigError::OutOfRange {
                field: "window.buckets",
                value: f64::from(buckets),
                allowed: "at most 360",
            }),
            Window::Time { length, buckets } => {
                check_length("window", length, MIN_BUCKET * buckets, problems);
            }
        }
    }

    /// Whether a share of the window is looked at by any rule.
    const fn judges_shares(&self) -> bool {
        self.failure_rate.is_some() || self.slow_call.is_some()
    }

    fn check_recovery(&self, problems: &mut Vec<ConfigError>) {
        check_positive("success_threshold", self.success_threshold, problems);
        check_positive("half_open_permits", self.half_open_permits, problems);
    }

    fn check_open_time(&self, problems: &mut Vec<ConfigError>) {
        check_length("open_for", self.open_for, MIN_OPEN, problems);
        check_length("open_for_max", self.open_for_max, MIN_OPEN, problems);
        if self.open_for_max < self.open_for {
            problems.push(ConfigError::Conflict {
                field: "open_for_max",
                with: "open_for",
                problem: "the longest open time is shorter than the first",
            });
        }
        if !(1.0..=100.0).contains(&self.backoff_multiplier) {
            problems.push(ConfigError::OutOfRange {
                field: "backoff_multiplier",
                value: self.backoff_multiplier,
                allowed: "between 1 and 100",
            });
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            problems.push(ConfigError::OutOfRange {
                field: "jitter",
                value: self.jitter,
                allowed: "between 0 and 1",
            });
        }
    }
}

fn check_positive(field: &'static str, value: u32, problems: &mut Vec<ConfigError>) {
    if value == 0 {
        problems.push(ConfigError::Zero { field });
    }
}

fn check_rate(field: &'static str, value: f64, problems: &mut Vec<ConfigError>) {
    // Written so that a value that is not a number is refused as well.
    if !(value > 0.0 && value <= 1.0) {
        problems.push(ConfigError::OutOfRange { field, value, allowed: "above 0 and at most 1" });
    }
}

fn check_length(field: &'static str, value: Duration, minimum: Duration, problems: &mut Vec<ConfigError>) {
    if value < minimum {
        problems.push(ConfigError::TooShort { field, value, minimum });
    } else if value > MAX_LENGTH {
        problems.push(ConfigError::TooLong { field, value, maximum: MAX_LENGTH });
    }
}
