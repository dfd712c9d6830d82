//! Seeded fuzzing of rule files: whatever the text, it is read or refused at a place, and what is read can be evaluated.
//! Starts from the rule files shipped with the daemon and from one that uses every field.
#![allow(clippy::unwrap_used, reason = "tests may be blunt")]

use std::time::Duration;

use breakwatch_alerts::SHIPPED_RULES;
use breakwatch_alerts::rules::{Defaults, Environment, Groups, RuleFile, SampleSink};
use breakwatch_model::{CancelToken, Labels, Sample, StorageError, SystemClock, Timestamp};
use breakwatch_plugin_api::Diagnostics;
use breakwatch_promql::Engine;
use breakwatch_promql::testing::MemoryStore;
use breakwatch_sim::fuzz::{Case, boundary, fuzz, mutated};

const EVERY_FIELD: &str = include_str!("../fuzz/corpus/every_field.yml");

/// What rule files are made of.
const WORDS: [&str; 44] = [
    "groups:",
    "- name:",
    "rules:",
    "- alert:",
    "- record:",
    "expr:",
    "for:",
    "keep_firing_for:",
    "labels:",
    "annotations:",
    "interval:",
    "limit:",
    "query_offset:",
    "  ",
    "\n",
    "\n      ",
    "\t",
    "|",
    ">-",
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "---",
    "...",
    "{",
    "}",
    "[",
    "]",
    "'",
    "\"",
    "# ",
    "null",
    "~",
    "-1",
    "1e99",
    "5m",
    "1h30m",
    "{{ $value }}",
    "{{ range query \"up\" }}",
    "{{ end }}",
    "up == 0",
    "__name__",
    "\u{feff}\u{0}\u{e9}",
];

struct Sink;

impl SampleSink for Sink {
    fn write(&self, _: &[(Labels, Sample)]) -> Result<(), StorageError> {
        Ok(())
    }
}

fn store() -> MemoryStore {
    let store = MemoryStore::new();
    for series in ["up{job=\"a\"} 1 0x5", "up{job=\"b\"} 0x6", "requests_total{job=\"a\"} 0+5x6"] {
        store.load(series, Timestamp(0), Duration::from_secs(60)).unwrap();
    }
    store
}

#[test]
fn any_rule_file_is_refused_or_works() {
    let (engine, store, cancel) = (Engine::default(), store(), CancelToken::new());
    let corpus: Vec<&str> = SHIPPED_RULES.iter().map(|(_, text)| *text).chain([EVERY_FIELD]).collect();
    let none = Labels::empty();
    let env = Environment {
        engine: &engine,
        store: &store,
        sink: &Sink,
        cancel: &cancel,
        workers: 1,
        clock: &SystemClock,
        external_url: "http://x",
        external_labels: &none,
    };
    fuzz("rule files", |random| {
        // The one with every field is small and finds most: it is taken every second time.
        let text = if random.bool() { EVERY_FIELD } else { corpus[random.usize(..corpus.len())] };
        let start = boundary(text, random.usize(..text.len().max(1)));
        let text = if random.u8(..8) == 0 { &text[start..] } else { text };
        let text = mutated(text.to_owned(), &WORDS, random);
        let diagnostics = Diagnostics::new();
        let node = breakwatch_config::load_text("rules.yml", &text, &diagnostics);
        let file = node.and_then(|node| RuleFile::read("rules.yml", &node, &engine, &diagnostics));
        let Some(file) = file else {
            assert!(diagnostics.error_count() > 0, "refused without a word: {text:?}");
            return Case { input: text, valid: false };
        };
        let groups = Groups::new(&[file], Defaults::default());
        for group in &groups {
            for at in [60, 300] {
                let _ = group.evaluate(Timestamp::from_secs(at), &env);
            }
            let _ = group.rules();
        }
        Case { input: text, valid: true }
    });
}
