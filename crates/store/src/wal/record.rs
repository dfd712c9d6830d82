//! Samples as the log keeps them: each frame stands alone, so that damage costs one frame.
//!
//! A sample is a byte that says how series and time differ from the sample before, and what kind of value
//! follows; then what that byte leaves open. A steady check takes one or two bytes a sample, a noisy duration
//! six.

use breakwatch_model::{STALE_NAN_BITS, Sample, Timestamp};

use crate::codec::{Bytes, Malformed, mantissa_of, put_ivarint, put_uvarint, value_of};

/// The low three bits: the kind of value.
const ZERO: u8 = 0;
const ONE: u8 = 1;
const INTEGER: u8 = 2;
const MILLI: u8 = 3;
const MICRO: u8 = 4;
const NANO: u8 = 5;
const STALE: u8 = 6;
const BITS: u8 = 7;

/// The series is the one after the sample before's; else its difference follows.
const NEXT_SERIES: u8 = 1 << 3;
/// The time is the sample before's; else its difference follows.
const SAME_TIME: u8 = 1 << 4;

/// A frame's worth of samples being gathered.
#[derive(Debug, Default)]
pub(crate) struct SampleWriter {
    pub(crate) bytes: Vec<u8>,
    pub(crate) count: usize,
    series: u32,
    time: i64,
}

impl SampleWriter {
    pub(crate) fn put(&mut self, series: u32, sample: Sample) {
        let time = sample.t.0;
        let (kind, value) = classify(sample.v);
        let mut head = kind;
        let next = self.series.wrapping_add(1) == series && self.count > 0;
        let same = self.time == time && self.count > 0;
        if next {
            head |= NEXT_SERIES;
        }
        if same {
            head |= SAME_TIME;
        }
        self.bytes.push(head);
        if !next {
            put_ivarint(&mut self.bytes, i64::from(series) - i64::from(self.series));
        }
        if !same {
            put_ivarint(&mut self.bytes, time.wrapping_sub(self.time));
        }
        match kind {
            INTEGER | MILLI | MICRO | NANO => put_ivarint(&mut self.bytes, value),
            BITS => self.bytes.extend_from_slice(&value.to_le_bytes()),
            _ => {}
        }
        (self.series, self.time) = (series, time);
        self.count += 1;
    }
}

/// The kind of a value and what it is written as.
fn classify(value: f64) -> (u8, i64) {
    let bits = value.to_bits();
    if bits == 0 {
        return (ZERO, 0);
    }
    if bits == 1.0_f64.to_bits() {
        return (ONE, 1);
    }
    if bits == STALE_NAN_BITS {
        return (STALE, 0);
    }
    // Longer mantissas than this would take more bytes than the bits themselves.
    const SHORT: i64 = 1 << 48;
    for (kind, exponent) in [(INTEGER, 0), (MILLI, 3), (MICRO, 6), (NANO, 9)] {
        if let Some(mantissa) = mantissa_of(value, exponent).filter(|m| m.abs() < SHORT) {
            return (kind, mantissa);
        }
    }
    (BITS, bits as i64)
}

/// Reads a frame's samples in order.
pub(crate) fn read_samples(payload: &[u8], mut each: impl FnMut(u32, Sample)) -> Result<(), Malformed> {
    let mut bytes = Bytes::new(payload);
    let (mut series, mut time) = (0_u32, 0_i64);
    while !bytes.is_empty() {
        let head = bytes.u8()?;
        series = if head & NEXT_SERIES != 0 {
            series.wrapping_add(1)
        } else {
            let moved = i64::from(series).wrapping_add(bytes.ivarint()?);
            u32::try_from(moved).map_err(|_| Malformed("a series number"))?
        };
        if head & SAME_TIME == 0 {
            time = time.wrapping_add(bytes.ivarint()?);
        }
        let value = match head & 7 {
            ZERO => 0.0,
            ONE => 1.0,
            INTEGER => value_of(bytes.ivarint()?, 0),
            MILLI => value_of(bytes.ivarint()?, 3),
            MICRO => value_of(bytes.ivarint()?, 6),
            NANO => value_of(bytes.ivarint()?, 9),
            STALE => breakwatch_model::stale_nan(),
            _ => f64::from_bits(bytes.u64()?),
        };
        each(series, Sample::new(Timestamp(time), value));
    }
    Ok(())
}

