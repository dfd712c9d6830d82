//! Quantiles and fractions of cumulative buckets.

use crate::number::go_shortest;
use crate::quote::quote;

/// How many observations were at most `bound`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bucket {
    pub(super) bound: f64,
    pub(super) count: f64,
}

/// What was mended in buckets whose counts went down.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Monotonic {
    lowest: f64,
    highest: f64,
    difference: f64,
    samples: usize,
    from: i64,
    to: i64,
}

impl Monotonic {
    /// Takes in what was mended at another time.
    pub(super) fn widen(&mut self, other: &Self, time: i64) {
        if self.samples == 0 {
            *self = Self { samples: 1, from: time, to: time, ..*other };
            return;
        }
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
        self.difference = self.difference.max(other.difference);
        self.samples += 1;
        self.to = self.to.max(time);
    }

    /// The annotation's text.
    pub(super) fn describe(&self, name: &str) -> String {
        let mut text = "input to histogram_quantile needed to be fixed for monotonicity (see \
                        https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
            .to_owned();
        if !name.is_empty() {
            text.push_str(&format!(" for metric name {}", quote(name)));
        }
        text.push_str(&format!(
            ", from buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
            go_shortest(self.lowest),
            go_shortest(self.highest),
            two_digits(self.difference),
            self.samples,
            rfc3339_seconds(self.from),
            rfc3339_seconds(self.to),
        ));
        text
    }
}

/// Two significant digits (`%.2g`).
fn two_digits(value: f64) -> String {
    let rounded: f64 = format!("{value:.1e}").parse().unwrap_or(value);
    let magnitude = rounded.abs();
    if magnitude != 0.0 && !(1e-4..100.0).contains(&magnitude) {
        crate::number::go_exponent(rounded)
    } else {
        go_shortest(rounded)
    }
}

fn rfc3339_seconds(millis: i64) -> String {
    match jiff::Timestamp::from_second(millis / 1000) {
        Ok(time) => time.to_string(),
        Err(_) => (millis / 1000).to_string(),
    }
}

/// The quantile, linear within its bucket. Buckets must be in order of their bounds.
pub(super) fn quantile(wanted: f64, buckets: &mut Vec<Bucket>) -> (f64, Option<Monotonic>) {
    if wanted.is_nan() {
        return (f64::NAN, None);
    }
    if wanted < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if wanted > 1.0 {
        return (f64::INFINITY, None);
    }
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return (f64::NAN, None);
    }
    coalesce(buckets);
    let forced = make_monotonic(buckets);
    let (Some(last), true) = (buckets.last(), buckets.len() >= 2) else { return (f64::NAN, forced) };
    if last.count == 0.0 {
        return (f64::NAN, forced);
    }
    (within(wanted * last.count, buckets), forced)
}

/// The value below which `rank` observations lie.
fn within(rank: f64, buckets: &[Bucket]) -> f64 {
    let Some((_, finite)) = buckets.split_last() else { return f64::NAN };
    let below_rank = |bucket: &Bucket| bucket.count < rank || bucket.count.is_nan() || rank.is_nan();
    let index = finite.partition_point(below_rank);
    let Some(bucket) = finite.get(index) else {
        // In the last bucket, which has no upper bound: its lower bound is all that is known.
        return finite.last().map_or(f64::NAN, |bucket| bucket.bound);
    };
    let Some(below) = index.checked_sub(1).and_then(|index| finite.get(index)) else {
        // The first bucket starts at zero, unless it ends below.
        return if bucket.bound <= 0.0 { bucket.bound } else { bucket.bound * (rank / bucket.count) };
    };
    let (count, rank) = (bucket.count - below.count, rank - below.count);
    below.bound + (bucket.bound - below.bound) * (rank / count)
}

/// The part of the observations between two values.
pub(super) fn fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return f64::NAN;
    }
    coalesce(buckets);
    let count = buckets.last().map_or(0.0, |last| last.count);
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank_of(upper, buckets).min(count) - rank_of(lower, buckets).min(count)) / count
}

