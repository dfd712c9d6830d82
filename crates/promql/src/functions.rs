//! The functions of the language and their types.

use crate::value_type::ValueType;

/// A function's name and type.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Which function it is.
    pub id: FunctionId,
    /// Its name.
    pub name: &'static str,
    /// The types of its arguments; the last one repeats if the function is variadic.
    pub args: &'static [ValueType],
    /// How many arguments may be left out or added at the end.
    pub variadic: Variadic,
    /// The type of its value.
    pub returns: ValueType,
    /// Whether Prometheus hides it behind a feature flag.
    pub experimental: bool,
}

/// How the number of arguments may vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variadic {
    /// Exactly as listed.
    No,
    /// The last listed argument may occur from zero to this many times.
    UpTo(usize),
    /// The last listed argument may occur any number of times.
    Any,
}

impl Function {
    /// The function of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok().map(|at| &FUNCTIONS[at])
    }

    /// Every function, sorted by name.
    #[must_use]
    pub fn all() -> &'static [Self] {
        FUNCTIONS
    }
}

use ValueType::{Matrix as M, Scalar as S, String as T, Vector as V};
use Variadic::{Any, No, UpTo};

/// Declares the functions: name, arguments, how many more, result, whether experimental.
macro_rules! functions {
    ($($id:ident $name:literal [$($arg:ident),*] $variadic:expr => $returns:ident, $experimental:literal;)*) => {
        /// Which function is meant.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each variant is the function of the same name in the PromQL reference")]
        pub enum FunctionId { $($id,)* }

        /// Sorted by name, for the search in [`Function::find`].
        static FUNCTIONS: &[Function] = &[$(Function {
            id: FunctionId::$id,
            name: $name,
            args: &[$($arg),*],
            variadic: $variadic,
            returns: $returns,
            experimental: $experimental,
        },)*];
    };
}

functions! {
    Abs "abs" [V] No => V, false;
    Absent "absent" [V] No => V, false;
    AbsentOverTime "absent_over_time" [M] No => V, false;
    Acos "acos" [V] No => V, false;
    Acosh "acosh" [V] No => V, false;
    Asin "asin" [V] No => V, false;
    Asinh "asinh" [V] No => V, false;
    Atan "atan" [V] No => V, false;
    Atanh "atanh" [V] No => V, false;
    AvgOverTime "avg_over_time" [M] No => V, false;
    Ceil "ceil" [V] No => V, false;
    Changes "changes" [M] No => V, false;
    Clamp "clamp" [V, S, S] No => V, false;
    ClampMax "clamp_max" [V, S] No => V, false;
    ClampMin "clamp_min" [V, S] No => V, false;
    Cos "cos" [V] No => V, false;
    Cosh "cosh" [V] No => V, false;
    CountOverTime "count_over_time" [M] No => V, false;
    DayOfMonth "day_of_month" [V] UpTo(1) => V, false;
    DayOfWeek "day_of_week" [V] UpTo(1) => V, false;
    DayOfYear "day_of_year" [V] UpTo(1) => V, false;
    DaysInMonth "days_in_month" [V] UpTo(1) => V, false;
    Deg "deg" [V] No => V, false;
    Delta "delta" [M] No => V, false;
    Deriv "deriv" [M] No => V, false;
    DoubleExponentialSmoothing "double_exponential_smoothing" [M, S, S] No => V, true;
    End "end" [] No => S, true;
    Exp "exp" [V] No => V, false;
    FirstOverTime "first_over_time" [M] No => V, true;
    Floor "floor" [V] No => V, false;
    HistogramAvg "histogram_avg" [V] No => V, false;
    HistogramCount "histogram_count" [V] No => V, false;
    HistogramFraction "histogram_fraction" [S, S, V] No => V, false;
    HistogramQuantile "histogram_quantile" [S, V] No => V, false;
    HistogramQuantiles "histogram_quantiles" [V, T, S, S] UpTo(9) => V, true;
    HistogramStddev "histogram_stddev" [V] No => V, false;
    HistogramStdvar "histogram_stdvar" [V] No => V, false;
    HistogramSum "histogram_sum" [V] No => V, false;
    Hour "hour" [V] UpTo(1) => V, false;
    Idelta "idelta" [M] No => V, false;
    Increase "increase" [M] No => V, false;
    Info "info" [V, V] UpTo(1) => V, true;
    Irate "irate" [M] No => V, false;
    LabelJoin "label_join" [V, T, T, T] Any => V, false;
    LabelReplace "label_replace" [V, T, T, T, T] No => V, false;
    LastOverTime "last_over_time" [M] No => V, false;
    Ln "ln" [V] No => V, false;
    Log10 "log10" [V] No => V, false;
    Log2 "log2" [V] No => V, false;
    MadOverTime "mad_over_time" [M] No => V, true;
    MaxOf "max_of" [S, S] No => S, true;
    MaxOverTime "max_over_time" [M] No => V, false;
    MinOf "min_of" [S, S] No => S, true;
    MinOverTime "min_over_time" [M] No => V, false;
    Minute "minute" [V] UpTo(1) => V, false;
    Month "month" [V] UpTo(1) => V, false;
    Pi "pi" [] No => S, false;
    PredictLinear "predict_linear" [M, S] No => V, false;
    PresentOverTime "present_over_time" [M] No => V, false;
    QuantileOverTime "quantile_over_time" [S, M] No => V, false;
    Rad "rad" [V] No => V, false;
    Range "range" [] No => S, true;
    Rate "rate" [M] No => V, false;
    Resets "resets" [M] No => V, false;
    Round "round" [V, S] UpTo(1) => V, false;
    Scalar "scalar" [V] No => S, false;
    Sgn "sgn" [V] No => V, false;
    Sin "sin" [V] No => V, false;
    Sinh "sinh" [V] No => V, false;
    Sort "sort" [V] No => V, false;
    SortByLabel "sort_by_label" [V, T] Any => V, true;
    SortByLabelDesc "sort_by_label_desc" [V, T] Any => V, true;
    SortDesc "sort_desc" [V] No => V, false;
    Sqrt "sqrt" [V] No => V, false;
    Start "start" [] No => S, true;
    StddevOverTime "stddev_over_time" [M] No => V, false;
    StdvarOverTime "stdvar_over_time" [M] No => V, false;
    Step "step" [] No => S, true;
    SumOverTime "sum_over_time" [M] No => V, false;
    Tan "tan" [V] No => V, false;
    Tanh "tanh" [V] No => V, false;
    Time "time" [] No => S, false;
    Timestamp "timestamp" [V] No => V, false;
    TsOfFirstOverTime "ts_of_first_over_time" [M] No => V, true;
    TsOfLastOverTime "ts_of_last_over_time" [M] No => V, true;
    TsOfMaxOverTime "ts_of_max_over_time" [M] No => V, true;
    TsOfMinOverTime "ts_of_min_over_time" [M] No => V, true;
    Vector "vector" [S] No => V, false;
    Year "year" [V] UpTo(1) => V, false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name() {
        for function in Function::all() {
            assert_eq!(Function::find(function.name).map(|f| f.id), Some(function.id), "{}", function.name);
        }
        assert!(Function::find("nope").is_none());
    }
}
