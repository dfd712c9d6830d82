//! What the evaluator runs: the syntax tree with types told apart, functions resolved, constants folded,
//! selectors numbered, and left spines of operators laid out flat.

mod binary;
mod call;
mod compile;
mod duration;

use breakwatch_model::{Labels, Matcher};

use crate::ast::{AggregateOp, AtModifier, BinaryOp, Extension, VectorMatching};
use crate::functions::FunctionId;
use crate::span::Span;

pub(super) use binary::drops_names;
pub(super) use compile::compile;
pub(super) use compile::is_metadata_label;
pub(super) use duration::{DurationPlan, QueryTimes};

/// A compiled expression of any type.
#[derive(Debug)]
pub(super) enum Plan {
    Scalar(Scalar),
    Vector(Vector),
    Matrix(MatrixSource),
    String(String),
}

/// A number at each evaluation time.
#[derive(Debug)]
pub(super) enum Scalar {
    Const(f64),
    /// `time()`
    Time,
    /// `start()`, `end()`, `range()`, `step()` of the whole query, in seconds.
    Start,
    End,
    Range,
    Step,
    /// `scalar(v)`
    Of(Box<Vector>),
    /// `min_of(a, b)` or `max_of(a, b)`
    Extreme {
        largest: bool,
        of: Box<(Scalar, Scalar)>,
    },
    Negate(Box<Scalar>),
    Chain {
        first: Box<Scalar>,
        links: Vec<(BinaryOp, Scalar)>,
    },
}

/// An instant vector at each evaluation time.
#[derive(Debug)]
pub(super) struct Vector {
    pub(super) kind: VectorKind,
    /// Whether it is the same at all times of a query, so that one evaluation is enough.
    pub(super) invariant: bool,
    /// Whether no two of its series can differ in their metric name alone, so that dropping names cannot
    /// make two series the same.
    pub(super) unique: bool,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) enum VectorKind {
    Select(Select),
    /// `timestamp(selector)`: the times of the samples themselves.
    SampleTimes(Select),
    /// `timestamp(v)` of anything else: the evaluation time.
    EvaluationTimes(Box<Vector>),
    RangeCall(Box<RangeCall>),
    AbsentOverTime {
        source: Box<MatrixSource>,
        labels: Labels,
    },
    Absent {
        input: Box<Vector>,
        labels: Labels,
    },
    Map {
        function: MapFunction,
        args: Vec<Scalar>,
        input: Box<Vector>,
    },
    /// Functions of native histograms: no float sample has a value.
    Nothing(Box<Vector>),
    Chain(Box<Chain>),
    Aggregate(Box<Aggregation>),
    CountValues(Box<CountValues>),
    FromScalar(Scalar),
    /// `year()` and its kin without argument.
    DateNow(FunctionId),
    Sort {
        descending: bool,
        input: Box<Vector>,
    },
    SortByLabel {
        descending: bool,
        labels: Vec<String>,
        input: Box<Vector>,
    },
    LabelReplace(Box<LabelReplace>),
    LabelJoin {
        destination: String,
        separator: String,
        sources: Vec<String>,
        input: Box<Vector>,
    },
    Histogram(Box<HistogramCall>),
    Info(Box<InfoCall>),
}

/// Functions that turn each value into one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MapFunction {
    Negate,
    Function(FunctionId),
}

/// A selector: which series, and when.
#[derive(Debug)]
pub(super) struct Select {
    /// The number of its matchers in [`super::prepared::Prepared`].
    pub(super) slot: usize,
    pub(super) offset: DurationPlan,
    pub(super) at: Option<AtModifier>,
    pub(super) extension: Option<Extension>,
    /// Whether all its series have the same metric name.
    pub(super) fixed_name: bool,
}

/// Where a function over a range gets its samples.
#[derive(Debug)]
pub(super) enum MatrixSource {
    Selector { select: Select, range: DurationPlan },
    Subquery(Box<SubqueryPlan>),
}

#[derive(Debug)]
pub(super) struct SubqueryPlan {
    pub(super) input: Vector,
    pub(super) range: DurationPlan,
    /// `None`: the engine's default.
    pub(super) step: Option<DurationPlan>,
    pub(super) offset: DurationPlan,
    pub(super) at: Option<AtModifier>,
}

/// A function over a range.
#[derive(Debug)]
pub(super) struct RangeCall {
    pub(super) function: FunctionId,
    pub(super) source: MatrixSource,
    pub(super) args: Vec<Scalar>,
    /// Where the first argument stands, for annotations.
    pub(super) span: Span,
}

/// A left spine of operators whose value is a vector.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) first: ChainStart,
    pub(super) links: Vec<Link>,
}

#[derive(Debug)]
pub(super) enum ChainStart {
    Vector(Vector),
    /// `scalar op vector`
    ScalarFirst {
        scalar: Scalar,
        op: BinaryOp,
        vector: Vector,
        return_bool: bool,
    },
}

/// One operator of a chain with its right operand.
#[derive(Debug)]
pub(super) enum Link {
    Scalar { op: BinaryOp, rhs: Scalar, return_bool: bool },
    Vector { op: BinaryOp, rhs: Vector, matching: VectorMatching, return_bool: bool },
}

/// An aggregation.
#[derive(Debug)]
pub(super) struct Aggregation {
    pub(super) op: AggregateOp,
    pub(super) input: Vector,
    pub(super) param: Option<Scalar>,
    pub(super) param_span: Span,
    pub(super) grouping: Grouping,
}

/// The labels that make a group.
#[derive(Debug)]
pub(super) struct Grouping {
    /// Sorted.
    pub(super) labels: Vec<String>,
    pub(super) without: bool,
}

#[derive(Debug)]
pub(super) struct CountValues {
    pub(super) input: Vector,
    pub(super) label: String,
    pub(super) grouping: Grouping,
}

#[derive(Debug)]
pub(super) struct LabelReplace {
    pub(super) input: Vector,
    pub(super) destination: String,
    pub(super) replacement: String,
    pub(super) source: String,
    pub(super) regex: regex::Regex,
}

/// A function over classic histograms.
#[derive(Debug)]
pub(super) struct HistogramCall {
    pub(super) kind: HistogramKind,
    pub(super) input: Vector,
}

#[derive(Debug)]
pub(super) enum HistogramKind {
    /// The quantile and where it stands.
    Quantile(Scalar, Span),
    /// The lower and the upper bound.
    Fraction(Scalar, Scalar),
    /// The label that tells the quantiles apart, and the quantiles.
    Quantiles(String, Vec<(Scalar, Span)>),
}

/// `info(base, data)`
#[derive(Debug)]
pub(super) struct InfoCall {
    pub(super) base: Vector,
    /// What info series must match; `None` for the default info metric.
    pub(super) data: Option<Vec<Matcher>>,
    /// The modifiers around the first selector of the base, from outside in: info series are looked at when the
    /// base's samples were.
    pub(super) modifiers: Vec<(DurationPlan, Option<AtModifier>)>,
}
