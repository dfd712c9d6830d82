//! Random expressions that are valid by construction, in the syntax every Prometheus from 2.42 on knows.

use fastrand::Rng;

/// Metrics the random data has.
pub(crate) const METRICS: [&str; 5] =
    ["requests_total", "temperature", "memory_bytes", "latency_seconds_bucket", "up"];

/// Writes expressions of bounded depth. Left out is what turns a difference in the last digit into another
/// answer (rounding, remainders and trigonometry of computed values, resets of computed ones), sub-queries
/// inside sub-queries, whose windows end on their own evaluation times, and what Prometheus 3 answers otherwise
/// than Prometheus 2 (`-(a or b)` over a range, `atan2`, standard deviations of infinities).
pub(crate) struct Generator<'r> {
    pub(crate) random: &'r mut Rng,
    /// Whether `@`, subqueries and negative offsets may occur.
    pub(crate) modifiers: bool,
}

impl Generator<'_> {
    fn pick<'p>(&mut self, from: &[&'p str]) -> &'p str {
        from[self.random.usize(..from.len())]
    }

    fn chance(&mut self, percent: u8) -> bool {
        self.random.u8(..100) < percent
    }

    /// An instant vector, or now and then a scalar.
    pub(crate) fn expression(&mut self, depth: u32) -> String {
        if self.chance(5) { self.scalar(depth) } else { self.vector(depth) }
    }

    fn selector(&mut self) -> String {
        let metric = self.pick(&METRICS);
        let matcher = match self.random.u8(..8) {
            0 => "{job=\"api\"}",
            1 => "{job!=\"api\"}",
            2 => "{job=~\"a.*|web\"}",
            3 => "{instance!~\"1|2\"}",
            4 => "{instance=\"0\", job=\"web\"}",
            5 => "{missing=\"\"}",
            _ => "",
        };
        format!("{metric}{matcher}")
    }

    fn modifiers(&mut self) -> String {
        let mut text = String::new();
        if self.chance(12) {
            let sign = if self.modifiers && self.chance(30) { "-" } else { "" };
            text.push_str(&format!(" offset {sign}{}", self.pick(&["1m", "90s", "7m", "11m"])));
        }
        if self.modifiers && self.chance(8) {
            text.push_str(self.pick(&[" @ 1700001234", " @ start()", " @ end()", " @ 1700002500.5"]));
        }
        text
    }

    fn range(&mut self) -> String {
        if self.modifiers && self.chance(15) {
            let inner = match self.random.u8(..4) {
                0 => format!("max by (job) ({})", self.selector()),
                1 => format!("max_over_time({}[2m])", self.selector()),
                2 => format!("{} > 5", self.selector()),
                _ => format!("{}{}", self.selector(), self.modifiers()),
            };
            let range = self.pick(&["5m", "11m", "3m"]);
            let step = self.pick(&["", "30s", "1m", "100s"]);
            return format!("({inner})[{range}:{step}]{}", self.modifiers());
        }
        let range = self.pick(&["1m", "2m", "5m", "10m", "30m"]);
        format!("{}[{range}]{}", self.selector(), self.modifiers())
    }

    pub(crate) fn scalar(&mut self, depth: u32) -> String {
        match self.random.u8(..8) {
            0 => "time()".to_owned(),
            1 if depth > 0 => format!("scalar({})", self.vector(depth - 1)),
            2 if depth > 0 => {
                let op = self.pick(&["+", "-", "*", "/"]);
                format!("({} {op} {})", self.scalar(depth - 1), self.scalar(depth - 1))
            }
            3 => "-1.5".to_owned(),
            4 => "0".to_owned(),
            _ => self.pick(&["1", "2", "0.5", "100", "1e3", "Inf", "NaN"]).to_owned(),
        }
    }

    pub(crate) fn vector(&mut self, depth: u32) -> String {
        if depth == 0 {
            return format!("{}{}", self.selector(), self.modifiers());
        }
        match self.random.u8(..16) {
            0..=2 => self.over_range(),
            3..=5 => self.aggregation(depth),
            6..=9 => self.operation(depth),
            10..=11 => self.map(depth),
            12 => self.labels(depth),
            13 => format!("-({})", self.over_range()),
            14 => self.special(depth),
            _ => format!("{}{}", self.selector(), self.modifiers()),
        }
    }

    fn over_range(&mut self) -> String {
        let range = self.range();
        match self.random.u8(..12) {
            0 => format!(
                "quantile_over_time({}, {range})",
                self.pick(&["0", "0.25", "0.5", "0.9", "1", "1.5"])
            ),
            // Prometheus 2 moves a range fixed by `@` along with the steps here.
            1 if !range.contains('@') => {
                format!("predict_linear({range}, {})", self.pick(&["60", "-60", "3600"]))
            }
            2 => format!("absent_over_time({range})"),
            _ => {
                let function = self.pick(&[
                    "rate",
                    "rate",
                    "increase",
                    "delta",
                    "irate",
                    "idelta",
                    "deriv",
                    "changes",
                    "resets",
                    "avg_over_time",
                    "sum_over_time",
                    "min_over_time",
                    "max_over_time",
                    "count_over_time",
                    "last_over_time",
                    "present_over_time",
                    "stddev_over_time",
                    "stdvar_over_time",
                ]);
                format!("{function}({range})")
            }
        }
    }

    fn grouping(&mut self) -> &'static str {
        match self.random.u8(..6) {
            0 => " by (job)",
            1 => " by (job, instance)",
            2 => " without (instance)",
            3 => " by (le)",
            4 => " without (job, le)",
            _ => "",
        }
    }

    fn aggregation(&mut self, depth: u32) -> String {
        let (grouping, inner) = (self.grouping(), self.vector(depth - 1));
        match self.random.u8(..8) {
            0 => format!("quantile{grouping}(0.7, {inner})"),
            1 => format!("count_values{grouping}(\"value\", round({}, 100))", self.selector()),
            _ => {
                let op = self.pick(&["sum", "avg", "min", "max", "count", "group"]);
                format!("{op}{grouping}({inner})")
            }
        }
    }

    fn operation(&mut self, depth: u32) -> String {
        let comparison = self.pick(&["==", "!=", ">", "<", ">=", "<="]);
        let arithmetic = self.pick(&["+", "-", "*", "/"]);
        let (left, right) = (self.vector(depth - 1), self.vector(depth - 1));
        match self.random.u8(..10) {
            0 => format!("({left}) {arithmetic} {}", self.scalar(depth - 1)),
            1 => format!("{} {arithmetic} ({left})", self.scalar(depth - 1)),
            2 => format!("({left}) {comparison} {}", self.scalar(depth - 1)),
            3 => format!("({left}) {comparison} bool {}", self.scalar(depth - 1)),
            4 => {
                let op = self.pick(&["and", "or", "unless"]);
                let on = self.pick(&["", " on (job)", " ignoring (le)", " on (instance, job)"]);
                format!("({left}) {op}{on} ({right})")
            }
            5 => format!(
                "({left}) {arithmetic} on (job, instance) group_left sum by (job, instance) ({right})"
            ),
            6 => format!("sum by (job) ({left}) {arithmetic} on (job) group_right (le) ({right})"),
            7 => format!("({left}) {comparison} bool ignoring (le) ({right})"),
            _ => format!("({left}) {arithmetic} ({right})"),
        }
    }

    fn map(&mut self, depth: u32) -> String {
        let (inner, plain) = (self.vector(depth - 1), self.selector());
        match self.random.u8(..8) {
            0 => format!("clamp({inner}, 0, {})", self.pick(&["10", "1000", "-5"])),
            1 => format!("clamp_max({inner}, {})", self.scalar(depth - 1)),
            2 => format!("round({plain}, {})", self.pick(&["0.1", "5", "100"])),
            3 => format!("{plain} % 7"),
            4 => format!("{}({plain}) ^ 2", self.pick(&["sin", "cos", "tan", "exp", "sinh"])),
            5 => {
                let parts =
                    ["day_of_month", "day_of_week", "day_of_year", "hour", "minute", "year", "ceil", "sgn"];
                format!("{}({plain})", self.pick(&parts))
            }
            _ => {
                let function =
                    self.pick(&["abs", "sqrt", "ln", "log2", "log10", "atan", "tanh", "asinh", "deg", "rad"]);
                format!("{function}({inner})")
            }
        }
    }

    fn labels(&mut self, depth: u32) -> String {
        let inner = self.vector(depth - 1);
        match self.random.u8(..3) {
            0 => format!("label_replace({inner}, \"copy\", \"x-$1\", \"job\", \"(a)?.*\")"),
            1 => format!("label_replace({inner}, \"instance\", \"\", \"job\", \"web\")"),
            _ => format!("label_join({inner}, \"joined\", \"-\", \"job\", \"instance\")"),
        }
    }

    fn special(&mut self, depth: u32) -> String {
        match self.random.u8(..6) {
            0 => format!("absent({})", self.vector(depth - 1)),
            1 => format!("timestamp({})", self.vector(depth - 1)),
            2 => format!("vector({})", self.scalar(depth - 1)),
            3 => "histogram_quantile(0.9, rate(latency_seconds_bucket[5m]))".to_owned(),
            4 => "histogram_quantile(0.5, sum by (le, job) (rate(latency_seconds_bucket[10m])))".to_owned(),
            _ => format!("sort_desc({})", self.vector(depth - 1)),
        }
    }
}
