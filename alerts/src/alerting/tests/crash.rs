//! Random days against what must hold: alerts come and go, silences are set, receivers fail with and without having
//! taken the message, and the daemon is killed anywhere between deciding, committing, sending and noting the answer.
//!
//! What must hold: every message that was decided on ends delivered, replaced by one that did, or withdrawn for a
//! reason; the same id arrives twice only if it was on its way at a crash or its answer was lost; and when all is calm,
//! every receiver's last word about every alert is the truth.

use std::collections::{BTreeMap, BTreeSet};

use breakwatch_model::AlertStatus;
use breakwatch_plugin_api::{NotifyError, Receipt, TransitionKind};

use super::guarantee::silence;
use super::sim::{Sent, Sim};
use crate::ledger::{Event, Record};
use crate::testing::labels;

const CONFIGS: [&str; 2] = [
    "
route:
  receiver: ops
  group_by: [service]
  group_wait: 2s
  group_interval: 10s
  repeat_interval: 5m
  routes: [ { matchers: [service=x], receiver: ops, continue: true }, { matchers: [service=x], receiver: dba, group_by: [alertname] } ]
receivers:
  - { name: ops, webhook_configs: [ {} ], slack_configs: [ { send_resolved: true } ], fallback: boss, fallback_after: 5s }
  - { name: dba, email_configs: [ { send_resolved: true } ], fallback: ops, fallback_after: 15s }
  - { name: boss, pagerduty_configs: [ {} ], fallback: dba, fallback_after: 5s }
",
    "
route: { receiver: dba, group_by: [service], group_wait: 1s, group_interval: 20s, repeat_interval: 5m, routes: [ { matchers: [service=y], receiver: ops } ] }
receivers:
  - { name: ops, webhook_configs: [ {} ], slack_configs: [ { send_resolved: true } ] }
  - { name: dba, email_configs: [ { send_resolved: true } ] }
  - { name: boss, pagerduty_configs: [ {} ] }
",
];

const ALERTS: [&str; 4] =
    ["alertname=A service=x", "alertname=B service=x", "alertname=C service=y", "alertname=D service=y"];

/// How a round of sending ended.
#[derive(PartialEq)]
enum Sending {
    Sent,
    NothingDue,
    Crashed,
}

/// One random day.
struct Day {
    sim: Sim,
    rng: fastrand::Rng,
    /// How often an id may arrive more than once.
    allowed_repeats: BTreeMap<String, usize>,
    arrived: Vec<Sent>,
    down: bool,
}

impl Day {
    fn new(seed: u64) -> Self {
        let mut sim = Sim::new(CONFIGS[0]);
        sim.seed_from(seed);
        Self {
            sim,
            rng: fastrand::Rng::with_seed(seed),
            allowed_repeats: BTreeMap::new(),
            arrived: Vec::new(),
            down: false,
        }
    }

    /// Ticks, commits and sends, and may be killed anywhere; `true` if it was. Messages whose outcome was not yet
    /// durable then may come again.
    fn step(&mut self, may_crash: bool) -> bool {
        let mut not_durable = Vec::new();
        let crashed = self.work(may_crash, &mut not_durable);
        if crashed {
            for id in not_durable {
                *self.allowed_repeats.entry(id).or_default() += 1;
            }
        }
        crashed
    }

    fn work(&mut self, may_crash: bool, not_durable: &mut Vec<String>) -> bool {
        self.sim.alerting.tick(self.sim.time());
        loop {
            // Too early for what is not durable yet: only earlier messages may be offered.
            if self.rng.bool() && self.send(may_crash, not_durable) == Sending::Crashed {
                return true;
            }
            let batch = self.sim.alerting.take_batch();
            if self.crash(may_crash) {
                return true;
            }
            self.sim.store.apply(batch);
            self.sim.alerting.committed();
            not_durable.clear();
            if self.crash(may_crash) {
                return true;
            }
            match self.send(may_crash, not_durable) {
                Sending::Crashed => return true,
                Sending::NothingDue => return false,
                Sending::Sent => {}
            }
        }
    }

    fn crash(&mut self, may_crash: bool) -> bool {
        may_crash && self.rng.u32(..40) == 0
    }

    fn send(&mut self, may_crash: bool, not_durable: &mut Vec<String>) -> Sending {
        let due = self.sim.alerting.due_messages(self.sim.time());
        if due.is_empty() {
            return Sending::NothingDue;
        }
        for due in due {
            let Some(message) = self.sim.alerting.start(&due.id, self.sim.time()) else { continue };
            not_durable.push(message.id.clone());
            let calm = !may_crash;
            if !calm && self.rng.u32(..15) == 0 {
                let later = crate::testing::at(self.sim.now + 5.0);
                self.sim.alerting.put_back(&due.id, "the breaker has just opened", later, self.sim.time());
                continue;
            }
            let arrives = calm || (!self.down && self.rng.u32(..10) > 0);
            let answers = calm || (arrives && self.rng.u32(..8) > 0);
            if arrives {
                self.arrived.push(Sent { at: self.sim.now, to: due.integration.clone(), message });
            }
            if self.crash(may_crash) {
                return Sending::Crashed;
            }
            let outcome = if answers {
                Ok(Receipt::default())
            } else {
                *self.allowed_repeats.entry(due.id.clone()).or_default() += 1;
                Err(NotifyError::Retryable { message: "reset".into(), retry_after: None })
            };
            self.sim.alerting.finish(&due.id, outcome, self.sim.time());
            if self.crash(may_crash) {
                return Sending::Crashed;
            }
        }
        Sending::Sent
    }

