//! Times and durations as Go's `time` package has them, as far as templates see it.

mod duration;
mod layout;
mod methods;
mod parse;

use std::fmt;
use std::sync::Arc;

use breakwatch_model::Timestamp;
use jiff::tz::{Offset, TimeZone};

use crate::fmt::quoted;

pub(crate) use duration::{parse_prometheus_duration, seconds};
pub(crate) use methods::{DURATION, TIME};

/// A moment and the zone it is shown in. Two are equal when the moments are.
#[derive(Clone, Debug)]
pub struct Moment {
    at: jiff::Timestamp,
    zone: Zone,
}

/// Where a moment is shown.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    Utc,
    Named(TimeZone),
    /// An offset read from a text, with the name it had there, which may be none.
    Fixed(Offset, Arc<str>),
}

/// Go's zero time is the first second of year 1, not of 1970.
const ZERO_SECONDS: i64 = -62_135_596_800;

impl Moment {
    /// A moment in UTC.
    #[must_use]
    pub fn from_timestamp(time: Timestamp) -> Self {
        // Times outside the years the calendar knows stand at its ends.
        let at = jiff::Timestamp::from_millisecond(time.millis()).unwrap_or(if time.millis() < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        });
        Self { at, zone: Zone::Utc }
    }

    fn new(at: jiff::Timestamp, zone: Zone) -> Self {
        Self { at, zone }
    }

    /// The same moment in another zone.
    pub(crate) fn within(&self, zone: Zone) -> Self {
        Self { at: self.at, zone }
    }

    /// Go's `IsZero`.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.at.as_second() == ZERO_SECONDS && self.at.subsec_nanosecond() == 0
    }

    /// Nanoseconds from `earlier` to here, held at the bounds of the type as Go does.
    pub(crate) fn nanos_since(&self, earlier: &Self) -> i64 {
        let nanos = self.at.as_nanosecond() - earlier.at.as_nanosecond();
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }

    /// Later by some nanoseconds; held at the ends of the calendar.
    fn plus(&self, nanos: i64) -> Self {
        let sum = self.at.as_nanosecond() + i128::from(nanos);
        let at = jiff::Timestamp::from_nanosecond(sum).unwrap_or(if nanos < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        });
        Self { at, zone: self.zone.clone() }
    }

    fn offset(&self) -> Offset {
        match &self.zone {
            Zone::Utc => Offset::UTC,
            Zone::Named(zone) => zone.to_offset(self.at),
            Zone::Fixed(offset, _) => *offset,
        }
    }

    /// Date and time on the clock of the zone.
    fn civil(&self) -> jiff::civil::DateTime {
        self.offset().to_datetime(self.at)
    }

    /// The zone's abbreviation; empty if it has none.
    fn abbreviation(&self) -> String {
        match &self.zone {
            Zone::Utc => "UTC".to_owned(),
            Zone::Named(zone) => zone.to_offset_info(self.at).abbreviation().to_owned(),
            Zone::Fixed(_, name) => name.to_string(),
        }
    }

    /// The time in one of Go's layouts, `2006-01-02 15:04:05`.
    #[must_use]
    pub fn format(&self, layout: &str) -> String {
        layout::format(self, layout)
    }

    /// RFC 3339 with as many digits of the second as there are; `None` outside the years 0 to 9999.
    pub(crate) fn to_json(&self) -> Option<String> {
        let year = self.civil().year();
        (0..=9999).contains(&year).then(|| self.format("2006-01-02T15:04:05.999999999Z07:00"))
    }

    /// `time.Date(2023, time.November, 14, …, time.UTC)`, for `%#v`.
    pub(crate) fn to_go_syntax(&self) -> String {
        let zone = match &self.zone {
            Zone::Utc => "time.UTC".to_owned(),
            Zone::Named(zone) => format!("time.Location({})", quoted(zone.iana_name().unwrap_or("Local"))),
            Zone::Fixed(_, name) => format!("time.Location({})", quoted(name)),
        };
        let civil = self.civil();
        format!(
            "time.Date({}, time.{}, {}, {}, {}, {}, {}, {zone})",
            civil.year(),
            self.format("January"),
            civil.day(),
            civil.hour(),
            civil.minute(),
            civil.second(),
            civil.subsec_nanosecond()
        )
    }

    /// Reads a time by one of Go's layouts, in UTC unless it says otherwise.
    ///
    /// # Errors
    /// The text does not fit the layout, worded as Go words it.
    pub(crate) fn parse(layout: &str, text: &str) -> Result<Self, String> {
        parse::parse(layout, text)
    }
}

impl Default for Moment {
    /// Go's zero time.
    fn default() -> Self {
        Self {
            at: jiff::Timestamp::from_second(ZERO_SECONDS).unwrap_or(jiff::Timestamp::MIN),
            zone: Zone::Utc,
        }
    }
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl fmt::Display for Moment {
    /// As Go prints a time: `2015-06-23 13:19:44.128 +0000 UTC`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

/// The zone of a name such as `Europe/Paris`, `UTC`, or `Local` for the machine's own.
pub(crate) fn zone(name: &str) -> Result<Zone, String> {
    match name {
        "" | "UTC" => Ok(Zone::Utc),
        "Local" => Ok(local_zone()),
        _ if name.contains("..") || name.starts_with(['/', '\\']) => {
            Err("time: invalid location name".to_owned())
        }
        _ => jiff::tz::db().get(name).map(Zone::Named).map_err(|_| format!("unknown time zone {name}")),
    }
}

fn local_zone() -> Zone {
    Zone::Named(TimeZone::system())
}
