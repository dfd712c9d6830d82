//! The methods of `time.Time` and `time.Duration` that templates call.

use std::sync::Arc;

use super::duration::{in_units, to_text};
use super::layout::{DAYS, MONTHS};
use super::{Moment, Zone, local_zone};
use crate::func::{Call, CallError, Param};
use crate::value::{Element, Method, Type, Value};

/// `time.Time`
pub(crate) static TIME: Type =
    Type { name: "time.Time", element: Element::Any, methods: TIME_METHODS, text: None, tagged: false };

/// `time.Duration`
pub(crate) static DURATION: Type = Type {
    name: "time.Duration",
    element: Element::Any,
    methods: DURATION_METHODS,
    text: Some(|value| to_text(nanos(value))),
    tagged: false,
};

type Result<T = Value> = std::result::Result<T, CallError>;

const fn method(
    name: &'static str,
    params: &'static [Param],
    call: fn(&Value, &mut Call<'_, '_>) -> Result,
) -> Method {
    Method { name, params, call }
}

const TIME_METHODS: &[Method] = &[
    method("Format", &[Param::Str], |v, call| Ok(moment(v)?.format(call.str(0)).into())),
    method("String", &[], |v, _| Ok(moment(v)?.to_string().into())),
    method("UTC", &[], |v, _| time(moment(v)?.within(Zone::Utc))),
    method("Local", &[], |v, _| time(moment(v)?.within(local_zone()))),
    method("Unix", &[], |v, _| Ok(moment(v)?.at.as_second().into())),
    method("UnixMilli", &[], |v, _| Ok(moment(v)?.at.as_millisecond().into())),
    method("UnixMicro", &[], |v, _| Ok(moment(v)?.at.as_microsecond().into())),
    // Go's result is undefined outside of 64 bits; ours is cut to them as well.
    method("UnixNano", &[], |v, _| Ok((moment(v)?.at.as_nanosecond() as i64).into())),
    method("IsZero", &[], |v, _| Ok(moment(v)?.is_zero().into())),
    method("Add", &[Param::Duration], |v, call| time(moment(v)?.plus(call.int(0)))),
    method("AddDate", &[Param::Int, Param::Int, Param::Int], add_date),
    method("Sub", &[Param::Time], |v, call| Ok(Value::Duration(moment(v)?.nanos_since(call.time(0)?)))),
    method("Before", &[Param::Time], |v, call| Ok((moment(v)?.at < call.time(0)?.at).into())),
    method("After", &[Param::Time], |v, call| Ok((moment(v)?.at > call.time(0)?.at).into())),
    method("Equal", &[Param::Time], |v, call| Ok((moment(v)? == call.time(0)?).into())),
    method("Truncate", &[Param::Duration], |v, call| time(to_multiple(moment(v)?, call.int(0), false))),
    method("Round", &[Param::Duration], |v, call| time(to_multiple(moment(v)?, call.int(0), true))),
    method("Year", &[], |v, _| int(moment(v)?.civil().year())),
    method("Month", &[], |v, _| Ok(named(&MONTHS, moment(v)?.civil().month() - 1))),
    method("Day", &[], |v, _| int(moment(v)?.civil().day())),
    method("Weekday", &[], |v, _| Ok(named(&DAYS, moment(v)?.civil().weekday().to_sunday_zero_offset()))),
    method("YearDay", &[], |v, _| int(moment(v)?.civil().day_of_year())),
    method("Hour", &[], |v, _| int(moment(v)?.civil().hour())),
    method("Minute", &[], |v, _| int(moment(v)?.civil().minute())),
    method("Second", &[], |v, _| int(moment(v)?.civil().second())),
    method("Nanosecond", &[], |v, _| Ok(i64::from(moment(v)?.civil().subsec_nanosecond()).into())),
];

