//! Events, dependencies, self-outage and recovery figures in simulated time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod engine;

use std::sync::Arc;
use std::time::Duration;

use breakwatch::alerting::Input;
use breakwatch::checks::group::GroupCheck;
use breakwatch::checks::observer::Observer;
use breakwatch::checks::unit::CheckSettings;
use breakwatch::events::query::{Filter, read};
use breakwatch::events::{Event, EventKind};
use breakwatch::recovery::{Figures, Span, figures};
use breakwatch_alerts::Alerting;
use breakwatch_breaker::State;
use breakwatch_config::{Group, MinHealthy};
use breakwatch_model::{AlertStatus, Clock as _, StateStore as _, Status, TimeRange, Timestamp};
use breakwatch_plugin_api::{ComponentId, Place};
use engine::{Act, BAD, Engine, OK, START, settings};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Does with the queue what the alerting task does: everything an input says goes into the state and the log.
fn drain(engine: &mut Engine, alerting: &mut Alerting) {
    let now = engine.clock.now();
    while let Ok(input) = engine.inputs.try_recv() {
        match input {
            Input::Record(batch) => engine.state.commit(batch).expect("commit"),
            Input::Rules(alerts, _) => alerting.receive_rules(alerts, now),
            Input::Call(call) => call(alerting, now)(),
            _ => {}
        }
    }
}

fn alerting(now: Timestamp) -> Alerting {
    let config = breakwatch_alerts::config::Config::empty();
    let settings = breakwatch_alerts::Settings { seed: 1, ..Default::default() };
    Alerting::new(config.into(), settings, Default::default(), now)
}

fn events(engine: &Engine, kinds: &[EventKind]) -> Vec<Event> {
    let range = TimeRange::new(Timestamp(0), engine.clock.now());
    read(&*engine.state, &Filter { range, kinds: kinds.to_vec(), name: None }).expect("events")
}

fn root_causes(engine: &Engine) -> Vec<(String, String)> {
    let units = engine.units.read().clone();
    let causes = breakwatch::dependencies::root_causes(&units, engine.clock.now());
    let mut causes: Vec<_> = causes.into_iter().collect();
    causes.sort();
    causes
}

/// Which checks alerting keeps quiet, and for which root cause.
fn told(engine: &mut Engine, alerting: &mut Alerting) -> Vec<(String, String)> {
    drain(engine, alerting);
    let mut told: Vec<_> = alerting
        .quiet_dependants()
        .into_iter()
        .map(|(root, check)| (check.to_owned(), root.to_owned()))
        .collect();
    told.sort();
    told
}

fn day_figures(observer: &Observer, name: &str, now: Timestamp) -> Figures {
    let window = Span { start: now - secs(24 * 3600), end: now };
    observer.chronicle.look(now, |pasts, blind| figures(&pasts[name], blind, window))
}

