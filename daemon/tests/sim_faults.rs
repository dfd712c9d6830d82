//! Faults of the world in simulated time, from check to receiver: ten thousand checks fail at once, checks that flap, a
//! clock that is set, operators who act at the worst moment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test may be blunt")]

mod delivery;
mod engine;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use breakwatch::alerting::Input;
use breakwatch::events::EventKind;
use breakwatch::events::query::{Filter, read};
use breakwatch::state::SavedBreaker;
use breakwatch_alerts::{PostedAlert, SilenceMatcher, SilenceRequest, TransitionEvent};
use breakwatch_model::{Clock as _, Labels, StateStore, TimeRange, Timestamp};
use breakwatch_plugin_api::TransitionKind;
use breakwatch_store::disk::CrashMode;
use delivery::{Attempt, World};
use engine::{Act, BAD, Engine, OK, settings};
use tokio::sync::mpsc;

/// Checks in the storm.
const MANY: usize = 10_000;

fn attach(engine: &mut Engine, world: &World) {
    let (_, nobody) = mpsc::unbounded_channel::<Input>();
    let inputs = std::mem::replace(&mut engine.inputs, nobody);
    let state: Arc<dyn StateStore> = Arc::clone(&engine.state) as _;
    world.attach(&engine.clock, &state, &engine.breakers, &engine.alerting, inputs);
}

/// How often each alert's check was told of, by whether it fires; and the number of messages of each kind.
fn told(world: &World) -> (BTreeMap<(String, bool), usize>, BTreeMap<bool, usize>) {
    let (mut alerts, mut messages) = (BTreeMap::new(), BTreeMap::new());
    for one in world.taken.lock().iter() {
        let firing = one.message.firing().map(|alert| (alert.labels.value("check").to_owned(), true));
        let over = one.message.resolved().map(|alert| (alert.labels.value("check").to_owned(), false));
        for key in firing.chain(over) {
            *alerts.entry(key).or_default() += 1;
        }
        *messages.entry(one.message.firing().next().is_some()).or_default() += 1;
    }
    (alerts, messages)
}

/// Ten thousand breakers open within two seconds, and close together five minutes later.
fn storm(group_by: &str) -> World {
    let mut world = World::new(&format!(
        "
route: {{ receiver: ops, group_by: [{group_by}], group_wait: 5s, group_interval: 1m, repeat_interval: 4h }}
receivers: [ {{ name: ops, webhook_configs: [ {{ send_resolved: true }} ] }} ]
"
    ));
    world.live(|life| async move {
        for transition in [TransitionKind::Opened, TransitionKind::Closed] {
            for n in 0..MANY {
                let event = transition_of(n, transition, life.clock.now());
                let now = life.clock.monotonic();
                let saved = breakwatch_breaker::Breaker::new("b", engine::breaker(), now).expect("breaker");
                let saved =
                    SavedBreaker { at: life.clock.now(), snapshot: saved.snapshot(life.clock.monotonic()) };
                let name = event.name.clone();
                life.handle.tell(Input::Transition(Box::new(event), name, Box::new(saved)));
                if n % (MANY / 10) == 0 {
                    life.pass(0.2).await;
                }
            }
            life.pass(300.0).await;
        }
        assert_eq!(life.outbox(), [""; 0]);
    });
    world
}

fn transition_of(n: usize, transition: TransitionKind, at: Timestamp) -> TransitionEvent {
    TransitionEvent {
        name: format!("tcp/c{n}"),
        kind: "check".to_owned(),
        check_type: "tcp".to_owned(),
        target: format!("host{n}:80"),
        transition,
        at,
        impact: breakwatch_model::Impact::High,
        labels: Labels::from_pairs([("team", format!("t{}", n % 10))]),
        reason: None,
        message: "connection refused".to_owned(),
        evidence: Default::default(),
        failures: 3,
        failure_rate: None,
        recovery_time: None,
        open_for: None,
        runbook_url: String::new(),
        dashboard_url: String::new(),
        integration: None,
    }
}

#[test]
fn ten_thousand_failing_checks_are_a_message_for_each_group_and_none_is_left_out() {
    let world = storm("team");
    let (alerts, messages) = told(&world);
    assert_eq!(messages, [(true, 10), (false, 10)].into());
    assert_eq!(alerts.len(), 2 * MANY, "every check, as failing and as well again");
    assert!(alerts.values().all(|times| *times == 1));
    // The first wait of five seconds counts from a group's first alert; two more are the limit.
    let last = world
        .taken
        .lock()
        .iter()
        .filter(|one| one.message.firing().next().is_some())
        .map(|one| one.at)
        .fold(0.0, f64::max);
    assert!(last <= 7.0 + 2.0, "the last was told at {last}");
}

