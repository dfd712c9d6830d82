//! A column of sample times: strictly growing milliseconds, mostly a step apart, mostly with some jitter.
//!
//! The step is fitted and only what is left over is packed. Against the grid the left-over of a jitter of
//! three milliseconds is two bits; between neighbours it would be three.

use super::ints::{put_ints, read_ints};
use super::{Bytes, Malformed, put_ivarint, put_uvarint};

/// Nothing is left over: start and step say it all.
const KIND_REGULAR: u8 = 0;
/// What is left over against a grid.
const KIND_GRID: u8 = 1;
/// The plain differences, for times without a step.
const KIND_PLAIN: u8 = 2;

/// Appends `times`, which grow strictly.
pub(crate) fn put_times(out: &mut Vec<u8>, times: &[i64]) {
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return };
    let steps = times.len() as i64 - 1;
    let step = if steps == 0 { 0 } else { last.wrapping_sub(*first) / steps };
    // A gap makes the mean step wrong for every row behind it; the median survives gaps.
    let mut widths: Vec<i64> = times.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    widths.sort_unstable();
    let median = widths.get(widths.len() / 2).copied().unwrap_or_default();
    let left_over = |step: i64| -> Vec<i64> {
        let grid = |n: usize| first.wrapping_add(step.wrapping_mul(n as i64));
        times.iter().enumerate().map(|(n, t)| t.wrapping_sub(grid(n))).collect()
    };
    let rest = left_over(step);
    if rest.iter().all(|rest| *rest == 0) {
        out.push(KIND_REGULAR);
        put_ivarint(out, *first);
        put_uvarint(out, step as u64);
        return;
    }
    let grid = |step: i64, rest: &[i64]| {
        let mut bytes = vec![KIND_GRID];
        put_ivarint(&mut bytes, *first);
        put_uvarint(&mut bytes, step as u64);
        put_ints(&mut bytes, rest);
        bytes
    };
    let mut plain = vec![KIND_PLAIN];
    put_ints(&mut plain, times);
    let forms = [grid(step, &rest), grid(median, &left_over(median)), plain];
    if let Some(shortest) = forms.iter().min_by_key(|bytes| bytes.len()) {
        out.extend_from_slice(shortest);
    }
}

/// Reads `count` times.
pub(crate) fn read_times(bytes: &mut Bytes<'_>, count: usize, out: &mut Vec<i64>) -> Result<(), Malformed> {
    if count == 0 {
        return Ok(());
    }
    let start = out.len();
    match bytes.u8()? {
        KIND_REGULAR => {
            let mut time = bytes.ivarint()?;
            let step = bytes.uvarint()? as i64;
            out.extend((0..count).map(|_| {
                let now = time;
                time = time.wrapping_add(step);
                now
            }));
        }
        KIND_GRID => {
            let mut time = bytes.ivarint()?;
            let step = bytes.uvarint()? as i64;
            read_ints(bytes, count, out)?;
            for value in out.iter_mut().skip(start) {
                *value = value.wrapping_add(time);
                time = time.wrapping_add(step);
            }
        }
        KIND_PLAIN => read_ints(bytes, count, out)?,
        _ => return Err(Malformed("a known form of times")),
    }
    let times = out.get(start..).unwrap_or_default();
    if times.windows(2).all(|pair| pair[0] < pair[1]) { Ok(()) } else { Err(Malformed("growing times")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(times: &[i64]) -> usize {
        let mut out = Vec::new();
        put_times(&mut out, times);
        let mut back = Vec::new();
        read_times(&mut Bytes::new(&out), times.len(), &mut back).unwrap();
        assert_eq!(back, times);
        out.len()
    }

    #[test]
    fn shapes_survive_and_are_short() {
        let mut rng = fastrand::Rng::with_seed(6);
        let start = 1_700_000_000_000;
        assert!(round_trip(&[start]) < 10);
        let regular: Vec<i64> = (0..480).map(|n| start + n * 15_000).collect();
        assert!(round_trip(&regular) < 12);
        let jitter: Vec<i64> = regular.iter().map(|t| t + rng.i64(0..4)).collect();
        assert!(round_trip(&jitter) <= 480 * 2 / 8 + 24, "{}", round_trip(&jitter));
        let gap: Vec<i64> =
            jitter.iter().enumerate().map(|(n, t)| t + i64::from(n > 100) * 600_000).collect();
        assert!(round_trip(&gap) < 300, "{}", round_trip(&gap));
        let mut random: Vec<i64> = (0..480).map(|_| rng.i64(..)).collect();
        random.sort_unstable();
        random.dedup();
        round_trip(&random);
    }

    #[test]
    fn times_that_do_not_grow_are_refused() {
        let mut out = vec![KIND_PLAIN];
        put_ints(&mut out, &[3, 3, 4]);
        assert!(read_times(&mut Bytes::new(&out), 3, &mut Vec::new()).is_err());
    }
}