    fn act(&mut self) {
        let alert = ALERTS[self.rng.usize(..ALERTS.len())];
        match self.rng.u32(..20) {
            0..=5 => self.sim.post_without_settling(&[alert]),
            6..=9 => self.sim.post_without_settling(&[&format!("-{alert}")]),
            10 => self.sim.breaker_without_settling("http/web", TransitionKind::Opened),
            11 => self.sim.breaker_without_settling("http/web", TransitionKind::Closed),
            12 | 19 => {
                let name = ["A", "B", "C", "D"][self.rng.usize(..4)];
                let request = silence("alertname", name, self.sim.now, self.sim.now + 60.0);
                let _ = self.sim.alerting.set_silence(request, self.sim.time());
            }
            13 => self.down = true,
            18 => self.sim.alerting.hold("ops/slack[0]", crate::testing::at(self.sim.now + 30.0)),
            14..=15 => self.down = false,
            16 => {
                let config = CONFIGS[self.rng.usize(..2)];
                self.sim.reload(config);
            }
            17 => {
                let fingerprint = labels(alert).fingerprint();
                self.sim.alerting.acknowledge(fingerprint, "me", "", self.sim.time());
            }
            _ => {}
        }
    }

    fn run(&mut self) {
        for _ in 0..120 {
            if self.rng.u32(..3) == 0 {
                self.act();
            }
            if self.step(true) {
                let pause = f64::from(self.rng.u32(..5));
                self.sim.restart_after(pause);
            }
            self.sim.now += self.rng.f64() * 8.0;
        }
        // Calm: everything works, silences run out, everybody has time.
        self.down = false;
        for _ in 0..400 {
            self.step(false);
            self.sim.now += 2.0;
        }
    }

    fn check(&self) {
        let records = self.sim.store.ledger.iter();
        let records: Vec<Record> = records.map(|r| serde_json::from_slice(&r.value).unwrap()).collect();
        let mut decided = BTreeSet::new();
        let mut ended = BTreeSet::new();
        for record in &records {
            match record.event {
                Event::Decided { .. } => drop(decided.insert(&record.message)),
                Event::Delivered { .. } | Event::Replaced { .. } | Event::Withdrawn { .. } => {
                    ended.insert(&record.message);
                }
                _ => {}
            }
        }
        if let Some(lost) = decided.difference(&ended).next() {
            let story: Vec<&Record> = records.iter().filter(|record| record.message == **lost).collect();
            let waiting = self.sim.alerting.outbox();
            panic!("message without an end at {:?}: {story:#?}\nwaiting: {waiting:#?}", self.sim.time());
        }
        assert_eq!(self.sim.alerting.outbox().len(), 0);

        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for sent in &self.arrived {
            *counts.entry((&sent.to, &sent.message.id)).or_default() += 1;
        }
        for ((_, id), count) in counts {
            let allowed = 1 + self.allowed_repeats.get(id).copied().unwrap_or(0);
            assert!(count <= allowed, "{id} arrived {count} times, {allowed} allowed");
        }
        self.check_last_words();
    }

    /// What the ledger says of a group and an integration, and what arrived, a line each.
    fn story(&self, to: &str, group: &str) -> String {
        let records =
            self.sim.store.ledger.iter().map(|r| serde_json::from_slice::<Record>(&r.value).unwrap());
        let about = records.filter(|r| {
            (r.group == group && (r.integration == to || r.integration.is_empty())) || r.group.is_empty()
        });
        let mut lines: Vec<(f64, String)> =
            about.map(|r| (r.at.since(crate::testing::at(0.0)).as_secs_f64(), format!("{r:?}"))).collect();
        let arrived = self.arrived.iter().filter(|sent| sent.to == to && sent.message.group_key == group);
        lines.extend(arrived.map(|sent| (sent.at, format!("ARRIVED {} {}", sent.message.id, sent.show()))));
        lines.sort_by(|a, b| a.0.total_cmp(&b.0));
        lines.iter().map(|(at, line)| format!("{at} {line}\n")).collect()
    }

    /// The last word of every receiver about every alert.
    fn check_last_words(&self) {
        let firing = self.sim.alerting.alerts(self.sim.time());
        let firing: BTreeSet<String> = firing.iter().map(|view| view.alert.labels.to_string()).collect();
        let mut last: BTreeMap<(String, String, String), AlertStatus> = BTreeMap::new();
        for sent in &self.arrived {
            for alert in &sent.message.alerts {
                let key = (sent.to.clone(), sent.message.group_key.clone(), alert.labels.to_string());
                last.insert(key, alert.status(sent.message.created_at));
            }
        }
        for ((to, group, alert), status) in &last {
            if *status == AlertStatus::Firing && !firing.contains(alert) {
                panic!("{to} still believes that {alert} fires ({group}):\n{}", self.story(to, group));
            }
        }
        for view in self.sim.alerting.alerts(self.sim.time()) {
            let labels = view.alert.labels.to_string();
            let told =
                last.iter().any(|((_, _, alert), status)| *alert == labels && *status == AlertStatus::Firing);
            assert!(told, "nobody knows that {labels} fires");
        }
    }
}

#[test]
fn random_days_lose_nothing_and_repeat_only_what_was_on_its_way() {
    let days = std::env::var("BREAKWATCH_ALERT_DAYS").ok().and_then(|days| days.parse().ok()).unwrap_or(150);
    for seed in 0..days {
        let outcome = std::panic::catch_unwind(|| {
            let mut day = Day::new(seed);
            day.run();
            day.check();
        });
        assert!(outcome.is_ok(), "day {seed}");
    }
}