#[test]
fn ten_thousand_failing_checks_without_grouping_are_told_once_each() {
    let world = storm("check");
    let (alerts, messages) = told(&world);
    assert_eq!(messages, [(true, MANY), (false, MANY)].into());
    assert_eq!(alerts.len(), 2 * MANY);
    assert!(alerts.values().all(|times| *times == 1));
}

const BY_CHECK: &str = "
route: { receiver: ops, group_by: [check], group_wait: 1s, group_interval: 5m, repeat_interval: 4h }
receivers: [ { name: ops, webhook_configs: [ { send_resolved: true } ] } ]
";

/// The window in which the daemon counts transitions when it looks for flapping.
const FLAP_WINDOW: f64 = 15.0 * 60.0;

#[tokio::test(start_paused = true)]
async fn a_flapping_check_is_told_at_most_twice_in_a_window_and_marked() {
    for (name, period) in [("every run", 1), ("every second run", 2)] {
        let world = World::new(BY_CHECK);
        let mut engine = Engine::new();
        attach(&mut engine, &world);
        engine.breaker =
            breakwatch_breaker::Config { jitter: 0.0, ..breakwatch_breaker::Preset::Check.config() };
        let script = move |at: Duration| if (at.as_secs() / (10 * period)) % 2 == 1 { BAD } else { OK };
        engine.add("http/flap", settings(), script);
        engine.start();
        engine.pass(2 * 3600).await;
        let taken = world.taken.lock().clone();
        let pages = taken.iter().filter(|one| one.message.firing().next().is_some());
        let times: Vec<f64> = pages.map(|one| one.at).collect();
        let from =
            |start: &f64| times.iter().filter(|at| (*start..start + FLAP_WINDOW).contains(*at)).count();
        let most = times.iter().map(from).max();
        println!("{name}: {} pages in two hours, at most {most:?} in a window", times.len());
        assert!(!times.is_empty(), "{name}: half of the runs fail, and nobody is told");
        assert!(most.unwrap_or(0) <= 2, "{name}: {times:?}");
        let path = engine.breaker_path("http/flap");
        let busiest = path.iter().map(|(start, _)| {
            path.iter().filter(|(at, _)| (*start..start + FLAP_WINDOW).contains(at)).count()
        });
        if busiest.max().unwrap_or(0) > 6 {
            let events = Filter {
                range: TimeRange::new(Timestamp(0), Timestamp::MAX),
                kinds: vec![EventKind::FlappingStarted],
                name: None,
            };
            while let Ok(Input::Record(batch)) = engine.inputs.try_recv() {
                engine.state.commit(batch).expect("commit");
            }
            assert!(
                !read(&*engine.state, &events).expect("events").is_empty(),
                "{name}: not marked as flapping"
            );
        }
    }
}

/// The jumps of a clock, in seconds: an hour and a year either way, a night's sleep, a leap second, the end of summer
/// time on a machine whose clock shows local time.
const JUMPS: [(&str, i64); 7] = [
    ("an hour ahead", 3600),
    ("an hour back", -3600),
    ("a year ahead", 365 * 86_400),
    ("a year back", -365 * 86_400),
    ("eight hours asleep", 8 * 3600),
    ("a leap second", -1),
    ("the end of summer time", -3600),
];

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_pages_nobody_and_holds_nobody_up() {
    for (name, seconds) in JUMPS {
        let world = World::new(BY_CHECK);
        let mut engine = Engine::new();
        attach(&mut engine, &world);
        engine.add("http/good", settings(), |_| OK);
        engine.add("http/bad", settings(), |_| BAD);
        // Fails later, and works again still later.
        let late = |at: Duration| if (900..1800).contains(&at.as_secs()) { BAD } else { OK };
        engine.add("http/late", settings(), late);
        engine.start();
        // What a client posts once is believed for five minutes.
        engine.pass(500).await;
        let labels = Labels::from_pairs([("alertname", "Posted"), ("check", "posted")]);
        let posted = vec![PostedAlert { labels, ..PostedAlert::default() }];
        let call = engine.alerting.call(move |alerting, now| alerting.receive(posted, now));
        call.await.unwrap().unwrap();
        engine.pass(60).await;
        engine.clock.jump(seconds * 1000);
        engine.pass(60).await;
        let alerts: Vec<String> =
            world.lines().iter().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())).collect();
        let expected = ["+CircuitBreakerOpen", "+Posted"].map(|what| format!("ops/webhook[0] {what}"));
        assert_eq!(alerts, expected, "{name}");
        engine.pass(3600).await;
        let taken = world.taken.lock().clone();
        let later = taken.iter().skip(2).map(|one| {
            let sign = if one.message.firing().next().is_some() { '+' } else { '-' };
            (format!("{sign}{}", one.message.alerts[0].labels.value("check")), one.at)
        });
        let later: BTreeMap<String, f64> = later.collect();
        println!("{name}: {later:?}");
        let names: Vec<&str> = later.keys().map(String::as_str).collect();
        assert_eq!(names, ["+http/late", "-http/late", "-posted"], "{name}");
        assert!((920.0..960.0).contains(&later["+http/late"]), "{name}: {later:?}");
        assert!((1800.0..2200.0).contains(&later["-http/late"]), "{name}: {later:?}");
        // Five minutes after it was posted, and at the next look at its group.
        assert!((800.0..1110.0).contains(&later["-posted"]), "{name}: {later:?}");
    }
}

