//! Everything fails at once: at most one message for each group in time, nothing lost, and the daemon stays small.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::process::{cpu, memory, reset_peak};
use super::super::servers::Server;
use super::goal;
use super::peers::Daemon;
use super::world::{World, wait};
use crate::print::say;

/// Runs are spread over the interval; a group waits long enough to see all of them. One address stands for thousands of
/// hosts, so it has room for what they would have together.
const DEFAULTS: &str = "defaults:
  interval: 10s
  timeout: 5s
  breaker: { failure_threshold: 1, failure_rate: off, success_threshold: 1, open_for: 5s, open_for_max: 10s }
bulkheads: { host: { max_concurrent: 256, max_queued: 10000 } }
";
const INTERVAL: Duration = Duration::from_secs(10);
/// How much later than `group_wait` a group's message may come.
const SLACK: Duration = Duration::from_secs(2);
/// How much the daemon may grow, in MiB.
const GROWTH: f64 = 100.0;
/// Processor seconds for each thousand checks.
const CPU: f64 = 1.0;
/// The bench gives up after this.
const PATIENCE: Duration = Duration::from_secs(180);
/// The lamp of all targets.
const LAMP: &str = "all";

/// Ten groups, each with a tenth of the checks.
pub(super) fn few_groups(binary: &Path, checks: usize) -> Result<bool, String> {
    let route = "group_by: [cluster], group_wait: 12s, group_interval: 15s, repeat_interval: 1h";
    Storm { checks, label: "cluster", route, wait: Duration::from_secs(12), cluster: |check| check % 10 }
        .run(binary)
}

/// As many groups as checks, as the default grouping makes them.
pub(super) fn a_group_for_each(binary: &Path, checks: usize) -> Result<bool, String> {
    let route = "group_by: [check], group_wait: 5s, group_interval: 15s, repeat_interval: 1h";
    Storm { checks, label: "check", route, wait: Duration::from_secs(5), cluster: |check| check }.run(binary)
}

struct Storm {
    checks: usize,
    /// The label that makes the groups.
    label: &'static str,
    route: &'static str,
    wait: Duration,
    cluster: fn(usize) -> usize,
}

/// What came of the storm.
#[derive(Default)]
struct Outcome {
    /// Messages for each group.
    messages: BTreeMap<String, usize>,
    /// How much later than `group_wait` a group's first message came.
    late: Vec<Duration>,
}

impl Storm {
    fn run(&self, binary: &Path) -> Result<bool, String> {
        let world = World::start()?;
        let checks = (0..self.checks).map(|check| {
            let url = world.url(&format!("/target/{LAMP}/c{check}"));
            (format!("c{check}"), url, format!("cluster: k{}", (self.cluster)(check)))
        });
        let daemon = Daemon {
            defaults: DEFAULTS.to_owned(),
            checks: checks.collect(),
            route: self.route.to_owned(),
            hook: world.url("/hook/ours"),
        };
        let daemon = daemon.start(binary)?;
        wait("every check's first run", PATIENCE, || (world.asked(LAMP) == self.checks).then_some(()))?;
        // One more round, until the daemon has what it needs to live.
        nap(INTERVAL);
        // What it needs at its busiest while all is quiet: it stores its own metrics every 15 s.
        reset_peak(daemon.pid())?;
        let quiet = quiet_cpu(&daemon);
        let memory_before = memory(daemon.pid(), "VmHWM");
        reset_peak(daemon.pid())?;
        let cpu_before = cpu(daemon.pid());
        let bad_since = now();
        world.switch(LAMP, true);
        self.everyone(&world, "firing")?;
        // A message too many would come by the group's next look.
        nap(Duration::from_secs(3));
        let took = now().saturating_duration_since(bad_since);
        let used = (cpu(daemon.pid()) - cpu_before).as_secs_f64();
        let grown = memory(daemon.pid(), "VmHWM") - memory_before;
        let firing = self.outcome(&world);
        let groups: BTreeSet<usize> = (0..self.checks).map(self.cluster).collect();
        say(&format!("\n{} checks fail at once, {} groups ({})", self.checks, groups.len(), self.route));
        say(&format!(
            "  {} messages in {:.1} s; {used:.2} CPU-s (quiet: {:.2} in 10 s); at most {memory_before:.0} MiB before",
            firing.messages.values().sum::<usize>(),
            took.as_secs_f64(),
            quiet.as_secs_f64(),
        ));
        let most = firing.messages.values().copied().max().unwrap_or_default();
        let mut reached = goal("messages for one group", most as f64, "", 1.0);
        let late = firing.late.iter().max().copied().unwrap_or_default().as_secs_f64();
        reached &= goal("latest message after group_wait", late, "s", SLACK.as_secs_f64());
        reached &= goal("growth of the peak", grown, "MiB", GROWTH);
        let above_quiet = used - quiet.as_secs_f64() * took.as_secs_f64() / INTERVAL.as_secs_f64();
        reached &= goal("CPU above quiet for 1000 checks", above_quiet * 1e3 / self.checks as f64, "s", CPU);
        self.recover(&world)?;
        Ok(reached)
    }

