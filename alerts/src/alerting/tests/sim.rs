//! A daemon in miniature: commits every batch to a map, sends what is due to receivers that answer as told, and writes
//! down what they were told. Time moves only from one due moment to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use breakwatch_model::{AlertStatus, Batch, Labels, Op, Record, Table, Timestamp};
use breakwatch_plugin_api::{Diagnostics, Notification, NotifyError, Receipt, TransitionKind};

use crate::alerting::{Alerting, PostedAlert, Restored, Settings};
use crate::config::{Config, IntegrationKind};
use crate::testing::{at, findings, labels, node};
use crate::transition::TransitionEvent;

pub(super) const KINDS: [IntegrationKind; 5] = [
    IntegrationKind { kind: "webhook", section: "webhook_configs" },
    IntegrationKind { kind: "slack", section: "slack_configs" },
    IntegrationKind { kind: "email", section: "email_configs" },
    IntegrationKind { kind: "pagerduty", section: "pagerduty_configs" },
    IntegrationKind { kind: "alertmanager", section: "alertmanager_configs" },
];

pub(super) fn config(text: &str) -> Arc<Config> {
    let diagnostics = Diagnostics::new();
    let config = Config::read(&node(text), &KINDS, &diagnostics);
    Arc::new(config.unwrap_or_else(|| panic!("{:#?}", findings(diagnostics))))
}

/// The keyed tables of a state log, in memory.
#[derive(Clone, Default)]
pub(super) struct Store {
    pub(super) tables: BTreeMap<Table, BTreeMap<String, Vec<u8>>>,
    pub(super) ledger: Vec<Record>,
}

impl Store {
    pub(super) fn apply(&mut self, batch: Batch) {
        for op in batch.ops {
            match op {
                Op::Put { table, key, value } => {
                    self.tables.entry(table).or_default().insert(key, value);
                }
                Op::Delete { table, key } => drop(self.tables.entry(table).or_default().remove(&key)),
                Op::Append { at, value, .. } => {
                    self.ledger.push(Record { key: self.ledger.len().to_string(), at, value });
                }
            }
        }
    }

    pub(super) fn restored(&self) -> Restored {
        let table = |table| {
            let rows = self.tables.get(&table).cloned().unwrap_or_default();
            rows.into_iter().map(|(key, value)| Record { key, at: Timestamp(0), value }).collect()
        };
        Restored {
            alerts: table(Table::Alerts),
            notifications: table(Table::Notifications),
            outbox: table(Table::Outbox),
            silences: table(Table::Silences),
            acks: table(Table::Acks),
        }
    }
}

/// A message as a receiver saw it.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) at: f64,
    pub(super) to: String,
    pub(super) message: Notification,
}

impl Sent {
    /// `12 ops/webhook[0] firing +A -B`.
    pub(super) fn show(&self) -> String {
        let m = &self.message;
        let sign = |alert: &breakwatch_model::Alert| {
            if alert.status(m.created_at) == AlertStatus::Firing { '+' } else { '-' }
        };
        let alerts = m.alerts.iter().map(|alert| {
            let check = alert.labels.get("check").unwrap_or(alert.name());
            format!("{}{check}", sign(alert))
        });
        let alerts: Vec<String> = alerts.collect();
        let transition = m.transition.map_or("", TransitionKind::as_str);
        let text = format!("{} {} {} {} {transition}", self.at, self.to, m.status.as_str(), alerts.join(" "));
        text.trim_end().to_owned()
    }
}

type Answer = Box<dyn FnMut(&str, &Notification) -> Result<Receipt, NotifyError>>;

pub(super) struct Sim {
    pub(super) alerting: Alerting,
    pub(super) store: Store,
    pub(super) now: f64,
    pub(super) sent: Vec<Sent>,
    pub(super) answer: Answer,
    config: Arc<Config>,
    shown: usize,
    starts: u64,
}

impl Sim {
    pub(super) fn new(text: &str) -> Self {
        let config = config(text);
        Self {
            alerting: Alerting::new(Arc::clone(&config), settings(0), Restored::default(), at(0.0)),
            store: Store::default(),
            now: 0.0,
            sent: Vec::new(),
            answer: Box::new(|_, message| {
                Ok(Receipt { reference: message.id.clone(), answer: String::new() })
            }),
            config,
            shown: 0,
            starts: 0,
        }
    }

    pub(super) fn time(&self) -> Timestamp {
        at(self.now)
    }

