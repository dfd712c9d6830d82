//! Heartbeats of a whole daemon, with a real socket: they come while everything comes round, and stop while alerting, a
//! sender or the evaluation of rules hangs. Hanging is simulated, and so is the time it takes to be noticed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may be blunt"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use breakwatch::alerting::{Heartbeats, Input, Receivers};
use breakwatch::breakers::GuardKind;
use breakwatch::checks::scheduler::Pulse;
use breakwatch::vitals::Vitals;
use breakwatch::wiring::daemon::Daemon;
use breakwatch::wiring::load::{Overrides, load};
use breakwatch::wiring::notifiers::notifier_breaker;
use breakwatch_alerts::PostedAlert;
use breakwatch_model::{Clock, Labels, SystemClock, Timestamp};
use breakwatch_plugin_api::{Diagnostics, Notification, Notifier, NotifierContext, NotifyError, Receipt};
use breakwatch_sim::receiver::Receiver;

/// How often the test's heartbeat comes.
const INTERVAL: Duration = Duration::from_millis(100);
/// Within this time something must have happened, on however slow a machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The system's clock, which can be put forward.
#[derive(Default)]
struct SkipClock(AtomicU64);

impl SkipClock {
    fn skip(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn skipped(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

impl Clock for SkipClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.skipped()
    }

    fn monotonic(&self) -> Instant {
        SystemClock.monotonic() + self.skipped()
    }
}

/// A daemon with a heartbeat.
struct Patient {
    daemon: Daemon,
    clock: Arc<SkipClock>,
    vitals: Vitals,
    pings: Receiver,
    _directory: tempfile::TempDir,
}

impl Patient {
    async fn start() -> Self {
        let pings = Receiver::start().await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("breakwatch.yml");
        let text = format!(
            "
checks: {{ cpu: {{}} }}
store: {{ path: {:?} }}
server: {{ listen: \"127.0.0.1:0\" }}
alerting:
  route: {{ receiver: ops, group_wait: 0s }}
  receivers:
    - {{ name: ops, webhook_configs: [{{ url: \"http://127.0.0.1:9/\" }}] }}
    - {{ name: watcher, heartbeat_configs: [{{ url: \"{}\", interval: {}ms }}] }}
",
            directory.path().join("data"),
            pings.url("/alive"),
            INTERVAL.as_millis()
        );
        std::fs::write(&file, text).unwrap();
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let loaded = load(&[file], Overrides::default()).unwrap_or_else(|found| panic!("{found:#?}"));
        let clock = Arc::new(SkipClock::default());
        let daemon = Daemon::start(loaded, Arc::clone(&clock) as _).await.unwrap();
        let vitals = daemon.shared.vitals();
        Self { daemon, clock, vitals, pings, _directory: directory }
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn beats(&self) {
        let before = self.pings.requests().len();
        self.until("pings", || self.pings.requests().len() > before + 2).await;
    }

    /// Whether pings stop for a cause, and stay away.
    async fn falls_silent_because(&self, cause: &str) {
        let trouble = || self.vitals.trouble(self.clock.monotonic());
        self.until(cause, || trouble().is_some_and(|trouble| trouble.contains(cause))).await;
        // A ping that was on its way may still arrive.
        tokio::time::sleep(INTERVAL * 5).await;
        let before = self.pings.requests().len();
        tokio::time::sleep(INTERVAL * 10).await;
        assert_eq!(self.pings.requests().len(), before, "{cause}: and yet it pinged");
    }
}

/// Holds whoever waits for it, until it is dropped.
fn latch() -> (mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
    let (hold, held) = mpsc::channel::<()>();
    (hold, move || {
        let _ = held.recv();
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_heartbeat_stops_while_alerting_hangs() {
    let patient = Patient::start().await;
    patient.beats().await;
    let (hold, wait) = latch();
    patient.daemon.shared.alerting.tell(Input::Call(Box::new(move |_, _| {
        wait();
        Box::new(|| ())
    })));
    patient.clock.skip(30);
    patient.falls_silent_because("the alerting loop").await;
    drop(hold);
    patient.beats().await;
    patient.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_heartbeat_stops_while_the_evaluation_of_rules_hangs() {
    let mut patient = Patient::start().await;
    patient.beats().await;
    // The loop of the rules holds its beat back while an evaluation hangs; here the test is that loop.
    let pulse = Arc::new(Pulse::new(patient.clock.monotonic()));
    patient.vitals.rules = Arc::clone(&pulse);
    let pings = Receiver::start().await.unwrap();
    let mut heartbeats = Heartbeats::new(patient.vitals.clone(), Arc::clone(&patient.clock) as _);
    heartbeats.replace(&heartbeat_to(&pings.url("/alive")));
    patient.pings = pings;
    patient.beats().await;
    patient.clock.skip(30);
    patient.falls_silent_because("the evaluation of rules").await;
    pulse.beat(patient.clock.monotonic());
    patient.beats().await;
    patient.daemon.stop().await;
}

/// Receivers of which one is a heartbeat to this URL.
fn heartbeat_to(url: &str) -> Receivers {
    let diagnostics = Diagnostics::new();
    let text = format!("{{url: \"{url}\"}}");
    let node = breakwatch_config::load_text("heartbeat.yml", &text, &diagnostics).unwrap();
    let entry = breakwatch_notifiers::NOTIFIERS.iter().find(|entry| entry.key == "heartbeat").unwrap();
    let context = NotifierContext {
        receiver: "watcher".to_owned(),
        base_dir: Default::default(),
        global: None,
        templates: Vec::new(),
        external_url: String::new(),
    };
    let notifier = (entry.parse)(&node, &context, &diagnostics).expect("a heartbeat");
    let key: Arc<str> = "watcher/heartbeat[0]".into();
    Receivers {
        config: breakwatch_alerts::Config::empty().into(),
        notifiers: [(Arc::clone(&key), Arc::from(notifier))].into(),
        guards: Default::default(),
        limits: Default::default(),
        heartbeats: [(key, INTERVAL)].into(),
    }
}

/// Hangs its thread, so that not even the sender's time-out comes round.
struct Hanging(parking_lot::Mutex<Option<mpsc::Receiver<()>>>);

#[async_trait]
impl Notifier for Hanging {
    fn integration(&self) -> &'static str {
        "webhook"
    }

    fn send_resolved(&self) -> bool {
        true
    }

    async fn notify(&self, _: &Notification) -> Result<Receipt, NotifyError> {
        let held = self.0.lock().take();
        let _ = held.map(|held| held.recv());
        Ok(Receipt::default())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_heartbeat_stops_while_a_sender_hangs() {
    let patient = Patient::start().await;
    patient.beats().await;
    let shared = &patient.daemon.shared;
    let config = shared.alerting.call(|alerting, _| Arc::clone(alerting.config())).await.unwrap();
    let (hold, held) = mpsc::channel();
    let key: Arc<str> = "ops/webhook[0]".into();
    let now = patient.clock.monotonic();
    let guard = shared.breakers.ensure(&key, GuardKind::Notifier, notifier_breaker(), None, now).unwrap();
    let notifier = Arc::new(Hanging(parking_lot::Mutex::new(Some(held)))) as Arc<dyn Notifier>;
    let receivers = Receivers {
        config,
        notifiers: [(Arc::clone(&key), notifier)].into(),
        guards: [(key, guard)].into(),
        limits: Default::default(),
        heartbeats: Default::default(),
    };
    shared.alerting.tell(Input::Reload(Box::new(receivers)));
    let labels = Labels::from_pairs([("alertname", "A")]);
    let posted = vec![PostedAlert { labels, ..PostedAlert::default() }];
    shared.alerting.call(move |alerting, now| alerting.receive(posted, now)).await.unwrap().unwrap();
    // Until the message is with the sender.
    let outbox =
        || shared.alerting.call(|alerting, _| alerting.outbox().first().is_some_and(|m| m.in_flight));
    while outbox().await != Some(true) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    patient.clock.skip(60);
    patient.falls_silent_because("the sender of ops/webhook[0]").await;
    drop(hold);
    patient.beats().await;
    patient.daemon.stop().await;
}
