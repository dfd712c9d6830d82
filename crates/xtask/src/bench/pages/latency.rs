//! One check fails, one message comes: how long it takes from the first bad answer, and back from the first good one.

use std::path::Path;
use std::time::Duration;

use super::peers::{Daemon, Team};
use super::world::{World, wait};
use super::{Spans, goal};
use crate::print::say;

/// A page or its end must come within this time, or the bench gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the daemon may take, in milliseconds: with nobody beside it, and in the comparison.
const P99: f64 = 1000.0;
const MEDIAN: f64 = 15.0;
const MAX: f64 = 100.0;
/// The most of the peers' median.
const SHARE: f64 = 0.03;
/// Groups rest for their interval (1 s) after each message; what comes before that would measure the rest.
const REST: Duration = Duration::from_millis(1500);
/// Checks that take turns.
const CHECKS: usize = 20;

/// From the first answer after a switch to the message that tells of it.
struct Seen {
    firing: Vec<Duration>,
    resolved: Vec<Duration>,
}

/// Many incidents with the daemon alone, for the tail.
pub(super) fn alone(binary: &Path, incidents: usize) -> Result<bool, String> {
    let world = World::start()?;
    let name = |check: usize| format!("c{check}");
    let url = |check| world.url(&format!("/target/{}/x", name(check)));
    let checks = (0..CHECKS).map(|check| (name(check), url(check), String::new())).collect();
    let _daemon = Daemon::prompt(checks, world.url("/hook/ours")).start(binary)?;
    let everyone = || (0..CHECKS).all(|check| world.asked(&name(check)) > 0).then_some(());
    wait("the first runs", PATIENCE, everyone)?;
    let mut seen = Seen { firing: Vec::new(), resolved: Vec::new() };
    let mut rng = fastrand::Rng::with_seed(7);
    for incident in 0..incidents {
        // Each at a moment of its own within the second between two runs.
        nap(Duration::from_millis(rng.u64(0..1000)));
        let lamp = name(incident % CHECKS);
        for bad in [true, false] {
            world.forget_messages();
            world.switch(&lamp, bad);
            let span = until_told(&world, &lamp, "x", "ours", bad)?;
            if bad { &mut seen.firing } else { &mut seen.resolved }.push(span);
            nap(REST);
        }
    }
    let (firing, resolved) = (Spans::new(seen.firing), Spans::new(seen.resolved));
    say(&format!("One failing check to the request at the receiver, group_wait 0: {incidents} incidents"));
    row("bad answer -> firing", &firing);
    row("good answer -> resolved", &resolved);
    Ok(goal("p99 of both", firing.percentile(99).max(resolved.percentile(99)), "ms", P99))
}

/// The same incidents seen by the daemon and by its peers.
pub(super) fn side_by_side(binary: &Path, rounds: usize) -> Result<bool, String> {
    let world = World::start()?;
    let lamp = |round: usize| format!("r{round}");
    let url = |round, who: &str| world.url(&format!("/target/{}/{who}", lamp(round)));
    let checks = (0..rounds).map(|round| (lamp(round), url(round, "ours"), String::new())).collect();
    let targets: Vec<String> = (0..rounds).map(|round| url(round, "theirs")).collect();
    let _team = Team::start(&targets, &world.url("/hook/theirs"))?;
    let _daemon = Daemon::prompt(checks, world.url("/hook/ours")).start(binary)?;
    let everyone = || (0..rounds).all(|round| world.asked(&lamp(round)) == 2).then_some(());
    wait("the first runs of both", PATIENCE, everyone)?;
    // The team's first evaluations come late.
    nap(Duration::from_secs(5));
    let mut seen = [(); 2].map(|()| Seen { firing: Vec::new(), resolved: Vec::new() });
    let mut rng = fastrand::Rng::with_seed(7);
    for round in 0..rounds {
        nap(Duration::from_millis(rng.u64(0..1000)));
        for bad in [true, false] {
            world.forget_messages();
            world.switch(&lamp(round), bad);
            for (who, seen) in ["theirs", "ours"].iter().zip(&mut seen) {
                let span = until_told(&world, &lamp(round), who, who, bad)?;
                if bad { &mut seen.firing } else { &mut seen.resolved }.push(span);
            }
            nap(REST);
        }
    }
    let [theirs, ours] = seen.map(|seen| (Spans::new(seen.firing), Spans::new(seen.resolved)));
    say(&format!("\nBeside Prometheus, blackbox_exporter and Alertmanager: {rounds} incidents seen by both"));
    let reached = compare("first bad answer -> firing", &theirs.0, &ours.0);
    Ok(compare("first good answer -> resolved", &theirs.1, &ours.1) && reached)
}

/// From the first answer after the switch to the message.
fn until_told(world: &World, lamp: &str, target: &str, hook: &str, bad: bool) -> Result<Duration, String> {
    let message = || {
        let messages = world.messages(0);
        messages.into_iter().find(|message| message.hook == hook && message.fires() == bad)
    };
    let message = wait(&format!("a message to {hook}"), PATIENCE, message)?;
    let asked = world.first_answer(lamp, target).ok_or("a message, but nobody asked the target")?;
    Ok(message.at.saturating_duration_since(asked))
}

fn row(what: &str, spans: &Spans) {
    let (p50, p99, max) = (spans.median(), spans.percentile(99), spans.max());
    say(&format!("  {what:<32} p50 {p50:>8.1} ms   p99 {p99:>8.1} ms   max {max:>8.1} ms"));
}

fn compare(what: &str, theirs: &Spans, ours: &Spans) -> bool {
    let ratio = ours.median() / theirs.median().max(1e-9);
    say(&format!(
        "  {what:<32} theirs {:>7.1} (max {:.1}) ms   ours {:>6.1} (max {:.1}) ms   ratio {ratio:.4}",
        theirs.median(),
        theirs.max(),
        ours.median(),
        ours.max()
    ));
    let median = goal("median", ours.median(), "ms", MEDIAN);
    let max = goal("max", ours.max(), "ms", MAX);
    let share = goal("percent of theirs", ratio * 100.0, "%", SHARE * 100.0);
    median && max && share
}

#[expect(clippy::disallowed_methods, reason = "other processes are watched in real time")]
fn nap(span: Duration) {
    std::thread::sleep(span);
}
