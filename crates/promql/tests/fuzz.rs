//! Seeded fuzzing of the parser, the printer and the engine: no text may crash them, take long, or change its
//! meaning by being printed. Starts from the expressions of `fuzz/corpus/expressions.txt`, from generated ones and from
//! pieces thrown together.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may be blunt")]

mod common;

use std::time::Duration;

use breakwatch_model::{CancelToken, Timestamp};
use breakwatch_promql::testing::MemoryStore;
use breakwatch_promql::{Engine, EngineOptions, parse, pretty, to_json};
use breakwatch_sim::fuzz::{Case, fuzz, mutated};
use common::expr::Generator;
use fastrand::Rng;

/// Expressions that use every part of the language once.
const CORPUS: &str = include_str!("../fuzz/corpus/expressions.txt");

/// What expressions are made of, whole and broken.
const PIECES: [&str; 68] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "==",
    "!=",
    ">",
    "<=",
    "=",
    "=~",
    "!~",
    "@",
    "#",
    "\n",
    " ",
    ":",
    "\"a\"",
    "'b'",
    "`c`",
    "\"\\x41\"",
    "\"\\",
    "1",
    "0x1f",
    "1e3",
    "1e",
    ".5",
    "5m",
    "1h30m",
    "5mm",
    "_",
    "NaN",
    "inf",
    "x",
    "a:b",
    "sum",
    "by",
    "without",
    "topk",
    "on",
    "ignoring",
    "group_left",
    "bool",
    "offset",
    "and",
    "or",
    "unless",
    "rate",
    "start()",
    "end()",
    "step()",
    "min_of",
    "anchored",
    "smoothed",
    "fill",
    "fill_left",
    "é",
    "\u{fffd}",
    "\0",
    "{\"x y\"}",
];

fn soup(random: &mut Rng) -> String {
    let length = random.usize(..30);
    (0..length)
        .map(|_| {
            let space = if random.bool() { " " } else { "" };
            format!("{}{space}", PIECES[random.usize(..PIECES.len())])
        })
        .collect()
}

/// A valid expression with a few pieces taken out, doubled or replaced.
fn damaged(random: &mut Rng) -> String {
    let lines: Vec<&str> = CORPUS.lines().collect();
    let text = match random.bool() {
        true => lines[random.usize(..lines.len())].to_owned(),
        false => {
            let depth = random.u32(..4);
            Generator { random, modifiers: true }.expression(depth)
        }
    };
    if random.u8(..4) == 0 { text } else { mutated(text, &PIECES, random) }
}

#[test]
fn every_expression_of_the_corpus_is_valid() {
    for line in CORPUS.lines() {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn any_text_is_parsed_or_refused_with_a_place() {
    fuzz("parser", |random| {
        let text = if random.bool() { soup(random) } else { damaged(random) };
        let parsed = parse(&text);
        if let Err(error) = &parsed {
            let printed = error.to_string();
            assert!(printed.contains(": parse error: "), "{text:?}: {printed}");
            assert!(error.span.start <= text.len(), "{text:?}: {error:?}");
            assert!(!text.is_empty() || error.line == 0);
        }
        Case { valid: parsed.is_ok(), input: text }
    });
}

/// As Prometheus does, an infinity is printed with its sign, and before `^` that sign is read as a plus of the whole
/// power: one plus more, which means nothing. And as there, durations are cut to milliseconds from seconds in a float:
/// a printed one of decades may lose one.
fn comparable(mut text: String) -> String {
    while text.contains("++Inf") {
        text = text.replace("++Inf", "+Inf");
    }
    let parts: Vec<&str> =
        text.split("ms").map(|part| part.trim_end_matches(|c: char| c.is_ascii_digit())).collect();
    parts.concat()
}

#[test]
fn printing_keeps_the_meaning() {
    let print = |text: &str, of: &str| {
        let expr = parse(text).unwrap_or_else(|error| panic!("{of:?} printed as {text:?}: {error}"));
        comparable(expr.to_string())
    };
    fuzz("printer", |random| {
        let text = if random.u8(..4) == 0 { soup(random) } else { damaged(random) };
        let Ok(expr) = parse(&text) else { return Case { input: text, valid: false } };
        let whole = expr.to_string();
        let printed = comparable(whole.clone());
        assert_eq!(print(&whole, &text), printed, "{text:?}");
        let laid_out = pretty(&expr);
        assert_eq!(print(&laid_out, &text), printed, "{text:?} laid out as {laid_out:?}");
        let json: Result<serde_json::Value, _> = serde_json::from_str(&to_json(&expr));
        // Deep trees are right, this reader only does not go that deep.
        let fits = json.as_ref().map_or_else(|error| error.to_string().contains("recursion limit"), |_| true);
        assert!(fits, "{text:?}: {json:?}");
        Case { input: text, valid: true }
    });
}

fn small_data() -> MemoryStore {
    let store = MemoryStore::new();
    for metric in common::expr::METRICS {
        for instance in 0..3 {
            for (job, values) in [
                ("api", "0+1x10 _x5 3 NaN Inf -Inf stale _x3 1+2x20"),
                ("web", "1e300 -1e300 1e308x3 0x4 5-1x10 _ stale 7"),
            ] {
                let le = if metric.ends_with("bucket") { ",le=\"0.5\"" } else { "" };
                let series = format!("{metric}{{job=\"{job}\",instance=\"{instance}\"{le}}} {values}");
                store.load(&series, Timestamp(0), Duration::from_secs(30)).unwrap();
            }
        }
    }
    store
}

#[test]
fn any_query_is_answered_or_refused() {
    let (store, cancel) = (small_data(), CancelToken::new());
    let options = EngineOptions { max_samples: 200_000, ..EngineOptions::default() };
    let delayed = EngineOptions { delayed_name_removal: true, ..options.clone() };
    let engines = [Engine::new(options), Engine::new(delayed)];
    fuzz("engine", |random| {
        let text = if random.u8(..4) == 0 { soup(random) } else { damaged(random) };
        let engine = &engines[random.usize(..2)];
        let Ok(query) = engine.prepare(&text) else { return Case { input: text, valid: false } };
        let at = Timestamp(random.i64(-100_000..2_000_000));
        let _ = engine.instant(&store, &query, at, &cancel);
        let (end, step) = (Timestamp(at.0 + random.i64(0..1_000_000)), random.u64(1..200_000));
        let _ = engine.range(&store, &query, at, end, Duration::from_millis(step), &cancel);
        Case { input: format!("{text} at {} until {} step {step}", at.0, end.0), valid: true }
    });
}
