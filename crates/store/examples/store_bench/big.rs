//! A month of 10,000 series: opening after a kill, memory, reading, and giving space back.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use breakwatch_model::{
    Appender, CancelToken, Matcher, Queryable, Sample, SelectHints, SeriesRef, TimeRange, Timestamp,
};
use breakwatch_store::{DataDir, History, HistoryOptions, Retention};

use crate::data::{DAY, NAMES, START, STEP, SetClock, Target, labels, metadata};
use crate::{Args, bytes_below, rss, say, timed};

/// Threads that make blocks.
const LOADERS: usize = 4;

pub(crate) fn run(args: &Args) {
    let dir = args.dir.join("big");
    // The work is done by processes of their own, so that memory is that of opening and reading alone.
    match std::env::var("STORE_BENCH_PART").as_deref() {
        Ok("fill") => fill(args),
        Ok(_) => read(args),
        Err(_) => {
            if !dir.join("FORMAT").exists() {
                part(args, "fill");
            }
            part(args, "read");
        }
    }
}

fn part(args: &Args, which: &str) {
    let program = std::env::current_exe().unwrap();
    let words = [
        "big",
        "--dir",
        args.dir.to_str().unwrap_or_default(),
        "--days",
        &args.days.to_string(),
        "--series",
        &args.series.to_string(),
    ]
    .map(str::to_owned);
    std::process::Command::new(program).args(words).env("STORE_BENCH_PART", which).status().unwrap();
}

fn now(args: &Args) -> i64 {
    START + args.days * DAY + 2 * 3_600_000
}

fn open(args: &Args) -> (DataDir, std::sync::Arc<History>) {
    let data = DataDir::open(args.dir.join("big"), SetClock::at(now(args))).unwrap();
    let options = HistoryOptions { background: false, ..HistoryOptions::default() };
    let history = History::open(&data, options).unwrap();
    (data, history)
}

/// Makes the blocks, then two hours of today through the log, and stops without a word, as a kill would.
fn fill(args: &Args) {
    let (_data, history) = open(args);
    let count = args.series.div_ceil(NAMES.len());
    let today = START + args.days * DAY;
    let (_, took) = timed(|| generate(&history, START / DAY..today / DAY, args.series));
    say("blocks made in", format!("{:.0} s", took.as_secs_f64()));
    let refs = resolve(&history, args.series);
    let mut targets: Vec<Target> = (0..count).map(|n| Target::new(n, true)).collect();
    for due in (today..now(args)).step_by(STEP as usize) {
        for (target, refs) in targets.iter_mut().zip(&refs) {
            let t = Timestamp(target.time(due));
            let values = target.next();
            let batch = [0, 1, 2].map(|i| (refs[i], Sample::new(t, values[i])));
            history.append(&batch).unwrap();
        }
        history.tick().unwrap();
    }
    // No close: the log is replayed as after a kill.
    std::process::Command::new("sync").status().unwrap();
    std::process::exit(0);
}

/// The series of the generated targets.
fn resolve(history: &History, series: usize) -> Vec<[SeriesRef; 3]> {
    let count = series.div_ceil(NAMES.len());
    (0..count).map(|n| NAMES.map(|name| history.resolve(&labels(name, n), &metadata()))).collect()
}

/// Makes blocks of generated samples; gives how many samples there are.
pub(crate) fn generate(history: &History, days: Range<i64>, series: usize) -> u64 {
    let refs = resolve(history, series);
    let numbered = refs.iter().enumerate().flat_map(|(target, refs)| {
        refs.iter().enumerate().map(move |(which, reference)| (*reference, (target, which)))
    });
    let makers: HashMap<SeriesRef, (usize, usize)> = numbered.collect();
    let next = AtomicI64::new(days.start);
    std::thread::scope(|scope| {
        for _ in 0..LOADERS {
            scope.spawn(|| {
                loop {
                    let day = next.fetch_add(1, Ordering::Relaxed);
                    if day >= days.end {
                        return;
                    }
                    load(history, day, &makers);
                }
            });
        }
    });
    makers.len() as u64 * (days.end - days.start) as u64 * (DAY / STEP) as u64
}

/// A day of a target: time and the values of its three series.
type Rows = Vec<(i64, [f64; 3])>;

fn load(history: &History, day: i64, makers: &HashMap<SeriesRef, (usize, usize)>) {
    // Series of a target come one after the other; each is made from the same random walk.
    let mut target: Option<(usize, Rows)> = None;
    history
        .load_day(day, &mut |reference| {
            let Some((number, which)) = makers.get(&reference).copied() else { return Vec::new() };
            if target.as_ref().is_none_or(|(held, _)| *held != number) {
                let mut made = Target::new(number * 1000 + day as usize % 1000, true);
                let rows: Rows =
                    (0..DAY / STEP).map(|n| (made.time(day * DAY + n * STEP), made.next())).collect();
                target = Some((number, rows));
            }
            let rows = target.as_ref().map_or(&[][..], |(_, rows)| rows);
            rows.iter().map(|(t, values)| Sample::new(Timestamp(*t), values[which])).collect()
        })
        .unwrap();
}

