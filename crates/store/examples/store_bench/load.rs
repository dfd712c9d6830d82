//! Filling a data directory: with generated days up to yesterday, or with the samples of OpenMetrics text.

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

use breakwatch_model::{Clock, SystemClock};
use breakwatch_store::{DataDir, History, HistoryOptions};

use crate::data::DAY;
use crate::{Args, big, bytes_below, say, timed};

pub(crate) fn run(args: &Args) {
    let clock = Arc::new(SystemClock);
    let today = clock.now().0.div_euclid(DAY);
    let data = DataDir::open(&args.dir, clock).unwrap();
    let options = HistoryOptions { background: false, ..HistoryOptions::default() };
    let history = History::open(&data, options).unwrap();
    let (samples, took) = timed(|| match &args.openmetrics {
        Some(file) => {
            let imported =
                history.import_openmetrics(&mut BufReader::new(File::open(file).unwrap())).unwrap();
            say("samples refused", imported.refused);
            imported.samples
        }
        None => big::generate(&history, today - args.days..today, args.series),
    });
    history.close().unwrap();
    say("directory", args.dir.display());
    say("samples, series", format!("{samples}, {}", history.stats().series));
    say("filled in", format!("{:.1} s", took.as_secs_f64()));
    say("bytes on disk", bytes_below(&args.dir));
}