#[tokio::test(start_paused = true)]
async fn the_silence_is_there_before_the_dependants_breaker_opens_and_goes_when_the_root_is_back() {
    let mut engine = Engine::new();
    let mut alerting = alerting(START);
    let bad = |at: Duration| if (secs(100)..secs(400)).contains(&at) { BAD } else { OK };
    engine.add("database/main", settings(), bad);
    let api = CheckSettings { depends_on: vec!["database/main".into()], ..settings() };
    let web = CheckSettings { depends_on: vec!["http/api".into()], ..settings() };
    engine.add("http/api", api, bad);
    engine.add("http/web", web, bad);
    engine.start();
    engine.pass(99).await;
    assert!(root_causes(&engine).is_empty());
    engine.pass(12).await;
    let root = || "database/main".to_owned();
    let both = vec![("http/api".to_owned(), root()), ("http/web".to_owned(), root())];
    assert_eq!(root_causes(&engine), both);
    assert!(engine.breaker_path("http/web").is_empty(), "no breaker is open yet");
    assert_eq!(told(&mut engine, &mut alerting), both, "alerting knows before the first breaker opens");
    // The root's breaker stays a cause until it has closed.
    engine.pass(1500).await;
    assert!(told(&mut engine, &mut alerting).is_empty());
    assert!(root_causes(&engine).is_empty());
    assert_eq!(
        engine.breaker_path("http/web").last().expect("a path").1,
        State::Closed,
        "measured all along"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failing_canary_quorum_means_unknown_and_moves_no_breaker() {
    let mut engine = Engine::new();
    let mut alerting = alerting(START);
    let cut = |at: Duration| if (secs(300)..secs(900)).contains(&at) { BAD } else { OK };
    let canary = CheckSettings { canary: true, interval: secs(5), timeout: secs(2), ..settings() };
    engine.add("ping/one", canary.clone(), cut);
    engine.add("ping/two", canary.clone(), cut);
    engine.add("ping/three", canary, |_| OK);
    let slow = CheckSettings { interval: secs(30), ..settings() };
    let (_, unit) = engine.add("http/shop", slow, cut);
    engine.start();
    engine.pass(400).await;
    drain(&mut engine, &mut alerting);
    let now = engine.clock.now();
    assert!(engine.runner.observer.is_isolated());
    assert_eq!(engine.status(&unit), Status::Unknown);
    assert!(engine.breaker_path("http/shop").is_empty());
    let firing = |alerting: &Alerting, now| -> Vec<String> {
        let alerts = alerting.firing(now).filter(|alert| alert.status(now) == AlertStatus::Firing);
        alerts.map(|alert| alert.name().to_owned()).collect()
    };
    assert_eq!(firing(&alerting, now), ["MonitorIsolated"]);
    engine.pass(1200).await;
    drain(&mut engine, &mut alerting);
    assert!(!engine.runner.observer.is_isolated());
    assert_eq!(engine.status(&unit), Status::Healthy);
    assert!(firing(&alerting, engine.clock.now()).is_empty());
    let told = events(&engine, &[EventKind::MonitorIsolated, EventKind::MonitorConnected]);
    assert_eq!(told.len(), 2, "told once: {told:?}");
    for name in ["http/shop", "ping/one", "ping/two"] {
        let figures = day_figures(&engine.runner.observer, name, engine.clock.now());
        assert_eq!(figures.availability, Some(1.0), "{name} is not charged");
        assert_eq!(figures.episodes, 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dependant_stays_quiet_after_its_root_cause_until_it_is_looked_at_again() {
    let mut engine = Engine::new();
    let mut alerting = alerting(START);
    let down =
        |from: u64, to: u64| move |at: Duration| if (secs(from)..secs(to)).contains(&at) { BAD } else { OK };
    engine.add("database/main", settings(), down(100, 1000));
    let dependant = CheckSettings { depends_on: vec!["database/main".into()], ..settings() };
    let backs: Vec<String> = (0..8).map(|i| format!("http/back-at-once-{i}")).collect();
    // They notice at different times, so their probes lie at different times when it is over.
    for (i, name) in (0..).zip(&backs) {
        engine.add(name, dependant.clone(), down(110 + 30 * i, 1000));
    }
    engine.add("http/has-its-own-trouble", dependant, down(110, 5000));
    engine.start();
    let state = |engine: &Engine, name: &str| engine.breakers.get(name).expect("a breaker").breaker.state();
    while engine.clock.now() < START + secs(1000) || state(&engine, "database/main") != State::Closed {
        engine.pass(1).await;
    }
    let over_at = engine.clock.now();
    let named = |name: &str| (name.to_owned(), "database/main".to_owned());
    // Those whose breakers are still open were last looked at before the root came back.
    let open: Vec<String> =
        backs.iter().filter(|name| state(&engine, name) != State::Closed).cloned().collect();
    assert!(!open.is_empty(), "a test of nothing");
    let mut expected: Vec<_> = open.iter().map(|name| named(name)).collect();
    expected.push(named("http/has-its-own-trouble"));
    assert_eq!(told(&mut engine, &mut alerting), expected);
    let mut trouble = None;
    for _ in 0..1200 {
        engine.pass(1).await;
        let quiet = told(&mut engine, &mut alerting);
        for name in &open {
            let is_quiet = quiet.contains(&named(name));
            assert_eq!(is_quiet, state(&engine, name) != State::Closed, "{name}: quiet until it works");
        }
        if !quiet.contains(&named("http/has-its-own-trouble")) {
            trouble.get_or_insert(engine.clock.now().since(over_at));
        }
    }
    assert!(open.iter().all(|name| state(&engine, name) == State::Closed));
    // A failure in the first minute may still be the root's; open breakers are probed every five minutes at least.
    let trouble = trouble.expect("released");
    assert!((secs(60)..=secs(660)).contains(&trouble), "{trouble:?}");
}

#[tokio::test(start_paused = true)]
async fn a_group_is_judged_by_what_was_measured_of_its_members() {
    use Status::{Degraded, Healthy, Unhealthy, Unknown};
    // Members (healthy, degraded, failing, not measured), how many must be available, and what follows.
    let table = [
        ((4, 0, 0, 0), MinHealthy::Share(0.5), Healthy),
        ((3, 0, 1, 0), MinHealthy::Share(0.5), Degraded),
        ((1, 1, 2, 0), MinHealthy::Share(0.5), Degraded),
        ((1, 0, 3, 0), MinHealthy::Share(0.5), Unhealthy),
        ((0, 0, 4, 0), MinHealthy::Count(1), Unhealthy),
        // Those that were not measured could make the difference, or could not.
        ((1, 0, 1, 2), MinHealthy::Share(0.5), Unknown),
        ((1, 0, 3, 0), MinHealthy::Count(2), Unhealthy),
        ((0, 0, 1, 3), MinHealthy::Share(0.5), Unknown),
        ((0, 0, 3, 1), MinHealthy::Share(0.5), Unhealthy),
        ((0, 0, 0, 4), MinHealthy::Count(1), Unknown),
        ((2, 0, 0, 2), MinHealthy::Share(0.5), Degraded),
    ];
    let mut engine = Engine::new();
    let mut groups = Vec::new();
    for (i, ((healthy, degraded, failing, unknown), min_healthy, expected)) in table.into_iter().enumerate() {
        let acts =
            [(healthy, OK), (degraded, Act::Degraded(Duration::ZERO)), (failing, BAD), (unknown, Act::Local)];
        let acts = acts.into_iter().flat_map(|(count, act)| (0..count).map(move |_| act));
        let members = acts.enumerate().map(|(member, act)| {
            let name = format!("http/{i}-{member}");
            engine.add(&name, settings(), move |_| act);
            (ComponentId::parse(&name).expect("an id"), Place::default())
        });
        let group = Group { members: members.collect(), min_healthy };
        let check = GroupCheck::new(&group, Arc::downgrade(&engine.units));
        groups.push((engine.add_check(&format!("group/{i}"), settings(), Arc::new(check)), expected));
    }
    engine.start();
    engine.pass(25).await;
    for (i, (unit, expected)) in groups.iter().enumerate() {
        assert_eq!(engine.status(unit), *expected, "{:?}", table[i]);
    }
}

#[tokio::test(start_paused = true)]
async fn one_good_answer_does_not_end_an_isolation_and_what_needs_no_link_goes_on() {
    let mut engine = Engine::new();
    let mut alerting = alerting(START);
    // Back for one answer in the middle, then cut off again.
    let cut = |at: Duration| {
        let off = (secs(300)..secs(600)).contains(&at) || (secs(604)..secs(900)).contains(&at);
        if off { BAD } else { OK }
    };
    let canary = CheckSettings { canary: true, interval: secs(10), ..settings() };
    for name in ["ping/one", "ping/two", "ping/three"] {
        engine.add(name, canary.clone(), cut);
    }
    let (_, shop) = engine.add("http/shop", settings(), cut);
    let local = CheckSettings { local: true, ..settings() };
    let bad = |at: Duration| if (secs(400)..secs(500)).contains(&at) { BAD } else { OK };
    let (_, disk) = engine.add("disk/root", local, bad);
    engine.start();
    engine.pass(450).await;
    assert!(engine.runner.observer.is_isolated());
    assert_eq!((engine.status(&shop), engine.status(&disk)), (Status::Unknown, Status::Unhealthy));
    assert_eq!(engine.breaker_path("disk/root").len(), 1, "the host's own checks go on");
    assert!(!told(&mut engine, &mut alerting).iter().any(|(check, _)| check == "disk/root"), "and are told");
    engine.pass(440).await;
    assert_eq!(engine.status(&disk), Status::Healthy);
    let connected = events(&engine, &[EventKind::MonitorConnected]);
    assert!(connected.is_empty(), "an answer between two outages ends nothing: {connected:?}");
    assert!(engine.runner.observer.is_isolated());
    engine.pass(60).await;
    drain(&mut engine, &mut alerting);
    assert!(!engine.runner.observer.is_isolated());
    let told = events(&engine, &[EventKind::MonitorIsolated, EventKind::MonitorConnected]);
    assert_eq!(told.len(), 2, "told once: {told:?}");
    let took = told[1].at.since(START + secs(900));
    assert!(took <= secs(15), "noticed and confirmed soon: {took:?}");
    engine.pass(60).await;
    assert_eq!(engine.status(&shop), Status::Healthy);
    assert!(engine.breaker_path("http/shop").is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_failing_canary_of_two_proves_nothing() {
    let mut engine = Engine::new();
    let canary = CheckSettings { canary: true, ..settings() };
    engine.add("ping/one", canary.clone(), |_| BAD);
    engine.add("ping/two", canary, |_| OK);
    let (_, unit) = engine.add("http/shop", settings(), |_| BAD);
    engine.start();
    engine.pass(60).await;
    assert!(!engine.runner.observer.is_isolated());
    assert_eq!(engine.status(&unit), Status::Unhealthy);
}

#[tokio::test(start_paused = true)]
async fn figures_equal_a_table_computed_by_hand_before_and_after_a_restart() {
    let mut engine = Engine::new();
    let mut alerting = alerting(START);
    // Two outages, both begun just before a run of the grid, so that every time is that of a run.
    let script = |at: Duration| {
        let down = (secs(3000)..secs(3300)).contains(&at) || (secs(50_000)..secs(50_030)).contains(&at);
        if down { BAD } else { OK }
    };
    let (check, _) = engine.add("http/shop", settings(), script);
    engine.start();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let heartbeat = breakwatch::events::heartbeat(engine.runner.observer.chronicle.clone(), stopped);
    let heartbeat = tokio::spawn(heartbeat);
    engine.pass(86_400).await;
    let _ = stop.send(true);
    heartbeat.await.expect("the heartbeat ends");
    engine.runner.observer.chronicle.beat();
    drain(&mut engine, &mut alerting);
    // By hand, from when the runs were: the first failing run, the third of them opens, the first good one ends
    // the down time and the second good one closes.
    let begun = check.begun();
    let run = |from: u64, n: usize| *begun.iter().filter(|at| **at >= secs(from)).nth(n).expect("a run");
    let mut down = 0.0;
    let mut open = 0.0;
    let mut detect = 0.0;
    for (from, to) in [(3000, 3300), (50_000, 50_030)] {
        let (failed, opened) = (run(from, 0), run(from, 2));
        let (good, closed) = (run(to, 0), run(to, 1));
        down += (good - failed).as_secs_f64();
        detect += (opened - failed).as_secs_f64();
        open += (closed - opened).as_secs_f64();
    }
    let now = engine.clock.now();
    let before = day_figures(&engine.runner.observer, "http/shop", now);
    let near = |a: Option<f64>, b: f64| (a.expect("a figure") - b).abs() < 0.01;
    let measured = 86_400.0 - begun[0].as_secs_f64();
    assert!(near(before.availability.map(|a| a * measured), measured - down), "{before:?} {down}");
    assert_eq!((before.episodes, before.recovered, before.recovery_rate), (2, 2, 1.0));
    assert!(near(before.mttr_seconds, open / 2.0), "{before:?} {open}");
    assert!(near(before.time_to_detect_seconds, detect / 2.0));
    assert!(near(before.mtbf_seconds, (measured - down) / 2.0));
    assert!((before.open_seconds - open).abs() < 0.01);
    // Another daemon on the same state log, at the same moment.
    let (handle, _inputs) = breakwatch::alerting::Handle::new(engine.clock.clone());
    let again = Observer::new(engine.units.clone(), &*engine.state, engine.clock.clone(), handle);
    let after = day_figures(&again, "http/shop", now);
    assert_eq!(before, after);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_changes_too_often_flaps_until_it_calms_down() {
    let mut engine = Engine::new();
    let mut alerting = alerting(START);
    // Down for a minute, up for a minute: three changes a cycle.
    let script =
        |at: Duration| if at < secs(900) && (at.as_secs() / 60).is_multiple_of(2) { BAD } else { OK };
    engine.add("http/flaps", settings(), script);
    engine.start();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let heartbeat = breakwatch::events::heartbeat(engine.runner.observer.chronicle.clone(), stopped);
    let heartbeat = tokio::spawn(heartbeat);
    engine.pass(800).await;
    assert!(
        engine.runner.observer.chronicle.is_flapping("http/flaps"),
        "{:?}",
        engine.breaker_path("http/flaps")
    );
    engine.pass(2400).await;
    assert!(!engine.runner.observer.chronicle.is_flapping("http/flaps"));
    drain(&mut engine, &mut alerting);
    let told = events(&engine, &[EventKind::FlappingStarted, EventKind::FlappingEnded]);
    assert_eq!(told.len(), 2);
    let _ = stop.send(true);
    heartbeat.await.expect("the heartbeat ends");
}
