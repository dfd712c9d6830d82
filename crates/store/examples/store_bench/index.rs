//! The label APIs over many series: what a dashboard's variables ask for.

use breakwatch_model::{
    Appender, CancelToken, Labels, MatchOp, Matcher, Queryable, Sample, TimeRange, Timestamp,
};
use breakwatch_store::{DataDir, History, HistoryOptions};

use crate::data::{START, SetClock, metadata};
use crate::{Args, rss, say, timed};

/// Series of the index, ten times those of the other parts.
const MORE: usize = 10;

/// Metrics of a target.
const METRICS: usize = 20;

/// The limit of a client that wants to show a list.
const LIMIT: usize = 1000;

pub(crate) fn run(args: &Args) {
    let dir = args.dir.join("index");
    let _ = std::fs::remove_dir_all(&dir);
    let data = DataDir::open(&dir, SetClock::at(START)).unwrap();
    let options = HistoryOptions { background: false, ..HistoryOptions::default() };
    let history = History::open(&data, options).unwrap();
    let count = args.series * MORE;
    let before = rss();
    let ((), took) = timed(|| {
        for number in 0..count {
            let reference = history.resolve(&labels(number), &metadata());
            history.append(&[(reference, Sample::new(Timestamp(START), 1.0))]).unwrap();
        }
        history.tick().unwrap();
    });
    say("series made", format!("{count} in {:.0} ms", took.as_secs_f64() * 1e3));
    say("memory of index and head", format!("{:.0} MB", rss() - before));
    let cancel = CancelToken::new();
    let all = vec![vec![Matcher::new(MatchOp::NotEqual, "__name__", "").unwrap()]];
    let pattern = vec![vec![Matcher::new(MatchOp::Regex, "instance", "host-0.*").unwrap()]];
    let range = TimeRange::new(Timestamp(START - 3_600_000), Timestamp(START + 1000));
    for (what, selectors) in [("no selector", &vec![]), ("all series", &all), ("a pattern", &pattern)] {
        let figure = |name: &str, ask: &dyn Fn() -> usize| {
            let mut times: Vec<_> = (0..5).map(|_| timed(ask)).collect();
            times.sort_by_key(|(_, took)| *took);
            let (found, took) = times[2];
            let text = format!("{:.2} ms ({found})", took.as_secs_f64() * 1e3);
            say(&format!("{name}, {what}, limit {LIMIT}"), text);
        };
        figure("label names", &|| history.label_names(selectors, range, LIMIT, &cancel).unwrap().0.len());
        figure("values of instance", &|| {
            history.label_values("instance", selectors, range, LIMIT, &cancel).unwrap().0.len()
        });
        figure("values of job", &|| {
            history.label_values("job", selectors, range, LIMIT, &cancel).unwrap().0.len()
        });
        figure("series", &|| history.series(selectors, range, LIMIT, &cancel).unwrap().0.len());
    }
    let (found, took) = timed(|| history.statistics(range, 10, &cancel).unwrap());
    let millis = took.as_secs_f64() * 1e3;
    say("statistics for status/tsdb", format!("{millis:.1} ms ({} pairs)", found.pairs));
    let (selector, took) = timed(|| history.prepare(&all[0], &cancel).unwrap());
    let millis = took.as_secs_f64() * 1e3;
    say("preparing a selector of all series", format!("{millis:.1} ms ({})", selector.series.len()));
}

fn labels(number: usize) -> Labels {
    let target = number / METRICS;
    Labels::from_pairs([
        ("__name__", format!("metric_{:02}", number % METRICS)),
        ("job", format!("job-{}", target % 50)),
        ("instance", format!("host-{target:05}.example.org:443")),
        ("check", format!("http/target-{target:05}")),
        ("type", "http".to_owned()),
    ])
}