fn silence(name: &str, now: Timestamp) -> SilenceRequest {
    let matcher =
        SilenceMatcher { name: "alertname".into(), value: name.into(), is_regex: false, is_equal: true };
    SilenceRequest {
        id: String::new(),
        matchers: vec![matcher],
        starts_at: now,
        ends_at: now + Duration::from_secs(86_400),
        created_by: "me".into(),
        comment: "why".into(),
        recurrence: None,
    }
}

/// A silence and an acknowledgement, set at the moment of the alert; gives which were answered.
fn operators(world: &mut World) -> BTreeSet<&'static str> {
    world.live(|life| async move {
        let mut answered = BTreeSet::new();
        let now = life.clock.now();
        let request = silence("A", now);
        let posted = life.post(&["alertname=A service=x", "alertname=B service=y"]);
        let set =
            life.acknowledged(life.handle.call(move |alerting, now| alerting.set_silence(request, now)));
        let (posted, set) = tokio::join!(posted, set);
        if set {
            answered.insert("silence");
        }
        if posted {
            answered.insert("posted");
            let fingerprint = delivery::labels("alertname=B service=y").fingerprint();
            let ack = life.handle.call(move |alerting, now| alerting.acknowledge(fingerprint, "me", "", now));
            if life.acknowledged(ack).await {
                answered.insert("ack");
            }
        }
        life.pass(3.0).await;
        answered
    })
}

const REPEATING: &str = "
route: { receiver: ops, group_by: [service], group_wait: 1s, group_interval: 10s, repeat_interval: 30s }
receivers: [ { name: ops, webhook_configs: [ { send_resolved: true } ] } ]
";

#[test]
fn what_an_operator_was_answered_holds_over_a_crash_at_any_moment() {
    let mut whole = World::new(REPEATING);
    assert_eq!(operators(&mut whole), ["ack", "posted", "silence"].into());
    let operations = whole.disk.operations();
    for operation in 1..=operations {
        for mode in [CrashMode::Nothing, CrashMode::Some(operation)] {
            let mut world = World::new(REPEATING);
            world.die_at(operation);
            let answered = operators(&mut world);
            world.crash(mode);
            let before = world.lines().len();
            world.receivers(|_, _| Attempt::Taken);
            let (silenced, acked) = world.live(|life| async move {
                life.pass(100.0).await;
                let views = life.handle.call(|alerting, now| alerting.alerts(now)).await.unwrap();
                let of = |name: &str| views.iter().find(|view| view.alert.name() == name).cloned();
                let silenced = of("A").is_none_or(|view| !view.silenced_by.is_empty());
                (silenced, of("B").is_some_and(|view| view.ack.is_some()))
            });
            let after: Vec<String> = world.lines().split_off(before);
            let point = format!("crash at operation {operation}, {mode:?}, answered {answered:?}: {after:?}");
            let times = |alert: &str| after.iter().filter(|line| line.contains(alert)).count();
            if answered.contains("silence") {
                assert!(silenced && times("+A") == 0, "{point}");
            }
            if answered.contains("ack") {
                assert!(acked && times("+B") <= 1, "{point}");
            } else if answered.contains("posted") && !acked {
                assert!(times("+B") >= 3, "repeated without an acknowledgement: {point}");
            }
        }
    }
    println!("{operations} operations");
}

#[tokio::test(start_paused = true)]
async fn checks_that_hang_are_told_like_checks_that_fail() {
    let world = World::new(BY_CHECK);
    let mut engine = Engine::new();
    attach(&mut engine, &world);
    engine.add("http/hangs", settings(), |_| Act::Hangs);
    engine.start();
    engine.pass(120).await;
    let alerts = told(&world).0;
    assert_eq!(alerts, [(("http/hangs".to_owned(), true), 1)].into());
}