    /// Everything is good again, and everybody hears of it.
    fn recover(&self, world: &World) -> Result<(), String> {
        world.forget_messages();
        let good_since = now();
        world.switch(LAMP, false);
        self.everyone(world, "resolved")?;
        let messages = world.messages(0);
        let again: BTreeSet<String> =
            messages.iter().flat_map(|message| alerts_of(&message.json(), "firing")).collect();
        say(&format!(
            "  all resolved {:.1} s after recovery, in {} messages, {} checks named as firing in them",
            now().saturating_duration_since(good_since).as_secs_f64(),
            messages.len(),
            again.len()
        ));
        Ok(())
    }

    /// Waits until the messages have told of every check in this state.
    fn everyone(&self, world: &World, status: &str) -> Result<(), String> {
        let (mut known, mut told) = (0, BTreeSet::new());
        wait(&format!("word that every check is {status}"), PATIENCE, || {
            let new = world.messages(known);
            known += new.len();
            told.extend(new.iter().flat_map(|message| alerts_of(&message.json(), status)));
            (told.len() == self.checks).then_some(())
        })
    }

    fn outcome(&self, world: &World) -> Outcome {
        let mut first_bad: BTreeMap<String, Instant> = BTreeMap::new();
        for check in 0..self.checks {
            let Some(at) = world.first_answer(LAMP, &format!("c{check}")) else { continue };
            let first = first_bad.entry(self.group(check)).or_insert(at);
            *first = at.min(*first);
        }
        let mut outcome = Outcome::default();
        for message in world.messages(0) {
            let body = message.json();
            let group = body["groupLabels"][self.label].as_str().unwrap_or_default().to_owned();
            if !outcome.messages.contains_key(&group)
                && let Some(bad) = first_bad.get(&group)
            {
                outcome.late.push(message.at.saturating_duration_since(*bad + self.wait));
            }
            *outcome.messages.entry(group).or_default() += 1;
        }
        outcome
    }

    /// The value of the grouping label.
    fn group(&self, check: usize) -> String {
        if self.label == "check" { format!("http/c{check}") } else { format!("k{}", (self.cluster)(check)) }
    }
}

/// The checks that a message tells of as being in a state.
fn alerts_of(body: &Value, status: &str) -> Vec<String> {
    let alerts = body["alerts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let matching = alerts.iter().filter(|alert| alert["status"] == status);
    matching.filter_map(|alert| alert["labels"]["check"].as_str().map(str::to_owned)).collect()
}

/// Processor time of an interval while all is quiet.
fn quiet_cpu(daemon: &Server) -> Duration {
    let before = cpu(daemon.pid());
    nap(2 * INTERVAL);
    cpu(daemon.pid()).saturating_sub(before) / 2
}

#[expect(clippy::disallowed_methods, reason = "other processes are watched in real time")]
fn nap(span: Duration) {
    std::thread::sleep(span);
}

#[expect(clippy::disallowed_methods, reason = "this is what is measured")]
fn now() -> Instant {
    Instant::now()
}
