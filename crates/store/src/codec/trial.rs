//! What each encoding would make of a column: the figures behind the choice of the shortest.

use super::decimal::decimals;
use super::put_uvarint;
use super::values::{Effort, decimal_column, pco_decimal_column, pco_float_column, put_values};
use super::xor::put_xor;

/// Bytes each encoding takes for a column of `values`, and last what is kept in a block. Encodings that cannot hold
/// the column without loss are left out.
#[must_use]
pub fn encoded_sizes(values: &[f64]) -> Vec<(&'static str, usize)> {
    let bits: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
    let found = decimals(&bits);
    let mut sizes = vec![("run length", runs(&bits)), ("XOR", xor(&bits))];
    if let Some(found) = &found {
        sizes.push(("decimal bit packing", decimal_column(found).len()));
        sizes.extend(pco_decimal_column(found).map(|column| ("pco of the decimals", column.len())));
    }
    sizes.extend(pco_float_column(&bits).map(|column| ("pco of the floats", column.len())));
    let mut kept = Vec::new();
    put_values(&mut kept, &bits, Effort::Thorough);
    sizes.push(("kept", kept.len()));
    sizes
}

fn xor(bits: &[u64]) -> usize {
    let mut out = Vec::new();
    put_xor(&mut out, bits);
    out.len()
}

/// Runs of equal values as a value and a count: what the store leaves to the integers inside a decimal column.
fn runs(bits: &[u64]) -> usize {
    let mut out = Vec::new();
    for run in bits.chunk_by(|a, b| a == b) {
        out.extend_from_slice(&run.first().copied().unwrap_or_default().to_le_bytes());
        put_uvarint(&mut out, run.len() as u64);
    }
    out.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_the_shortest_or_as_good_as_it() {
        let mut rng = fastrand::Rng::with_seed(3);
        let flags: Vec<f64> = (0..720).map(|n| f64::from(u8::from(n != 400))).collect();
        let nanos: Vec<f64> = (0..720).map(|_| f64::from(rng.u32(9_000_000..60_000_000)) / 1e9).collect();
        let noise: Vec<f64> = (0..720).map(|_| f64::from_bits(rng.u64(..) >> 2)).collect();
        for (column, most) in [(flags, 30), (nanos, 720 * 27 / 8), (noise, 720 * 8 + 1)] {
            let sizes = encoded_sizes(&column);
            let (name, kept) = sizes.last().copied().unwrap();
            assert!(name == "kept" && kept <= most, "{sizes:?}");
            // A column below a bit a value is not worth trying pco on.
            assert!(sizes.iter().all(|(_, size)| kept <= size + 2 || kept <= 720 / 8), "{sizes:?}");
        }
    }
}
