//! Integers packed at a fixed width, and bit-by-bit streams. Low bits first.

use super::Malformed;

/// Appends each value's low `width` bits (0 to 64).
pub(crate) fn pack(out: &mut Vec<u8>, values: impl Iterator<Item = u64>, width: u32) {
    if width == 0 {
        return;
    }
    let mut held = 0_u128;
    let mut bits = 0;
    for value in values {
        held |= u128::from(value) << bits;
        bits += width;
        while bits >= 32 {
            out.extend_from_slice(&(held as u32).to_le_bytes());
            held >>= 32;
            bits -= 32;
        }
    }
    while bits > 0 {
        out.push(held as u8);
        held >>= 8;
        bits = bits.saturating_sub(8);
    }
}

/// How many bytes [`pack`] writes.
pub(crate) const fn packed_len(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Gives `count` values of `width` bits each to `each`.
pub(crate) fn unpack(
    bytes: &[u8],
    count: usize,
    width: u32,
    mut each: impl FnMut(u64),
) -> Result<(), Malformed> {
    if width > 64 || bytes.len() < packed_len(count, width) {
        return Err(Malformed("packed integers"));
    }
    if width == 0 {
        (0..count).for_each(|_| each(0));
        return Ok(());
    }
    let mask = u64::MAX >> (64 - width);
    let mut words = bytes.chunks(8).map(|word| {
        word.try_into().map_or_else(
            |_| word.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)),
            u64::from_le_bytes,
        )
    });
    let mut held = 0_u128;
    let mut bits = 0;
    for _ in 0..count {
        if bits < width {
            held |= u128::from(words.next().unwrap_or_default()) << bits;
            bits += 64;
        }
        each(held as u64 & mask);
        held >>= width;
        bits -= width;
    }
    Ok(())
}

/// A stream of bits being written.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    held: u128,
    bits: u32,
}

impl BitWriter {
    /// Adds the low `width` bits (at most 64) of `value`.
    pub(crate) fn put(&mut self, value: u64, width: u32) {
        let masked = if width == 0 { 0 } else { value & (u64::MAX >> (64 - width)) };
        self.held |= u128::from(masked) << self.bits;
        self.bits += width;
        while self.bits >= 8 {
            self.bytes.push(self.held as u8);
            self.held >>= 8;
            self.bits -= 8;
        }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.bits > 0 {
            self.bytes.push(self.held as u8);
        }
        self.bytes
    }
}

/// A stream of bits being read.
#[derive(Debug)]
pub(crate) struct BitReader<'a> {
    bytes: std::slice::Iter<'a, u8>,
    held: u128,
    bits: u32,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.iter(), held: 0, bits: 0 }
    }

    /// Takes `width` bits (at most 64).
    pub(crate) fn get(&mut self, width: u32) -> Result<u64, Malformed> {
        while self.bits < width {
            let byte = self.bytes.next().ok_or(Malformed("more bits"))?;
            self.held |= u128::from(*byte) << self.bits;
            self.bits += 8;
        }
        let value = if width == 0 { 0 } else { self.held as u64 & (u64::MAX >> (64 - width)) };
        self.held >>= width;
        self.bits -= width;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_survives() {
        let mut rng = fastrand::Rng::with_seed(1);
        for width in 0..=64 {
            for count in [0, 1, 2, 7, 63, 64, 65, 200] {
                let mask = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
                let values: Vec<u64> = (0..count).map(|_| rng.u64(..) & mask).collect();
                let mut out = Vec::new();
                pack(&mut out, values.iter().copied(), width);
                assert_eq!(out.len(), packed_len(count, width));
                let mut back = Vec::new();
                unpack(&out, count, width, |value| back.push(value)).unwrap();
                assert_eq!(back, values, "width {width}, {count} values");
                if !out.is_empty() {
                    assert!(unpack(&out[1..], count, width, |_| {}).is_err());
                }
            }
        }
    }

    #[test]
    fn streams_survive() {
        let mut rng = fastrand::Rng::with_seed(2);
        let items: Vec<(u64, u32)> = (0..500)
            .map(|_| {
                let width = rng.u32(0..=64);
                (if width == 0 { 0 } else { rng.u64(..) >> (64 - width) }, width)
            })
            .collect();
        let mut writer = BitWriter::default();
        items.iter().for_each(|(value, width)| writer.put(*value, *width));
        let bytes = writer.finish();
        let mut reader = BitReader::new(&bytes);
        for (value, width) in items {
            assert_eq!(reader.get(width), Ok(value));
        }
        assert!(reader.get(8).is_err());
    }
}
