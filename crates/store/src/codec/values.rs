//! A column of sample values: several encodings are tried and the shortest is kept.
//!
//! Two efforts. The quick one (constant, runs, decimal bit packing, XOR) serves the head and the hot tier; the
//! thorough one tries pco besides and serves blocks, which are written once and kept for weeks.

use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DeltaSpec, ModeSpec};

use super::decimal::{Decimals, decimals, mantissa_of, value_of};
use super::ints::{put_ints, read_ints};
use super::xor::{put_xor, read_xor};
use super::{Bytes, Malformed, put_bytes, put_ivarint, put_uvarint};

/// How hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Tens of nanoseconds a value.
    Quick,
    /// Some hundreds of nanoseconds a value.
    Thorough,
}

const CONSTANT_INT: u8 = 0;
const CONSTANT_BITS: u8 = 1;
const DECIMAL: u8 = 2;
const XOR: u8 = 3;
const PCO_DECIMAL: u8 = 4;
const PCO_FLOAT: u8 = 5;
const PLAIN: u8 = 6;

/// Below this pco's own header eats its gain.
const PCO_LEAST: usize = 100;

/// pco's level: 4 is within 1 % of 8 at these lengths and several times as fast.
const PCO_LEVEL: usize = 4;

/// The name of the encoding a column begins with, for figures.
pub(crate) const fn encoding(first: u8) -> &'static str {
    match first {
        CONSTANT_INT | CONSTANT_BITS => "constant",
        DECIMAL => "decimal",
        XOR => "xor",
        PCO_DECIMAL => "pco decimal",
        PCO_FLOAT => "pco float",
        _ => "plain",
    }
}

/// Appends `values` (the bits of floats). Their number is the reader's to know.
pub(crate) fn put_values(out: &mut Vec<u8>, values: &[u64], effort: Effort) {
    let Some(first) = values.first() else { return };
    if values.iter().all(|value| value == first) {
        return put_constant(out, *first);
    }
    let found = decimals(values);
    let mut best = match &found {
        Some(decimals) => decimal_column(decimals),
        None => {
            let mut bytes = vec![XOR];
            put_xor(&mut bytes, values);
            bytes
        }
    };
    if effort == Effort::Thorough && values.len() >= PCO_LEAST && best.len() > values.len() / 8 {
        let tried = match &found {
            Some(decimals) => pco_decimal_column(decimals),
            None => pco_float_column(values),
        };
        best = tried.filter(|bytes| bytes.len() < best.len()).unwrap_or(best);
    }
    if best.len() > values.len() * 8 {
        out.push(PLAIN);
        values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
    } else {
        out.extend_from_slice(&best);
    }
}

fn put_constant(out: &mut Vec<u8>, bits: u64) {
    if let Some(int) = mantissa_of(f64::from_bits(bits), 0) {
        out.push(CONSTANT_INT);
        put_ivarint(out, int);
    } else {
        out.push(CONSTANT_BITS);
        out.extend_from_slice(&bits.to_le_bytes());
    }
}

fn decimal_header(kind: u8, decimals: &Decimals) -> Vec<u8> {
    let mut out = vec![kind, decimals.exponent];
    put_uvarint(&mut out, decimals.exceptions.len() as u64);
    let mut before = 0;
    for (position, bits) in &decimals.exceptions {
        put_uvarint(&mut out, (position - before) as u64);
        out.extend_from_slice(&bits.to_le_bytes());
        before = *position;
    }
    out
}

pub(super) fn decimal_column(decimals: &Decimals) -> Vec<u8> {
    let mut out = decimal_header(DECIMAL, decimals);
    put_ints(&mut out, &decimals.mantissas);
    out
}

pub(super) fn pco_decimal_column(decimals: &Decimals) -> Option<Vec<u8>> {
    let mut out = decimal_header(PCO_DECIMAL, decimals);
    let config = ChunkConfig::default().with_compression_level(PCO_LEVEL).with_delta_spec(DeltaSpec::Auto);
    put_pco(&mut out, &decimals.mantissas, &config)?;
    Some(out)
}

pub(super) fn pco_float_column(values: &[u64]) -> Option<Vec<u8>> {
    let floats: Vec<f64> = values.iter().map(|bits| f64::from_bits(*bits)).collect();
    let config = ChunkConfig::default().with_compression_level(PCO_LEVEL).with_mode_spec(ModeSpec::Auto);
    let mut out = vec![PCO_FLOAT];
    put_pco(&mut out, &floats, &config)?;
    Some(out)
}

fn put_pco<T: pco::data_types::Number>(out: &mut Vec<u8>, values: &[T], config: &ChunkConfig) -> Option<()> {
    let file = FileCompressor::default();
    let mut bytes = file.write_header(Vec::new()).ok()?;
    let mut chunk = file.chunk_compressor(values, config).ok()?;
    bytes = chunk.write_meta(bytes).ok()?;
    bytes = chunk.write_page(0, bytes).ok()?;
    put_bytes(out, &bytes);
    Some(())
}