const DURATION_METHODS: &[Method] = &[
    method("String", &[], |v, _| Ok(to_text(nanos(v)).into())),
    method("Hours", &[], |v, _| Ok(in_units(nanos(v), 3_600_000_000_000).into())),
    method("Minutes", &[], |v, _| Ok(in_units(nanos(v), 60_000_000_000).into())),
    method("Seconds", &[], |v, _| Ok(in_units(nanos(v), 1_000_000_000).into())),
    method("Milliseconds", &[], |v, _| Ok((nanos(v) / 1_000_000).into())),
    method("Microseconds", &[], |v, _| Ok((nanos(v) / 1_000).into())),
    method("Nanoseconds", &[], |v, _| Ok(nanos(v).into())),
    method("Abs", &[], |v, _| Ok(Value::Duration(nanos(v).saturating_abs()))),
    method("Truncate", &[Param::Duration], |v, call| {
        let step = call.int(0);
        Ok(Value::Duration(if step <= 0 { nanos(v) } else { nanos(v) - nanos(v) % step }))
    }),
    method("Round", &[Param::Duration], |v, call| Ok(Value::Duration(round(nanos(v), call.int(0))))),
];

fn moment(value: &Value) -> Result<&Moment> {
    match value {
        Value::Time(time) => Ok(time),
        other => Err(format!("value has type {}; should be time.Time", other.type_name()).into()),
    }
}

fn nanos(value: &Value) -> i64 {
    if let Value::Duration(nanos) = value { *nanos } else { 0 }
}

fn time(moment: Moment) -> Result {
    Ok(Value::Time(Arc::new(moment)))
}

fn int(number: impl Into<i64>) -> Result {
    Ok(Value::Int(number.into()))
}

fn named(names: &[&'static str], index: i8) -> Value {
    usize::try_from(index).ok().and_then(|i| names.get(i)).copied().unwrap_or("").into()
}

/// Years, months and days later by the calendar; a day that does not exist runs over into the next month.
fn add_date(value: &Value, call: &mut Call<'_, '_>) -> Result {
    let moment = moment(value)?;
    let civil = moment.civil();
    let months = i64::from(civil.year()) * 12 + i64::from(civil.month() - 1);
    let months = months.saturating_add(call.int(0).saturating_mul(12)).saturating_add(call.int(1));
    let out_of_range = || CallError::from("time is outside of the calendar");
    let year = i16::try_from(months.div_euclid(12)).map_err(|_| out_of_range())?;
    let month = i8::try_from(months.rem_euclid(12) + 1).map_err(|_| out_of_range())?;
    let first = jiff::civil::Date::new(year, month, 1).map_err(|_| out_of_range())?;
    let days = call.int(2).saturating_add(i64::from(civil.day()) - 1);
    let days = jiff::Span::new().try_days(days).map_err(|_| out_of_range())?;
    let date = first.checked_add(days).map_err(|_| out_of_range())?.to_datetime(civil.time());
    let at = match &moment.zone {
        Zone::Named(zone) => zone.to_timestamp(date),
        Zone::Utc | Zone::Fixed(..) => moment.offset().to_timestamp(date),
    };
    time(Moment::new(at.map_err(|_| out_of_range())?, moment.zone.clone()))
}

/// The nearest multiple of `step` since the zero time, at or before, or (`nearest`) up from the middle.
fn to_multiple(moment: &Moment, step: i64, nearest: bool) -> Moment {
    if step <= 0 {
        return moment.clone();
    }
    let since = moment.at.as_nanosecond() - i128::from(super::ZERO_SECONDS) * 1_000_000_000;
    let rest = i64::try_from(since.rem_euclid(i128::from(step))).unwrap_or(0);
    if nearest && rest >= step - rest { moment.plus(step - rest) } else { moment.plus(-rest) }
}

/// The nearest multiple of `step`, halves away from zero.
fn round(nanos: i64, step: i64) -> i64 {
    if step <= 0 {
        return nanos;
    }
    let rest = nanos % step;
    let size = rest.abs();
    if size < step - size {
        nanos - rest
    } else {
        let up = if nanos < 0 { -(step - size) } else { step - size };
        nanos.saturating_add(up)
    }
}
