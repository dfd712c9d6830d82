//! The engine's own promises: limits, cancellation, names, prepared queries, annotations.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may be blunt")]

use std::time::Duration;

use breakwatch_model::{CancelToken, Labels, Sample, Timestamp, stale_nan};
use breakwatch_promql::testing::MemoryStore;
use breakwatch_promql::{Engine, EngineOptions, ErrorType, QueryError, QueryResult, Value};

const MINUTE: Duration = Duration::from_secs(60);

fn store(series: &[&str]) -> MemoryStore {
    let store = MemoryStore::new();
    for text in series {
        store.load(text, Timestamp(0), MINUTE).unwrap();
    }
    store
}

fn instant(
    engine: &Engine,
    store: &MemoryStore,
    query: &str,
    minute: i64,
) -> Result<QueryResult, QueryError> {
    let query = engine.prepare(query)?;
    engine.instant(store, &query, Timestamp::from_secs(minute * 60), &CancelToken::new())
}

fn range(engine: &Engine, store: &MemoryStore, query: &str, minutes: i64) -> Result<QueryResult, QueryError> {
    let (query, end) = (engine.prepare(query)?, Timestamp::from_secs(minutes * 60));
    engine.range(store, &query, Timestamp(0), end, MINUTE, &CancelToken::new())
}

/// `labels value` per element.
fn shown(result: &QueryResult) -> Vec<String> {
    match &result.value {
        Value::Vector(elements) => elements.iter().map(|e| format!("{} {}", e.labels, e.sample.v)).collect(),
        Value::Scalar(sample) => vec![sample.v.to_string()],
        Value::Matrix(series) => series
            .iter()
            .map(|s| format!("{} {:?}", s.labels, s.samples.iter().map(|s| s.v).collect::<Vec<_>>()))
            .collect(),
        Value::String(_, text) => vec![text.clone()],
    }
}

fn default_engine() -> Engine {
    Engine::new(EngineOptions::default())
}

#[test]
fn what_needs_too_much_is_refused() {
    let store = store(&["a{i=\"1\"} 0+1x100", "a{i=\"2\"} 0+1x100", "a{i=\"3\"} 0+1x100"]);
    let engine = Engine::new(EngineOptions { max_samples: 250, max_series: 2, ..EngineOptions::default() });
    let few = instant(&engine, &store, "a{i!=\"3\"}", 5).unwrap();
    assert_eq!(shown(&few), ["a{i=\"1\"} 5", "a{i=\"2\"} 5"]);
    let error = instant(&engine, &store, "a", 5).unwrap_err();
    assert_eq!(error.to_string(), "a selector of the query names 3 series, at most 2 are allowed");
    assert_eq!(error.error_type(), ErrorType::Execution);
    for query in ["a{i!=\"3\"} + a{i!=\"3\"}", "max_over_time(a{i=\"1\"}[1h:1s])", "topk(1, a{i!=\"3\"})"] {
        let error = range(&engine, &store, query, 100).unwrap_err();
        assert_eq!(
            error.to_string(),
            "query processing would load too many samples into memory in query execution",
            "{query}"
        );
    }
    // What is aggregated as it comes needs no more than its groups.
    assert!(range(&engine, &store, "sum(a{i!=\"3\"})", 100).is_err());
    assert!(range(&engine, &store, "sum(a{i!=\"3\"})", 50).is_ok());
}

#[test]
fn a_subquery_cannot_ask_for_endless_steps() {
    let store = store(&["a 0+1x100"]);
    for query in ["max_over_time(a[100y:1ms])", "a[100y:1ms]", "sum_over_time(time()[100y:1ms])"] {
        assert!(instant(&default_engine(), &store, query, 5).is_err(), "{query}");
    }
}

#[test]
fn ranges_are_checked_as_prometheus_does() {
    let (store, engine, cancel) = (store(&["a 1x10"]), default_engine(), CancelToken::new());
    let query = engine.prepare("a").unwrap();
    let ask = |start: i64, end: i64, step: Duration| {
        let (start, end) = (Timestamp::from_secs(start), Timestamp::from_secs(end));
        engine.range(&store, &query, start, end, step, &cancel).map(|_| ()).map_err(|error| {
            assert_eq!(error.error_type(), ErrorType::BadData);
            error.to_string()
        })
    };
    assert_eq!(
        ask(0, 10, Duration::ZERO).unwrap_err(),
        "zero or negative query resolution step widths are not accepted. Try a positive integer"
    );
    assert_eq!(ask(10, 0, MINUTE).unwrap_err(), "end timestamp must not be before start time");
    assert_eq!(
        ask(0, 11_001, Duration::from_secs(1)).unwrap_err(),
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"
    );
    assert!(ask(0, 11_000, Duration::from_secs(1)).is_ok());
    let matrix = engine.prepare("a[5m]").unwrap();
    let error = engine.range(&store, &matrix, Timestamp(0), Timestamp(1), MINUTE, &cancel).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector"
    );
}