/// How many observations lie below a value.
fn rank_of(value: f64, buckets: &[Bucket]) -> f64 {
    let mut below = Bucket { bound: f64::NEG_INFINITY, count: 0.0 };
    for (index, bucket) in buckets.iter().enumerate() {
        // The first bucket starts at zero, unless it ends below.
        let start = if index == 0 && bucket.bound > 0.0 { 0.0 } else { below.bound };
        if start >= value {
            return below.count;
        }
        if bucket.bound > value {
            let inside = bucket.count - below.count;
            if start.is_infinite() {
                return bucket.count;
            }
            return below.count + inside * (value - start) / (bucket.bound - start);
        }
        below = *bucket;
    }
    below.count
}

/// Adds up buckets of the same bound.
#[expect(clippy::float_cmp, reason = "the same bound written differently is exactly the same number")]
fn coalesce(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|later, earlier| {
        let same = later.bound == earlier.bound;
        if same {
            earlier.count += later.count;
        }
        same
    });
}

/// Counts that go down by less than this part are taken for rounding.
const TOLERANCE: f64 = 1e-12;

/// Makes counts that go down stay level; says what was mended unless it was rounding only.
fn make_monotonic(buckets: &mut [Bucket]) -> Option<Monotonic> {
    let mut previous = buckets.first()?.count;
    for bucket in buckets.iter_mut().skip(1) {
        let difference = (bucket.count - previous).abs();
        if difference == 0.0 {
            continue;
        }
        if difference / bucket.count <= TOLERANCE {
            bucket.count = previous;
        } else {
            previous = bucket.count;
        }
    }
    let mut highest = buckets.first()?.count;
    let mut forced: Option<Monotonic> = None;
    for bucket in buckets.iter_mut().skip(1) {
        if bucket.count > highest {
            highest = bucket.count;
        } else if bucket.count < highest {
            let difference = highest - bucket.count;
            let mended = forced.get_or_insert(Monotonic { lowest: bucket.bound, ..Monotonic::default() });
            mended.highest = bucket.bound;
            mended.difference = mended.difference.max(difference);
            bucket.count = highest;
        }
    }
    forced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(counts: &[(f64, f64)]) -> Vec<Bucket> {
        counts.iter().map(|(bound, count)| Bucket { bound: *bound, count: *count }).collect()
    }

    #[test]
    fn quantiles_are_linear_inside_a_bucket() {
        let counts = [(1.0, 10.0), (2.0, 20.0), (f64::INFINITY, 20.0)];
        assert_eq!(quantile(0.5, &mut buckets(&counts)).0, 1.0);
        assert_eq!(quantile(0.25, &mut buckets(&counts)).0, 0.5);
        assert_eq!(quantile(0.75, &mut buckets(&counts)).0, 1.5);
        assert_eq!(quantile(1.0, &mut buckets(&counts)).0, 2.0);
        assert!(quantile(0.5, &mut buckets(&counts[..2])).0.is_nan());
    }

    #[test]
    fn counts_that_go_down_are_mended_and_told() {
        let counts = [(1.0, 10.0), (2.0, 5.0), (f64::INFINITY, 20.0)];
        let (value, forced) = quantile(0.5, &mut buckets(&counts));
        assert_eq!(value, 1.0);
        let mut all = Monotonic::default();
        all.widen(&forced.unwrap(), 0);
        assert!(
            all.describe("m").contains("for metric name \"m\", from buckets 2 to 2, with a max diff of 5, ")
        );
    }

    #[test]
    fn fractions_are_the_inverse_of_quantiles() {
        let counts = [(1.0, 10.0), (2.0, 20.0), (f64::INFINITY, 20.0)];
        assert_eq!(fraction(0.0, 1.0, &mut buckets(&counts)), 0.5);
        assert_eq!(fraction(0.5, 1.5, &mut buckets(&counts)), 0.5);
        assert_eq!(fraction(2.0, 1.0, &mut buckets(&counts)), 0.0);
    }

    #[test]
    fn differences_have_two_digits() {
        assert_eq!([5.0, 12.34, 123.0, 0.00001].map(two_digits), ["5", "12", "1.2e+02", "1e-05"]);
    }
}
