//! Starting points for common dependencies, named so that a configuration file can say `preset: http_api`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{Builder, Config, Window};

/// A named configuration. What a preset does not set is as in [`Config::default`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Preset {
    /// A remote HTTP API: 5 failures, 2 successes, open 30 s, 3 probes at a time.
    HttpApi,
    /// A database: 10 failures, 3 successes, open 10 s, 5 probes at a time.
    Database,
    /// A sender of messages: 10 failures, 2 successes, open 60 s, 3 probes at a time.
    Notifications,
    /// A cache: 8 failures, 3 successes, open 20 s, 4 probes at a time.
    Cache,
    /// A language model behind an API: 3 failures, 2 successes, open 120 s, 2 probes at a time.
    LlmService,
    /// A periodic check. A window of 60 s would hold one or two of its results, so the rate is taken over
    /// the last 10 (at least 5); 3 failures, 2 successes, open 30 s doubling to 5 min, one probe at a time.
    Check,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 6] =
        [Self::HttpApi, Self::Database, Self::Notifications, Self::Cache, Self::LlmService, Self::Check];

    /// The name in configuration files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HttpApi => "http_api",
            Self::Database => "database",
            Self::Notifications => "notifications",
            Self::Cache => "cache",
            Self::LlmService => "llm_service",
            Self::Check => "check",
        }
    }

    /// The configuration it stands for.
    #[must_use]
    pub fn config(self) -> Config {
        let (failure_threshold, success_threshold, open_secs, half_open_permits) = match self {
            Self::HttpApi => (5, 2, 30, 3),
            Self::Database => (10, 3, 10, 5),
            Self::Notifications => (10, 2, 60, 3),
            Self::Cache => (8, 3, 20, 4),
            Self::LlmService => (3, 2, 120, 2),
            Self::Check => (3, 2, 30, 1),
        };
        let config = Config {
            failure_threshold: Some(failure_threshold),
            success_threshold,
            half_open_permits,
            open_for: Duration::from_secs(open_secs),
            ..Config::default()
        };
        match self {
            Self::Check => Config { window: Window::Count(10), minimum_calls: 5, ..config },
            _ => config,
        }
    }

    /// A builder that starts from it.
    pub fn builder(self) -> Builder {
        Builder::from(self.config())
    }
}

impl From<Preset> for Config {
    fn from(preset: Preset) -> Self {
        preset.config()
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No preset has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPreset(pub String);

impl fmt::Display for UnknownPreset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<_> = Preset::ALL.iter().map(|preset| preset.as_str()).collect();
        write!(f, "unknown preset `{}`; known are {}", self.0, known.join(", "))
    }
}

impl std::error::Error for UnknownPreset {}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.as_str() == name)
            .ok_or_else(|| UnknownPreset(name.to_owned()))
    }
}
