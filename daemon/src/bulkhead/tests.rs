use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_config::{BulkheadLimits, BulkheadsConfig};
use breakwatch_model::SystemClock;

use super::all::host;
use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

fn limits(max_concurrent: usize, max_queued: usize) -> BulkheadLimits {
    BulkheadLimits { max_concurrent, max_queued, queue_timeout: None }
}

#[test]
fn hosts_of_targets() {
    for (target, expected) in [
        ("https://Example.org:8443/health", Some("example.org")),
        ("postgres://db.internal/main", Some("db.internal")),
        ("Mail.example.org:25", Some("mail.example.org")),
        ("[::1]:25", Some("[::1]")),
        ("/var/lib", None),
        ("/usr/bin/check -p x:25", None),
        ("memory", None),
    ] {
        assert_eq!(host(target).as_deref(), expected, "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn slots_come_back_and_waiting_is_bounded_twice() {
    let bulkhead = Arc::new(Bulkhead::new("host/a".into(), limits(2, 1)));
    let first = bulkhead.enter(PATIENCE, &SystemClock).await.unwrap();
    let second = bulkhead.enter(PATIENCE, &SystemClock).await.unwrap();
    let third = tokio::spawn({
        let bulkhead = Arc::clone(&bulkhead);
        async move { bulkhead.enter(PATIENCE, &SystemClock).await }
    });
    tokio::task::yield_now().await;
    assert_eq!((bulkhead.stats().active, bulkhead.stats().queued), (2, 1));
    let full = bulkhead.enter(PATIENCE, &SystemClock).await;
    assert_eq!(full.unwrap_err(), Refused::Full("host/a".into()));
    drop(first);
    let third = third.await.unwrap().unwrap();
    assert_eq!((bulkhead.stats().active, bulkhead.stats().queued), (2, 0));
    let late = bulkhead.enter(PATIENCE, &SystemClock).await;
    assert_eq!(late.unwrap_err(), Refused::TimedOut("host/a".into()));
    drop((second, third));
    let stats = bulkhead.stats();
    assert_eq!((stats.active, stats.queued, stats.calls, stats.rejected, stats.timeouts), (0, 0, 5, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_gives_up_waiting_leaves_the_queue() {
    let bulkhead = Arc::new(Bulkhead::new("kind/x".into(), limits(1, 1)));
    let _slot = bulkhead.enter(Duration::ZERO, &SystemClock).await.unwrap();
    let waiting = bulkhead.enter(Duration::from_secs(60), &SystemClock);
    assert!(tokio::time::timeout(Duration::from_secs(1), waiting).await.is_err());
    assert_eq!(bulkhead.stats().queued, 0);
}

#[tokio::test(start_paused = true)]
async fn a_bulkhead_without_a_queue_turns_away_at_once_and_one_with_a_time_of_its_own_sooner() {
    let strict = Arc::new(Bulkhead::new("host/a".into(), limits(1, 0)));
    let _slot = strict.enter(PATIENCE, &SystemClock).await.unwrap();
    let refused = strict.enter(PATIENCE, &SystemClock).await.unwrap_err();
    assert_eq!(refused, Refused::Full("host/a".into()));
    let short = BulkheadLimits { queue_timeout: Some(Duration::from_secs(2)), ..limits(1, 9) };
    let hurried = Arc::new(Bulkhead::new("host/b".into(), short));
    let _slot = hurried.enter(PATIENCE, &SystemClock).await.unwrap();
    let began = tokio::time::Instant::now();
    let refused = hurried.enter(PATIENCE, &SystemClock).await.unwrap_err();
    assert_eq!((refused, began.elapsed()), (Refused::TimedOut("host/b".into()), Duration::from_secs(2)));
}

#[tokio::test(start_paused = true)]
async fn one_that_has_shrunk_lets_nobody_in_until_enough_have_left() {
    let bulkhead = Arc::new(Bulkhead::new("kind/x".into(), limits(4, 0)));
    let mut slots = Vec::new();
    for _ in 0..3 {
        slots.push(bulkhead.enter(PATIENCE, &SystemClock).await.unwrap());
    }
    bulkhead.resize(limits(2, 0));
    assert_eq!((bulkhead.stats().active, bulkhead.limits().max_concurrent), (3, 2));
    assert_eq!(bulkhead.utilization(), 1.5);
    slots.pop();
    assert!(bulkhead.enter(PATIENCE, &SystemClock).await.is_err(), "two are still there");
    slots.pop();
    slots.push(bulkhead.enter(PATIENCE, &SystemClock).await.unwrap());
    assert!(bulkhead.enter(PATIENCE, &SystemClock).await.is_err());
    // Growing again while more are in than may: what is in use counts.
    bulkhead.resize(limits(1, 0));
    bulkhead.resize(limits(3, 0));
    slots.push(bulkhead.enter(PATIENCE, &SystemClock).await.unwrap());
    assert!(bulkhead.enter(PATIENCE, &SystemClock).await.is_err());
    slots.clear();
    for _ in 0..3 {
        slots.push(bulkhead.enter(PATIENCE, &SystemClock).await.unwrap());
    }
    assert!(bulkhead.enter(PATIENCE, &SystemClock).await.is_err());
}

/// Whatever is resized, entered and left in whatever order: never more in than there was room for when they came.
#[tokio::test(start_paused = true)]
async fn random_resizing_never_lets_too_many_in_and_loses_no_slot() {
    let mut rng = fastrand::Rng::with_seed(26);
    for _ in 0..200 {
        let bulkhead = Arc::new(Bulkhead::new("kind/x".into(), limits(3, 0)));
        let (mut size, mut slots) = (3, Vec::new());
        for _ in 0..100 {
            match rng.u8(..4) {
                0 => {
                    size = rng.usize(1..8);
                    bulkhead.resize(limits(size, 0));
                }
                1 if !slots.is_empty() => drop(slots.swap_remove(rng.usize(..slots.len()))),
                _ => {
                    let entered = bulkhead.enter(PATIENCE, &SystemClock).await;
                    assert_eq!(entered.is_ok(), slots.len() < size, "{} of {size}", slots.len());
                    slots.extend(entered);
                }
            }
            assert_eq!(bulkhead.stats().active, slots.len());
        }
    }
}

#[tokio::test]
async fn bulkheads_are_there_for_every_check_and_follow_the_configuration() {
    let bulkheads = Bulkheads::new(BulkheadsConfig::default(), Arc::new(SystemClock));
    let names = || bulkheads.list().iter().map(|one| one.name.to_string()).collect::<Vec<_>>();
    bulkheads.fit([("http", "https://a.example.org/x"), ("memory", "memory")].into_iter());
    assert_eq!(names(), ["host/a.example.org", "kind/http", "kind/memory"]);
    let slots = bulkheads.enter("http", "https://a.example.org/x", PATIENCE).await.unwrap();
    let own = BTreeMap::from([("host/a.example.org".to_owned(), limits(1, 0))]);
    bulkheads.configure(BulkheadsConfig { own, ..BulkheadsConfig::default() });
    let refused = bulkheads.enter("http", "https://a.example.org/y", PATIENCE).await.unwrap_err();
    assert_eq!(refused, Refused::Full("host/a.example.org".into()));
    bulkheads.fit([("memory", "memory")].into_iter());
    assert_eq!(names(), ["host/a.example.org", "kind/http", "kind/memory"], "what is in use stays");
    drop(slots);
    bulkheads.fit([("memory", "memory")].into_iter());
    assert_eq!(names(), ["kind/memory"]);
    let families = bulkheads.families();
    let max = families.iter().find(|family| &*family.name == "breakwatch_bulkhead_max_concurrent").unwrap();
    assert_eq!(
        (max.points[0].labels.to_string(), max.points[0].value),
        (r#"{name="kind/memory"}"#.to_owned(), 2048.0)
    );
}
