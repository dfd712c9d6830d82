//! The daemon's engine and its alerting, as the daemon puts them together, over simulated weeks; what the receivers
//! were told is written down.
#![allow(unreachable_pub, reason = "a module of a test program")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says so")]

pub mod estate;
pub mod expected;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use breakwatch::alerting::{AlertingTask, Receivers, TaskParts};
use breakwatch::breakers::GuardKind;
use breakwatch_alerts::config::{Config, IntegrationKind};
use breakwatch_alerts::{Alerting, Restored, Settings, SilenceMatcher, SilenceRequest};
use breakwatch_breaker::Preset;
use breakwatch_model::{AlertStatus, Clock as _, Labels, Timestamp};
use breakwatch_plugin_api::{Diagnostics, Notification, Notifier, NotifyError, Receipt};
use breakwatch_sim::SimClock;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::engine::Engine;
use estate::{ISOLATED, OPS_AWAY, Second, WEEK, at};

/// A Monday, midnight.
const START: Timestamp = Timestamp::from_secs(1_704_067_200);

const ALERTING: &str = r#"
route:
  receiver: ops
  group_by: [check, alertname]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 12h
  routes:
    - { receiver: pager, matchers: ['severity="critical"'] }
receivers:
  - { name: ops, webhook_configs: [{ send_resolved: true }] }
  - { name: pager, webhook_configs: [{ send_resolved: true }] }
maintenance:
  - { name: batch, matchers: ['team="batch"'], schedule: '0 2 * * wed', duration: 2h }
"#;

/// One alert of a message that a receiver took.
#[derive(Clone, PartialEq, Debug)]
pub struct Told {
    /// When, in seconds since the start.
    pub at: Second,
    /// Who.
    pub receiver: String,
    /// Whether it fires.
    pub firing: bool,
    /// Its labels.
    pub labels: Labels,
    /// How many others fail because of it, where it says so.
    pub affected: String,
    /// Whether the message says that it comes late.
    pub late: bool,
}

impl Told {
    /// The check it is about, else its name.
    pub fn subject(&self) -> &str {
        self.labels.get("check").unwrap_or_else(|| self.labels.value("alertname"))
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][(self.at / 86_400 % 7) as usize];
        let (hour, minute, second) = (self.at / 3600 % 24, self.at / 60 % 60, self.at % 60);
        let status = if self.firing { "firing  " } else { "resolved" };
        write!(f, "{day} {hour:02}:{minute:02}:{second:02} {} {status} {}", self.receiver, self.labels)?;
        if !self.affected.is_empty() {
            write!(f, " affected={}", self.affected)?;
        }
        if self.late { write!(f, " late") } else { Ok(()) }
    }
}

/// A receiver that writes down what it is told, unless it cannot be reached.
struct Listener {
    clock: Arc<SimClock>,
    origin: Instant,
    name: &'static str,
    told: Arc<Mutex<Vec<Told>>>,
}

#[async_trait]
impl Notifier for Listener {
    fn integration(&self) -> &'static str {
        "webhook"
    }

    fn send_resolved(&self) -> bool {
        true
    }

    async fn notify(&self, message: &Notification) -> Result<Receipt, NotifyError> {
        let at = (self.clock.monotonic() - self.origin).as_secs();
        let within = |(from, to): (Second, Second)| (from..to).contains(&(at % WEEK));
        if within(ISOLATED) || self.name == "ops" && within(OPS_AWAY) {
            let message = "connection timed out".to_owned();
            return Err(NotifyError::Retryable { message, retry_after: None });
        }
        let late = message.notes.iter().any(|note| note.starts_with("Delivered late"));
        let told = message.alerts.iter().map(|alert| Told {
            at,
            receiver: self.name.to_owned(),
            firing: alert.status(message.created_at) == AlertStatus::Firing,
            labels: alert.labels.clone(),
            affected: alert.annotations.value("affected_count").to_owned(),
            late,
        });
        self.told.lock().extend(told);
        Ok(Receipt::default())
    }
}

