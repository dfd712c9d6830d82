//! How long the breaker stays open: exponential backoff with jitter, from a seeded generator.

use std::time::Duration;

use crate::Config;

/// A generator of random numbers (SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014). Eight bytes of state and no dependency; jitter needs no more.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of [0, 1): the 53 high bits, as many as a double holds.
    pub(crate) const fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The open time of the `opening`-th opening (from 1) since the breaker was last closed.
pub(crate) fn open_time(config: &Config, opening: u32, rng: &mut Rng) -> Duration {
    // The product passes every bound long before the exponent could overflow an i32.
    let exponent = i32::try_from(opening.saturating_sub(1)).unwrap_or(i32::MAX);
    let grown = config.open_for.as_secs_f64() * config.backoff_multiplier.powi(exponent);
    let longest = grown.min(config.open_for_max.as_secs_f64());
    let drawn = longest * (1.0 - config.jitter * rng.fraction());
    // Full jitter may draw next to nothing; an open time of nothing would be no opening at all.
    Duration::try_from_secs_f64(drawn)
        .unwrap_or(config.open_for_max)
        .clamp(crate::validate::MIN_OPEN, config.open_for_max)
}
