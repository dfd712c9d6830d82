//! Seeded fuzzing of the parser, the printer and the engine: no text may crash them, take long, or change its
//! meaning by being printed.
//!
//! Each target runs for `BREAKWATCH_FUZZ_SECONDS` (5) from seed `BREAKWATCH_SEED` (1); a failure names the text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests may be blunt")]
#![expect(clippy::disallowed_methods, reason = "a fuzz target runs for a time")]

mod common;

use std::time::{Duration, Instant};

use breakwatch_model::{CancelToken, Timestamp};
use breakwatch_promql::testing::MemoryStore;
use breakwatch_promql::{Engine, EngineOptions, parse, pretty, to_json};
use common::expr::Generator;
use fastrand::Rng;

/// No text may take longer than this; a debug build on a busy machine gets more time.
const SLOW: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });

/// No text may need more memory than this, in KiB; all targets together stay below it, so each text does.
const MUCH_MEMORY: u64 = 256 * 1024;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Calls `run` with a fresh seed each time until the time is up.
fn fuzz(what: &str, mut run: impl FnMut(&mut Rng)) {
    let (start, seed) = (Instant::now(), number("BREAKWATCH_SEED", 1));
    let time = Duration::from_secs(number("BREAKWATCH_FUZZ_SECONDS", 5));
    let mut cases = 0;
    while start.elapsed() < time {
        run(&mut Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(cases)));
        cases += 1;
    }
    println!("{what}: {cases} cases");
    if let Some(most) = most_memory() {
        assert!(most < MUCH_MEMORY, "{what}: {most} KiB");
    }
}

/// The most memory this process has had at once, in KiB, where the system tells.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

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
fn mutated(random: &mut Rng) -> String {
    let depth = random.u32(..4);
    let text = Generator { random, modifiers: true }.expression(depth);
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..random.usize(..3) {
        let at = random.usize(..=chars.len());
        let end = (at + random.usize(..6)).min(chars.len());
        match random.u8(..3) {
            0 => drop(chars.drain(at..end)),
            1 => {
                let copy: Vec<char> = chars[at..end].to_vec();
                let to = random.usize(..=chars.len());
                chars.splice(to..to, copy);
            }
            _ => drop(chars.splice(at..end, PIECES[random.usize(..PIECES.len())].chars())),
        }
    }
    chars.into_iter().collect()
}

#[test]
fn any_text_is_parsed_or_refused_with_a_place() {
    fuzz("parser", |random| {
        let text = if random.bool() { soup(random) } else { mutated(random) };
        let start = Instant::now();
        if let Err(error) = parse(&text) {
            let printed = error.to_string();
            assert!(printed.contains(": parse error: "), "{text:?}: {printed}");
            assert!(error.span.start <= text.len(), "{text:?}: {error:?}");
            assert!(!text.is_empty() || error.line == 0);
        }
        assert!(start.elapsed() < SLOW, "slow: {text:?}");
    });
}

#[test]
fn printing_keeps_the_meaning() {
    fuzz("printer", |random| {
        let text = if random.u8(..4) == 0 { soup(random) } else { mutated(random) };
        let Ok(expr) = parse(&text) else { return };
        let printed = expr.to_string();
        let again =
            parse(&printed).unwrap_or_else(|error| panic!("{text:?} printed as {printed:?}: {error}"));
        assert_eq!(again.to_string(), printed, "{text:?}");
        let laid_out = pretty(&expr);
        let again =
            parse(&laid_out).unwrap_or_else(|error| panic!("{text:?} laid out as {laid_out:?}: {error}"));
        assert_eq!(again.to_string(), printed, "{text:?} laid out as {laid_out:?}");
        let json: Result<serde_json::Value, _> = serde_json::from_str(&to_json(&expr));
        assert!(json.is_ok(), "{text:?}: {json:?}");
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
        let text = if random.u8(..4) == 0 { soup(random) } else { mutated(random) };
        let engine = &engines[random.usize(..2)];
        let Ok(query) = engine.prepare(&text) else { return };
        let start = Instant::now();
        let at = Timestamp(random.i64(-100_000..2_000_000));
        let _ = engine.instant(&store, &query, at, &cancel);
        let (end, step) = (Timestamp(at.0 + random.i64(0..1_000_000)), random.u64(1..200_000));
        let _ = engine.range(&store, &query, at, end, Duration::from_millis(step), &cancel);
        assert!(start.elapsed() < SLOW, "slow: {text:?} at {} until {} step {step}", at.0, end.0);
    });
}
