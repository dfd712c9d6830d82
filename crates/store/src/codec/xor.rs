//! Floats as the bits in which each differs from the one before: for values that are no short decimals.
//! The scheme is that of Pelkonen et al., "Gorilla" (VLDB 2015), section 4.1.3.

use super::bits::{BitReader, BitWriter};
use super::{Bytes, Malformed, put_bytes};

/// Appends `values` behind their encoded length.
pub(crate) fn put_xor(out: &mut Vec<u8>, values: &[u64]) {
    let mut bits = BitWriter::default();
    let (mut before, mut leading, mut meaningful) = (0_u64, 65_u32, 0_u32);
    for (index, value) in values.iter().enumerate() {
        let xor = value ^ before;
        before = *value;
        if index == 0 {
            bits.put(*value, 64);
        } else if xor == 0 {
            bits.put(0, 1);
        } else {
            bits.put(1, 1);
            let lead = xor.leading_zeros().min(31);
            let trail = xor.trailing_zeros();
            if leading <= lead && 64 - leading - meaningful <= trail {
                bits.put(0, 1);
            } else {
                (leading, meaningful) = (lead, 64 - lead - trail);
                bits.put(1, 1);
                bits.put(u64::from(leading), 5);
                bits.put(u64::from(meaningful - 1), 6);
            }
            bits.put(xor >> (64 - leading - meaningful), meaningful);
        }
    }
    put_bytes(out, &bits.finish());
}

/// Reads `count` values.
pub(crate) fn read_xor(bytes: &mut Bytes<'_>, count: usize, out: &mut Vec<u64>) -> Result<(), Malformed> {
    let mut bits = BitReader::new(bytes.bytes()?);
    let (mut value, mut leading, mut meaningful) = (0_u64, 0_u32, 0_u32);
    for index in 0..count {
        if index == 0 {
            value = bits.get(64)?;
        } else if bits.get(1)? == 1 {
            if bits.get(1)? == 1 {
                leading = bits.get(5)? as u32;
                meaningful = bits.get(6)? as u32 + 1;
            }
            let trailing = 64_u32.checked_sub(leading + meaningful).ok_or(Malformed("bits of a float"))?;
            value ^= bits.get(meaningful)?.checked_shl(trailing).unwrap_or(0);
        }
        out.push(value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_floats_survive() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..500 {
            let mut value = rng.f64();
            let values: Vec<u64> = (0..rng.usize(0..200))
                .map(|_| {
                    match rng.u8(0..4) {
                        0 => value = f64::from_bits(rng.u64(..)),
                        1 => value += rng.f64(),
                        2 => value *= -1.0,
                        _ => {}
                    }
                    value.to_bits()
                })
                .collect();
            let mut out = Vec::new();
            put_xor(&mut out, &values);
            let mut back = Vec::new();
            read_xor(&mut Bytes::new(&out), values.len(), &mut back).unwrap();
            assert_eq!(back, values);
        }
    }
}
