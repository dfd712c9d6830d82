//! The engine against loops that do the least work there is, in the same run: 10,000 counters, one hour at
//! 15 s. Figures are ratios, so that they mean something on any machine; the wall times beside them do not.
//!
//! Run with `cargo bench -p breakwatch-promql`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench measures and prints"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use breakwatch_model::{CancelToken, Labels, Sample, Timestamp};
use breakwatch_promql::testing::MemoryStore;
use breakwatch_promql::{Engine, EngineOptions, Prepared, parse};

const SERIES: usize = 10_000;
const STEP: i64 = 15_000;
const SAMPLES: i64 = 300;
const START: i64 = 1_700_000_000_000;

fn main() {
    let (store, columns) = data();
    let engine = Engine::new(EngineOptions::default());
    println!("{:<58} {:>10} {:>10} {:>7}", "case", "median", "reference", "ratio");
    queries(&engine, &store, &columns);
    rules(&engine, &store);
    parsing();
}

/// Counters of a hundred jobs, one in fifty with a reset.
fn data() -> (MemoryStore, Vec<Vec<Sample>>) {
    let (store, mut columns) = (MemoryStore::new(), Vec::new());
    let mut random = fastrand::Rng::with_seed(7);
    for number in 0..SERIES {
        let labels = Labels::from_pairs([
            ("__name__", "requests_total".to_owned()),
            ("job", format!("job-{:02}", number % 100)),
            ("instance", format!("10.0.{}.{}:9100", number / 250, number % 250)),
            ("handler", "/api/v1/query".to_owned()),
        ]);
        let mut value = random.f64() * 1000.0;
        let mut column = Vec::new();
        for index in 0..SAMPLES {
            value = if number % 50 == 0 && index == 150 { 0.0 } else { value + random.f64() * 10.0 };
            let sample = Sample::new(Timestamp(START + index * STEP + 7), value);
            store.append(&labels, sample);
            column.push(sample);
        }
        columns.push(column);
    }
    (store, columns)
}

/// The median time of some runs.
fn median(mut run: impl FnMut()) -> Duration {
    run();
    let mut times: Vec<Duration> = (0..9)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn row(case: &str, time: Duration, reference: Option<Duration>) {
    let (shown, ratio) = match reference {
        Some(reference) => {
            let ratio = time.as_secs_f64() / reference.as_secs_f64();
            (format!("{:.2} ms", reference.as_secs_f64() * 1e3), format!("{ratio:.2}"))
        }
        None => Default::default(),
    };
    println!("{case:<58} {:>7.2} ms {shown:>10} {ratio:>7}", time.as_secs_f64() * 1e3);
}

fn prepared(engine: &Engine, text: &str) -> Prepared {
    engine.prepare(text).unwrap()
}

fn queries(engine: &Engine, store: &MemoryStore, columns: &[Vec<Sample>]) {
    let (cancel, end) = (CancelToken::new(), Timestamp(START + (SAMPLES - 1) * STEP + 100));
    let start = Timestamp(end.0 - 3_600_000);
    let step = Duration::from_secs(15);
    for (text, window) in [
        ("sum by (job) (rate(requests_total[5m]))", 300_000),
        ("sum by (job) (rate(requests_total[1h]))", 3_600_000),
    ] {
        let reference = median(|| drop(black_box(naive_rates(columns, end.0, end.0, window))));
        let query = prepared(engine, text);
        let time = median(|| drop(black_box(engine.instant(store, &query, end, &cancel).unwrap())));
        row(&format!("instant {text}"), time, Some(reference));
    }
    for text in ["sum by (job) (requests_total)", "requests_total", "topk(5, requests_total)"] {
        let query = prepared(engine, text);
        let time = median(|| drop(black_box(engine.instant(store, &query, end, &cancel).unwrap())));
        row(&format!("instant {text}"), time, None);
    }
    let text = "sum by (job) (rate(requests_total[5m]))";
    let reference = median(|| drop(black_box(naive_rates(columns, start.0, end.0, 300_000))));
    let query = prepared(engine, text);
    let time = median(|| drop(black_box(engine.range(store, &query, start, end, step, &cancel).unwrap())));
    row(&format!("range {text}"), time, Some(reference));
    for text in [
        "sum by (job) (requests_total)",
        "rate(requests_total{instance=\"10.0.3.7:9100\"}[5m])",
        "avg by (job) (avg_over_time(requests_total[5m]))",
        "max by (job) (max_over_time(requests_total[1h]))",
        "sum by (job) (requests_total) / count by (job) (requests_total)",
        "requests_total > 5000",
        "requests_total * 2 + requests_total",
    ] {
        let query = prepared(engine, text);
        let time =
            median(|| drop(black_box(engine.range(store, &query, start, end, step, &cancel).unwrap())));
        row(&format!("range {text}"), time, None);
    }
}

/// Sums of plain extrapolated increases per job, by scanning every window: no labels, no compensation.
fn naive_rates(columns: &[Vec<Sample>], start: i64, end: i64, window: i64) -> Vec<f64> {
    let steps = ((end - start) / STEP + 1) as usize;
    let mut sums = vec![0.0; 100 * steps];
    for (number, column) in columns.iter().enumerate() {
        let (mut head, mut tail) = (0, 0);
        for step in 0..steps {
            let at = start + step as i64 * STEP;
            while head < column.len() && column[head].t.0 <= at - window {
                head += 1;
            }
            while tail < column.len() && column[tail].t.0 <= at {
                tail += 1;
            }
            let samples = &column[head..tail];
            if samples.len() < 2 {
                continue;
            }
            let mut increase = samples[samples.len() - 1].v - samples[0].v;
            increase += samples.windows(2).filter(|w| w[1].v < w[0].v).map(|w| w[0].v).sum::<f64>();
            sums[(number % 100) * steps + step] += increase / (window as f64 / 1000.0);
        }
    }
    sums
}

fn rules(engine: &Engine, store: &MemoryStore) {
    let (cancel, at) = (CancelToken::new(), Timestamp(START + (SAMPLES - 1) * STEP + 100));
    let rules: Vec<Prepared> = (0..SERIES)
        .map(|number| {
            let instance = format!("10.0.{}.{}:9100", number / 250, number % 250);
            prepared(engine, &format!("requests_total{{instance=\"{instance}\"}} < 0"))
        })
        .collect();
    let time = median(|| {
        for rule in &rules {
            black_box(engine.instant(store, rule, at, &cancel).unwrap());
        }
    });
    row("10,000 rules over one series each", time, None);
    let rule = prepared(engine, "requests_total < 0");
    let time = median(|| drop(black_box(engine.instant(store, &rule, at, &cancel).unwrap())));
    row("one rule over 10,000 series", time, None);
}

fn parsing() {
    let chain = |operators: usize| format!("1{}", "+1".repeat(operators));
    let (short, long) = (chain(2_000), chain(20_000));
    let reference = median(|| drop(black_box(parse(&short).unwrap())));
    let time = median(|| drop(black_box(parse(&long).unwrap())));
    row("parse 20,000 operators (reference: 2,000)", time, Some(reference));
    let nested = format!("{}x{}", "sum(".repeat(100), ")".repeat(100));
    let time = median(|| drop(black_box(parse(&nested).unwrap())));
    row("parse 100 nested aggregations", time, None);
}
