//! Floats that are short decimals, as integers and a power of ten.
//!
//! Most of what is measured is: counts, bytes, milliseconds, nanoseconds as seconds. `m / 10^e` with an exact
//! `m` below 2^53 and an exact power of ten is correctly rounded, so the way back gives the very same bits,
//! and that is checked for every value.

/// Largest exponent tried: nanoseconds need 9, and beyond 12 few values are exact.
const MAX_EXPONENT: usize = 12;

/// Integers up to here are exact in a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

const POWERS: [f64; MAX_EXPONENT + 1] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12];

/// Integers, the power of ten they are divided by, and the values that do not fit.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Decimals {
    pub(crate) exponent: u8,
    pub(crate) mantissas: Vec<i64>,
    /// Position and bits of values that are no short decimals (stale markers, infinities, the odd one); their
    /// mantissa repeats the one before.
    pub(crate) exceptions: Vec<(usize, u64)>,
}

/// The float of a mantissa.
pub(crate) fn value_of(mantissa: i64, exponent: u8) -> f64 {
    mantissa as f64 / POWERS.get(usize::from(exponent)).copied().unwrap_or(1.0)
}

/// The mantissa of `value` at `exponent`, if it is exact.
pub(crate) fn mantissa_of(value: f64, exponent: u8) -> Option<i64> {
    let power = POWERS.get(usize::from(exponent))?;
    let mantissa = (value * power).round();
    if mantissa.abs() >= EXACT || mantissa.is_nan() {
        return None;
    }
    let integer = mantissa as i64;
    // By way of the integer: minus zero must not pass for zero.
    ((integer as f64 / power).to_bits() == value.to_bits()).then_some(integer)
}

/// Sees `values` as decimals of one exponent; `None` when more than one in sixteen does not fit.
pub(crate) fn decimals(values: &[u64]) -> Option<Decimals> {
    let allowed = values.len() / 16 + 1;
    let exponent = fit(values, allowed)?;
    let mut result =
        Decimals { exponent, mantissas: Vec::with_capacity(values.len()), exceptions: Vec::new() };
    let mut before = 0;
    for (position, bits) in values.iter().enumerate() {
        match mantissa_of(f64::from_bits(*bits), exponent) {
            Some(mantissa) => before = mantissa,
            None => result.exceptions.push((position, *bits)),
        }
        result.mantissas.push(before);
    }
    (result.exceptions.len() <= allowed).then_some(result)
}

/// The smallest exponent at which all but `allowed` values are exact. An exponent that suits one value suits
/// it still when raised (as long as the mantissa stays exact), so one pass finds it.
fn fit(values: &[u64], allowed: usize) -> Option<u8> {
    let mut exponent = 0;
    let mut failed = 0;
    let mut before = None;
    for bits in values {
        if before == Some(*bits) {
            continue;
        }
        before = Some(*bits);
        let value = f64::from_bits(*bits);
        match (exponent..=MAX_EXPONENT as u8).find(|e| mantissa_of(value, *e).is_some()) {
            Some(found) => exponent = found,
            None => failed += 1,
        }
        if failed > allowed {
            return None;
        }
    }
    Some(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Option<Decimals> {
        decimals(&values.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
    }

    #[test]
    fn finds_the_exponent() {
        assert_eq!(of(&[1.0, 2.5, 0.25]).unwrap().exponent, 2);
        assert_eq!(of(&[0.123_456_789, 12.0]).unwrap().exponent, 9);
        assert_eq!(of(&[4096.0, 8192.0]).unwrap().mantissas, [4096, 8192]);
        assert_eq!(of(&[1.0 / 3.0, 2.0 / 3.0]), None);
    }

    #[test]
    fn sets_apart_what_does_not_fit() {
        let stale = breakwatch_model::stale_nan();
        let found = of(&[1.0, 2.0, stale, -0.0]).map(|found| found.exceptions);
        assert_eq!(found, None, "two of four is too many");
        let mut values = vec![7.5; 32];
        values[5] = stale;
        values[9] = -0.0;
        let found = of(&values).unwrap();
        assert_eq!(found.exceptions, [(5, stale.to_bits()), (9, (-0.0_f64).to_bits())]);
        assert_eq!(found.mantissas[5], 75);
    }
}
