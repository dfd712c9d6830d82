//! Random queries over random data, answered by this engine and by a real Prometheus.
//!
//! The data's times never fall on the edge of a window, so that it does not matter on which side a Prometheus
//! closes its windows. `BREAKWATCH_DIFFERENTIAL_CASES` says how many queries (300), `BREAKWATCH_SEED` where to
//! start.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests may be blunt")]

mod common;

use std::time::Duration;

use breakwatch_model::{CancelToken, Labels, Sample, Timestamp, stale_nan};
use breakwatch_promql::testing::MemoryStore;
use breakwatch_promql::{Engine, EngineOptions, QueryError, Value};
use breakwatch_sim::remote_write::Series;
use breakwatch_sim::servers::Prometheus;
use common::expr::Generator;
use fastrand::Rng;

const START: i64 = 1_700_000_000_137;
const STEP: i64 = 10_000;
const SAMPLES: i64 = 360;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Series of different habits: counters with resets, gauges, gaps, ends, odd values, histograms.
fn data(random: &mut Rng) -> Vec<(Labels, Vec<Sample>)> {
    let mut series = Vec::new();
    for job in ["api", "web", "db"] {
        for instance in 0..3 {
            let labels = |name: &str| {
                Labels::from_pairs([("__name__", name), ("job", job), ("instance", &instance.to_string())])
            };
            series.push((labels("requests_total"), counter(random, 20.0)));
            series.push((labels("temperature"), gauge(random, false)));
            series.push((labels("memory_bytes"), gauge(random, true)));
            series.push((labels("up"), walk(random, |random, _| f64::from(u8::from(random.u8(..10) > 1)))));
            let mut buckets = vec![counter(random, 5.0)];
            for _ in 0..3 {
                let more = counter(random, 5.0);
                let below = buckets.last().unwrap().clone();
                let sum = below.iter().zip(&more).map(|(a, b)| Sample::new(a.t, a.v + b.v));
                buckets.push(sum.collect());
            }
            for (le, samples) in ["0.1", "0.5", "2.5", "+Inf"].iter().zip(buckets) {
                series.push((labels("latency_seconds_bucket").with("le", *le), samples));
            }
        }
    }
    series
}

fn walk(random: &mut Rng, mut next: impl FnMut(&mut Rng, f64) -> f64) -> Vec<Sample> {
    let mut value = random.f64() * 100.0;
    let mut samples = Vec::new();
    let (gap, end) = (random.i64(0..SAMPLES), random.i64(SAMPLES / 2..SAMPLES * 3));
    for index in 0..SAMPLES {
        value = next(random, value);
        if (gap..gap + 40).contains(&index) || index > end {
            continue;
        }
        let value = if index == end { stale_nan() } else { value };
        samples.push(Sample::new(Timestamp(START + index * STEP), value));
    }
    samples
}

fn counter(random: &mut Rng, speed: f64) -> Vec<Sample> {
    walk(
        random,
        |random, value| {
            if random.u8(..80) == 0 { 0.0 } else { (value + random.f64() * speed).floor() }
        },
    )
}

fn gauge(random: &mut Rng, odd: bool) -> Vec<Sample> {
    walk(random, |random, value| match random.u8(..200) {
        0 if odd => f64::NAN,
        _ if value.is_nan() => 50.0,
        _ => value + random.f64() * 10.0 - 5.0,
    })
}

#[test]
fn answers_agree_with_a_real_prometheus() {
    let Some(server) = Prometheus::start() else { return };
    let seed = number("BREAKWATCH_SEED", 1);
    let mut random = Rng::with_seed(seed);
    let series = data(&mut random);
    let on_the_wire = |(labels, samples): &(Labels, Vec<Sample>)| {
        Series::new(labels.iter(), samples.iter().map(|sample| (sample.t.0, sample.v)))
    };
    server.write(&series.iter().map(on_the_wire).collect::<Vec<_>>());
    let store = MemoryStore::new();
    for (labels, samples) in &series {
        samples.iter().for_each(|sample| store.append(labels, *sample));
    }
    let engine = Engine::new(EngineOptions { prometheus2_extrapolation: true, ..EngineOptions::default() });
    let (mut differences, mut answered) = (Vec::new(), 0);
    for case in 0..number("BREAKWATCH_DIFFERENTIAL_CASES", 300) {
        let mut random = Rng::with_seed(seed * 1_000_003 + case);
        let query = Generator { random: &mut random, modifiers: true }.expression(3);
        let at = 1_700_001_000 + random.i64(0..2600);
        match compare(&server, &engine, &store, &query, at) {
            Ok(has_values) => answered += usize::from(has_values),
            Err(difference) => differences.push(format!("{case}: {query} at {at}\n    {difference}")),
        }
    }
    println!("{answered} queries had values");
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}