fn read_pco<T: pco::data_types::Number + Default>(
    bytes: &mut Bytes<'_>,
    count: usize,
) -> Result<Vec<T>, Malformed> {
    const BAD: Malformed = Malformed("a pco column");
    let (file, src) = FileDecompressor::new(bytes.bytes()?).map_err(|_| BAD)?;
    let (mut chunk, src) = file.chunk_decompressor::<T, _>(src).map_err(|_| BAD)?;
    let mut page = chunk.page_decompressor(src, count).map_err(|_| BAD)?;
    let mut values = vec![T::default(); count];
    let progress = page.read(&mut values).map_err(|_| BAD)?;
    if progress.n_processed == count { Ok(values) } else { Err(BAD) }
}

/// Reads `count` values.
pub(crate) fn read_values(bytes: &mut Bytes<'_>, count: usize, out: &mut Vec<u64>) -> Result<(), Malformed> {
    if count == 0 {
        return Ok(());
    }
    match bytes.u8()? {
        CONSTANT_INT => {
            let value = (bytes.ivarint()? as f64).to_bits();
            out.extend(std::iter::repeat_n(value, count));
        }
        CONSTANT_BITS => {
            let value = bytes.u64()?;
            out.extend(std::iter::repeat_n(value, count));
        }
        kind @ (DECIMAL | PCO_DECIMAL) => read_decimals(bytes, kind, count, out)?,
        XOR => read_xor(bytes, count, out)?,
        PCO_FLOAT => out.extend(read_pco::<f64>(bytes, count)?.iter().map(|value| value.to_bits())),
        PLAIN => {
            for _ in 0..count {
                out.push(bytes.u64()?);
            }
        }
        _ => return Err(Malformed("a known form of values")),
    }
    Ok(())
}

fn read_decimals(bytes: &mut Bytes<'_>, kind: u8, count: usize, out: &mut Vec<u64>) -> Result<(), Malformed> {
    let exponent = bytes.u8()?;
    let exceptions = bytes.count(9)?;
    let mut apart = Vec::with_capacity(exceptions);
    let mut position = 0_usize;
    for _ in 0..exceptions {
        position = position.saturating_add(bytes.narrow()?);
        apart.push((position, bytes.u64()?));
    }
    let mantissas = if kind == DECIMAL {
        let mut mantissas = Vec::with_capacity(count);
        read_ints(bytes, count, &mut mantissas)?;
        mantissas
    } else {
        read_pco::<i64>(bytes, count)?
    };
    let start = out.len();
    out.extend(mantissas.iter().map(|mantissa| value_of(*mantissa, exponent).to_bits()));
    for (position, bits) in apart {
        let slot = out.get_mut(start..).and_then(|values| values.get_mut(position));
        *slot.ok_or(Malformed("exceptions inside the column"))? = bits;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(values: &[f64], effort: Effort) -> (usize, u8) {
        let bits: Vec<u64> = values.iter().map(|v| v.to_bits()).collect();
        let mut out = Vec::new();
        put_values(&mut out, &bits, effort);
        let mut back = Vec::new();
        let mut bytes = Bytes::new(&out);
        read_values(&mut bytes, bits.len(), &mut back).unwrap();
        assert!(bytes.is_empty());
        assert!(back == bits, "{} values differ", bits.len());
        (out.len(), out.first().copied().unwrap_or(PLAIN))
    }

    #[test]
    fn each_shape_finds_its_encoding() {
        let mut rng = fastrand::Rng::with_seed(8);
        assert_eq!(round_trip(&[1.0; 480], Effort::Quick), (2, CONSTANT_INT));
        assert_eq!(round_trip(&[0.1; 480], Effort::Quick), (9, CONSTANT_BITS));
        let durations: Vec<f64> = (0..480).map(|_| f64::from(rng.u32(2_000_000..9_000_000)) / 1e9).collect();
        assert_eq!(round_trip(&durations, Effort::Quick).1, DECIMAL);
        let noise: Vec<f64> = (0..480).map(|_| f64::from_bits(rng.u64(..))).collect();
        assert_eq!(round_trip(&noise, Effort::Quick).1, PLAIN);
        let thirds: Vec<f64> = (0..480).map(|n| f64::from(n / 7) / 3.0).collect();
        assert_eq!(round_trip(&thirds, Effort::Quick).1, XOR);
        let walk: Vec<f64> = (0..480).map(|n| (f64::from(n) * 0.01).sin() * 1e6).collect();
        assert_eq!(round_trip(&walk, Effort::Thorough).1, PCO_FLOAT);
    }

    #[test]
    fn every_bit_pattern_survives_in_every_company() {
        let mut rng = fastrand::Rng::with_seed(9);
        let odd = [f64::NAN, f64::INFINITY, -0.0, 5e-324, f64::MAX, breakwatch_model::stale_nan()];
        for _ in 0..500 {
            let scale = 10_f64.powi(rng.i32(0..12));
            let rare = rng.u32(2..100);
            let values: Vec<f64> = (0..rng.usize(1..600))
                .map(|_| {
                    if rng.u32(0..rare) == 0 {
                        odd[rng.usize(0..6)]
                    } else {
                        rng.i64(-1000..1000) as f64 / scale
                    }
                })
                .collect();
            round_trip(&values, Effort::Quick);
            round_trip(&values, Effort::Thorough);
        }
    }
}
