//! One row of running values per group, one place per evaluation time.

use crate::engine::exec::arithmetic::kahan_add;
use crate::engine::exec::column::{ABSENT, is_absent, present};

/// The running values of one group.
pub(super) trait Fold {
    /// How many numbers a place takes, for the limit on samples in memory.
    const HELD: usize;

    fn new(len: usize) -> Self;

    /// Adds one series.
    fn add(&mut self, values: &[f64]);

    /// The folded values; absent where no series had one.
    fn finish(self) -> Vec<f64>;
}

/// `sum`, with compensation.
pub(super) struct Sum {
    sums: Vec<f64>,
    compensations: Vec<f64>,
}

impl Fold for Sum {
    const HELD: usize = 2;

    fn new(len: usize) -> Self {
        Self { sums: vec![ABSENT; len], compensations: vec![0.0; len] }
    }

    fn add(&mut self, values: &[f64]) {
        for ((sum, compensation), value) in self.sums.iter_mut().zip(&mut self.compensations).zip(values) {
            if is_absent(*value) {
                continue;
            }
            if is_absent(*sum) {
                *sum = *value;
            } else {
                (*sum, *compensation) = kahan_add(*value, *sum, *compensation);
            }
        }
    }

    fn finish(mut self) -> Vec<f64> {
        for (sum, compensation) in self.sums.iter_mut().zip(&self.compensations) {
            if !is_absent(*sum) {
                *sum = present(*sum + compensation);
            }
        }
        self.sums
    }
}

/// `avg`: from the sum, or, once the sum would overflow, step by step.
pub(super) struct Avg {
    places: Vec<Mean>,
}

#[derive(Clone, Copy, Default)]
struct Mean {
    count: f64,
    sum: f64,
    compensation: f64,
    mean: f64,
    incremental: bool,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            (self.sum, self.mean) = (value, value);
            return;
        }
        if !self.incremental {
            let (sum, compensation) = kahan_add(value, self.sum, self.compensation);
            if !sum.is_infinite() {
                (self.sum, self.compensation) = (sum, compensation);
                return;
            }
            self.incremental = true;
            self.mean = self.sum / (self.count - 1.0);
            self.compensation /= self.count - 1.0;
        }
        let weight = (self.count - 1.0) / self.count;
        let (mean, compensation) = (weight * self.mean, weight * self.compensation);
        (self.mean, self.compensation) = kahan_add(value / self.count, mean, compensation);
    }

    fn finish(self) -> f64 {
        if self.count == 0.0 {
            ABSENT
        } else if self.incremental {
            present(self.mean + self.compensation)
        } else {
            present(self.sum / self.count + self.compensation / self.count)
        }
    }
}

impl Fold for Avg {
    const HELD: usize = 5;

    fn new(len: usize) -> Self {
        Self { places: vec![Mean::default(); len] }
    }

    fn add(&mut self, values: &[f64]) {
        for (place, value) in self.places.iter_mut().zip(values) {
            if !is_absent(*value) {
                place.add(*value);
            }
        }
    }

    fn finish(self) -> Vec<f64> {
        self.places.into_iter().map(Mean::finish).collect()
    }
}

/// Folds that need one number per place.
macro_rules! plain_fold {
    ($(#[$doc:meta])* $name:ident, first $first:expr, next $next:expr) => {
        $(#[$doc])*
        pub(super) struct $name(Vec<f64>);

        impl Fold for $name {
            const HELD: usize = 1;

            fn new(len: usize) -> Self {
                Self(vec![ABSENT; len])
            }

            fn add(&mut self, values: &[f64]) {
                for (place, value) in self.0.iter_mut().zip(values) {
                    if is_absent(*value) {
                        continue;
                    }
                    let (first, next): (fn(f64) -> f64, fn(f64, f64) -> f64) = ($first, $next);
                    *place = if is_absent(*place) { first(*value) } else { next(*place, *value) };
                }
            }

            fn finish(self) -> Vec<f64> {
                self.0
            }
        }
    };
}

plain_fold!(
    /// `count`
    Count, first |_| 1.0, next |count, _| count + 1.0
);
plain_fold!(
    /// `group`
    Group, first |_| 1.0, next |one, _| one
);
plain_fold!(
    /// `min`; NaN only if all are.
    Min, first |value| value, next |least, value| if least > value || least.is_nan() { value } else { least }
);
plain_fold!(
    /// `max`; NaN only if all are.
    Max, first |value| value, next |most, value| if most < value || most.is_nan() { value } else { most }
);

/// `stdvar`, by Welford's method.
pub(super) struct Stdvar {
    places: Vec<Deviation>,
}

#[derive(Clone, Copy, Default)]
struct Deviation {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Deviation {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.mean = value;
            self.squares = if value.is_finite() { 0.0 } else { f64::NAN };
            return;
        }
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }
}

impl Fold for Stdvar {
    const HELD: usize = 3;

    fn new(len: usize) -> Self {
        Self { places: vec![Deviation::default(); len] }
    }

    fn add(&mut self, values: &[f64]) {
        for (place, value) in self.places.iter_mut().zip(values) {
            if !is_absent(*value) {
                place.add(*value);
            }
        }
    }

    fn finish(self) -> Vec<f64> {
        let variance = |place: Deviation| {
            if place.count == 0.0 { ABSENT } else { present(place.squares / place.count) }
        };
        self.places.into_iter().map(variance).collect()
    }
}

/// `stddev`
pub(super) struct Stddev(Stdvar);

impl Fold for Stddev {
    const HELD: usize = Stdvar::HELD;

    fn new(len: usize) -> Self {
        Self(Stdvar::new(len))
    }

    fn add(&mut self, values: &[f64]) {
        self.0.add(values);
    }

    fn finish(self) -> Vec<f64> {
        let mut values = self.0.finish();
        for value in values.iter_mut().filter(|value| !is_absent(**value)) {
            *value = present(value.sqrt());
        }
        values
    }
}
