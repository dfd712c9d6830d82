//! Queries and rules over the same samples, asked of Debian's Prometheus and of the daemon in turn, so that both meet
//! the same noise. What counts is the ratio.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use breakwatch_sim::remote_write::{Series, encode, pack};
use serde_json::Value;

use super::servers::Server;
use crate::print::say;

/// Samples of a series: an hour at 15 s.
const SAMPLES: i64 = 241;
const STEP: i64 = 15_000;
/// Series in one write request.
const CHUNK: usize = 250;
/// Readings of a rule group's evaluation time, and how often the group is evaluated.
const READINGS: usize = 5;
const INTERVAL: Duration = Duration::from_secs(5);
/// Operators of the expression the parser is timed on, and how long it may take.
const OPERATORS: usize = 20_000;
const PARSE_LIMIT: Duration = Duration::from_millis(50);

/// What is asked, whether over the whole hour, and the most it may take of Prometheus' time.
const QUERIES: &[(&str, bool, f64)] = &[
    ("sum by(job)(rate(bench_total[5m]))", false, 0.2),
    ("sum by(job)(bench_total)", false, 0.4),
    ("bench_total", false, 0.4),
    ("bench_total{instance=\"7\"}", false, 1.0),
    ("sum by(job)(rate(bench_total[1h]))", false, 0.4),
    ("sum by(job)(rate(bench_total[5m]))", true, 0.25),
    ("sum by(job)(bench_total)", true, 0.4),
    ("rate(bench_total{instance=\"7\"}[5m])", true, 1.0),
];

/// Measures everything; fails when a figure is missed.
pub(super) fn run(binary: &Path, rounds: usize, series: usize) -> Result<ExitCode, String> {
    say(&format!("{series} counters, 1 h at 15 s; median of {rounds}; milliseconds\n"));
    say(&format!("{:<58} {:>10} {:>10} {:>7} {:>6}", "", "Prometheus", "breakwatch", "ratio", "goal"));
    let mut reached = queries(binary, rounds, series)?;
    reached &= rules(binary, series, "one-series alert rules, one group", 0.1, &many_rules(series))?;
    reached &= rules(binary, series, "one alert rule over all series", 0.2, ONE_RULE)?;
    reached &= parser()?;
    Ok(if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line of the table; whether the goal is reached.
fn line(what: &str, theirs: Duration, ours: Duration, goal: f64) -> bool {
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64().max(1e-9);
    let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
    let mark = if ratio <= goal { "" } else { "  MISSED" };
    say(&format!("{what:<58} {:>10.2} {:>10.2} {ratio:>7.3} {goal:>6}{mark}", millis(theirs), millis(ours)));
    ratio <= goal
}

fn queries(binary: &Path, rounds: usize, series: usize) -> Result<bool, String> {
    let servers = [Server::prometheus("groups: []\n")?, Server::breakwatch(binary, "groups: []\n")?];
    let end = now();
    fill(&servers, end, series, SAMPLES)?;
    let mut reached = true;
    for (query, range, goal) in QUERIES {
        let escaped: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let (start, end) = (end / 1000 - 3600, end / 1000);
        let path = match range {
            false => format!("/api/v1/query?query={escaped}&time={end}"),
            true => format!("/api/v1/query_range?query={escaped}&start={start}&end={end}&step=15"),
        };
        let sizes = [0, 1].map(|at| servers[at].json(&path).map(|answer| size(&answer)));
        if sizes[0] != sizes[1] {
            return Err(format!("{query}: answers of different size: {sizes:?}"));
        }
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (server, times) in servers.iter().zip(&mut times) {
                times.push(server.time(&path)?);
            }
        }
        let [theirs, ours] = times.map(median);
        let form = if *range { "range  " } else { "instant" };
        reached &= line(&format!("{form} {query}"), theirs, ours, *goal);
    }
    Ok(reached)
}

/// Series and points of an answer.
fn size(answer: &Value) -> (usize, usize) {
    let items = answer["data"]["result"].as_array().map(Vec::as_slice).unwrap_or_default();
    (items.len(), items.iter().map(|item| item["values"].as_array().map_or(1, Vec::len)).sum())
}

const ONE_RULE: &str =
    "groups: [{ name: bench, interval: 5s, rules: [{ alert: All, expr: bench_total < 0, for: 1m }] }]\n";

fn many_rules(count: usize) -> String {
    let rule = |number| {
        format!("  - {{ alert: A{number}, expr: 'bench_total{{instance=\"{number}\"}} < 0', for: 1m }}\n")
    };
    let rules: String = (0..count).map(rule).collect();
    format!("groups:\n- name: bench\n  interval: 5s\n  rules:\n{rules}")
}

/// The evaluation time of a group, as each server says it itself.
fn rules(binary: &Path, series: usize, what: &str, goal: f64, rules: &str) -> Result<bool, String> {
    let servers = [Server::prometheus(rules)?, Server::breakwatch(binary, rules)?];
    fill(&servers, now(), series, 2)?;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..READINGS {
        pause(INTERVAL);
        for (server, times) in servers.iter().zip(&mut times) {
            let answer = server.json("/api/v1/rules?exclude_alerts=true")?;
            let seconds = answer["data"]["groups"][0]["evaluationTime"].as_f64();
            times.push(Duration::from_secs_f64(seconds.ok_or("the group was not evaluated")?));
        }
    }
    let [theirs, ours] = times.map(median);
    Ok(line(what, theirs, ours, goal))
}

fn parser() -> Result<bool, String> {
    let time = |operators: usize| {
        let text = "1".to_owned() + &"+1".repeat(operators);
        let times = (0..READINGS).map(|_| {
            let started = instant();
            breakwatch_promql::parse(&text).map(|_| started.elapsed()).map_err(|error| error.to_string())
        });
        times.collect::<Result<Vec<_>, _>>().map(median)
    };
    let (half, whole) = (time(OPERATORS / 2)?, time(OPERATORS)?);
    let growth = whole.as_secs_f64() / half.as_secs_f64();
    say(&format!(
        "parse {OPERATORS} operators: {:.2} ms, {growth:.1} times half of them",
        whole.as_secs_f64() * 1e3
    ));
    // Twice the text may take twice the time, with room for noise.
    Ok(whole <= PARSE_LIMIT && growth < 3.0)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Writes the same counters to both: each grows at a speed of its own.
fn fill(servers: &[Server], end: i64, series: usize, samples: i64) -> Result<(), String> {
    let all: Vec<usize> = (0..series).collect();
    for numbers in all.chunks(CHUNK) {
        let wire = |number: &usize| {
            let (instance, job) = (number.to_string(), format!("job-{}", number % 10));
            let value = |step: i64| (step * (*number as i64 % 97 + 1)) as f64;
            Series::new(
                [("__name__", "bench_total"), ("instance", &instance), ("job", &job)],
                (0..samples).map(|step| (end - (samples - 1 - step) * STEP, value(step))),
            )
        };
        let request = encode(&numbers.iter().map(wire).collect::<Vec<_>>(), &[]);
        let packed = pack(&request);
        servers.iter().try_for_each(|server| server.write(&packed))?;
    }
    Ok(())
}

/// Milliseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "samples of a bench lie in the present")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this is what is measured")]
fn instant() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "lets the servers evaluate")]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