fn compare(
    server: &Prometheus,
    engine: &Engine,
    store: &MemoryStore,
    query: &str,
    at: i64,
) -> Result<bool, String> {
    // Half a second off, so that no sub-query's window ends on one of its own evaluation times either.
    let (time, end) = (format!("{at}.5"), format!("{}.5", at + 600));
    let instant = server.ask("/api/v1/query", &[("query", query), ("time", &time)]);
    let range = server
        .ask("/api/v1/query_range", &[("query", query), ("start", &time), ("end", &end), ("step", "60")]);
    let prepared = engine.prepare(query).map_err(|error| format!("not a query to us: {error}"))?;
    let (at, cancel) = (Timestamp(at * 1000 + 500), CancelToken::new());
    let ours = engine.instant(store, &prepared, at, &cancel).map(|result| result.value);
    let has_values = same(&instant, ours).map_err(|why| format!("instant: {why}"))?;
    let end = at + Duration::from_secs(600);
    let ours = engine.range(store, &prepared, at, end, Duration::from_secs(60), &cancel);
    same(&range, ours.map(|result| result.value)).map_err(|why| format!("range: {why}"))?;
    Ok(has_values)
}

/// Whether an answer of the API is our value; says whether it holds anything.
fn same(theirs: &Result<serde_json::Value, String>, ours: Result<Value, QueryError>) -> Result<bool, String> {
    let (theirs, ours) = match (theirs, ours) {
        (Err(_), Err(_)) => return Ok(false),
        (Err(theirs), Ok(ours)) => return Err(format!("theirs {theirs}, ours {ours:?}")),
        (Ok(theirs), Err(ours)) => return Err(format!("theirs {theirs}, ours {ours}")),
        (Ok(theirs), Ok(ours)) => (theirs, ours),
    };
    let mut theirs = flat(theirs);
    let mut ours = ours_flat(&ours);
    theirs.sort_by(|a, b| a.0.cmp(&b.0));
    ours.sort_by(|a, b| a.0.cmp(&b.0));
    let equal = theirs.len() == ours.len()
        && theirs.iter().zip(&ours).all(|(a, b)| {
            a.0 == b.0
                && a.1.len() == b.1.len()
                && a.1.iter().zip(&b.1).all(|(a, b)| a.0 == b.0 && near(a.1, b.1))
        });
    if equal { Ok(!ours.is_empty()) } else { Err(format!("\n    theirs {theirs:?}\n    ours   {ours:?}")) }
}

fn near(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-6 * a.abs().max(b.abs()).max(1e-3)
}

type Flat = Vec<(String, Vec<(i64, f64)>)>;

fn ours_flat(value: &Value) -> Flat {
    let point = |sample: &Sample| (sample.t.0, sample.v);
    match value {
        Value::Scalar(sample) => vec![(String::new(), vec![point(sample)])],
        Value::Vector(elements) => {
            elements.iter().map(|e| (e.labels.to_string(), vec![point(&e.sample)])).collect()
        }
        Value::Matrix(series) => {
            series.iter().map(|s| (s.labels.to_string(), s.samples.iter().map(point).collect())).collect()
        }
        Value::String(..) => Vec::new(),
    }
}

fn flat(data: &serde_json::Value) -> Flat {
    let point = |value: &serde_json::Value| {
        let text = value[1].as_str().unwrap();
        let parsed = match text {
            "+Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            text => text.parse().unwrap(),
        };
        ((value[0].as_f64().unwrap() * 1000.0).round() as i64, parsed)
    };
    let result = &data["result"];
    if data["resultType"] == "scalar" {
        return vec![(String::new(), vec![point(result)])];
    }
    let item = |item: &serde_json::Value| {
        let labels: Labels = serde_json::from_value(item["metric"].clone()).unwrap();
        let points = match item["values"].as_array() {
            Some(values) => values.iter().map(point).collect(),
            None => vec![point(&item["value"])],
        };
        (labels.to_string(), points)
    };
    result.as_array().unwrap().iter().map(item).collect()
}
