//! Test files, read strictly.

use std::collections::HashSet;
use std::time::Duration;

use breakwatch_model::{Labels, Timestamp};
use breakwatch_plugin_api::{Diagnostics, Node, Section};

/// Prometheus' default evaluation interval.
const EVALUATION_INTERVAL: Duration = Duration::from_secs(60);

/// A test file.
#[derive(Debug)]
pub(super) struct TestFile {
    /// Patterns of the rule files under test.
    pub(super) rule_files: Vec<String>,
    /// How often groups are evaluated.
    pub(super) evaluation_interval: Duration,
    /// Groups in the order in which they are evaluated.
    pub(super) group_order: Vec<String>,
    /// Whether a difference in the last bit is none.
    pub(super) fuzzy: bool,
    pub(super) tests: Vec<Test>,
}

/// A test.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) name: String,
    /// How far apart input samples are.
    pub(super) interval: Duration,
    pub(super) start: Timestamp,
    /// Series and values in the notation for series.
    pub(super) input: Vec<(String, String)>,
    pub(super) alerts: Vec<AlertTest>,
    pub(super) expressions: Vec<ExprTest>,
    pub(super) external_labels: Labels,
    pub(super) external_url: String,
}

/// What is expected to fire at a time.
#[derive(Debug)]
pub(super) struct AlertTest {
    pub(super) at: Duration,
    pub(super) alert: String,
    /// Labels (without the alert's name) and annotations.
    pub(super) expected: Vec<(Labels, Labels)>,
}

/// What an expression is expected to give at a time.
#[derive(Debug)]
pub(super) struct ExprTest {
    pub(super) at: Duration,
    pub(super) expr: String,
    /// Series in the notation for series, and values.
    pub(super) expected: Vec<(String, f64)>,
}

fn list<'n>(section: &mut Section<'n>, key: &'static str) -> &'n [Node] {
    let Some(node) = section.get(key) else { return &[] };
    node.as_list().unwrap_or_else(|| {
        let message = format!("expected a list, found {}", node.describe());
        section.diagnostics().error(&node.place, message);
        &[]
    })
}

impl TestFile {
    pub(super) fn read(node: &Node, diagnostics: &Diagnostics) -> Option<Self> {
        let mut section = Section::open(node, diagnostics)?;
        let rule_files = section.strings("rule_files").unwrap_or_default();
        let interval = section.duration_or_zero("evaluation_interval").filter(|interval| !interval.is_zero());
        let evaluation_interval = interval.unwrap_or(EVALUATION_INTERVAL);
        let group_order = section.strings("group_eval_order").unwrap_or_default();
        let mut names = HashSet::new();
        if let Some(name) = group_order.iter().find(|name| !names.insert(name.as_str())) {
            section.error_at("group_eval_order", format!("group name repeated in evaluation order: {name}"));
        }
        let fuzzy = section.bool("fuzzy_compare").unwrap_or(false);
        let read = |node| Test::read(node, evaluation_interval, diagnostics);
        let tests = list(&mut section, "tests").iter().filter_map(read).collect();
        section.finish();
        Some(Self { rule_files, evaluation_interval, group_order, fuzzy, tests })
    }
}

impl Test {
    fn read(node: &Node, evaluation_interval: Duration, diagnostics: &Diagnostics) -> Option<Self> {
        let mut section = Section::open(node, diagnostics)?;
        let interval = section.duration_or_zero("interval").filter(|interval| !interval.is_zero());
        let test = Self {
            name: section.string("name").unwrap_or_default(),
            interval: interval.unwrap_or(evaluation_interval),
            start: section.parse("start_timestamp", start).unwrap_or_default(),
            input: list(&mut section, "input_series").iter().filter_map(|n| input(n, diagnostics)).collect(),
            alerts: list(&mut section, "alert_rule_test")
                .iter()
                .filter_map(|n| alert(n, diagnostics))
                .collect(),
            expressions: list(&mut section, "promql_expr_test")
                .iter()
                .filter_map(|n| expression(n, diagnostics))
                .collect(),
            external_labels: Labels::from_pairs(section.string_map("external_labels").unwrap_or_default()),
            external_url: section.string("external_url").unwrap_or_default(),
        };
        section.finish();
        Some(test)
    }

    /// The last time at which something is expected.
    pub(super) fn end(&self) -> Duration {
        let alerts = self.alerts.iter().map(|test| test.at);
        alerts.chain(self.expressions.iter().map(|test| test.at)).max().unwrap_or_default()
    }
}

/// RFC 3339 or seconds since the epoch.
fn start(text: &str) -> Result<Timestamp, String> {
    let number = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite()).map(Timestamp::from_secs_f64);
    number
        .or_else(|| Timestamp::parse_rfc3339(text))
        .ok_or_else(|| "a time in RFC 3339 or Unix seconds".to_owned())
}

fn input(node: &Node, diagnostics: &Diagnostics) -> Option<(String, String)> {
    let mut section = Section::open(node, diagnostics)?;
    let series = section.string("series").unwrap_or_default();
    let values = section.string("values").unwrap_or_default();
    section.finish();
    Some((series, values))
}

fn alert(node: &Node, diagnostics: &Diagnostics) -> Option<AlertTest> {
    let mut section = Section::open(node, diagnostics)?;
    let at = section.duration_or_zero("eval_time").unwrap_or_default();
    let alert = section.string("alertname").unwrap_or_default();
    if alert.is_empty() {
        section.error_at("alertname", "an alert test needs an alertname");
    }
    let read = |node| {
        let mut section = Section::open(node, diagnostics)?;
        let labels = Labels::from_pairs(section.string_map("exp_labels").unwrap_or_default());
        let annotations = Labels::from_pairs(section.string_map("exp_annotations").unwrap_or_default());
        section.finish();
        Some((labels, annotations))
    };
    let expected = list(&mut section, "exp_alerts").iter().filter_map(read).collect();
    section.finish();
    Some(AlertTest { at, alert, expected })
}

fn expression(node: &Node, diagnostics: &Diagnostics) -> Option<ExprTest> {
    let mut section = Section::open(node, diagnostics)?;
    let at = section.duration_or_zero("eval_time").unwrap_or_default();
    let expr = section.string("expr").unwrap_or_default();
    let read = |node| {
        let mut section = Section::open(node, diagnostics)?;
        let labels = section.string("labels").unwrap_or_default();
        let value = section.parse("value", |text| {
            breakwatch_promql::number::parse_number(text).map_err(|_| "a number".to_owned())
        });
        if let Some(histogram) = section.get("histogram") {
            diagnostics.error(&histogram.place, "native histograms are not supported");
        }
        section.finish();
        Some((labels, value.unwrap_or(0.0)))
    };
    let expected = list(&mut section, "exp_samples").iter().filter_map(read).collect();
    section.finish();
    Some(ExprTest { at, expr, expected })
}
