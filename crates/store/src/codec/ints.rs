//! A run of 64-bit integers in as few bytes as simple means allow.
//!
//! Five ways are sized up and the shortest is written: bit packing of the values, of their differences or
//! of the differences of those (each with its common divisor taken out, and with rare large ones set apart,
//! so that one spike does not widen all); a bit per value saying whether it changed, with the changes packed;
//! and runs of equal values.

use super::bits::{pack, packed_len, unpack};
use super::{Bytes, Malformed, put_ivarint, put_uvarint};

/// Differences taken before packing: none, once, twice.
const ORDERS: usize = 3;
const KIND_SPARSE: u8 = 3;
const KIND_RUNS: u8 = 4;

/// Appends `values`. Their number is the reader's to know.
pub(crate) fn put_ints(out: &mut Vec<u8>, values: &[i64]) {
    let Some(first) = values.first() else { return };
    let (changes, runs_len) = count_changes(values);
    let runs_len = runs_len + 1;
    // Few changes: the two cheap forms are certain to win, and packing need not be tried.
    if changes * 16 <= values.len() {
        return put_runs(out, values);
    }
    let mut buffers: [Vec<i64>; ORDERS] = Default::default();
    let mut best: Option<(usize, Plan)> = None;
    for order in 0..ORDERS.min(values.len()) {
        buffers[order] = match order {
            0 => values.to_vec(),
            _ => differences(&buffers[order - 1]),
        };
        let plan = Plan::of(&buffers[order]);
        let len = plan.len(buffers[order].len()) + 10 * order;
        if best.as_ref().is_none_or(|(best, _)| len < *best) {
            best = Some((len, Plan { order, ..plan }));
        }
    }
    let Some((packed, plan)) = best else { return };
    if changes * 2 < values.len() {
        let moved: Vec<i64> = buffers[1].iter().copied().filter(|d| *d != 0).collect();
        let sparse_plan = Plan::of(&moved);
        let sparse = values.len().div_ceil(8) + sparse_plan.len(moved.len()) + 10;
        if sparse < packed && sparse < runs_len {
            out.push(KIND_SPARSE);
            put_ivarint(out, *first);
            pack(out, buffers[1].iter().map(|d| u64::from(*d != 0)), 1);
            return sparse_plan.write(out, &moved);
        }
    }
    if runs_len < packed {
        return put_runs(out, values);
    }
    out.push(plan.order as u8);
    for lower in buffers.iter().take(plan.order) {
        put_ivarint(out, lower.first().copied().unwrap_or_default());
    }
    plan.write(out, &buffers[plan.order]);
}

/// Reads `count` values.
pub(crate) fn read_ints(bytes: &mut Bytes<'_>, count: usize, out: &mut Vec<i64>) -> Result<(), Malformed> {
    if count == 0 {
        return Ok(());
    }
    let start = out.len();
    match bytes.u8()? {
        KIND_SPARSE => read_sparse(bytes, count, out),
        KIND_RUNS => read_runs(bytes, count, out),
        order if usize::from(order) < ORDERS.min(count) => {
            let order = usize::from(order);
            let mut firsts = [0; ORDERS];
            for first in firsts.iter_mut().take(order) {
                *first = bytes.ivarint()?;
            }
            // The differences are read into place and summed up from the innermost order outwards.
            out.extend(std::iter::repeat_n(0, order));
            read_packed(bytes, count - order, out)?;
            let values = out.get_mut(start..).unwrap_or_default();
            for level in (0..order).rev() {
                let mut sum = firsts[level];
                if let Some(slot) = values.get_mut(level) {
                    *slot = sum;
                }
                for value in values.iter_mut().skip(level + 1) {
                    sum = sum.wrapping_add(*value);
                    *value = sum;
                }
            }
            Ok(())
        }
        _ => Err(Malformed("a known form of integers")),
    }
}

fn differences(values: &[i64]) -> Vec<i64> {
    values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect()
}

/// How often the value changes, and what runs would take.
fn count_changes(values: &[i64]) -> (usize, usize) {
    let mut changes = 0;
    let mut len = 2;
    for pair in values.windows(2) {
        if pair[0] != pair[1] {
            changes += 1;
            len += 1 + varint_len(super::bytes::zigzag(pair[1].wrapping_sub(pair[0])));
        }
    }
    (changes, len + 8)
}

const fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

fn put_runs(out: &mut Vec<u8>, values: &[i64]) {
    out.push(KIND_RUNS);
    let mut before = 0_i64;
    for run in values.chunk_by(|a, b| a == b) {
        let value = run.first().copied().unwrap_or_default();
        put_ivarint(out, value.wrapping_sub(before));
        put_uvarint(out, run.len() as u64);
        before = value;
    }
}

fn read_runs(bytes: &mut Bytes<'_>, count: usize, out: &mut Vec<i64>) -> Result<(), Malformed> {
    let mut value = 0_i64;
    let mut left = count;
    while left > 0 {
        value = value.wrapping_add(bytes.ivarint()?);
        let run: usize = bytes.narrow()?;
        left = left.checked_sub(run).filter(|_| run > 0).ok_or(Malformed("runs that add up"))?;
        out.extend(std::iter::repeat_n(value, run));
    }
    Ok(())
}

fn read_sparse(bytes: &mut Bytes<'_>, count: usize, out: &mut Vec<i64>) -> Result<(), Malformed> {
    let mut value = bytes.ivarint()?;
    let map = bytes.take(packed_len(count - 1, 1))?;
    let mut changes = 0;
    unpack(map, count - 1, 1, |bit| changes += bit as usize)?;
    let mut moved = Vec::with_capacity(changes);
    read_packed(bytes, changes, &mut moved)?;
    let mut moved = moved.into_iter();
    out.push(value);
    unpack(map, count - 1, 1, |bit| {
        if bit == 1 {
            value = value.wrapping_add(moved.next().unwrap_or_default());
        }
        out.push(value);
    })
}

/// How to pack a run: `(value - base) / divisor` in `width` bits, those that do not fit set apart.
#[derive(Clone, Copy, Debug, Default)]
struct Plan {
    order: usize,
    base: i64,
    divisor: u64,
    width: u32,
    exceptions: usize,
    /// Bits of the largest exception above `width`.
    excess: u32,
}

impl Plan {
    fn of(values: &[i64]) -> Self {
        let base = values.iter().copied().min().unwrap_or_default();
        let mut divisor = 0;
        let mut all = 0;
        for value in values {
            let offset = value.wrapping_sub(base) as u64;
            all |= offset;
            if divisor != 1 && offset != 0 {
                divisor = gcd(offset, divisor);
            }
        }
        let divisor = divisor.max(1);
        let mut widths = [0_usize; 65];
        if divisor == 1 {
            values.iter().for_each(|v| widths[bit_len(v.wrapping_sub(base) as u64) as usize] += 1);
        } else {
            values.iter().for_each(|v| widths[bit_len(v.wrapping_sub(base) as u64 / divisor) as usize] += 1);
        }
        let widest = bit_len(all / divisor);
        let mut plan = Self { order: 0, base, divisor, width: widest, exceptions: 0, excess: 0 };
        let mut apart = 0;
        let mut best = packed_len(values.len(), widest);
        for width in (0..widest).rev() {
            apart += widths[width as usize + 1];
            let len = packed_len(values.len(), width) + apart * 2 + packed_len(apart, widest - width);
            if len < best {
                best = len;
                plan = Self { width, exceptions: apart, excess: widest - width, ..plan };
            }
        }
        plan
    }

    /// About how many bytes [`Plan::write`] takes.
    fn len(&self, count: usize) -> usize {
        let exceptions = self.exceptions * 2 + packed_len(self.exceptions, self.excess);
        3 + varint_len(super::bytes::zigzag(self.base))
            + varint_len(self.divisor)
            + packed_len(count, self.width)
            + exceptions
    }

    fn write(&self, out: &mut Vec<u8>, values: &[i64]) {
        let offset = |value: &i64| value.wrapping_sub(self.base) as u64 / self.divisor;
        put_ivarint(out, self.base);
        put_uvarint(out, self.divisor);
        out.push(self.width as u8);
        put_uvarint(out, self.exceptions as u64);
        let mask = if self.width == 0 { 0 } else { u64::MAX >> (64 - self.width) };
        pack(out, values.iter().map(|value| offset(value) & mask), self.width);
        if self.exceptions == 0 {
            return;
        }
        out.push(self.excess as u8);
        let apart: Vec<(usize, u64)> =
            values.iter().map(offset).enumerate().filter(|(_, o)| bit_len(*o) > self.width).collect();
        let mut before = 0;
        for (position, _) in &apart {
            put_uvarint(out, (position - before) as u64);
            before = *position;
        }
        pack(out, apart.iter().map(|(_, o)| o.checked_shr(self.width).unwrap_or(0)), self.excess);
    }
}

