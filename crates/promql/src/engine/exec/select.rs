//! Instant selectors: at each evaluation time the last sample of each series, unless it is too old or the
//! series had ended.

use std::time::Duration;

use breakwatch_model::{Sample, SelectHints, Selector, SeriesSet, TimeRange, Timestamp};

use super::column::{ABSENT, Column, Grid, present};
use super::meta::Meta;
use super::scalar::seconds;
use super::{Eval, Evaluator, Sink};
use crate::ast::Extension;
use crate::engine::error::QueryError;
use crate::engine::plan::Select;

impl Evaluator<'_> {
    /// The series' values.
    pub(super) fn select(&self, select: &Select, grid: &Grid, sink: &mut Sink<'_>) -> Eval<()> {
        match select.extension {
            None => self.last_samples(select, grid, |sample| present(sample.v), false, sink),
            Some(Extension::Smoothed) => self.smoothed(select, grid, sink),
            Some(Extension::Anchored) => {
                Err(QueryError::execution("anchored modifier can only be used with range selectors"))
            }
        }
    }

    /// The times of the series' samples.
    pub(super) fn sample_times(&self, select: &Select, grid: &Grid, sink: &mut Sink<'_>) -> Eval<()> {
        self.checking_unique(select.fixed_name, sink, &mut |sink| {
            self.last_samples(select, grid, |sample| seconds(sample.t.0), true, sink)
        })
    }

    /// The times of the last samples of given series.
    pub(super) fn sample_times_of(
        &self,
        selector: &Selector,
        offset: i64,
        fixed: Option<i64>,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        self.last_samples_of(selector, offset, fixed, grid, |sample| seconds(sample.t.0), false, sink)
    }

    fn last_samples(
        &self,
        select: &Select,
        grid: &Grid,
        value: impl Fn(&Sample) -> f64 + Copy,
        drop: bool,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        let selector = self.series(select.slot)?;
        let offset = select.offset.millis(self.times)?;
        self.last_samples_of(&selector, offset, self.fixed_time(select.at), grid, value, drop, sink)
    }

    #[expect(clippy::too_many_arguments, reason = "which series, when, what of them, and where to")]
    fn last_samples_of(
        &self,
        selector: &Selector,
        offset: i64,
        fixed: Option<i64>,
        grid: &Grid,
        value: impl Fn(&Sample) -> f64 + Copy,
        drop: bool,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        if selector.series.is_empty() {
            return Ok(());
        }
        if grid.len() == 1 || fixed.is_some() {
            let at = fixed.unwrap_or(grid.start()).saturating_sub(offset);
            return self.last_samples_once(selector, at, grid, value, drop, sink);
        }
        let shifted = Grid::new(grid.start().saturating_sub(offset), grid.step(), grid.len());
        let lookback = self.lookback();
        let range = TimeRange::new(
            Timestamp(shifted.start().saturating_sub(lookback).saturating_add(1)),
            Timestamp(shifted.end()),
        );
        let hints = SelectHints { step: millis(grid.step()), ..SelectHints::default() };
        let mut set = self.store.select(selector, range, &hints, self.cancel)?;
        let (mut values, mut chunk) = (vec![ABSENT; grid.len()], Vec::new());
        while let Some(index) = set.next_series()? {
            self.check()?;
            values.fill(ABSENT);
            let found = fill_last(set.as_mut(), &shifted, lookback, &mut chunk, value, &mut values)?;
            if found == 0 {
                continue;
            }
            self.look_at(found);
            let Some(entry) = selector.series.get(index) else { continue };
            sink(Column { meta: self.meta(&entry.labels, drop), values: &mut values })?;
        }
        Ok(())
    }

    /// At one time, which the store can answer without reading chunks. With `@` it is repeated over the grid.
    fn last_samples_once(
        &self,
        selector: &Selector,
        at: i64,
        grid: &Grid,
        value: impl Fn(&Sample) -> f64 + Copy,
        drop: bool,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        let range = TimeRange::lookback(Timestamp(at), self.options.lookback);
        let mut found = Vec::with_capacity(selector.series.len());
        self.store.last_samples(selector, range, self.cancel, &mut found)?;
        self.look_at(found.len());
        let mut values = vec![ABSENT; grid.len()];
        for (index, sample) in found {
            let Some(entry) = selector.series.get(index) else { continue };
            values.fill(value(&sample));
            sink(Column { meta: self.meta(&entry.labels, drop), values: &mut values })?;
        }
        Ok(())
    }

    /// The labels of a stored series.
    pub(super) fn meta<'c>(&self, labels: &'c breakwatch_model::Labels, drop: bool) -> Meta<'c> {
        let delayed = self.options.delayed_name_removal;
        let meta = Meta { labels, hidden: false, drop_name: false, delayed };
        if drop { meta.dropped() } else { meta }
    }

    /// `x smoothed`: between two samples the value on the line between them.
    fn smoothed(&self, select: &Select, grid: &Grid, sink: &mut Sink<'_>) -> Eval<()> {
        let lookback = self.lookback();
        self.selector_windows(select, 0, lookback, lookback, grid, &mut |meta, windows| {
            let mut values = vec![ABSENT; grid.len()];
            for (step, value) in values.iter_mut().enumerate() {
                let at = windows.end(step);
                let (_, samples) = windows.at(step)?;
                let next = samples.partition_point(|sample| sample.t.0 < at);
                *value = match (next.checked_sub(1).and_then(|prev| samples.get(prev)), samples.get(next)) {
                    (_, Some(exact)) if exact.t.0 == at => present(exact.v),
                    (Some(prev), Some(next)) => super::range::interpolate(prev, next, at, false),
                    (Some(prev), None) => present(prev.v),
                    (None, _) => ABSENT,
                };
            }
            sink(Column { meta, values: &mut values })
        })
    }
}

/// Fills a column from a series' samples, reading each once; gives how many times have a sample.
fn fill_last(
    set: &mut dyn SeriesSet,
    grid: &Grid,
    lookback: i64,
    chunk: &mut Vec<Sample>,
    value: impl Fn(&Sample) -> f64 + Copy,
    values: &mut [f64],
) -> Eval<usize> {
    let (mut step, mut last, mut found) = (0, None::<Sample>, 0);
    loop {
        chunk.clear();
        let more = set.next_chunk(chunk)?;
        for sample in chunk.iter() {
            while step < values.len() && grid.time(step) < sample.t.0 {
                found += usize::from(fill_one(values, step, grid, lookback, last.as_ref(), value));
                step += 1;
            }
            last = Some(*sample);
        }
        if !more {
            break;
        }
    }
    for step in step..values.len() {
        found += usize::from(fill_one(values, step, grid, lookback, last.as_ref(), value));
    }
    Ok(found)
}

fn fill_one(
    values: &mut [f64],
    step: usize,
    grid: &Grid,
    lookback: i64,
    last: Option<&Sample>,
    value: impl Fn(&Sample) -> f64 + Copy,
) -> bool {
    let fresh = last.filter(|last| last.t.0 > grid.time(step).saturating_sub(lookback) && !last.is_stale());
    if let (Some(sample), Some(place)) = (fresh, values.get_mut(step)) {
        *place = value(sample);
        return true;
    }
    false
}

/// Milliseconds as a duration; negative ones as none.
pub(super) fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