    /// Runs until `seconds`, moment by moment.
    pub(super) fn run_to(&mut self, seconds: f64) {
        self.settle();
        for _ in 0..100_000 {
            let due = self.alerting.next_due();
            if due > at(seconds) {
                self.now = seconds;
                return;
            }
            self.now = self.now.max(due.since(at(0.0)).as_secs_f64());
            self.alerting.tick(self.time());
            self.settle();
        }
        panic!("time does not move on at {}: {:?}", self.now, self.alerting.outbox());
    }

    /// Commits and sends until nothing is due.
    pub(super) fn settle(&mut self) {
        loop {
            self.commit();
            let due = self.alerting.due_messages(self.time());
            if due.is_empty() {
                return;
            }
            for due in due {
                let Some(message) = self.alerting.start(&due.id, self.time()) else { continue };
                let outcome = (self.answer)(&due.integration, &message);
                self.sent.push(Sent { at: self.now, to: due.integration, message });
                self.alerting.finish(&due.id, outcome, self.time());
            }
        }
    }

    pub(super) fn commit(&mut self) {
        let batch = self.alerting.take_batch();
        self.store.apply(batch);
        self.alerting.committed();
    }

    /// Stops without a word and starts again from what was committed.
    pub(super) fn crash(&mut self) {
        self.restart_after(0.0);
    }

    pub(super) fn restart_after(&mut self, seconds: f64) {
        self.now += seconds;
        self.starts += 1;
        let restored = self.store.restored();
        self.alerting = Alerting::new(Arc::clone(&self.config), settings(self.starts), restored, self.time());
        assert_eq!(self.alerting.take_problems(), Vec::<String>::new());
    }

    pub(super) fn reload(&mut self, text: &str) {
        self.config = config(text);
        self.alerting.reload(Arc::clone(&self.config), self.time());
    }

    /// Makes ids differ from those of another simulation.
    pub(super) fn seed_from(&mut self, seed: u64) {
        self.starts = seed << 16;
    }

    /// Posts alerts: `a=1 b=2` fires, `-a=1 b=2` is over.
    pub(super) fn post(&mut self, alerts: &[&str]) {
        self.post_without_settling(alerts);
        self.settle();
    }

    pub(super) fn post_without_settling(&mut self, alerts: &[&str]) {
        let now = self.time();
        let post = |text: &&str| {
            let over = text.starts_with('-');
            let labels = labels(text.trim_start_matches('-'));
            let later = now + std::time::Duration::from_secs(100 * 3600);
            PostedAlert {
                labels,
                ends_at: Some(if over { now } else { later }),
                starts_at: (!over).then_some(now),
                ..PostedAlert::default()
            }
        };
        self.alerting.receive(alerts.iter().map(post).collect(), now).expect("good alerts");
    }

    pub(super) fn breaker(&mut self, name: &str, transition: TransitionKind) {
        self.breaker_without_settling(name, transition);
        self.settle();
    }

    pub(super) fn breaker_without_settling(&mut self, name: &str, transition: TransitionKind) {
        let event = transition_event(name, transition, self.time());
        self.alerting.transition(&event, self.time());
    }

    /// What was sent since the last call, a line each.
    pub(super) fn lines(&mut self) -> Vec<String> {
        let lines = self.sent[self.shown..].iter().map(Sent::show).collect();
        self.shown = self.sent.len();
        lines
    }
}

fn settings(seed: u64) -> Settings {
    Settings { external_url: "http://bw".to_owned(), seed, ..Settings::default() }
}

pub(super) fn transition_event(name: &str, transition: TransitionKind, at: Timestamp) -> TransitionEvent {
    TransitionEvent {
        name: name.to_owned(),
        kind: "check".to_owned(),
        check_type: "http".to_owned(),
        target: "https://example.org/".to_owned(),
        transition,
        at,
        impact: breakwatch_model::Impact::High,
        labels: Labels::empty(),
        reason: Some(breakwatch_model::FailureReason::Status),
        message: "expected 2xx, got 500".to_owned(),
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

/// An answer that fails while `down` says so.
pub(super) fn flaky(down: impl Fn() -> bool + 'static) -> Answer {
    Box::new(move |_, message| {
        if down() {
            let message = "connection refused".to_owned();
            return Err(NotifyError::Retryable { message, retry_after: None });
        }
        Ok(Receipt { reference: message.id.clone(), answer: "ok".to_owned() })
    })
}
