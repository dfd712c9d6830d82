//! Numbers as Prometheus' own writers print them.

use std::io::Write as _;

/// Whole numbers below this are exact in a double, and printed without a fraction.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A sample's value: the shortest decimal that reads back the same, with an exponent where it would be long.
pub(super) fn write_value(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if value.fract() == 0.0 && value.abs() < EXACT {
        // Keeps the sign of a negative zero out: no reader tells the two apart.
        let _ = write!(out, "{}", value as i64);
    } else if (1e-5..1e21).contains(&value.abs()) {
        let _ = write!(out, "{value}");
    } else {
        let _ = write!(out, "{value:e}");
    }
}

/// A bucket's bound in OpenMetrics' canonical form: always with a point or an exponent (`1.0`, `0.25`,
/// `1e+06`), so that one bound is one text everywhere.
pub(super) fn canonical(bound: f64) -> String {
    if bound.is_infinite() {
        return if bound > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    let shortest = format!("{bound:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if bound != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.unsigned_abs());
    }
    let plain = format!("{bound}");
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_back_and_stay_short() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-3.5, "-3.5"),
            (1e15, "1000000000000000"),
            (1e300, "1e300"),
            (5e-324, "5e-324"),
            (0.000_01, "0.00001"),
            (1.7e-7, "1.7e-7"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            let mut out = Vec::new();
            write_value(&mut out, value);
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..100_000 {
            let value = f64::from_bits(rng.u64(..));
            let mut out = Vec::new();
            write_value(&mut out, value);
            assert!(out.len() <= 25, "{value}");
            let back: f64 = String::from_utf8_lossy(&out).parse().expect("a number");
            assert!(back == value || (back.is_nan() && value.is_nan()), "{value}");
        }
    }

    #[test]
    fn bounds_are_canonical() {
        for (bound, text) in [
            (0.0, "0.0"),
            (0.005, "0.005"),
            (1.0, "1.0"),
            (100_000.0, "100000.0"),
            (1e6, "1e+06"),
            (2.5e7, "2.5e+07"),
            (0.000_01, "1e-05"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(canonical(bound), text);
        }
    }
}