fn count(history: &History, matcher: Matcher, range: TimeRange) -> (usize, usize) {
    let cancel = CancelToken::new();
    let selector = history.prepare(&[matcher], &cancel).unwrap();
    let mut set = history.select(&selector, range, &SelectHints::default(), &cancel).unwrap();
    let (mut series, mut samples) = (0, 0);
    let mut chunk = Vec::new();
    while set.next_series().unwrap().is_some() {
        series += 1;
        loop {
            chunk.clear();
            if !set.next_chunk(&mut chunk).unwrap() {
                break;
            }
            samples += chunk.len();
        }
    }
    (series, samples)
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn read(args: &Args) {
    say("memory before opening", format!("{:.0} MB", rss()));
    let ((data, history), took) = timed(|| open(args));
    let stats = history.stats();
    let samples = args.series as i64 * args.days * (DAY / STEP);
    say("opened as after a kill, ready in", millis(took));
    say("samples in blocks, series", format!("{samples}, {}", stats.series));
    say("samples replayed from the log", stats.head_samples);
    say("bytes a sample in blocks", format!("{:.3}", stats.raw_bytes as f64 / samples as f64));
    say("memory after opening", format!("{:.0} MB", rss()));
    read_one(args, &history);
    read_all(args, &history);
    say("memory after reading", format!("{:.0} MB", rss()));
    drop((history, data));
    give_back(args);
}

/// One series over the whole month.
fn read_one(args: &Args, history: &History) {
    let month = TimeRange::new(Timestamp(START), Timestamp(now(args)));
    for (n, what) in [(7, "first"), (8, "second"), (7, "again")] {
        let matcher = Matcher::equal("check", format!("http/target-{n:05}"));
        let cancel = CancelToken::new();
        let selector = history.prepare(&[matcher, Matcher::equal("__name__", NAMES[1])], &cancel).unwrap();
        let (read, took) = timed(|| {
            let mut set = history.select(&selector, month, &SelectHints::default(), &cancel).unwrap();
            let mut out = Vec::new();
            while set.next_series().unwrap().is_some() {
                while set.next_chunk(&mut out).unwrap() {}
            }
            out.len()
        });
        say(&format!("one series over everything, {what}"), format!("{} ({read} samples)", millis(took)));
    }
}

/// Every series over a short time.
fn read_all(args: &Args, history: &History) {
    let all = || Matcher::equal("job", "bench");
    let before = |end: i64, millis: i64| TimeRange::new(Timestamp(end - millis), Timestamp(end));
    let hour = 3_600_000;
    for (end, time, what) in [
        (now(args), hour, "the last hour"),
        (now(args), hour, "the last hour again"),
        (START + 5 * DAY, hour, "an hour of an old day"),
        (now(args), 300_000, "the last five minutes"),
    ] {
        let ((series, samples), took) = timed(|| count(history, all(), before(end, time)));
        say(
            &format!("all series over {what}"),
            format!("{} ({series} series, {samples} samples)", millis(took)),
        );
    }
    let cancel = CancelToken::new();
    let (selector, took) = timed(|| history.prepare(&[all()], &cancel).unwrap());
    say("preparing a selector of all series", millis(took));
    let mut lasts = Vec::new();
    let range = before(now(args), 300_000);
    let ((), took) = timed(|| history.last_samples(&selector, range, &cancel, &mut lasts).unwrap());
    say("last samples of all series", format!("{} ({})", millis(took), lasts.len()));
}

/// Lowers the retention. The blocks stay for the next run: it is tried on a copy made of links.
fn give_back(args: &Args) {
    let (dir, copy) = (args.dir.join("big"), args.dir.join("big-copy"));
    let before = bytes_below(&dir);
    let week = Duration::from_secs(7 * 86_400);
    let _ = std::fs::remove_dir_all(&copy);
    std::process::Command::new("cp").arg("-al").arg(&dir).arg(&copy).status().unwrap();
    let data = DataDir::open(&copy, SetClock::at(now(args))).unwrap();
    let options = HistoryOptions { background: false, ..HistoryOptions::default() };
    let history = History::open(&data, options).unwrap();
    let ((), took) =
        timed(|| history.set_retention(Retention { raw: week, ..Retention::default() }).unwrap());
    let after = bytes_below(&copy);
    say(
        "retention lowered to 7 days",
        format!("{:.2} GB -> {:.2} GB in {}", before as f64 / 1e9, after as f64 / 1e9, millis(took)),
    );
    drop((history, data));
    let _ = std::fs::remove_dir_all(&copy);
}
