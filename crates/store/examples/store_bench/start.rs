//! Starting: with nothing, and with a day of a small machine's data.

use breakwatch_model::{Appender, Batch, Sample, StateStore, Table, Timestamp};
use breakwatch_store::{DataDir, History, HistoryOptions, StateLog, StateOptions};

use crate::data::{NAMES, START, STEP, SetClock, Target, labels, metadata};
use crate::{Args, rss, say, timed};

const TARGETS: usize = 100;

pub(crate) fn run(args: &Args) {
    let dir = args.dir.join("start");
    let _ = std::fs::remove_dir_all(&dir);
    let options = HistoryOptions { background: false, ..HistoryOptions::default() };
    for what in ["the first start", "a start with nothing in it", "a start with half a day of 300 series"] {
        let clock = SetClock::at(START);
        let (data, first) = timed(|| DataDir::open(&dir, clock.clone()).unwrap());
        let (state, second) = timed(|| StateLog::open(&data, StateOptions::default()).unwrap());
        let (history, third) = timed(|| History::open(&data, options).unwrap());
        let millis = |time: std::time::Duration| time.as_secs_f64() * 1e3;
        say(
            what,
            format!(
                "directory {:.1} ms, state {:.1} ms, history {:.1} ms; memory {:.1} MB",
                millis(first),
                millis(second),
                millis(third),
                rss()
            ),
        );
        if what.contains("nothing") {
            let mut targets: Vec<Target> = (0..TARGETS).map(|n| Target::new(n, true)).collect();
            for due in (START..START + 43_200_000).step_by(STEP as usize) {
                clock.set(due);
                for (n, target) in targets.iter_mut().enumerate() {
                    let t = Timestamp(target.time(due));
                    for (name, value) in NAMES.iter().zip(target.next()) {
                        let reference = history.resolve(&labels(name, n), &metadata());
                        history.append(&[(reference, Sample::new(t, value))]).unwrap();
                    }
                }
                history.tick().unwrap();
                history.maintain().unwrap();
            }
            let mut batch = Batch::new();
            for n in 0..1000 {
                batch.put(Table::Alerts, n.to_string(), vec![b'x'; 300]);
            }
            state.commit(batch).unwrap();
        }
    }
}
