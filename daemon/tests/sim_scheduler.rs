//! The scheduler in simulated time: when checks run, and when they do not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod engine;

use std::sync::Arc;
use std::time::Duration;

use breakwatch::checks::schedule::Grid;
use breakwatch::checks::scheduler::Command;
use breakwatch::checks::unit::{CheckSettings, ProbePace};
use breakwatch_breaker::State;
use breakwatch_model::{Clock as _, FailureReason, Status};
use engine::{Act, BAD, Engine, OK, Scripted, settings};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Whether a run began on a line of its grid: tokio's timers round up to the next millisecond.
fn on_grid(grid: Grid, at: Duration) -> bool {
    let behind = (at - grid.phase).as_nanos() % grid.interval.as_nanos();
    behind <= Duration::from_millis(2).as_nanos()
}

/// The distances between attempts, from the second on: the first run of a check is off its grid.
fn gaps(check: &Scripted) -> Vec<Duration> {
    check.begun().windows(2).skip(1).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn runs_lie_on_a_fixed_grid_whatever_a_run_takes() {
    let mut engine = Engine::new();
    // Between nothing and four seconds, never the same twice in a row.
    let takes = |at: Duration| Act::Works(Duration::from_millis((at.as_secs() * 977) % 4000));
    let (check, _) = engine.add("http/a", settings(), takes);
    engine.start();
    engine.pass(3600).await;
    let grid = Grid::new(engine.origin, "http/a", secs(10));
    assert!(check.begun()[1..].iter().all(|at| on_grid(grid, *at)), "{:?}", check.begun());
    assert!(gaps(&check).iter().all(|gap| gap.abs_diff(secs(10)) <= Duration::from_millis(2)));
    assert!((360..=362).contains(&check.begun().len()));
}

#[tokio::test(start_paused = true)]
async fn a_check_never_runs_twice_at_once_and_missed_runs_are_counted() {
    let mut engine = Engine::new();
    // Confirming a first failure takes longer than the interval: 1 s + 3 x (5 s + 1 s).
    let slow = CheckSettings { retries: 3, retry_interval: secs(5), ..settings() };
    let script = |at: Duration| if at < secs(60) { Act::Fails(secs(1)) } else { OK };
    let (check, unit) = engine.add("http/a", slow, script);
    engine.start();
    engine.pass(120).await;
    let attempts = check.attempts.lock().clone();
    for pair in attempts.windows(2) {
        let end = pair[0].1.expect("ended");
        assert!(pair[1].0 >= end, "{attempts:?}");
    }
    assert!(unit.state.lock().missed >= 1, "the run that took 19 s stood in the way of another");
}

#[tokio::test(start_paused = true)]
async fn a_hung_run_is_cut_off_and_delays_no_other() {
    let mut engine = Engine::new();
    let (_, hung) = engine.add("http/hung", settings(), |_| Act::Hangs);
    let (other, _) = engine.add("http/other", settings(), |_| OK);
    engine.start();
    engine.pass(8).await;
    engine.pass(3).await;
    assert_eq!(engine.status(&hung), Status::Unhealthy);
    let last = hung.state.lock().last.clone().expect("a result");
    assert_eq!(last.failure.expect("why").reason.as_str(), "timeout");
    assert_eq!(last.duration, secs(5));
    engine.pass(600).await;
    let grid = Grid::new(engine.origin, "http/other", secs(10));
    assert!(other.begun()[1..].iter().all(|at| on_grid(grid, *at)), "{:?}", other.begun());
}

#[tokio::test(start_paused = true)]
async fn a_hung_host_takes_no_slots_from_others_of_its_kind() {
    let mut engine = Engine::new();
    let hung: Vec<_> = (0..600)
        .map(|i| engine.add_on(&format!("tcp/hung-{i}"), "hung.example.org:80", settings(), |_| Act::Hangs).1)
        .collect();
    let (fine, unit) = engine.add_on("tcp/fine", "fine.example.org:80", settings(), |_| OK);
    engine.start();
    for _ in 0..60 {
        engine.pass(1).await;
        let host = engine.runner.bulkheads.get("host/hung.example.org");
        assert!(host.is_none_or(|host| host.stats().active <= 32));
    }
    let grid = Grid::new(engine.origin, "tcp/fine", secs(10));
    assert!(fine.begun()[1..].iter().all(|at| on_grid(grid, *at)), "{:?}", fine.begun());
    assert_eq!(Engine::runs(&unit).keys().copied().collect::<Vec<_>>(), [Status::Healthy]);
    // Those that got no turn found nothing out: unknown, and their breakers heard nothing.
    let unknown = hung.iter().filter(|unit| engine.status(unit) == Status::Unknown).count();
    assert!(unknown > 0);
    for unit in hung.iter().filter(|unit| !Engine::runs(unit).contains_key(&Status::Unhealthy)) {
        assert_eq!(unit.guard.breaker.stats(engine.clock.monotonic()).calls.failure, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_of_two_thousand_that_hang_delay_no_other_of_their_kind() {
    let mut engine = Engine::new();
    // Under way nearly all the time: the time-out comes just before the next run.
    let slow = CheckSettings { timeout: Duration::from_millis(9900), ..settings() };
    let (mut hung, mut fine) = (Vec::new(), Vec::new());
    for i in 0..1000 {
        let target = |name: &str| format!("{name}-{i}.example.org:80");
        let check = engine.add_on(&format!("tcp/hung-{i}"), &target("hung"), slow.clone(), |_| Act::Hangs);
        hung.push(check.1);
        fine.push(engine.add_on(&format!("tcp/fine-{i}"), &target("fine"), slow.clone(), |_| OK).0);
    }
    engine.start();
    let mut most = 0;
    for _ in 0..29 {
        engine.pass(1).await;
        most = most.max(engine.runner.bulkheads.get("kind/tcp").expect("used").stats().active);
    }
    assert!(most >= 990, "only {most} hung at once");
    assert!(hung.iter().all(|unit| engine.status(unit) == Status::Unhealthy));
    for (i, check) in fine.iter().enumerate() {
        let grid = Grid::new(engine.origin, &format!("tcp/fine-{i}"), secs(10));
        assert!(check.begun()[1..].iter().all(|at| on_grid(grid, *at)), "{i}: {:?}", check.begun());
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failed_check_and_nothing_else() {
    let mut engine = Engine::new();
    let script = |at: Duration| if at < secs(100) { Act::Panics } else { OK };
    let (_, unit) = engine.add("http/a", settings(), script);
    engine.start();
    engine.pass(11).await;
    assert_eq!(engine.status(&unit), Status::Unhealthy);
    let reason = unit.state.lock().last.as_ref().and_then(|last| last.failure.clone()).expect("why").reason;
    assert_eq!(reason.as_str(), "panic");
    engine.pass(400).await;
    assert_eq!(engine.status(&unit), Status::Healthy);
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_first_failure_is_looked_at_again_before_it_counts() {
    let mut engine = Engine::new();
    let confirming = CheckSettings { retries: 2, ..settings() };
    // Fails once, at the first attempt of the run after 100 s; the repetition two seconds later works.
    let grid = Grid::new(engine.origin, "http/blip", secs(10));
    let (bad, next) = (grid.phase + secs(100), grid.phase + secs(101));
    let script = move |at| if (bad..next).contains(&at) { BAD } else { OK };
    let (blip, healthy) = engine.add("http/blip", confirming.clone(), script);
    let (dead, unhealthy) = engine.add("http/dead", confirming, |_| BAD);
    engine.start();
    engine.pass(200).await;
    assert_eq!(Engine::runs(&healthy).get(&Status::Unhealthy), None);
    let repeated = blip.begun().windows(2).filter(|pair| pair[1] - pair[0] == secs(2)).count();
    assert_eq!(repeated, 1, "after the retry interval: {:?}", blip.begun());
    let begun = dead.begun();
    assert_eq!(begun[1] - begun[0], secs(2));
    assert_eq!(begun[2] - begun[1], secs(2));
    // Known to be bad: the next run is one attempt, and each run counts once.
    let repeated = begun.windows(2).filter(|pair| pair[1] - pair[0] == secs(2)).count();
    assert_eq!(repeated, 2, "{begun:?}");
    assert_eq!(engine.breaker_path("http/dead")[0].1, State::Open);
    let failures = unhealthy.guard.breaker.stats(engine.clock.monotonic()).calls.failure;
    assert_eq!(Engine::runs(&unhealthy)[&Status::Unhealthy], failures);
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_stretches_probing_and_a_half_open_one_hurries() {
    let mut engine = Engine::new();
    let script = |at: Duration| if at < secs(600) { BAD } else { OK };
    let (check, unit) = engine.add("http/a", settings(), script);
    engine.start();
    engine.pass(2000).await;
    let begun: Vec<Duration> = check.begun().into_iter().filter(|at| *at < secs(600)).collect();
    let gaps: Vec<u64> = begun.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    // Three failures open it; then 30 s, 60, 120, 240: each probe fails and doubles the wait.
    assert_eq!(gaps[2..6], [30, 60, 120, 240], "{begun:?}");
    assert_eq!(engine.status(&unit), Status::Healthy);
    let recovery: Vec<Duration> = check.begun().into_iter().filter(|at| *at >= secs(600)).take(3).collect();
    assert_eq!(recovery[1] - recovery[0], secs(2), "the second probe follows after the retry interval");
    assert!(recovery[2] - recovery[1] <= secs(10), "closed: back on the grid");
    let last = engine.breaker_path("http/a").last().copied().expect("a transition");
    assert_eq!((last.0, last.1), (recovery[1].as_secs_f64(), State::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_local_check_keeps_its_pace_while_its_breaker_is_open() {
    let mut engine = Engine::new();
    let local = CheckSettings { pace: ProbePace::Normal, ..settings() };
    let (check, unit) = engine.add("memory", local, |_| BAD);
    engine.start();
    engine.pass(1).await;
    assert_eq!(check.begun()[0], Duration::ZERO, "what costs nothing is looked at when the daemon starts");
    engine.pass(300).await;
    assert_eq!(engine.status(&unit), Status::Unhealthy);
    let grid = Grid::new(engine.origin, "memory", secs(10));
    assert!(check.begun()[1..].iter().all(|at| on_grid(grid, *at)), "{:?}", check.begun());
}

#[tokio::test(start_paused = true)]
async fn held_and_paused_checks_are_unknown_and_do_not_run() {
    let mut engine = Engine::new();
    let (held, held_unit) = engine.add("http/held", settings(), |_| OK);
    let (paused, paused_unit) = engine.add("http/paused", settings(), |_| OK);
    engine.start();
    engine.pass(60).await;
    assert_eq!(engine.status(&held_unit), Status::Healthy);
    held_unit.guard.breaker.hold(State::Open, engine.clock.monotonic());
    paused_unit.pause.pause();
    let (before_held, before_paused) = (held.begun().len(), paused.begun().len());
    engine.pass(120).await;
    assert_eq!(engine.status(&held_unit), Status::Unknown);
    assert_eq!(engine.status(&paused_unit), Status::Unknown);
    assert_eq!((held.begun().len(), paused.begun().len()), (before_held, before_paused));
    held_unit.guard.breaker.release(engine.clock.monotonic());
    held_unit.guard.breaker.reset(engine.clock.monotonic());
    paused_unit.pause.resume(engine.clock.now());
    engine.pass(30).await;
    assert_eq!(engine.status(&held_unit), Status::Healthy);
    assert_eq!(engine.status(&paused_unit), Status::Healthy);
}

#[tokio::test(start_paused = true)]
async fn failures_within_the_start_grace_do_not_count() {
    let mut engine = Engine::new();
    let graced = CheckSettings { start_grace: secs(60), ..settings() };
    let (_, unit) = engine.add("http/a", graced, |_| BAD);
    engine.start();
    engine.pass(50).await;
    assert_eq!(engine.status(&unit), Status::Unknown);
    assert_eq!(Engine::runs(&unit).get(&Status::Unhealthy), None);
    assert!(engine.breaker_path("http/a").is_empty());
    engine.pass(60).await;
    assert_eq!(engine.status(&unit), Status::Unhealthy);
    assert!(!engine.breaker_path("http/a").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_negated_check_turns_its_verdict_round_and_never_that_of_a_local_error() {
    let mut engine = Engine::new();
    let negated = || CheckSettings { negate: true, ..settings() };
    let (_, answers) = engine.add("tcp/answers", negated(), |_| OK);
    let (_, slow) = engine.add("tcp/slow", negated(), |_| Act::Degraded(secs(1)));
    let (_, refuses) = engine.add("tcp/refuses", negated(), |_| BAD);
    let (_, local) = engine.add("tcp/local", negated(), |_| Act::Local);
    engine.start();
    engine.pass(20).await;
    assert_eq!(engine.status(&answers), Status::Unhealthy);
    assert_eq!(engine.status(&slow), Status::Unhealthy);
    assert_eq!(engine.status(&refuses), Status::Healthy);
    assert_eq!(engine.status(&local), Status::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_current_result_is_written_again_and_its_series_ends_with_it() {
    let mut engine = Engine::new();
    let rare = CheckSettings { interval: secs(600), ..settings() };
    let (_, unit) = engine.add("http/rare", rare, |_| OK);
    engine.start();
    engine.pass(1800).await;
    let samples = engine.samples("probe_success", "http/rare");
    let gaps = samples.windows(2).map(|pair| pair[1].0 - pair[0].0);
    assert!(gaps.clone().all(|gap| gap <= 66.0), "{samples:?}");
    assert!(samples.len() < 40, "not written again without need: {}", samples.len());
    assert!(samples.iter().all(|(_, value)| *value == Some(1.0)));
    unit.pause.pause();
    engine.pass(10).await;
    let samples = engine.samples("probe_success", "http/rare");
    assert_eq!(samples.last().expect("samples").1, None, "a paused check's series ends");
    engine.pass(600).await;
    let after = engine.samples("probe_success", "http/rare");
    assert_eq!(after.len(), samples.len(), "and ends once");
}

#[tokio::test(start_paused = true)]
async fn unknown_ends_probe_success_and_nothing_else() {
    let mut engine = Engine::new();
    let script = |at: Duration| if at < secs(60) { OK } else { Act::Local };
    let (_, unit) = engine.add("http/a", settings(), script);
    engine.start();
    engine.pass(120).await;
    assert_eq!(engine.samples("probe_success", "http/a").last().expect("samples").1, None);
    assert!(engine.samples("probe_duration_seconds", "http/a").last().expect("samples").1.is_some());
    assert_eq!(unit.guard.breaker.stats(engine.clock.monotonic()).calls.failure, 0);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_never_ran_or_was_killed_says_nothing_about_its_target() {
    let mut engine = Engine::new();
    let reasons = [
        (FailureReason::Spawn, Status::Unknown),
        (FailureReason::Signal, Status::Unknown),
        (FailureReason::Internal, Status::Unknown),
        (FailureReason::Status, Status::Unhealthy),
        (FailureReason::Panic, Status::Unhealthy),
    ];
    for (i, (reason, _)) in reasons.iter().enumerate() {
        let reason = *reason;
        engine.add(&format!("command/{i}"), settings(), move |_| Act::FailsAs(reason));
    }
    engine.start();
    engine.pass(60).await;
    for (i, (reason, expected)) in reasons.iter().enumerate() {
        let unit = Arc::clone(&engine.units.read()[&*format!("command/{i}")]);
        assert_eq!(engine.status(&unit), *expected, "{reason}");
        assert_eq!(unit.state.lock().last.clone().expect("a result").failure.expect("why").reason, *reason);
        let opened = engine.breaker_path(&format!("command/{i}")).len();
        assert_eq!(opened > 0, *expected == Status::Unhealthy, "{reason} moves the breaker or does not");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_is_known_and_forgets_what_is_gone() {
    let mut engine = Engine::new();
    let (first, _) = engine.add("http/a", settings(), |_| BAD);
    let (gone, _) = engine.add("http/gone", settings(), |_| OK);
    engine.start();
    engine.pass(25).await;
    let opened = engine.breaker_path("http/a");
    assert_eq!(opened.last().expect("open").1, State::Open);
    // Another interval: a new unit for the same check.
    let faster = CheckSettings { interval: secs(5), timeout: secs(2), ..settings() };
    let (second, unit) = engine.add("http/a", faster, |_| BAD);
    let (added, _) = engine.add("http/added", settings(), |_| OK);
    engine.units.write().remove("http/gone");
    engine.command(Command::Refresh).await;
    tokio::task::yield_now().await;
    assert_eq!(engine.status(&unit), Status::Unhealthy, "the last result is kept");
    assert_eq!(unit.guard.breaker.state(), State::Open, "the breaker too");
    let (of_first, of_gone) = (first.begun().len(), gone.begun().len());
    engine.pass(20).await;
    assert_eq!((first.begun().len(), gone.begun().len()), (of_first, of_gone));
    assert!(!added.begun().is_empty());
    assert_eq!(engine.breaker_path("http/a").len(), opened.len(), "no transition because of the reload");
    engine.pass(300).await;
    assert!(!second.begun().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_run_on_demand_answers_and_leaves_the_grid_alone() {
    let mut engine = Engine::new();
    let (check, _) = engine.add("http/a", settings(), |_| Act::Works(secs(1)));
    engine.start();
    engine.pass(103).await;
    assert_eq!(engine.run_now("http/a").await, Some(Status::Healthy));
    assert_eq!(engine.run_now("http/none").await, None);
    engine.pass(60).await;
    let grid = Grid::new(engine.origin, "http/a", secs(10));
    let off = check.begun()[1..].iter().filter(|at| !on_grid(grid, **at)).count();
    assert_eq!(off, 1, "{:?}", check.begun());
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_checks_run_on_time() {
    let mut engine = Engine::new();
    let every = CheckSettings { interval: secs(30), ..settings() };
    let checks: Vec<(Arc<Scripted>, Grid)> = (0..10_000)
        .map(|i| {
            let name = format!("http/site-{i}");
            let (check, _) = engine.add(&name, every.clone(), |_| Act::Works(Duration::from_millis(20)));
            (check, Grid::new(engine.origin, &name, secs(30)))
        })
        .collect();
    engine.start();
    engine.pass(95).await;
    let (mut runs, mut late) = (0_u32, 0_u32);
    for (check, grid) in &checks {
        for at in &check.begun()[1..] {
            let behind = (*at - grid.phase).as_nanos() % secs(30).as_nanos();
            runs += 1;
            late += u32::from(behind > Duration::from_millis(10).as_nanos());
        }
    }
    assert!(runs >= 20_000, "{runs}");
    assert!(f64::from(late) <= f64::from(runs) * 0.001, "{late} of {runs} more than 10 ms late");
    assert!(engine.pulse.age(engine.clock.monotonic()) <= secs(1));
}
