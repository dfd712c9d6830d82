//! What every test of a check needs: settings from JSON, one run, and a look at the record.

pub(crate) mod certs;
pub(crate) mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{CheckFailure, Clock, SystemClock};
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, ComponentId, Diagnostics, Key, Level, Node, NodeKind,
    Place, Recorder,
};
use serde_json::Value;

/// Long enough for a slow machine; a run that is meant to end never waits for it.
pub(crate) const GENEROUS: Duration = Duration::from_secs(60);

/// JSON as the positioned tree a configuration gives. Texts count as written without quotes.
pub(crate) fn node(value: &Value) -> Node {
    node_at(value, "")
}

fn node_at(value: &Value, path: &str) -> Node {
    let scalar = |text: String| NodeKind::Scalar { text, quoted: false };
    let place = |path: &str| Place { file: Arc::from("t.yml"), line: 1, column: 1, path: Arc::from(path) };
    let kind = match value {
        Value::Null => NodeKind::Null,
        Value::String(text) => scalar(text.clone()),
        Value::Array(items) => {
            let item = |(i, item)| node_at(item, &format!("{path}[{i}]"));
            NodeKind::List(items.iter().enumerate().map(item).collect())
        }
        Value::Object(members) => {
            let entry = |(name, value): (&String, &Value)| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let key = Key { name: Arc::from(name.as_str()), place: place(&path) };
                (key, node_at(value, &path))
            };
            NodeKind::Map(members.iter().map(entry).collect())
        }
        other => scalar(other.to_string()),
    };
    Node { place: place(path), kind, sensitive: false }
}

/// What a plugin is built with in tests.
pub(crate) fn context() -> BuildContext {
    BuildContext {
        id: ComponentId::parse("test").unwrap(),
        base_dir: PathBuf::from("/"),
        command_path: ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from).to_vec(),
        timeout: GENEROUS,
    }
}

/// Reads settings; the findings as texts if there were mistakes.
pub(crate) fn build(entry: &CheckEntry, settings: &Value) -> Result<Box<dyn Check>, Vec<String>> {
    let diagnostics = Diagnostics::new();
    let check = (entry.parse)(&node(settings), &context(), &diagnostics);
    let failed = diagnostics.has_errors();
    let findings: Vec<String> = diagnostics.into_sorted().iter().map(ToString::to_string).collect();
    match check {
        Some(check) if !failed => Ok(check),
        _ => Err(findings),
    }
}

/// The findings for settings that must be refused, without the file's position.
pub(crate) fn mistakes(entry: &CheckEntry, settings: &Value) -> Vec<String> {
    let findings = build(entry, settings).err().expect("the settings should be refused");
    findings.iter().map(|finding| finding.trim_start_matches("t.yml:1:1: ").to_owned()).collect()
}

/// One run and its record.
pub(crate) struct Run {
    /// Nothing if the deadline came first.
    pub(crate) result: Option<Result<(), CheckFailure>>,
    pub(crate) rec: Recorder,
}

impl Run {
    /// The failure of a run that ended with one.
    pub(crate) fn failure(&self) -> &CheckFailure {
        match &self.result {
            Some(Err(failure)) => failure,
            other => panic!("expected a failure, found {other:?}: {}", self.rec.evidence),
        }
    }

    /// Asserts that nothing was wrong.
    pub(crate) fn succeeded(&self) -> &Self {
        assert_eq!(self.result, Some(Ok(())), "{}", self.rec.evidence);
        self
    }

    /// The value of a series; labels are given as they print: `{phase="tls"}`, or nothing.
    pub(crate) fn value(&self, name: &str, labels: &str) -> Option<f64> {
        let family = self.rec.families.iter().find(|family| &*family.name == name)?;
        let empty = if labels.is_empty() { "{}" } else { labels };
        family.points.iter().find(|point| point.labels.to_string() == empty).map(|point| point.value)
    }

    /// A fact of the evidence, or nothing.
    pub(crate) fn fact(&self, name: &str) -> Option<&str> {
        self.rec.evidence.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The level of a judged number.
    pub(crate) fn level(&self, name: &str) -> Option<Level> {
        self.rec.judgements.iter().find(|judgement| judgement.name == name).map(|judgement| judgement.level)
    }

    /// Asserts that no text of the record holds any of `secrets`.
    pub(crate) fn hides(&self, secrets: &[&str]) -> &Self {
        let everything = format!("{:?} {:?}", self.result, self.rec);
        for secret in secrets {
            assert!(!everything.contains(secret), "{secret} in {everything}");
        }
        self
    }
}

/// Runs a check to its end.
pub(crate) async fn run(check: &dyn Check) -> Run {
    run_within(check, GENEROUS).await
}

/// Runs a check as the daemon does: dropped at the deadline.
pub(crate) async fn run_within(check: &dyn Check, timeout: Duration) -> Run {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ctx = CheckContext { check: Arc::from("test/x"), timeout, started_at: clock.now(), clock };
    let mut rec = Recorder::default();
    let result = tokio::time::timeout(timeout, check.run(&ctx, &mut rec)).await.ok();
    assert_no_double_series(&rec);
    Run { result, rec }
}

/// Runs a check that does not end by itself, with ever longer deadlines until one falls into `phase`: how long the
/// way to it takes depends on the machine.
pub(crate) async fn run_into(check: &dyn Check, phase: &str) -> Run {
    for millis in [300, 1000, 3000, 10_000, 60_000] {
        let run = run_within(check, Duration::from_millis(millis)).await;
        if run.fact("stopped in phase") == Some(phase) {
            return run;
        }
        assert_eq!(run.result, None, "it should not have ended: {}", run.rec.evidence);
    }
    panic!("the phase {phase} was never reached");
}

/// Builds and runs in one go.
pub(crate) async fn run_with(entry: &CheckEntry, settings: &Value) -> Run {
    let check = build(entry, settings).unwrap_or_else(|findings| panic!("{findings:?}"));
    run(&*check).await
}

/// The rules of promtool's linter that names and help texts can break.
fn lint(family: &breakwatch_model::MetricFamily) {
    use breakwatch_model::{MetricKind, is_valid_metric_name};
    let name = &*family.name;
    // node_exporter takes the words of /proc/meminfo as they are.
    let snake_case = name == name.to_lowercase() || name.starts_with("node_memory_");
    assert!(is_valid_metric_name(name) && snake_case && !name.contains(':'), "{name}");
    assert!(family.meta.help.ends_with('.'), "{name}: {}", family.meta.help);
    assert_eq!(name.ends_with("_total"), family.meta.kind == MetricKind::Counter, "{name}");
    for word in ["gauge", "counter", "summary", "histogram", "_ms", "milliseconds", "percent"] {
        assert!(!name.contains(word), "{name}: {word}");
    }
    for reserved in ["_count", "_sum", "_bucket"] {
        assert!(!name.ends_with(reserved), "{name}: {reserved}");
    }
}

fn assert_no_double_series(rec: &Recorder) {
    let mut seen = std::collections::HashSet::new();
    for family in &rec.families {
        lint(family);
        for point in &family.points {
            let series = family.series_labels(point).to_string();
            assert!(seen.insert(series.clone()), "{series} is there twice");
        }
    }
}
