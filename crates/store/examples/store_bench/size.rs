//! Bytes a sample takes on disk: two days of 501 series, and the same samples in Prometheus.

use breakwatch_model::{Appender, Sample, SeriesRef, Timestamp};
use breakwatch_store::{DataDir, History, HistoryOptions};

use crate::data::{DAY, NAMES, START, STEP, SetClock, Target, labels, metadata};
use crate::{Args, bytes_below, cpu, prometheus, say, timed};

const TARGETS: usize = 167;

pub(crate) fn run(args: &Args) {
    for jitter in [false, true] {
        say("--- times", if jitter { "with 0 to 3 ms of jitter" } else { "regular" });
        ours(args, jitter);
        prometheus::compare(args, jitter, TARGETS);
    }
}

fn ours(args: &Args, jitter: bool) {
    let dir = args.dir.join("size");
    let _ = std::fs::remove_dir_all(&dir);
    let clock = SetClock::at(START);
    let data = DataDir::open(&dir, clock.clone()).unwrap();
    let history =
        History::open(&data, HistoryOptions { background: false, ..HistoryOptions::default() }).unwrap();
    let mut targets: Vec<Target> = (0..TARGETS).map(|n| Target::new(n, jitter)).collect();
    let refs: Vec<[SeriesRef; 3]> =
        (0..TARGETS).map(|n| NAMES.map(|name| history.resolve(&labels(name, n), &metadata()))).collect();
    let before = cpu();
    let mut samples = 0;
    let (_, took) = timed(|| {
        // Ten minutes into the third day the second is closed.
        for due in (START..START + 2 * DAY + 11 * 60_000).step_by(STEP as usize) {
            clock.set(due);
            for (target, refs) in targets.iter_mut().zip(&refs) {
                let t = Timestamp(target.time(due));
                let values = target.next();
                let batch = [0, 1, 2].map(|i| (refs[i], Sample::new(t, values[i])));
                samples += history.append(&batch).unwrap().accepted;
            }
            history.tick().unwrap();
            history.maintain().unwrap();
        }
    });
    let used = cpu() - before;
    let stats = history.stats();
    let per = |bytes: u64, samples: f64| format!("{:.3} bytes/sample", bytes as f64 / samples);
    let days = (TARGETS * 3) as f64 * 2.0 * (DAY / STEP) as f64;
    say("finished days: raw blocks, indexes included", per(stats.raw_bytes, days));
    say("rollups of the two days", per(stats.rollup_bytes, days));
    say(
        "hot tier, log",
        format!("{:.2} MB, {:.2} MB", stats.hot_bytes as f64 / 1e6, stats.wal_bytes as f64 / 1e6),
    );
    say("whole directory", per(bytes_below(&dir), samples as f64));
    say("whole directory without rollups", per(bytes_below(&dir) - stats.rollup_bytes, samples as f64));
    say(
        "whole way to the block, samples per CPU second",
        format!("{:.2} M ({:.1} s wall)", samples as f64 / used.as_secs_f64() / 1e6, took.as_secs_f64()),
    );
    history.close().unwrap();
}