/// Runs this many weeks; what was told, in order.
pub async fn run(weeks: u64) -> Vec<Told> {
    let mut engine = Engine::forgetful(START);
    estate::build(&engine);
    let told = Arc::new(Mutex::new(Vec::new()));
    let alerting = start_alerting(&mut engine, &told);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let chronicle = Arc::clone(&engine.runner.observer.chronicle);
    let heartbeat = tokio::spawn(breakwatch::events::heartbeat(chronicle, stopped));
    engine.start();
    for week in 0..weeks {
        for (second, act) in OPERATOR {
            sleep_until(&engine, week * WEEK + second).await;
            act(&engine).await;
        }
        sleep_until(&engine, (week + 1) * WEEK).await;
    }
    engine.stop().await;
    let _ = stop.send(true);
    heartbeat.await.expect("the heartbeat ends");
    engine.alerting.stop().await;
    alerting.await.expect("alerting ends");
    let told = told.lock();
    told.clone()
}

fn start_alerting(engine: &mut Engine, told: &Arc<Mutex<Vec<Told>>>) -> tokio::task::JoinHandle<()> {
    let diagnostics = Diagnostics::new();
    let node = breakwatch_config::load_text("alerting.yml", ALERTING, &diagnostics).expect("YAML");
    let kinds = [IntegrationKind { kind: "webhook", section: "webhook_configs" }];
    let config = Config::read(&node, &kinds, &diagnostics);
    let config = Arc::new(config.unwrap_or_else(|| panic!("{:?}", diagnostics.into_sorted())));
    let (mut notifiers, mut guards) = (BTreeMap::<Arc<str>, Arc<dyn Notifier>>::new(), BTreeMap::new());
    for name in ["ops", "pager"] {
        let key: Arc<str> = format!("{name}/webhook[0]").into();
        // Without jitter: the week must be the same each time.
        let breaker = breakwatch_breaker::Config { jitter: 0.0, ..Preset::Notifications.config() };
        let now = engine.clock.monotonic();
        let guard = engine.breakers.ensure(&key, GuardKind::Notifier, breaker, None, now).expect("a breaker");
        guards.insert(Arc::clone(&key), guard);
        let (clock, told) = (Arc::clone(&engine.clock), Arc::clone(told));
        notifiers.insert(key, Arc::new(Listener { clock, origin: engine.origin, name, told }));
    }
    let settings = Settings { seed: 1, ..Settings::default() };
    let now = engine.clock.now();
    let alerting = Alerting::new(Arc::clone(&config), settings, Restored::default(), now);
    let (_, empty) = mpsc::unbounded_channel();
    let parts = TaskParts {
        clock: Arc::clone(&engine.clock) as _,
        state: Arc::clone(&engine.state) as _,
        instruments: engine.runner.instruments.clone(),
        changes: engine.runner.changes.clone(),
        handle: engine.alerting.clone(),
        inputs: std::mem::replace(&mut engine.inputs, empty),
    };
    let (limits, heartbeats) = Default::default();
    let receivers = Receivers { config, notifiers, guards, limits, heartbeats };
    let task = AlertingTask::new(parts, alerting, &receivers);
    tokio::spawn(task.run())
}

async fn sleep_until(engine: &Engine, second: Second) {
    let passed = engine.clock.monotonic() - engine.origin;
    tokio::time::sleep(Duration::from_secs(second).saturating_sub(passed)).await;
}

type Act = for<'a> fn(&'a Engine) -> std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>;

/// What people do in the course of a week.
const OPERATOR: [(Second, Act); 4] = [
    (at(2, 13, 55), |engine| Box::pin(async { pause(engine, true) })),
    (at(2, 15, 5), |engine| Box::pin(async { pause(engine, false) })),
    (at(5, 12, 0), |engine| Box::pin(silence(engine, "http/site-011"))),
    (at(5, 13, 0), |engine| Box::pin(silence(engine, "http/site-012"))),
];

fn pause(engine: &Engine, paused: bool) {
    let unit = Arc::clone(&engine.units.read()["http/site-010"]);
    if !paused {
        unit.pause.resume(engine.clock.now());
    } else {
        unit.pause.pause();
        engine.runner.observer.forgotten(&unit);
    }
}

/// Silences a check for four hours.
async fn silence(engine: &Engine, check: &'static str) {
    let set = engine.alerting.call(move |alerting, now| {
        let matcher = SilenceMatcher {
            name: "check".to_owned(),
            value: check.to_owned(),
            is_regex: false,
            is_equal: true,
        };
        let request = SilenceRequest {
            id: String::new(),
            matchers: vec![matcher],
            starts_at: now,
            ends_at: now + Duration::from_secs(4 * 3600),
            created_by: "operator".to_owned(),
            comment: "known".to_owned(),
            recurrence: None,
        };
        alerting.set_silence(request, now).is_ok()
    });
    assert_eq!(set.await, Some(true), "the silence is set");
}
