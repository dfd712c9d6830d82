//! The fixed grid of a group's evaluation times.

use std::time::Duration;

use breakwatch_model::{Labels, Timestamp};

/// Evaluation times: whole intervals since the epoch plus an offset that spreads groups over the interval.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    interval: i64,
    offset: i64,
    next: Option<Timestamp>,
}

impl Grid {
    /// The grid of a group. Its offset depends only on its name, so that a restart goes on with the same times.
    pub(super) fn new(file: &str, group: &str, interval: Duration) -> Self {
        let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
        let hash = Labels::from_pairs([("file", file), ("name", group)]).fingerprint().0;
        // The remainder is smaller than the interval, which is an i64.
        let offset = i64::try_from(hash % interval.unsigned_abs()).unwrap_or(0);
        Self { interval, offset, next: None }
    }

    /// The last time of the grid at or before `now`.
    fn at_or_before(&self, now: Timestamp) -> Timestamp {
        let shifted = now.0.saturating_sub(self.offset);
        Timestamp(shifted - shifted.rem_euclid(self.interval) + self.offset)
    }

    /// When the next evaluation is due.
    pub(super) fn next(&self, now: Timestamp) -> Timestamp {
        self.next.unwrap_or_else(|| Timestamp(self.at_or_before(now).0.saturating_add(self.interval)))
    }

    /// The time to evaluate at, if one is due, and how many were missed before it. The first call only sets the pace.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<(Timestamp, u64)> {
        let next = self.next(now);
        let last = self.at_or_before(now);
        if next > last {
            // A clock that was set back must not keep the group waiting for the old future.
            self.next = Some(next.min(Timestamp(last.0.saturating_add(self.interval))));
            return None;
        }
        let missed = u64::try_from((last.0 - next.0) / self.interval).unwrap_or(0);
        self.next = Some(Timestamp(last.0.saturating_add(self.interval)));
        Some((last, missed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_lie_on_the_grid_and_missed_ones_are_counted() {
        let mut grid = Grid::new("f", "g", Duration::from_secs(30));
        let start = Timestamp::from_secs(1_000_000);
        assert_eq!(grid.take(start), None);
        let first = grid.next(start);
        assert!(first > start && first <= start + Duration::from_secs(30));
        assert_eq!(grid.take(Timestamp(first.0 - 1)), None);
        assert_eq!(grid.take(first + Duration::from_millis(7)), Some((first, 0)));
        assert_eq!(grid.take(first + Duration::from_secs(1)), None);
        let later = first + Duration::from_secs(30 * 5 + 3);
        assert_eq!(grid.take(later), Some((first + Duration::from_secs(150), 4)));
        // The clock is set back by an hour: no evaluation twice, and no hour without.
        let back = Timestamp(later.0 - 3_600_000);
        assert_eq!(grid.take(back), None);
        assert!(grid.next(back).since(back) <= Duration::from_secs(30));
    }

    #[test]
    fn groups_are_spread() {
        let at = Timestamp::from_secs(1_000_000);
        let times: std::collections::BTreeSet<i64> =
            (0..100).map(|i| Grid::new("f", &format!("g{i}"), Duration::from_secs(60)).next(at).0).collect();
        assert!(times.len() > 95);
    }
}
