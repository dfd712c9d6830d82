//! Taking samples: as fast as it goes, and with a sync every tick.

use std::time::Duration;

use breakwatch_model::{Appender, Sample, SeriesRef, Timestamp};
use breakwatch_store::{DataDir, History, HistoryOptions};

use crate::data::{NAMES, START, STEP, SetClock, Target, labels, metadata};
use crate::{Args, cpu, rss, say, timed};

/// Samples of one tick, made outside of what is measured.
type Batch = Vec<(SeriesRef, Sample)>;

pub(crate) fn run(args: &Args) {
    let dir = args.dir.join("append");
    let _ = std::fs::remove_dir_all(&dir);
    let clock = SetClock::at(START);
    let data = DataDir::open(&dir, clock.clone()).unwrap();
    let history =
        History::open(&data, HistoryOptions { background: false, ..HistoryOptions::default() }).unwrap();
    let count = args.series / 3;
    let mut targets: Vec<Target> = (0..count).map(|n| Target::new(n, true)).collect();
    let refs: Vec<[SeriesRef; 3]> =
        (0..count).map(|n| NAMES.map(|name| history.resolve(&labels(name, n), &metadata()))).collect();

    // Fifteen ticks a round, each with a fifteenth of the targets: a second of a scheduler that spreads.
    let (mut appending, mut cpu_used, mut samples) = (Duration::ZERO, Duration::ZERO, 0_usize);
    let mut wall = Duration::ZERO;
    for round in 0..600_i64 {
        for phase in 0..15_i64 {
            let due = START + round * STEP + phase * 1000;
            clock.set(due);
            let mut batches: Vec<Batch> = Vec::new();
            for n in (phase as usize..count).step_by(15) {
                let t = Timestamp(targets[n].time(due));
                let values = targets[n].next();
                batches.push(refs[n].iter().zip(values).map(|(r, v)| (*r, Sample::new(t, v))).collect());
            }
            let before = cpu();
            let ((), took) = timed(|| {
                for batch in &batches {
                    samples += history.append(batch).unwrap().accepted;
                }
            });
            appending += took;
            let ((), took) = timed(|| {
                history.tick().unwrap();
                if phase % 5 == 0 {
                    history.maintain().unwrap();
                }
            });
            wall += took;
            cpu_used += cpu() - before;
        }
    }
    say("series, samples", format!("{}, {samples}", count * 3));
    say("internal append, samples/s", format!("{:.2} M", samples as f64 / appending.as_secs_f64() / 1e6));
    say(
        "append + sync a tick + sealing, samples per CPU second",
        format!("{:.2} M", samples as f64 / cpu_used.as_secs_f64() / 1e6),
    );
    say(
        "as above, samples/s of wall time",
        format!("{:.0} k", samples as f64 / (wall + appending).as_secs_f64() / 1e3),
    );
    memory(&history);
    history.close().unwrap();
}

fn memory(history: &History) {
    let stats = history.stats();
    say("head", format!("{} samples in {:.1} MB", stats.head_samples, stats.head_bytes as f64 / 1e6));
    say(
        "log, hot tier",
        format!("{:.1} MB, {:.1} MB", stats.wal_bytes as f64 / 1e6, stats.hot_bytes as f64 / 1e6),
    );
    say("resident memory", format!("{:.0} MB", rss()));
}