#[test]
fn a_query_stops_when_told() {
    let (store, engine) = (store(&["a 1x10"]), default_engine());
    let query = engine.prepare("sum(rate(a[5m]))").unwrap();
    let (cancelled, late) = (CancelToken::new(), CancelToken::new());
    cancelled.cancel();
    late.time_out();
    let ask = |token| engine.instant(&store, &query, Timestamp(0), token).unwrap_err();
    assert_eq!(ask(&cancelled).error_type(), ErrorType::Canceled);
    assert_eq!(ask(&cancelled).to_string(), "query was canceled in expression evaluation");
    assert_eq!(ask(&late).error_type(), ErrorType::Timeout);
    assert_eq!(ask(&late).to_string(), "query timed out in expression evaluation");
}

#[test]
fn names_are_dropped_by_each_operation() {
    let (store, engine) = (store(&["a{i=\"1\"} 1 _ 1", "b{i=\"1\"} 2 2 _"]), default_engine());
    for query in
        ["abs({i=\"1\"})", "-{i=\"1\"}", "{i=\"1\"} * 2", "sum(abs({i=\"1\"}))", "rate({i=\"1\"}[5m])"]
    {
        let error = instant(&engine, &store, query, 2).unwrap_err();
        assert_eq!(error.to_string(), "vector cannot contain metrics with the same labelset", "{query}");
    }
    assert_eq!(shown(&instant(&engine, &store, "a + 1", 0).unwrap()), ["{i=\"1\"} 2"]);
    assert_eq!(shown(&instant(&engine, &store, "a > 0", 0).unwrap()), ["a{i=\"1\"} 1"]);
    assert_eq!(shown(&instant(&engine, &store, "a > bool 0", 0).unwrap()), ["{i=\"1\"} 1"]);
    assert_eq!(shown(&instant(&engine, &store, "last_over_time(a[5m])", 0).unwrap()), ["a{i=\"1\"} 1"]);
    assert_eq!(shown(&instant(&engine, &store, "sum by (__name__) (a)", 0).unwrap()), ["a 1"]);
    assert_eq!(shown(&instant(&engine, &store, "sum by (__name__) (abs(a))", 0).unwrap()), ["{} 1"]);
    // With the flag the name lives until the end, and only what is left then may clash.
    let delayed = Engine::new(EngineOptions { delayed_name_removal: true, ..EngineOptions::default() });
    let query = "label_replace(abs({i=\"1\"}), \"was\", \"$1\", \"__name__\", \"(.*)\")";
    let shown = shown(&instant(&delayed, &store, query, 2).unwrap());
    assert_eq!(shown, ["{i=\"1\", was=\"a\"} 1", "{i=\"1\", was=\"b\"} 2"]);
    assert!(instant(&delayed, &store, "abs({i=\"1\"})", 2).is_err());
}

#[test]
fn series_that_never_meet_become_one() {
    let (store, engine) = (MemoryStore::new(), default_engine());
    let labels = |name| Labels::from_pairs([("__name__", name), ("i", "1")]);
    store.append(&labels("a"), Sample::new(Timestamp(0), 1.0));
    store.append(&labels("a"), Sample::new(Timestamp(60_000), stale_nan()));
    store.append(&labels("b"), Sample::new(Timestamp(60_000), 2.0));
    let result = range(&engine, &store, "-{i=\"1\"}", 1).unwrap();
    assert_eq!(shown(&result), ["{i=\"1\"} [-1.0, -2.0]"]);
}

