//! Random appends, reads and restarts against plain vectors.

use breakwatch_model::{MatchOp, Queryable};

use std::time::Duration;

use super::*;
use crate::history::Retention;
use crate::memory::MemoryHistory;

/// Raw samples are kept this long, in milliseconds.
const KEPT: i64 = 2 * 86_400_000;

/// Where retention cuts at `now`: whole days go, once they ended long enough ago.
fn kept_from(now: i64) -> Timestamp {
    Timestamp((now - KEPT).div_euclid(86_400_000) * 86_400_000)
}

/// How many operations; the soak run takes more.
fn operations() -> usize {
    std::env::var("BREAKWATCH_STORE_OPERATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000)
}

fn value(rng: &mut fastrand::Rng) -> f64 {
    match rng.u8(0..8) {
        0 => breakwatch_model::stale_nan(),
        1 => f64::from_bits(rng.u64(..)),
        2 => f64::from(rng.u32(..)) / 1e9,
        3 | 4 => 1.0,
        _ => f64::from(rng.u8(0..3)),
    }
}

fn matchers(rng: &mut fastrand::Rng) -> Vec<Matcher> {
    let ops = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
    let name = ["__name__", "check", "absent"][rng.usize(0..3)];
    let pattern = ["m1", "c2", "m.*", "", "c1|c3", "m[0-3]"][rng.usize(0..6)];
    vec![Matcher::new(ops[rng.usize(0..4)], name, pattern).unwrap()]
}

#[test]
fn random_operations_equal_the_model() {
    let seed = std::env::var("BREAKWATCH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(41);
    let mut rng = fastrand::Rng::with_seed(seed);
    let options = HistoryOptions {
        retention: Retention { raw: Duration::from_millis(KEPT as u64), ..Retention::default() },
        ..options()
    };
    let mut bench = Bench::try_on(SimDisk::new(), START, options).unwrap();
    let model = MemoryHistory::new();
    let names: Vec<Labels> =
        (0..60).map(|n| labels(&format!("m{}", n % 9), &format!("c{}", n / 6))).collect();
    let mut now = START;
    for operation in 0..operations() {
        now += rng.i64(0..20_000);
        bench.set(now);
        model.set_latest(Some(Timestamp(now + 600_000)));
        match rng.u32(0..1000) {
            0..5 => {
                if rng.bool() {
                    bench.history.close().unwrap();
                } else {
                    bench.history.tick().unwrap();
                }
                bench = Bench::try_on(bench.disk, now, options).unwrap();
            }
            5..25 => {
                bench.history.maintain().unwrap();
                model.drop_before(kept_from(now));
            }
            25..100 => bench.history.tick().unwrap(),
            100..130 => {
                let matchers = matchers(&mut rng);
                let start = now - rng.i64(0..KEPT);
                let range = TimeRange::new(Timestamp(start), Timestamp(start + rng.i64(0..20_000_000)));
                let (found, expected) =
                    (select(&*bench.history, &matchers, range), select(&model, &matchers, range));
                assert!(found == expected, "operation {operation}: {matchers:?} {range:?}");
                check_lasts(&bench.history, &model, &matchers, range);
            }
            _ => {
                let t = now - if rng.u8(0..20) == 0 { rng.i64(0..5000) } else { 0 };
                let target = rng.usize(0..10) * 6;
                for labels in &names[target..target + rng.usize(1..7)] {
                    let sample = Sample::new(Timestamp(t), value(&mut rng));
                    let real = bench.history.append(&[(bench.series(labels), sample)]).unwrap();
                    let naive = model.push(labels, sample.t, sample.v);
                    assert_eq!(real, naive, "operation {operation}");
                }
            }
        }
    }
    assert!(dump(&*bench.history, all()) == dump(&model, all()));
    assert_eq!(bench.dir.incidents().since(0), []);
    let stats = bench.history.stats();
    assert!(stats.hot_chunks > 0 && stats.blocks > 3, "{stats:?}");
}

fn check_lasts(real: &History, model: &MemoryHistory, matchers: &[Matcher], range: TimeRange) {
    let cancel = CancelToken::new();
    let lasts = |store: &dyn Queryable| {
        let selector = store.prepare(matchers, &cancel).unwrap();
        let mut out = Vec::new();
        store.last_samples(&selector, range, &cancel, &mut out).unwrap();
        let named = out.into_iter().map(|(i, s)| (selector.series[i].labels.clone(), s.t, s.v.to_bits()));
        named.collect::<Vec<_>>()
    };
    assert!(lasts(real) == lasts(model), "{matchers:?} {range:?}");
}
