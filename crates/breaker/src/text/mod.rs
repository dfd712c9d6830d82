//! Configuration as people write it: only what differs from a preset, times as `30s` or `1m30s`.
//!
//! Reading ends in [`Config::validate`], so a file can hold nothing the builder would refuse.

pub(crate) mod duration;

use ::serde::{Deserialize, Deserializer, Serialize};

use self::duration::DurationText;
use crate::{Config, InvalidConfig, Preset, SlowCall, Window};

/// A [`Config`] in a file. Whatever is missing comes from the preset, or else from the default; a rule is
/// turned off by `null`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ConfigText {
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<Preset>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    failure_threshold: Option<Option<u32>>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    failure_rate: Option<Option<f64>>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    slow_call: Option<Option<SlowCall>>,
    minimum_calls: Option<u32>,
    window: Option<Window>,
    success_threshold: Option<u32>,
    half_open_permits: Option<u32>,
    open_for: Option<DurationText>,
    open_for_max: Option<DurationText>,
    backoff_multiplier: Option<f64>,
    jitter: Option<f64>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    call_timeout: Option<Option<DurationText>>,
    count_timeout_as_failure: Option<bool>,
}

/// Tells `null` (turned off) from absent (as in the preset).
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(de: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(de).map(Some)
}

impl TryFrom<ConfigText> for Config {
    type Error = InvalidConfig;

    fn try_from(text: ConfigText) -> Result<Self, InvalidConfig> {
        let base = text.preset.map_or_else(Self::default, Preset::config);
        let open_for = text.open_for.map_or(base.open_for, |open_for| open_for.0);
        let config = Self {
            failure_threshold: text.failure_threshold.unwrap_or(base.failure_threshold),
            failure_rate: text.failure_rate.unwrap_or(base.failure_rate),
            slow_call: text.slow_call.unwrap_or(base.slow_call),
            minimum_calls: text.minimum_calls.unwrap_or(base.minimum_calls),
            window: text.window.unwrap_or(base.window),
            success_threshold: text.success_threshold.unwrap_or(base.success_threshold),
            half_open_permits: text.half_open_permits.unwrap_or(base.half_open_permits),
            open_for,
            // A longer first time lifts an unstated longest one, as the builder does.
            open_for_max: text.open_for_max.map_or(base.open_for_max.max(open_for), |longest| longest.0),
            backoff_multiplier: text.backoff_multiplier.unwrap_or(base.backoff_multiplier),
            jitter: text.jitter.unwrap_or(base.jitter),
            call_timeout: text
                .call_timeout
                .map_or(base.call_timeout, |timeout| timeout.map(|length| length.0)),
            count_timeout_as_failure: text.count_timeout_as_failure.unwrap_or(base.count_timeout_as_failure),
        };
        config.validate()?;
        Ok(config)
    }
}

impl From<Config> for ConfigText {
    fn from(config: Config) -> Self {
        Self {
            preset: None,
            failure_threshold: Some(config.failure_threshold),
            failure_rate: Some(config.failure_rate),
            slow_call: Some(config.slow_call),
            minimum_calls: Some(config.minimum_calls),
            window: Some(config.window),
            success_threshold: Some(config.success_threshold),
            half_open_permits: Some(config.half_open_permits),
            open_for: Some(DurationText(config.open_for)),
            open_for_max: Some(DurationText(config.open_for_max)),
            backoff_multiplier: Some(config.backoff_multiplier),
            jitter: Some(config.jitter),
            call_timeout: Some(config.call_timeout.map(DurationText)),
            count_timeout_as_failure: Some(config.count_timeout_as_failure),
        }
    }
}

/// A [`Window`] in a file: `{calls: 10}` or `{time: 60s, buckets: 10}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WindowText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calls: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DurationText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    buckets: Option<u32>,
}

impl TryFrom<WindowText> for Window {
    type Error = &'static str;

    fn try_from(text: WindowText) -> Result<Self, Self::Error> {
        match text {
            WindowText { calls: Some(calls), time: None, buckets: None } => Ok(Self::Count(calls)),
            WindowText { calls: None, time: Some(length), buckets } => {
                Ok(Self::Time { length: length.0, buckets: buckets.unwrap_or(Config::DEFAULT_BUCKETS) })
            }
            _ => Err("a window is either `{calls: N}` or `{time: LENGTH, buckets: N}`"),
        }
    }
}

impl From<Window> for WindowText {
    fn from(window: Window) -> Self {
        match window {
            Window::Count(calls) => Self { calls: Some(calls), time: None, buckets: None },
            Window::Time { length, buckets } => {
                Self { calls: None, time: Some(DurationText(length)), buckets: Some(buckets) }
            }
        }
    }
}
