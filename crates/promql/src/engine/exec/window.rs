//! Sliding windows over one series: samples come in as the window's end passes them and go when its start
//! does, so each is read once and only a window's worth is held.

use breakwatch_model::{Sample, SelectHints, SeriesSet, TimeRange, Timestamp};

use super::column::Grid;
use super::meta::Meta;
use super::select::millis;
use super::{Eval, Evaluator};
use crate::ast::Extension;
use crate::engine::error::QueryError;
use crate::engine::plan::{MatrixSource, Select};

/// Takes the windows of one series after the other.
pub(super) type WindowSink<'s> = dyn FnMut(Meta<'_>, &mut Windows<'_>) -> Eval<()> + 's;

/// Where windows lie: at step `i` they cover `(end(i) - range - before, end(i) + after]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// The end of the window of the first step.
    pub(super) start: i64,
    /// How far the end moves per step; zero with `@`.
    pub(super) step: i64,
    pub(super) len: usize,
    pub(super) range: i64,
    pub(super) before: i64,
    pub(super) after: i64,
}

impl Frame {
    /// The end of a step's window.
    pub(super) const fn end(&self, step: usize) -> i64 {
        self.start.saturating_add(self.step.saturating_mul(step as i64))
    }

    /// The times the windows read, both included.
    pub(super) const fn span(&self) -> TimeRange {
        let first = self.end(0).saturating_sub(self.range).saturating_sub(self.before).saturating_add(1);
        let last = self.end(self.len.saturating_sub(1)).saturating_add(self.after);
        TimeRange::new(Timestamp(first), Timestamp(last))
    }
}

/// The windows of one series.
pub(super) struct Windows<'w> {
    frame: Frame,
    source: Option<&'w mut dyn SeriesSet>,
    samples: Vec<Sample>,
    /// The window is `samples[head..tail]`.
    head: usize,
    tail: usize,
    /// How many samples of the series have left `samples`.
    gone: usize,
    most: usize,
    /// How many samples the windows had so far, those of overlaps counted each time.
    given: usize,
}

impl<'w> Windows<'w> {
    /// Windows over samples that are all there.
    pub(super) const fn over(frame: Frame, samples: Vec<Sample>) -> Self {
        Self { frame, source: None, samples, head: 0, tail: 0, gone: 0, most: usize::MAX, given: 0 }
    }

    fn reading(frame: Frame, source: &'w mut dyn SeriesSet, mut buffer: Vec<Sample>, most: usize) -> Self {
        buffer.clear();
        Self { frame, source: Some(source), samples: buffer, head: 0, tail: 0, gone: 0, most, given: 0 }
    }

    /// The end of a step's window.
    pub(super) const fn end(&self, step: usize) -> i64 {
        self.frame.end(step)
    }

    /// The length of a window, without what extends it.
    pub(super) const fn range(&self) -> i64 {
        self.frame.range
    }

    /// A step's window: the number of its first sample within the series, its samples. Steps must not go back.
    pub(super) fn at(&mut self, step: usize) -> Eval<(usize, &[Sample])> {
        let end = self.frame.end(step);
        let from = end.saturating_sub(self.frame.range).saturating_sub(self.frame.before);
        let to = end.saturating_add(self.frame.after);
        if self.source.is_some() {
            self.read_until(to)?;
        }
        // The next samples are near the last ones, so looking one by one finds them fastest.
        while self.samples.get(self.head).is_some_and(|sample| sample.t.0 <= from) {
            self.head += 1;
        }
        self.tail = self.tail.max(self.head);
        while self.samples.get(self.tail).is_some_and(|sample| sample.t.0 <= to) {
            self.tail += 1;
        }
        self.given += self.tail - self.head;
        Ok((self.gone + self.head, self.samples.get(self.head..self.tail).unwrap_or_default()))
    }

    fn read_until(&mut self, to: i64) -> Eval<()> {
        /// Samples to let go of at once: moving the rest costs more than it frees otherwise.
        const BATCH: usize = 1024;
        while let Some(source) = &mut self.source {
            if self.samples.last().is_some_and(|last| last.t.0 > to) {
                return Ok(());
            }
            if self.head >= BATCH && self.head * 2 >= self.samples.len() {
                self.samples.drain(..self.head);
                self.gone += self.head;
                self.tail -= self.head;
                self.head = 0;
            }
            let known = self.samples.len();
            let more = source.next_chunk(&mut self.samples)?;
            drop_stale(&mut self.samples, known);
            if self.samples.len() > self.most {
                return Err(QueryError::too_many_samples());
            }
            if !more {
                self.source = None;
            }
        }
        Ok(())
    }
}

/// Takes staleness markers out of what was read after `known`.
fn drop_stale(samples: &mut Vec<Sample>, known: usize) {
    let stale = samples.iter().skip(known).any(Sample::is_stale);
    if stale {
        let mut index = 0;
        samples.retain(|sample| {
            index += 1;
            index <= known || !sample.is_stale()
        });
    }
}

impl Evaluator<'_> {
    /// The windows of each series of a range.
    pub(super) fn windows(&self, source: &MatrixSource, grid: &Grid, sink: &mut WindowSink<'_>) -> Eval<()> {
        match source {
            MatrixSource::Subquery(subquery) => self.subquery(subquery, grid, sink),
            MatrixSource::Selector { select, range } => {
                let (range, lookback) = (range.positive(self.times)?, self.lookback());
                let (before, after) = match select.extension {
                    None => (0, 0),
                    Some(Extension::Anchored) => (lookback, 0),
                    Some(Extension::Smoothed) => (lookback, lookback),
                };
                self.selector_windows(select, range, before, after, grid, sink)
            }
        }
    }

    pub(super) fn selector_windows(
        &self,
        select: &Select,
        range: i64,
        before: i64,
        after: i64,
        grid: &Grid,
        sink: &mut WindowSink<'_>,
    ) -> Eval<()> {
        let selector = self.series(select.slot)?;
        if selector.series.is_empty() {
            return Ok(());
        }
        let offset = select.offset.millis(self.times)?;
        let fixed = self.fixed_time(select.at);
        let start = fixed.unwrap_or(grid.start()).saturating_sub(offset);
        let step = if fixed.is_some() { 0 } else { grid.step() };
        let frame = Frame { start, step, len: grid.len(), range, before, after };
        let hints = SelectHints { step: millis(grid.step()), window: millis(range), rollups: false };
        let mut set = self.store.select(&selector, frame.span(), &hints, self.cancel)?;
        let most = self.options.max_samples.saturating_sub(self.held.get());
        let mut buffer = Vec::new();
        while let Some(index) = set.next_series()? {
            self.check()?;
            let Some(entry) = selector.series.get(index) else { continue };
            let mut windows = Windows::reading(frame, set.as_mut(), std::mem::take(&mut buffer), most);
            sink(self.meta(&entry.labels, false), &mut windows)?;
            self.look_at(windows.given);
            buffer = windows.samples;
        }
        Ok(())
    }
}
