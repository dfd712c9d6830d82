//! How long evaluation takes: 10,000 rules over one series each, and one rule over 10,000 series, firing and not:
//! `cargo run --release -p breakwatch-alerts --example rules`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement, for people")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use breakwatch_alerts::rules::{Defaults, Environment, Group, RuleFile, SampleSink};
use breakwatch_model::{CancelToken, Labels, Sample, StorageError, SystemClock, Timestamp};
use breakwatch_plugin_api::{Diagnostics, Key, Node, NodeKind, Place};
use breakwatch_promql::testing::MemoryStore;
use breakwatch_promql::{Engine, EngineOptions};

const COUNT: usize = 10_000;

struct Sink<'a>(&'a MemoryStore);

impl SampleSink for Sink<'_> {
    fn write(&self, samples: &[(Labels, Sample)]) -> Result<(), StorageError> {
        samples.iter().for_each(|(labels, sample)| self.0.append(labels, *sample));
        Ok(())
    }
}

fn node(kind: NodeKind) -> Node {
    Node { place: Place::default(), kind, sensitive: false }
}

fn text(text: &str) -> Node {
    node(NodeKind::Scalar { text: text.to_owned(), quoted: true })
}

fn map(entries: Vec<(&str, Node)>) -> Node {
    let key = |name: &str| Key { name: name.into(), place: Place::default() };
    node(NodeKind::Map(entries.into_iter().map(|(name, node)| (key(name), node)).collect()))
}

fn rule(name: &str, expr: &str) -> Node {
    let annotations = map(vec![("summary", text("{{ $labels.instance }} is at {{ $value | humanize }}"))]);
    let labels = map(vec![("severity", text("page"))]);
    map(vec![
        ("alert", text(name)),
        ("expr", text(expr)),
        ("for", text("1m")),
        ("labels", labels),
        ("annotations", annotations),
    ])
}

fn group(rules: Vec<Node>, engine: &Engine) -> Group {
    let group = map(vec![("name", text("g")), ("rules", node(NodeKind::List(rules)))]);
    let root = map(vec![("groups", node(NodeKind::List(vec![group])))]);
    let file = RuleFile::read("rules.yml", &root, engine, &Diagnostics::new()).unwrap();
    Group::new("rules.yml", &file.groups[0], Defaults::default())
}

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn now() -> Instant {
    Instant::now()
}

fn main() {
    let engine = Engine::new(EngineOptions::default());
    let many = || (0..COUNT).map(|i| rule(&format!("A{i}"), &format!("x{{instance=\"host-{i}\"}} > 0")));
    let one = || std::iter::once(rule("A", "x > 0"));
    for (name, rules, value) in [
        ("10,000 rules, none fires", many().collect::<Vec<_>>(), 0.0),
        ("10,000 rules, all fire", many().collect(), 1.0),
        ("one rule over 10,000 series, none fires", one().collect(), 0.0),
        ("one rule over 10,000 series, all fire", one().collect(), 1.0),
    ] {
        let store = MemoryStore::new();
        let group = group(rules, &engine);
        let mut times = String::new();
        for round in 0..8 {
            let at = Timestamp::from_secs(1_700_000_000 + round * 30);
            for i in 0..COUNT {
                let instance = format!("host-{i}");
                let labels = [("__name__", "x"), ("instance", &instance), ("job", "bench")];
                store.append(&Labels::from_pairs(labels), Sample::new(at, value));
            }
            let env = Environment {
                engine: &engine,
                store: &store,
                sink: &Sink(&store),
                cancel: &CancelToken::new(),
                workers: 1,
                clock: &SystemClock,
                external_url: "http://localhost",
                external_labels: &Labels::empty(),
            };
            let begun = now();
            let outcome = group.evaluate(at, &env);
            let taken: Duration = begun.elapsed();
            let _ = write!(times, " {:.0}", taken.as_secs_f64() * 1e3);
            assert!(outcome.failures.is_empty());
        }
        println!("{name}: ms per evaluation{times}");
    }
}
