//! Figures of the history store on this machine: ingest, size, opening and reading.
//!
//! `store_bench [start] [append] [codecs] [size] [ingest] [index] [big] [--dir DIR] [--days N] [--series N]
//! [--daemon FILE]`. Run it in release mode on a quiet machine; every figure is printed with what it was measured
//! on. `size` and `ingest` compare with Debian's Prometheus when `prometheus` is installed, on the very same samples;
//! `ingest` needs the daemon's binary. `load` fills `--dir` with `--days` generated days of `--series` series, or with the
//! samples of `--openmetrics FILE`.

#![expect(clippy::unwrap_used, reason = "a bench stops at the first failure")]

mod append;
mod big;
mod codecs;
mod data;
mod index;
mod ingest;
mod load;
mod prometheus;
mod server;
mod size;
mod start;

use std::path::PathBuf;
use std::time::Duration;

use breakwatch_model::Clock;

/// What to do and where.
pub(crate) struct Args {
    pub(crate) what: Vec<String>,
    pub(crate) dir: PathBuf,
    pub(crate) days: i64,
    pub(crate) series: usize,
    pub(crate) daemon: Option<PathBuf>,
    pub(crate) openmetrics: Option<PathBuf>,
}

fn args() -> Args {
    let mut args = Args {
        what: Vec::new(),
        dir: std::env::temp_dir().join("store-bench"),
        days: 30,
        series: 10_000,
        daemon: None,
        openmetrics: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_default();
        match word.as_str() {
            "--dir" => args.dir = value().into(),
            "--days" => args.days = value().parse().unwrap_or(30),
            "--daemon" => args.daemon = Some(value().into()),
            "--openmetrics" => args.openmetrics = Some(value().into()),
            "--series" => args.series = value().parse().unwrap_or(10_000),
            what => args.what.push(what.to_owned()),
        }
    }
    if args.what.is_empty() {
        args.what =
            ["start", "append", "codecs", "size", "ingest", "index", "big"].map(str::to_owned).to_vec();
    }
    args
}

/// Prints a figure.
#[expect(clippy::print_stdout, reason = "printing figures is what this program is for")]
pub(crate) fn say(what: &str, figure: impl std::fmt::Display) {
    println!("{what:<58} {figure}");
}

/// Processor time this process has used.
pub(crate) fn cpu() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let time = |t: nix::sys::time::TimeVal| {
        Duration::from_micros(t.tv_sec() as u64 * 1_000_000 + t.tv_usec() as u64)
    };
    time(usage.user_time()) + time(usage.system_time())
}

/// Resident memory now, in MB.
pub(crate) fn rss() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / 1e6
}

/// Runs `act` and gives what it took.
pub(crate) fn timed<R>(act: impl FnOnce() -> R) -> (R, Duration) {
    let clock = breakwatch_model::SystemClock;
    let start = clock.monotonic();
    let result = act();
    (result, clock.monotonic() - start)
}

/// Bytes of the files below a directory.
pub(crate) fn bytes_below(dir: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

fn main() {
    let args = args();
    std::fs::create_dir_all(&args.dir).unwrap();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    say("load average at the start", load.trim());
    for what in &args.what {
        match what.as_str() {
            "append" => append::run(&args),
            "codecs" => codecs::run(),
            "size" => size::run(&args),
            "ingest" => ingest::run(&args),
            "index" => index::run(&args),
            "load" => load::run(&args),
            "start" => start::run(&args),
            "big" => big::run(&args),
            other => say("unknown part", other),
        }
    }
}
