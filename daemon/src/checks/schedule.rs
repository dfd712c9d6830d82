//! When a check is due. Pure: times are arguments.
//!
//! Runs lie on a fixed grid (`phase + n * interval`), so that a slow run never lengthens the interval. The phase
//! is a hash of the check's id: checks are spread over their interval and keep their place across restarts and
//! reloads. The grid is left in two cases only: while the breaker is open the next run waits until the breaker
//! would admit a probe, and while it is half-open the next run comes quickly.

use std::time::{Duration, Instant};

use breakwatch_model::Labels;

/// The grid of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The time the grid counts from; the same for all checks of a daemon.
    pub origin: Instant,
    /// How far this check's runs lie behind the grid's lines.
    pub phase: Duration,
    /// The distance between runs.
    pub interval: Duration,
}

/// What the breaker wants of the next run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Nothing: stay on the grid.
    Grid,
    /// Open: not before this time.
    NotBefore(Instant),
    /// Half-open: this soon, to know quickly whether the target is back.
    Within(Duration),
}

impl Grid {
    /// The grid of the check with this id.
    #[must_use]
    pub fn new(origin: Instant, id: &str, interval: Duration) -> Self {
        let hash = mixed(Labels::from_pairs([("check", id)]).fingerprint().0);
        let interval = interval.max(Duration::from_millis(1));
        let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        Self { origin, phase: Duration::from_nanos(hash % nanos), interval }
    }

    /// The first line of the grid after `now`.
    #[must_use]
    pub fn after(&self, now: Instant) -> Instant {
        let first = self.origin + self.phase;
        let Some(passed) = now.checked_duration_since(first) else { return first };
        let lines = passed.as_nanos() / self.interval.as_nanos() + 1;
        let nanos = lines.saturating_mul(self.interval.as_nanos());
        first + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many lines lie after `from` and before `to`: the runs that were missed between two runs.
    #[must_use]
    pub fn lines_between(&self, from: Instant, to: Instant) -> u64 {
        let Some(span) = to.checked_duration_since(self.after(from)) else { return 0 };
        if span.is_zero() {
            return 0;
        }
        u64::try_from(span.as_nanos().div_ceil(self.interval.as_nanos())).unwrap_or(u64::MAX)
    }

    /// When the next run is due.
    #[must_use]
    pub fn next(&self, now: Instant, demand: Demand) -> Instant {
        match demand {
            Demand::Grid => self.after(now),
            // The breaker's own jitter spreads these; a probe a moment early would only be refused.
            Demand::NotBefore(time) => time.max(now),
            Demand::Within(wait) => (now + wait).min(self.after(now)),
        }
    }
}

/// Spreads a hash over all of its bits (the finalizer of MurmurHash3): the fingerprints of names that differ in their last
/// digit only lie close together, and `api-1` to `api-9` would all run at once.
const fn mixed(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an Instant can only be made by asking for the time")]
mod tests {
    use super::*;

    fn grid(origin: Instant) -> Grid {
        Grid { origin, phase: Duration::from_secs(3), interval: Duration::from_secs(10) }
    }

    #[test]
    fn runs_lie_on_the_grid_whatever_time_a_run_takes() {
        let origin = Instant::now();
        let at = |secs| origin + Duration::from_secs(secs);
        assert_eq!(grid(origin).after(at(0)), at(3));
        assert_eq!(grid(origin).after(at(3)), at(13));
        assert_eq!(grid(origin).after(at(12)), at(13));
    }

    #[test]
    fn missed_runs_are_counted() {
        let origin = Instant::now();
        let at = |secs| origin + Duration::from_secs(secs);
        assert_eq!(grid(origin).lines_between(at(3), at(13)), 0);
        assert_eq!(grid(origin).lines_between(at(3), at(14)), 1);
        assert_eq!(grid(origin).lines_between(at(3), at(34)), 3);
    }

    #[test]
    fn an_open_breaker_stretches_and_a_half_open_one_hurries() {
        let origin = Instant::now();
        let at = |secs| origin + Duration::from_secs(secs);
        assert_eq!(grid(origin).next(at(4), Demand::NotBefore(at(44))), at(44));
        assert_eq!(grid(origin).next(at(4), Demand::Within(Duration::from_secs(2))), at(6));
        assert_eq!(grid(origin).next(at(12), Demand::Within(Duration::from_secs(2))), at(13));
    }

    #[test]
    fn phases_are_spread_evenly_whatever_the_interval_and_however_alike_the_names() {
        let origin = Instant::now();
        for interval in [1, 10, 30, 60, 300, 600, 3600].map(Duration::from_secs) {
            let mut slots = [0u32; 10];
            for i in 0..10_000 {
                let grid = Grid::new(origin, &format!("http/site-{i}"), interval);
                slots[(grid.phase.as_nanos() * 10 / interval.as_nanos()) as usize] += 1;
            }
            assert!(slots.iter().all(|n| (800..1200).contains(n)), "{interval:?}: {slots:?}");
            let phase = |i: u32| Grid::new(origin, &format!("tcp/pool-{i}"), interval).phase;
            let mut few: Vec<Duration> = (0..10).map(phase).collect();
            few.sort_unstable();
            let near = few.windows(2).filter(|pair| pair[1] - pair[0] < interval / 100).count();
            assert!(near <= 3, "{interval:?}: {few:?}");
        }
    }
}