/// A lane that is stored as chunks: samples of these frames and times need not be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The day whose chunk store has it.
    pub(crate) day: i64,
    pub(crate) group: u32,
    pub(crate) last_frame: u64,
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// The series it has, each with the times of its first and last sample: series that left the lane early
    /// or joined it late have their other samples elsewhere.
    pub(crate) spans: Vec<Span>,
}

/// First and last sample of a slot in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) slot: u8,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl Sealed {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_ivarint(out, self.day);
        put_uvarint(out, u64::from(self.group));
        put_uvarint(out, self.last_frame);
        put_ivarint(out, self.start);
        put_uvarint(out, self.end.wrapping_sub(self.start) as u64);
        put_uvarint(out, self.spans.len() as u64);
        for span in &self.spans {
            // Most series have the lane's own span, which is then one bit.
            let whole = span.start == self.start && span.end == self.end;
            out.push(span.slot << 1 | u8::from(whole));
            if !whole {
                put_ivarint(out, span.start.wrapping_sub(self.start));
                put_ivarint(out, self.end.wrapping_sub(span.end));
            }
        }
    }

    pub(crate) fn read(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
        let day = bytes.ivarint()?;
        let group = bytes.narrow()?;
        let last_frame = bytes.uvarint()?;
        let start = bytes.ivarint()?;
        let end = start.wrapping_add(bytes.uvarint()? as i64);
        let count = bytes.count(1)?;
        let span = |bytes: &mut Bytes<'_>| {
            let head = bytes.u8()?;
            let mut span = Span { slot: head >> 1, start, end };
            if head & 1 == 0 {
                span.start = start.wrapping_add(bytes.ivarint()?);
                span.end = end.wrapping_sub(bytes.ivarint()?);
            }
            Ok(span)
        };
        let spans = (0..count).map(|_| span(bytes)).collect::<Result<_, Malformed>>()?;
        Ok(Self { day, group, last_frame, start, end, spans })
    }

    /// Whether the lane holds the sample of `slot` at `time` from `frame`.
    pub(crate) fn holds(&self, slot: u8, time: i64, frame: u64) -> bool {
        let inside = |span: &Span| span.slot == slot && span.start <= time && time <= span.end;
        frame <= self.last_frame && self.start <= time && time <= self.end && self.spans.iter().any(inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_samples_survive() {
        let mut rng = fastrand::Rng::with_seed(31);
        let mut writer = SampleWriter::default();
        let mut expected = Vec::new();
        let mut series = 0_u32;
        for _ in 0..5000 {
            series = if rng.u8(0..4) > 0 { series.wrapping_add(1) } else { rng.u32(..) };
            let value = match rng.u8(0..7) {
                0 => 0.0,
                1 => 1.0,
                2 => breakwatch_model::stale_nan(),
                3 => f64::from(rng.u32(..)) / 1e9,
                4 => f64::from(rng.i32(..)),
                5 => -0.0,
                _ => f64::from_bits(rng.u64(..)),
            };
            let sample = Sample::new(Timestamp(rng.i64(..)), value);
            writer.put(series, sample);
            expected.push((series, sample.t, value.to_bits()));
        }
        let mut back = Vec::new();
        read_samples(&writer.bytes, |series, sample| back.push((series, sample.t, sample.v.to_bits())))
            .unwrap();
        assert!(back == expected);
        assert_eq!(writer.count, 5000);
    }

    #[test]
    fn a_steady_check_takes_a_byte_a_sample() {
        let mut writer = SampleWriter::default();
        for series in 100..120 {
            writer.put(series, Sample::new(Timestamp(1_700_000_000_000), 1.0));
        }
        assert!(writer.bytes.len() < 32, "{} bytes", writer.bytes.len());
    }

    #[test]
    fn sealed_survives() {
        let spans = vec![Span { slot: 31, start: -5, end: 77 }, Span { slot: 2, start: 0, end: 70 }];
        let sealed = Sealed { day: -1, group: 7, last_frame: 9, start: -5, end: 77, spans };
        let mut out = Vec::new();
        sealed.put(&mut out);
        assert_eq!(Sealed::read(&mut Bytes::new(&out)), Ok(sealed.clone()));
        assert!(sealed.holds(31, 77, 9) && !sealed.holds(31, 77, 10) && !sealed.holds(30, 0, 9));
        assert!(sealed.holds(2, 70, 9) && !sealed.holds(2, 71, 9) && !sealed.holds(2, -1, 9));
    }
}
