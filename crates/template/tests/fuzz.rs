//! Random and damaged templates: whatever they are, no crash, no run over a second, no more than 256 MiB.
//!
//! `BREAKWATCH_FUZZ_SECONDS` (default 5) is how long it looks, `BREAKWATCH_FUZZ_SEED` where it starts; a failure prints
//! the seed of the very template.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may be blunt")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Alert, Clock, Labels, SystemClock, Timestamp};
use breakwatch_template::{Context, Escaping, Functions, Notice, QuerySample, Value, default_templates};
use fastrand::Rng;

/// Pieces that mean something, so that mutations reach further than the lexer.
const WORDS: [&str; 70] = [
    "{{",
    "}}",
    "{{- ",
    " -}}",
    "{{/*",
    "*/}}",
    "(",
    ")",
    "|",
    ":=",
    "=",
    ",",
    "$",
    "$x",
    "$x := ",
    ".",
    ".Alerts",
    ".CommonLabels",
    ".Alerts.Firing",
    ".Labels",
    ".SortedPairs",
    ".StartsAt",
    ".Format \"2006\"",
    "nil",
    "true",
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "1e300",
    "0.1",
    "\"\"",
    "\"a\"",
    "`b`",
    "'c'",
    "if ",
    "else",
    "else if ",
    "end",
    "range ",
    "with ",
    "define \"d\"",
    "template \"d\" ",
    "template \"__subject\" ",
    "block \"d\" ",
    "break",
    "continue",
    "printf ",
    "\"%*[1]d%999999s%v%x\"",
    "\"%.*f%#o%+q% x%c%U\" ",
    "humanizeDuration ",
    "toDuration ",
    "(.Alerts | len) ",
    ".AddDate ",
    "print ",
    "index ",
    "slice ",
    "len ",
    "eq ",
    "lt ",
    "and ",
    "or ",
    "not ",
    "call ",
    "html ",
    "js ",
    "urlquery ",
    "<a href=\"",
    "<style>",
    "é\u{0}",
];

const SEEDS: [&str; 8] = [
    include_str!("../templates/default.tmpl"),
    include_str!("../templates/email.tmpl"),
    include_str!("../templates/breakwatch.tmpl"),
    "{{ range $i, $a := .Alerts }}{{ if $i }}, {{ end }}{{ $a.Labels.job | title | printf \"%-10q\" }}{{ else }}none{{ end }}",
    "{{ $x := list }}{{ range 1000 }}{{ $x = append $x (dict \"a\" $x \"b\" .) }}{{ end }}{{ toJson $x }}{{ printf \"%#v\" $x }}",
    "{{ reReplaceAll \"(a*)*([[:alpha:]]{1,9})\" \"${1}$2\" .Receiver }}{{ match \"^(?:x|y)+$\" .Receiver }}",
    "{{ mustToDate \"2006-01-02T15:04:05Z07:00\" \"2024-02-29T12:00:00Z\" | tz \"Europe/Paris\" | date \"Mon Jan _2 .000 MST\" }}",
    "<p title='{{ .Receiver }}' style=\"color: {{ .Status }}\"><a href={{ .ExternalURL }}?q={{ .Receiver | urlquery }}>{{ . }}</a>",
];

fn data() -> Value {
    let labels =
        Labels::from_pairs([("alertname", "Down <b>"), ("job", "api\u{0}é"), ("severity", "critical")]);
    let alert = |ends_at| Alert {
        labels: labels.clone(),
        annotations: Labels::from_pairs([("summary", "x".repeat(2000))]),
        starts_at: Timestamp(1_700_000_000_000),
        ends_at,
        updated_at: Timestamp(0),
        generator_url: "javascript:x".to_owned(),
    };
    let alerts = [alert(None), alert(Some(Timestamp(1_700_000_100_000)))];
    Notice {
        receiver: "ops (a)",
        alerts: &alerts,
        group_labels: &labels,
        route_labels: &labels,
        reason: "",
        external_url: "http://x",
    }
    .to_value(Timestamp(1_800_000_000_000))
}

/// A seed's text with a few pieces put in, taken out, doubled or replaced.
fn mutated(rng: &mut Rng) -> String {
    let mut text = SEEDS[rng.usize(..SEEDS.len())].to_owned();
    if rng.u8(..3) == 0 {
        let start = boundary(&text, rng.usize(..text.len()));
        text = text[start..].to_owned();
    }
    text.truncate(boundary(&text, 4000));
    for _ in 0..rng.u8(1..6) {
        let at = boundary(&text, rng.usize(..=text.len()));
        let end = boundary(&text, (at + rng.usize(..20)).min(text.len()));
        match rng.u8(..5) {
            0 => text.insert_str(at, WORDS[rng.usize(..WORDS.len())]),
            1 => text.insert_str(at, &format!("{{{{{}}}}}", words(rng))),
            2 => text.replace_range(at..end, ""),
            3 => text.replace_range(at..end, WORDS[rng.usize(..WORDS.len())]),
            _ => {
                let piece = text[at..end].repeat(rng.usize(..200));
                text.insert_str(at, &piece);
            }
        }
    }
    text
}

fn words(rng: &mut Rng) -> String {
    (0..rng.u8(1..6)).map(|_| WORDS[rng.usize(..WORDS.len())]).collect::<Vec<_>>().join(" ")
}

fn boundary(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// What this thread has worked so far: unlike the clock, it does not count what others do to the machine.
fn worked() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// The most memory the process has held, in KiB.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn no_template_harms_the_daemon() {
    // Functions of notifications and of rules in one, so that one run reaches all.
    let functions = Functions::alertmanager().merged(&Functions::prometheus()).with_tmpl();
    let set = default_templates().unwrap().with_functions(Arc::new(functions));
    let data = data();
    let query = |text: &str| {
        let labels = Labels::from_pairs([("__name__", text)]);
        Ok((0..100).map(|i| QuerySample { labels: labels.clone(), value: f64::from(i) }).collect())
    };
    let context = Context { query: Some(&query), ..Context::at(Timestamp(1_800_000_000_000)) };
    let until = SystemClock.monotonic() + Duration::from_secs(number("BREAKWATCH_FUZZ_SECONDS", 5));
    let mut seed = number("BREAKWATCH_FUZZ_SEED", 1);
    let (mut tried, mut parsed, mut rendered, mut slowest) = (0, 0, 0, Duration::ZERO);
    while SystemClock.monotonic() < until {
        let text = mutated(&mut Rng::with_seed(seed));
        let before = worked();
        tried += 1;
        let run = AssertUnwindSafe(|| {
            let template = set.parse("fuzz", &text).ok()?;
            let render = |escaping| set.render_template(&template, &data, escaping, &context).is_ok();
            Some(u32::from(render(Escaping::None)) + u32::from(render(Escaping::Html)))
        });
        match catch_unwind(run) {
            Ok(Some(count)) => {
                parsed += 1;
                rendered += count;
            }
            Ok(None) => {}
            Err(_) => panic!("a panic for seed {seed}: {text}"),
        }
        if let (Some(before), Some(after)) = (before, worked()) {
            let took = after.saturating_sub(before);
            slowest = slowest.max(took);
            assert!(took < Duration::from_secs(1), "{took:?} for seed {seed}: {text}");
        }
        seed += 1;
    }
    println!("{tried} templates, {parsed} parsed, {rendered} runs rendered, the slowest took {slowest:?}");
    assert!(parsed > 0 && rendered > 0);
    if let Some(peak) = peak_memory() {
        println!("peak memory {} MiB", peak / 1024);
        assert!(peak < 256 * 1024, "{peak} KiB");
    }
}