#[test]
fn a_prepared_query_sees_new_series() {
    let (store, engine, cancel) = (store(&["a{i=\"1\"} 1"]), default_engine(), CancelToken::new());
    let query = engine.prepare("count(a)").unwrap();
    let count = || shown(&engine.instant(&store, &query, Timestamp(0), &cancel).unwrap());
    assert_eq!(count(), ["{} 1"]);
    store.load("a{i=\"2\"} 1", Timestamp(0), MINUTE).unwrap();
    assert_eq!(count(), ["{} 2"]);
    store.clear();
    store.load("a{i=\"3\"} 1", Timestamp(0), MINUTE).unwrap();
    store.load("b 1", Timestamp(0), MINUTE).unwrap();
    assert_eq!(count(), ["{} 1"]);
}

#[test]
fn the_look_back_is_the_options() {
    let store = store(&["a 1"]);
    let engine = Engine::new(EngineOptions { lookback: 2 * MINUTE, ..EngineOptions::default() });
    assert_eq!(shown(&instant(&engine, &store, "a", 1).unwrap()), ["a 1"]);
    assert!(shown(&instant(&engine, &store, "a", 2).unwrap()).is_empty());
    let step = Engine::new(EngineOptions { subquery_step: 2 * MINUTE, ..EngineOptions::default() });
    assert_eq!(shown(&instant(&step, &store, "count_over_time(a[5m:])", 4).unwrap()), ["{} 3"]);
}

#[test]
fn annotations_say_what_and_where() {
    let (store, engine) =
        (store(&["a 0+1x10", "x_bucket{le=\"1\"} 5", "x_bucket{le=\"y\"} 5"]), default_engine());
    let result = instant(&engine, &store, "\n  rate(a[5m]) + quantile(2, rate(a[5m]))", 8).unwrap();
    assert_eq!(
        result.annotations.infos,
        [
            "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"a\" (2:8)"
        ]
    );
    assert_eq!(
        result.annotations.warnings,
        ["PromQL warning: quantile value should be between 0 and 1, got 2 (2:26)"]
    );
    let result = instant(&engine, &store, "histogram_quantile(0.5, x_bucket)", 0).unwrap();
    assert_eq!(
        result.annotations.warnings,
        ["PromQL warning: bucket label \"le\" is missing or has a malformed value of \"y\" (1:25)"]
    );
    assert!(instant(&engine, &store, "a", 1).unwrap().annotations.is_empty());
}

#[test]
fn chains_as_long_as_the_text_are_evaluated_without_recursion() {
    let (store, engine) = (store(&["x 1x5"]), default_engine());
    let sum = |result: Result<QueryResult, QueryError>| shown(&result.unwrap()).join("");
    let scalars = format!("1{}", "+1".repeat(20_000));
    assert_eq!(sum(instant(&engine, &store, &scalars, 1)), "20001");
    let mapped = format!("x{}", " + 1".repeat(20_000));
    assert_eq!(sum(instant(&engine, &store, &mapped, 1)), "{} 20001");
    let matched = format!("x{}", " + x".repeat(5_000));
    assert_eq!(sum(instant(&engine, &store, &matched, 1)), "{} 5001");
    let sets = format!("x{}", " or x and x".repeat(2_000));
    assert_eq!(sum(instant(&engine, &store, &sets, 1)), "x 1");
    let times = format!("x{}", " - time() + time()".repeat(2_000));
    assert_eq!(sum(range(&engine, &store, &times, 2)), "{} [1.0, 1.0, 1.0]");
}

#[test]
fn nesting_as_deep_as_allowed_fits_a_worker_thread() {
    let (store, engine) = (store(&["x 1x5"]), default_engine());
    let depth = engine.options().parse.max_depth;
    for (open, close) in [("abs(", ")"), ("sum(", ")"), ("1 + (", ")"), ("x + (", ")"), ("-(", ")")] {
        let times = depth / 2 - 1;
        let text = format!("{}x{}", open.repeat(times), close.repeat(times));
        assert!(instant(&engine, &store, &text, 1).is_ok(), "{open}");
        assert!(range(&engine, &store, &text, 2).is_ok(), "{open}");
    }
    let nested = (0..30).fold("x".to_owned(), |inner, _| format!("max_over_time(({inner})[2m:1m])"));
    assert!(instant(&engine, &store, &nested, 1).is_ok());
}

