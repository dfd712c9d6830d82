//! Functions over ranges: one kernel per function, run over the windows of each series.

mod extended;
mod extremes;
mod over_time;
mod rate;
mod trend;

use breakwatch_model::Sample;

use super::column::{ABSENT, Column, Grid, is_absent, present};
use super::window::Windows;
use super::{Eval, Evaluator, Sink};
use crate::ast::Extension;
use crate::engine::error::QueryError;
use crate::engine::plan::{MatrixSource, RangeCall};
use crate::functions::FunctionId as F;
use crate::span::Span;

pub(super) use extended::interpolate;

/// A window with what functions need to know of it.
pub(super) struct Window<'w> {
    /// Its samples; at least one.
    samples: &'w [Sample],
    /// The number of the first sample within its series: windows that overlap can go on where they were.
    first: usize,
    /// Where the window ends.
    end: i64,
    /// How long it is.
    range: i64,
    /// The evaluation time, which `offset` and `@` do not move.
    time: i64,
    /// The number of the evaluation time.
    step: usize,
}

/// Computes one value per window; [`ABSENT`] for none.
trait Kernel {
    /// Forgets the last series.
    fn restart(&mut self) {}

    /// The value of a window that is not empty. Windows of a series come in order of time.
    fn value(&mut self, window: &Window<'_>) -> Eval<f64>;
}

/// A kernel that keeps nothing between windows.
struct Stateless<K>(K);

impl<K: Fn(&Window<'_>) -> f64> Kernel for Stateless<K> {
    fn value(&mut self, window: &Window<'_>) -> Eval<f64> {
        Ok((self.0)(window))
    }
}

impl Evaluator<'_> {
    pub(super) fn range_call(
        &self,
        call: &RangeCall,
        unique: bool,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        let extension = extension(&call.source);
        check_extension(call.function, extension)?;
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            args.push(self.scalar(arg, grid)?);
        }
        let keeps_name = matches!(call.function, F::LastOverTime | F::FirstOverTime);
        let source_unique = match &call.source {
            MatrixSource::Selector { select, .. } => select.fixed_name,
            MatrixSource::Subquery(subquery) => subquery.input.unique,
        };
        self.checking_unique(keeps_name || (unique && source_unique), sink, &mut |sink| {
            self.dispatch(call, extension, &args, grid, sink)
        })
    }

    /// Picks the kernel once; the loops over windows are compiled per kernel.
    fn dispatch(
        &self,
        call: &RangeCall,
        extension: Option<Extension>,
        args: &[Vec<f64>],
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        let arg = |number: usize| args.get(number).map(Vec::as_slice).unwrap_or_default();
        if let Some(extension) = extension {
            return self.extended(call, extension, grid, sink);
        }
        let zero_first = self.options.prometheus2_extrapolation;
        match call.function {
            F::Rate => self.run(call, grid, rate::Rate::new(true, true, zero_first), sink),
            F::Increase => self.run(call, grid, rate::Rate::new(true, false, zero_first), sink),
            F::Delta => self.run(call, grid, rate::Rate::new(false, false, zero_first), sink),
            F::Irate => self.run(call, grid, Stateless(|w: &Window<'_>| rate::instant_value(w, true)), sink),
            F::Idelta => {
                self.run(call, grid, Stateless(|w: &Window<'_>| rate::instant_value(w, false)), sink)
            }
            F::Changes => self.run(call, grid, Stateless(rate::changes), sink),
            F::Resets => self.run(call, grid, Stateless(rate::resets), sink),
            F::AvgOverTime => self.run(call, grid, Stateless(over_time::avg), sink),
            F::SumOverTime => self.run(call, grid, Stateless(over_time::sum), sink),
            F::CountOverTime => self.run(call, grid, Stateless(over_time::count), sink),
            F::PresentOverTime | F::AbsentOverTime => {
                self.run(call, grid, Stateless(|_: &Window<'_>| 1.0), sink)
            }
            F::FirstOverTime => self.run(call, grid, Stateless(over_time::first), sink),
            F::LastOverTime => self.run(call, grid, Stateless(over_time::last), sink),
            F::TsOfFirstOverTime => self.run(call, grid, Stateless(over_time::time_of_first), sink),
            F::TsOfLastOverTime => self.run(call, grid, Stateless(over_time::time_of_last), sink),
            F::MinOverTime => self.run(call, grid, extremes::Extreme::new(false), sink),
            F::MaxOverTime => self.run(call, grid, extremes::Extreme::new(true), sink),
            F::TsOfMinOverTime => {
                self.run(call, grid, Stateless(|w: &Window<'_>| extremes::time_of_extreme(w, false)), sink)
            }
            F::TsOfMaxOverTime => {
                self.run(call, grid, Stateless(|w: &Window<'_>| extremes::time_of_extreme(w, true)), sink)
            }
            F::StddevOverTime => {
                self.run(call, grid, Stateless(|w: &Window<'_>| over_time::variance(w).sqrt()), sink)
            }
            F::StdvarOverTime => self.run(call, grid, Stateless(over_time::variance), sink),
            F::QuantileOverTime => {
                self.run(call, grid, over_time::Quantile::new(self, arg(0), call.span), sink)
            }
            F::MadOverTime => self.run(call, grid, over_time::Mad::default(), sink),
            F::Deriv => self.run(call, grid, Stateless(trend::deriv), sink),
            F::PredictLinear => {
                let ahead = arg(0);
                self.run(call, grid, Stateless(|w: &Window<'_>| trend::predict_linear(w, ahead)), sink)
            }
            F::DoubleExponentialSmoothing => {
                self.run(call, grid, trend::Smoothing::new(arg(0), arg(1)), sink)
            }
            other => Err(QueryError::Unsupported(format!("function {other:?} over ranges"))),
        }
    }

    /// Runs a kernel over every window of every series.
    fn run(&self, call: &RangeCall, grid: &Grid, mut kernel: impl Kernel, sink: &mut Sink<'_>) -> Eval<()> {
        let keeps_name = matches!(call.function, F::LastOverTime | F::FirstOverTime);
        let counter = matches!(call.function, F::Rate | F::Increase);
        let mut values = vec![ABSENT; grid.len()];
        self.windows(&call.source, grid, &mut |meta, windows| {
            kernel.restart();
            if !self.fill(&mut kernel, windows, grid, &mut values)? {
                return Ok(());
            }
            if counter {
                self.check_counter_name(meta.value(breakwatch_model::METRIC_NAME), call.span);
            }
            let meta = if keeps_name { meta } else { meta.dropped() };
            sink(Column { meta, values: &mut values })
        })
    }

    /// Fills a column; `false` if no window has a value.
    fn fill(
        &self,
        kernel: &mut impl Kernel,
        windows: &mut Windows<'_>,
        grid: &Grid,
        values: &mut [f64],
    ) -> Eval<bool> {
        /// Windows at least this long are worth asking whether to go on.
        const LONG: usize = 4096;
        let mut any = false;
        for (step, value) in values.iter_mut().enumerate() {
            let (end, range) = (windows.end(step), windows.range());
            let (first, samples) = windows.at(step)?;
            *value = ABSENT;
            if samples.is_empty() {
                continue;
            }
            if samples.len() >= LONG {
                self.check()?;
            }
            let window = Window { samples, first, end, range, time: grid.time(step), step };
            let computed = kernel.value(&window)?;
            any |= !is_absent(computed);
            *value = computed;
        }
        Ok(any)
    }

    /// Rates of what is not a counter are a common mistake.
    fn check_counter_name(&self, name: &str, span: Span) {
        const COUNTER_SUFFIXES: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];
        if !name.is_empty() && !COUNTER_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
            let name = crate::quote::quote(name);
            self.inform(
                format!(
                    "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name}"
                ),
                span,
            );
        }
    }
}

/// A value computed from samples, which may be any NaN.
fn computed(value: f64) -> f64 {
    present(value)
}

fn extension(source: &MatrixSource) -> Option<Extension> {
    match source {
        MatrixSource::Selector { select, .. } => select.extension,
        MatrixSource::Subquery(_) => None,
    }
}

/// Only some functions can work with samples from outside their window.
fn check_extension(function: F, extension: Option<Extension>) -> Eval<()> {
    let (word, allowed, names): (_, &[F], _) = match extension {
        None => return Ok(()),
        Some(Extension::Anchored) => (
            "anchored",
            &[F::Changes, F::Delta, F::Increase, F::Rate, F::Resets],
            "changes, delta, increase, rate, resets",
        ),
        Some(Extension::Smoothed) => ("smoothed", &[F::Delta, F::Increase, F::Rate], "delta, increase, rate"),
    };
    if allowed.contains(&function) {
        return Ok(());
    }
    let name = crate::functions::Function::all()
        .iter()
        .find(|candidate| candidate.id == function)
        .map_or("", |candidate| candidate.name);
    Err(QueryError::execution(format!("{word} modifier can only be used with: {names} - not with {name}")))
}
