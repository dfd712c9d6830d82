//! Breaker settings as written: a preset and what differs from it.
//!
//! Plain data. Whoever builds breakers starts from the preset, lays these over it and lets the breaker judge
//! the whole; what can be judged alone is judged here, at its place.

use std::time::Duration;

use breakwatch_plugin_api::{Place, Section, parse_duration, parse_ratio};

use crate::values::{count, duration_within};

/// Names of the presets, in the words of the breaker.
const PRESETS: [(&str, &str); 6] = [
    ("http_api", "http_api"),
    ("database", "database"),
    ("notifications", "notifications"),
    ("cache", "cache"),
    ("llm_service", "llm_service"),
    ("check", "check"),
];

/// A threshold beyond this is a mistake.
const MAX_COUNT: u64 = 100_000;

/// An open time under a millisecond protects nobody.
const MIN_TIME: Duration = Duration::from_millis(1);

/// An open time over a month is a mistake in the unit.
const MAX_TIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// The calls over which shares are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerWindow {
    /// The last so many calls (`window: 10`).
    Count(u32),
    /// The calls of the last so long (`window: 60s`).
    Time(Duration),
}

/// Settings under `breaker`. `None` leaves what the preset says; in `Option<Option<_>>` the inner `None` is
/// `off`, which turns that rule off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BreakerSettings {
    /// The preset's name; `None` is the preset of the kind of user (`check` for checks).
    pub preset: Option<&'static str>,
    /// Trip after so many failures in a row.
    pub failure_threshold: Option<Option<u32>>,
    /// Trip when this share of the window failed; above 0, at most 1.
    pub failure_rate: Option<Option<f64>>,
    /// Trip when a share (second) of the window took longer than a duration (first).
    pub slow_call: Option<Option<(Duration, f64)>>,
    /// Shares are judged from so many calls on.
    pub minimum_calls: Option<u32>,
    /// The calls the shares are taken over.
    pub window: Option<BreakerWindow>,
    /// Close after so many good probes.
    pub success_threshold: Option<u32>,
    /// How many probes may run at once while half-open.
    pub half_open_permits: Option<u32>,
    /// The first open time.
    pub open_for: Option<Duration>,
    /// The longest open time.
    pub open_for_max: Option<Duration>,
    /// What each further opening multiplies the open time by; at least 1.
    pub backoff_multiplier: Option<f64>,
    /// The share of the open time that is taken off at random.
    pub jitter: Option<f64>,
    /// Where the settings stand, for what the breaker finds wrong with the whole.
    pub place: Place,
}

impl BreakerSettings {
    /// Reads a `breaker` section and reports every mistake in it.
    #[must_use]
    pub fn read(mut section: Section<'_>) -> Self {
        let read = Self {
            preset: section.choice("preset", &PRESETS),
            failure_threshold: or_off(&mut section, "failure_threshold", read_threshold),
            failure_rate: or_off(&mut section, "failure_rate", read_rate),
            slow_call: read_slow_call(&mut section),
            minimum_calls: count(&mut section, "minimum_calls", 1..=MAX_COUNT),
            window: section.parse("window", read_window),
            success_threshold: count(&mut section, "success_threshold", 1..=1000),
            half_open_permits: count(&mut section, "half_open_permits", 1..=1000),
            open_for: duration_within(&mut section, "open_for", MIN_TIME, MAX_TIME),
            open_for_max: duration_within(&mut section, "open_for_max", MIN_TIME, MAX_TIME),
            backoff_multiplier: section.parse("backoff_multiplier", |text| {
                let number = text.parse::<f64>().ok().filter(|number| (1.0..=100.0).contains(number));
                number.ok_or_else(|| "a number from 1 to 100".to_owned())
            }),
            jitter: section.ratio("jitter"),
            place: section.node().place.clone(),
        };
        read.check_together(&section);
        section.finish();
        read
    }

    /// Rules that need two settings, where both are written.
    fn check_together(&self, section: &Section<'_>) {
        if let (Some(first), Some(longest)) = (self.open_for, self.open_for_max)
            && longest < first
        {
            section.error_at("open_for_max", "`open_for_max` is shorter than `open_for`");
        }
        if let (Some(minimum), Some(BreakerWindow::Count(calls))) = (self.minimum_calls, self.window)
            && minimum > calls
        {
            section.error_at("minimum_calls", "the window can never hold `minimum_calls` calls");
        }
        let off = self.failure_threshold == Some(None) && self.failure_rate == Some(None);
        if off && self.slow_call.flatten().is_none() {
            section.error_at("failure_threshold", "with every rule off the breaker could never open");
        }
    }

    /// These settings laid over `base`. A preset named here starts afresh: a base was written for another.
    #[must_use]
    pub fn over(self, base: &Self) -> Self {
        if self.preset.is_some() {
            return self;
        }
        Self {
            preset: base.preset,
            failure_threshold: self.failure_threshold.or(base.failure_threshold),
            failure_rate: self.failure_rate.or(base.failure_rate),
            slow_call: self.slow_call.or(base.slow_call),
            minimum_calls: self.minimum_calls.or(base.minimum_calls),
            window: self.window.or(base.window),
            success_threshold: self.success_threshold.or(base.success_threshold),
            half_open_permits: self.half_open_permits.or(base.half_open_permits),
            open_for: self.open_for.or(base.open_for),
            open_for_max: self.open_for_max.or(base.open_for_max),
            backoff_multiplier: self.backoff_multiplier.or(base.backoff_multiplier),
            jitter: self.jitter.or(base.jitter),
            place: self.place,
        }
    }

    /// Whether two settings mean the same, wherever they stand.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        Self { place: other.place.clone(), ..self.clone() } == *other
    }
}

/// A value or `off` (also `false`).
fn or_off<T>(
    section: &mut Section<'_>,
    key: &'static str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Option<Option<T>> {
    section.parse(key, |text| match text {
        "off" | "false" => Ok(None),
        _ => read(text).map(Some).map_err(|expected| format!("{expected}, or `off`")),
    })
}

fn read_threshold(text: &str) -> Result<u32, String> {
    let number = text.parse::<u32>().ok().filter(|number| (1..=MAX_COUNT).contains(&u64::from(*number)));
    number.ok_or_else(|| format!("a whole number from 1 to {MAX_COUNT}"))
}

fn read_rate(text: &str) -> Result<f64, String> {
    match parse_ratio(text) {
        Ok(share) if share > 0.0 => Ok(share),
        _ => Err("a share above 0%, at most 100%".to_owned()),
    }
}

fn read_window(text: &str) -> Result<BreakerWindow, String> {
    let expected = || format!("a number of calls up to {MAX_COUNT} or a duration from 1s to 30d");
    if let Ok(calls) = text.parse::<u32>() {
        let fits = (1..=MAX_COUNT).contains(&u64::from(calls));
        return fits.then_some(BreakerWindow::Count(calls)).ok_or_else(expected);
    }
    let length = parse_duration(text).filter(|length| (Duration::from_secs(1)..=MAX_TIME).contains(length));
    length.map(BreakerWindow::Time).ok_or_else(expected)
}

fn read_slow_call(section: &mut Section<'_>) -> Option<Option<(Duration, f64)>> {
    let node = section.get("slow_call")?;
    if matches!(node.as_str(), Some("off" | "false")) {
        return Some(None);
    }
    let mut inner = section.section("slow_call")?;
    let duration =
        inner.required("duration").and(duration_within(&mut inner, "duration", MIN_TIME, MAX_TIME));
    let rate = inner.required("rate").and(inner.parse("rate", read_rate));
    inner.finish();
    Some(Some((duration?, rate?)))
}