#[test]
fn answers_keep_the_order_the_query_asks_for() {
    let store = store(&["a{i=\"1\"} 3", "a{i=\"2\"} NaN", "a{i=\"3\"} 1", "a{i=\"10\"} 2"]);
    let order = |query: &str| shown(&instant(&default_engine(), &store, query, 0).unwrap()).join(" ");
    assert_eq!(order("sort(a)"), "a{i=\"3\"} 1 a{i=\"10\"} 2 a{i=\"1\"} 3 a{i=\"2\"} NaN");
    assert_eq!(order("sort_desc(a)"), "a{i=\"1\"} 3 a{i=\"10\"} 2 a{i=\"3\"} 1 a{i=\"2\"} NaN");
    assert_eq!(order("topk(2, a)"), "a{i=\"1\"} 3 a{i=\"10\"} 2");
    assert_eq!(order("bottomk(9, a)"), "a{i=\"3\"} 1 a{i=\"10\"} 2 a{i=\"1\"} 3 a{i=\"2\"} NaN");
    assert_eq!(order("sort_by_label(a > 0, \"i\")"), "a{i=\"1\"} 3 a{i=\"3\"} 1 a{i=\"10\"} 2");
    assert_eq!(order("sort_by_label_desc(a > 0, \"i\")"), "a{i=\"10\"} 2 a{i=\"3\"} 1 a{i=\"1\"} 3");
}

#[test]
fn a_window_longer_than_a_chunk_is_read_whole() {
    let store = store(&["a_total 0+1x3000"]);
    let engine = default_engine();
    assert_eq!(
        shown(&instant(&engine, &store, "count_over_time(a_total[2900m])", 3000).unwrap()),
        ["{} 2900"]
    );
    let result = range(&engine, &store, "sum_over_time(a_total[10m])", 3000).unwrap();
    let Value::Matrix(series) = result.value else { panic!("a matrix") };
    let wanted = |minute: i64| ((minute - 9).max(0)..=minute).sum::<i64>() as f64;
    assert!(series[0].samples.iter().all(|sample| sample.v == wanted(sample.t.0 / 60_000)));
    assert_eq!(series[0].samples.len(), 3001);
}

#[test]
fn labels_of_other_alphabets_are_names_like_all_others() {
    let store = store(&["{\"my.metric\", \"host name\"=\"ü\"} 1"]);
    let engine = default_engine();
    let result =
        instant(&engine, &store, "sum by (\"host name\") ({\"my.metric\", \"host name\"=~\"ü|ö\"})", 0);
    assert_eq!(result.as_ref().map(shown).unwrap(), ["{host name=\"ü\"} 1"]);
}

#[test]
fn times_at_the_ends_of_the_range_do_not_overflow() {
    let store = store(&["a 0+1x100"]);
    for at in [i64::MIN, i64::MIN + 1, i64::MIN + 60_000, i64::MAX - 60_000, i64::MAX - 1, i64::MAX] {
        store.append(&Labels::from_pairs([("__name__", "a"), ("i", "1")]), Sample::new(Timestamp(at), 1.0));
    }
    let engine = default_engine();
    for at in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
        for text in [
            "a",
            "a offset 290y",
            "a offset -290y",
            "rate(a[290y] offset 290y)",
            "rate(a[290y] offset -290y)",
            "increase(a[5m] smoothed)",
            "delta(a[5m] anchored offset 290y)",
            "absent_over_time(a[5m])",
            "a[5m]",
            "a @ start() offset -1m",
            "a @ 9e15",
            "a @ -9e15",
            "timestamp(a)",
            "predict_linear(a[5m], 1e300)",
            "predict_linear(a[5m] @ 9223372036854775, 1)",
            "predict_linear(a[5m] @ -9223372036854775, 1)",
            "deriv(a[5m])",
            "irate(a[5m:1m])",
            "rate(a[5m])",
            "increase(a[5m] anchored)",
            "ts_of_max_over_time(a[5m])",
            "year() + month() + days_in_month() + minute()",
            "time()",
        ] {
            let prepared = engine.prepare(text).unwrap();
            drop(engine.instant(&store, &prepared, Timestamp(at), &CancelToken::new()));
        }
    }
    for (start, end) in [(i64::MIN, i64::MIN + 120_000), (i64::MAX - 120_000, i64::MAX), (i64::MIN, i64::MAX)]
    {
        for text in ["a", "rate(a[5m] offset 290y)", "max_over_time(a[5m:1m] offset -290y)", "time()"] {
            let prepared = engine.prepare(text).unwrap();
            let (start, end) = (Timestamp(start), Timestamp(end));
            drop(engine.range(&store, &prepared, start, end, MINUTE, &CancelToken::new()));
        }
    }
}
