//! The evaluation times of a query, and a series' values at them.

use breakwatch_model::{Labels, STALE_NAN_BITS};

use super::Meta;

/// Marks "no sample at this time" in a column. A stored staleness marker never becomes a value, so its bits
/// are free to mean that.
pub(super) const ABSENT: f64 = f64::from_bits(STALE_NAN_BITS);

/// Whether a place in a column holds no sample.
pub(super) const fn is_absent(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// A computed value as it may stand in a column: a NaN must not look like an absent sample.
pub(super) const fn present(value: f64) -> f64 {
    if is_absent(value) { f64::NAN } else { value }
}

/// Evenly spaced evaluation times in milliseconds; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Grid {
    start: i64,
    step: i64,
    len: usize,
}

impl Grid {
    pub(in crate::engine) const fn new(start: i64, step: i64, len: usize) -> Self {
        Self { start, step, len }
    }

    /// The grid of one time.
    pub(in crate::engine) const fn instant(at: i64) -> Self {
        Self { start: at, step: 0, len: 1 }
    }

    /// Only the first time of this grid.
    pub(super) const fn first(&self) -> Self {
        Self { start: self.start, step: self.step, len: 1 }
    }

    pub(super) const fn start(&self) -> i64 {
        self.start
    }

    pub(super) const fn end(&self) -> i64 {
        self.time(self.len.saturating_sub(1))
    }

    pub(super) const fn step(&self) -> i64 {
        self.step
    }

    pub(super) const fn is_instant(&self) -> bool {
        self.step == 0
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The evaluation time of a step.
    pub(super) const fn time(&self, step: usize) -> i64 {
        self.start.saturating_add(self.step.saturating_mul(step as i64))
    }
}

/// One series on its way from operator to operator. The receiver may change the values in place.
pub(super) struct Column<'c> {
    pub(super) meta: Meta<'c>,
    /// One value per evaluation time.
    pub(super) values: &'c mut [f64],
}

/// A series that is kept.
#[derive(Debug, Clone)]
pub(super) struct Owned {
    pub(super) labels: Labels,
    /// Whether the name goes at the end of the query (delayed name removal).
    pub(super) drop_name: bool,
    /// One value per evaluation time.
    pub(super) values: Vec<f64>,
}

impl Owned {
    /// The series as a column that can be changed in place.
    pub(super) fn column(&mut self, delayed: bool) -> Column<'_> {
        let meta = Meta { labels: &self.labels, hidden: false, drop_name: self.drop_name, delayed };
        Column { meta, values: &mut self.values }
    }
}
