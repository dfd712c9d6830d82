//! From a `breaker` section to a breaker's configuration.

use std::time::Duration;

use breakwatch_breaker::{Config, InvalidConfig, Preset, SlowCall, Window};
use breakwatch_config::{BreakerSettings, BreakerWindow, CheckConfig, ProbeWhenOpen};

/// The configuration these settings mean, on top of `preset` if they name none.
///
/// # Errors
/// What the breaker finds wrong with the whole.
pub fn config(settings: &BreakerSettings, preset: Preset) -> Result<Config, InvalidConfig> {
    let preset = settings.preset.and_then(|name| name.parse().ok()).unwrap_or(preset);
    let mut config = apply(settings, preset.config());
    // One that is set alone moves the other along, so that a longer first open time needs no second setting.
    if settings.open_for.is_some() && settings.open_for_max.is_none() {
        config.open_for_max = config.open_for_max.max(config.open_for);
    }
    config.validate()?;
    Ok(config)
}

/// The configuration of a check's breaker. A check that is probed at its own pace while open has its open time
/// follow that pace: every run is a probe.
///
/// # Errors
/// As [`config`].
pub fn check_config(check: &CheckConfig) -> Result<Config, InvalidConfig> {
    let mut config = config(&check.breaker, Preset::Check)?;
    let pace = match check.probe_when_open {
        ProbeWhenOpen::Stretch => return Ok(config),
        ProbeWhenOpen::Normal => check.interval,
        ProbeWhenOpen::Fast => check.retry_interval,
    };
    if check.breaker.open_for.is_none() {
        // A little less than the pace, so that the next run finds the open time over.
        config.open_for = (pace * 9 / 10).max(Duration::from_millis(1));
        config.open_for_max = config.open_for;
        config.jitter = 0.0;
        config.validate()?;
    }
    Ok(config)
}

fn apply(settings: &BreakerSettings, mut config: Config) -> Config {
    fn set<T: Clone>(target: &mut T, value: &Option<T>) {
        if let Some(value) = value {
            *target = value.clone();
        }
    }
    set(&mut config.failure_threshold, &settings.failure_threshold);
    set(&mut config.failure_rate, &settings.failure_rate);
    set(&mut config.minimum_calls, &settings.minimum_calls);
    set(&mut config.success_threshold, &settings.success_threshold);
    set(&mut config.half_open_permits, &settings.half_open_permits);
    set(&mut config.open_for, &settings.open_for);
    set(&mut config.open_for_max, &settings.open_for_max);
    set(&mut config.backoff_multiplier, &settings.backoff_multiplier);
    set(&mut config.jitter, &settings.jitter);
    if let Some(slow) = settings.slow_call {
        config.slow_call = slow.map(|(duration, rate)| SlowCall { duration, rate });
    }
    match settings.window {
        Some(BreakerWindow::Count(calls)) => config.window = Window::Count(calls),
        Some(BreakerWindow::Time(length)) => {
            config.window = Window::Time { length, buckets: Config::DEFAULT_BUCKETS };
        }
        None => {}
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_lie_over_their_preset() {
        let settings = BreakerSettings {
            preset: Some("http_api"),
            failure_threshold: Some(Some(7)),
            window: Some(BreakerWindow::Count(20)),
            open_for: Some(Duration::from_secs(900)),
            ..BreakerSettings::default()
        };
        let config = config(&settings, Preset::Check).unwrap();
        assert_eq!(config.failure_threshold, Some(7));
        assert_eq!(config.half_open_permits, 3);
        assert_eq!(config.window, Window::Count(20));
        assert_eq!(config.open_for_max, Duration::from_secs(900));
    }
}
