//! Levels at which a measured number makes a check degraded or unhealthy, with hysteresis.

use crate::{Diagnostics, Node, Section, format_bytes, quantity};

/// What kind of number is compared, and so how its limits are written and printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// A share: `85%`.
    Ratio,
    /// A size: `512MiB`.
    Bytes,
    /// A duration, in seconds: `500ms`.
    Seconds,
    /// A plain number.
    Number,
}

impl Unit {
    fn read(self, text: &str) -> Result<f64, String> {
        match self {
            Self::Ratio => quantity::parse_ratio(text),
            Self::Bytes => quantity::parse_bytes(text)
                .map(|b| b as f64)
                .ok_or_else(|| "a size such as `512MiB`".to_owned()),
            Self::Seconds => quantity::parse_duration(text)
                .map(|d| d.as_secs_f64())
                .ok_or_else(|| "a duration such as `500ms`".to_owned()),
            Self::Number => {
                text.parse::<f64>().ok().filter(|n| n.is_finite()).ok_or_else(|| "a number".to_owned())
            }
        }
    }

    /// A value of this unit for people.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Ratio => format!("{:.1}%", value * 100.0),
            Self::Bytes => format_bytes(value),
            Self::Seconds if value < 1.0 => format!("{:.0} ms", value * 1000.0),
            Self::Seconds => format!("{value:.2} s"),
            Self::Number => format!("{value}"),
        }
    }
}

/// How bad a number is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Level {
    /// Within the limits.
    #[default]
    Fine,
    /// Past the degraded limit.
    Degraded,
    /// Past the unhealthy limit.
    Unhealthy,
}

/// Limits for one number: reaching a limit is enough. By default higher is worse; with `below: true` lower is.
/// `recover` is how far back inside the limit the number must come before the level is left again.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Levels {
    /// The unit the limits are written in.
    pub unit: Unit,
    /// From here on the check is degraded.
    pub degraded: Option<f64>,
    /// From here on the check is unhealthy.
    pub unhealthy: Option<f64>,
    /// Lower is worse.
    pub below: bool,
    /// Hysteresis: distance from the limit back to good, in the same unit.
    pub recover: f64,
}

impl Levels {
    /// Reads `{ degraded: …, unhealthy: …, recover: …, below: … }`, or a single value meaning `unhealthy`.
    #[must_use]
    pub fn read(node: &Node, unit: Unit, diagnostics: &Diagnostics) -> Option<Self> {
        let mut levels = Self { unit, degraded: None, unhealthy: None, below: false, recover: 0.0 };
        if let Some(text) = node.as_str() {
            match unit.read(text) {
                Ok(value) => levels.unhealthy = Some(value),
                Err(expected) => {
                    let message = format!("expected {expected}, found {}", node.describe());
                    diagnostics.error(&node.place, message);
                    return None;
                }
            }
            return Some(levels);
        }
        let mut section = Section::open(node, diagnostics)?;
        levels.degraded = section.parse("degraded", |text| unit.read(text));
        levels.unhealthy = section.parse("unhealthy", |text| unit.read(text));
        levels.recover = section.parse("recover", |text| unit.read(text)).unwrap_or(0.0);
        levels.below = section.bool("below").unwrap_or(false);
        if let (Some(degraded), Some(unhealthy)) = (levels.degraded, levels.unhealthy)
            && (if levels.below { degraded < unhealthy } else { degraded > unhealthy })
        {
            section.error_at("degraded", "`degraded` lies beyond `unhealthy`: it could never be seen");
        }
        section.finish();
        Some(levels)
    }

    /// The level of `value`, given the level it had before (for the hysteresis). NaN is unhealthy when any
    /// limit is set: what cannot be measured is not fine.
    #[must_use]
    pub fn judge(&self, value: f64, before: Level) -> Level {
        let reached = |limit: Option<f64>, held: bool| {
            let Some(limit) = limit else { return false };
            let slack = if held { self.recover } else { 0.0 };
            if self.below { value <= limit + slack } else { value >= limit - slack }
        };
        let unmeasured = value.is_nan() && (self.degraded.is_some() || self.unhealthy.is_some());
        if unmeasured || reached(self.unhealthy, before >= Level::Unhealthy) {
            Level::Unhealthy
        } else if reached(self.degraded, before >= Level::Degraded) {
            Level::Degraded
        } else {
            Level::Fine
        }
    }

    /// The limit that belongs to a level.
    #[must_use]
    pub fn limit(&self, level: Level) -> Option<f64> {
        match level {
            Level::Fine => None,
            Level::Degraded => self.degraded,
            Level::Unhealthy => self.unhealthy.or(self.degraded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: Levels = Levels {
        unit: Unit::Ratio,
        degraded: Some(0.85),
        unhealthy: Some(0.95),
        below: false,
        recover: 0.05,
    };

    #[test]
    fn a_level_is_entered_at_its_limit_and_left_past_the_hysteresis() {
        assert_eq!(LEVELS.judge(0.95, Level::Fine), Level::Unhealthy);
        assert_eq!(LEVELS.judge(0.92, Level::Unhealthy), Level::Unhealthy);
        assert_eq!(LEVELS.judge(0.89, Level::Unhealthy), Level::Degraded);
        assert_eq!(LEVELS.judge(0.81, Level::Degraded), Level::Degraded);
        assert_eq!(LEVELS.judge(0.79, Level::Degraded), Level::Fine);
        assert_eq!(LEVELS.judge(f64::NAN, Level::Fine), Level::Unhealthy);
    }

    #[test]
    fn lower_can_be_worse() {
        let days = Levels {
            unit: Unit::Number,
            degraded: Some(21.0),
            unhealthy: Some(3.0),
            below: true,
            recover: 0.0,
        };
        assert_eq!(days.judge(22.0, Level::Fine), Level::Fine);
        assert_eq!(days.judge(21.0, Level::Fine), Level::Degraded);
        assert_eq!(days.judge(2.0, Level::Fine), Level::Unhealthy);
    }
}