fn read_packed(bytes: &mut Bytes<'_>, count: usize, out: &mut Vec<i64>) -> Result<(), Malformed> {
    let base = bytes.ivarint()?;
    let divisor = bytes.uvarint()?;
    let width = u32::from(bytes.u8()?);
    let exceptions = bytes.count(1)?;
    let packed = bytes.take(packed_len(count, width))?;
    let start = out.len();
    if exceptions == 0 {
        return unpack(packed, count, width, |value| {
            out.push(base.wrapping_add(value.wrapping_mul(divisor) as i64));
        });
    }
    unpack(packed, count, width, |value| out.push(value as i64))?;
    let excess = u32::from(bytes.u8()?);
    let mut positions = Vec::with_capacity(exceptions);
    let mut position = 0_usize;
    for _ in 0..exceptions {
        position = position.saturating_add(bytes.narrow()?);
        positions.push(position);
    }
    let highs = bytes.take(packed_len(exceptions, excess))?;
    let values = out.get_mut(start..).unwrap_or_default();
    let mut positions = positions.into_iter();
    let mut stray = false;
    unpack(highs, exceptions, excess, |high| match positions.next().and_then(|at| values.get_mut(at)) {
        Some(value) => *value |= high.checked_shl(width).unwrap_or(0) as i64,
        None => stray = true,
    })?;
    values.iter_mut().for_each(|v| *v = base.wrapping_add((*v as u64).wrapping_mul(divisor) as i64));
    if stray { Err(Malformed("exceptions inside the run")) } else { Ok(()) }
}

const fn bit_len(value: u64) -> u32 {
    64 - value.leading_zeros()
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(values: &[i64]) -> usize {
        let mut out = Vec::new();
        put_ints(&mut out, values);
        let mut back = Vec::new();
        let mut bytes = Bytes::new(&out);
        read_ints(&mut bytes, values.len(), &mut back).unwrap();
        assert_eq!(back, values);
        assert!(bytes.is_empty());
        out.len()
    }

    #[test]
    fn shapes_survive_and_are_short() {
        let mut rng = fastrand::Rng::with_seed(3);
        round_trip(&[]);
        round_trip(&[i64::MIN]);
        round_trip(&[i64::MIN, i64::MAX, 0, -1, 1]);
        assert!(round_trip(&[5; 480]) < 8);
        let regular: Vec<i64> = (0..480).map(|n| 1_700_000_000_000 + n * 15_000).collect();
        assert!(round_trip(&regular) < 24);
        let noise: Vec<i64> = (0..480).map(|_| rng.i64(0..1 << 20)).collect();
        assert!(round_trip(&noise) < 480 * 20 / 8 + 16);
        let mut spiky: Vec<i64> = (0..480).map(|_| rng.i64(0..256)).collect();
        spiky[100] = i64::MAX / 3;
        assert!(round_trip(&spiky) < 480 + 40);
        let mut pages = vec![1_000_000_i64];
        for _ in 1..480 {
            let step = if rng.u8(0..10) < 3 { rng.i64(-64..64) * 4096 } else { 0 };
            pages.push(pages[pages.len() - 1] + step);
        }
        assert!(round_trip(&pages) < 220, "{}", round_trip(&pages));
    }

    #[test]
    fn random_runs_survive() {
        let mut rng = fastrand::Rng::with_seed(4);
        for _ in 0..2000 {
            let width = rng.u32(1..=64);
            let count = rng.usize(1..100);
            let change = rng.f64();
            let mut value = 0_i64;
            let values: Vec<i64> = (0..count)
                .map(|_| {
                    if rng.f64() < change {
                        value = (rng.u64(..) >> (64 - width)) as i64;
                    }
                    value
                })
                .collect();
            round_trip(&values);
        }
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..rng.usize(0..40)).map(|_| rng.u8(..)).collect();
            let mut out = Vec::new();
            let _ = read_ints(&mut Bytes::new(&bytes), rng.usize(0..300), &mut out);
            assert!(out.len() <= 300);
        }
    }
}
