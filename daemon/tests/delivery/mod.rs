//! Alerting as it runs in the daemon, in simulated time: the real task, senders and breakers, the real state log on a
//! disk that forgets what was not synced, and receivers that do as a test says. A life of the daemon is a runtime; it
//! ends by being dropped.
#![allow(dead_code, unreachable_pub, reason = "each test program uses the part it needs")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use breakwatch::alerting::{AlertingTask, Handle, Input, Receivers, TaskParts};
use breakwatch::breakers::{Breakers, GuardKind, TransitionListener};
use breakwatch::changes::Changes;
use breakwatch::telemetry::instruments::Instruments;
use breakwatch::wiring::notifiers::notifier_breaker;
use breakwatch_alerts::config::{Config, IntegrationKind};
use breakwatch_alerts::{Alerting, PostedAlert, Restored, Settings};
use breakwatch_model::{Clock, Labels, StateStore, Table, Timestamp};
use breakwatch_plugin_api::{Diagnostics, Notification, Notifier, NotifyError, Receipt};
use breakwatch_sim::SimClock;
use breakwatch_store::disk::{CrashMode, SimDisk};
use breakwatch_store::{DataDir, StateLog, StateOptions};
use opentelemetry_sdk::Resource;
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Wall time at which every simulation starts: 2024-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp::from_secs(1_704_067_200);

/// The kinds of integrations a test may configure; all of them behave as the test says.
const KINDS: [IntegrationKind; 5] = [
    IntegrationKind { kind: "webhook", section: "webhook_configs" },
    IntegrationKind { kind: "slack", section: "slack_configs" },
    IntegrationKind { kind: "email", section: "email_configs" },
    IntegrationKind { kind: "pagerduty", section: "pagerduty_configs" },
    IntegrationKind { kind: "log", section: "log_configs" },
];

/// Room for the state log: small, so that turning it over belongs to what is tested.
const RESERVE: u64 = 16 << 10;

/// How an attempt goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// The receiver takes the message and says so.
    Taken,
    /// Nobody listens there.
    Refused,
    /// The receiver takes the message, and nobody hears of it.
    AnswerLost,
    /// The machine dies before the request has left.
    DiesBefore,
    /// The machine dies when the receiver has the message and has not answered.
    DiesAfterTaking,
    /// The machine dies when the answer has been heard and before anything else is written.
    DiesAfterAnswer,
}

/// A message as a receiver took it.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The life of the daemon, from 0.
    pub life: usize,
    /// Seconds since the start.
    pub at: f64,
    /// The integration.
    pub to: String,
    /// The message.
    pub message: Notification,
}

impl Taken {
    /// `12.5 ops/webhook[0] +A -B`.
    pub fn show(&self) -> String {
        let sign = |name: &str, firing| format!("{}{name}", if firing { '+' } else { '-' });
        let firing = self.message.firing().map(|alert| sign(alert.name(), true));
        let resolved = self.message.resolved().map(|alert| sign(alert.name(), false));
        let alerts: Vec<String> = firing.chain(resolved).collect();
        format!("{} {} {}", self.at, self.to, alerts.join(" "))
    }
}

type Behaviour = dyn FnMut(&str, f64) -> Attempt + Send;

/// The world outside the daemon: its disk, its receivers, the time.
pub struct World {
    pub disk: SimDisk,
    /// What was taken.
    pub taken: Arc<Mutex<Vec<Taken>>>,
    /// Calls of receivers so far.
    pub calls: Arc<AtomicU64>,
    behaviour: Arc<Mutex<Box<Behaviour>>>,
    /// The disk's operation at which the machine dies.
    dies_at: Arc<AtomicU64>,
    config: String,
    wall: Timestamp,
    life: usize,
}

impl World {
    /// A new machine with this `alerting` section.
    pub fn new(config: &str) -> Self {
        Self {
            disk: SimDisk::new(),
            taken: Arc::default(),
            calls: Arc::default(),
            behaviour: Arc::new(Mutex::new(Box::new(|_, _| Attempt::Taken))),
            dies_at: Arc::new(AtomicU64::new(u64::MAX)),
            config: config.to_owned(),
            wall: START,
            life: 0,
        }
    }

    /// How receivers behave, by integration and seconds since the start.
    pub fn receivers(&self, behaviour: impl FnMut(&str, f64) -> Attempt + Send + 'static) {
        *self.behaviour.lock() = Box::new(behaviour);
    }

    /// The machine dies at this operation of its disk.
    pub fn die_at(&self, operation: u64) {
        self.dies_at.store(operation, Ordering::SeqCst);
        self.disk.die_at(operation);
    }

    /// One life of the daemon. It is killed when `work` is done: the runtime is dropped, whatever is under way.
    pub fn live<F: Future>(&mut self, work: impl FnOnce(Arc<Life>) -> F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("runtime");
        let (wall, output) = runtime.block_on(async {
            let life = Arc::new(Life::begin(self));
            let clock = Arc::clone(&life.clock);
            let output = work(life).await;
            (clock.now(), output)
        });
        drop(runtime);
        self.wall = wall;
        self.life += 1;
        output
    }

    /// The power fails: what was not synced is lost as `mode` says. The next life finds what is left.
    pub fn crash(&mut self, mode: CrashMode) {
        self.disk.crash(mode);
        self.dies_at.store(u64::MAX, Ordering::SeqCst);
    }

    /// Time passes without a daemon.
    pub fn pause(&mut self, seconds: u64) {
        self.wall = self.wall + Duration::from_secs(seconds);
    }

    /// Starts alerting with receivers of this world, over what the state store holds.
    pub fn attach(
        &self,
        clock: &Arc<SimClock>,
        state: &Arc<dyn StateStore>,
        breakers: &Breakers,
        handle: &Handle,
        inputs: mpsc::UnboundedReceiver<Input>,
    ) {
        let config = read_config(&self.config);
        let restored = Restored::load(&**state);
        let settings = Settings { seed: self.life as u64 + 1, ..Settings::default() };
        let mut alerting = Alerting::new(Arc::clone(&config), settings, restored, clock.now());
        assert_eq!(alerting.take_problems(), [""; 0]);
        let receivers = self.posts(clock, breakers, config);
        let parts = TaskParts {
            clock: Arc::clone(clock) as _,
            state: Arc::clone(state),
            instruments: Instruments::new(Resource::builder_empty().build()),
            changes: Changes::default(),
            handle: handle.clone(),
            inputs,
        };
        tokio::spawn(AlertingTask::new(parts, alerting, &receivers).run());
    }

    fn posts(&self, clock: &Arc<SimClock>, breakers: &Breakers, config: Arc<Config>) -> Receivers {
        let (mut notifiers, mut guards) = (BTreeMap::new(), BTreeMap::new());
        for integration in config.receivers.iter().flat_map(|receiver| &receiver.integrations) {
            let key = Arc::clone(&integration.key);
            let now = clock.monotonic();
            let guard = breakers.ensure(&key, GuardKind::Notifier, notifier_breaker(), None, now);
            guards.insert(Arc::clone(&key), guard.expect("breaker"));
            let notifier = Post {
                key: Arc::clone(&key),
                life: self.life,
                started: (tokio::time::Instant::now(), self.wall),
                disk: self.disk.clone(),
                taken: Arc::clone(&self.taken),
                calls: Arc::clone(&self.calls),
                behaviour: Arc::clone(&self.behaviour),
                dies_at: Arc::clone(&self.dies_at),
                send_resolved: integration.send_resolved,
            };
            notifiers.insert(key, Arc::new(notifier) as Arc<dyn Notifier>);
        }
        Receivers { config, notifiers, guards, limits: BTreeMap::new(), heartbeats: BTreeMap::new() }
    }

    /// What was taken, a line each.
    pub fn lines(&self) -> Vec<String> {
        self.taken.lock().iter().map(Taken::show).collect()
    }
}

/// One life of the daemon.
pub struct Life {
    pub clock: Arc<SimClock>,
    pub handle: Handle,
    pub breakers: Arc<Breakers>,
    pub state: Arc<dyn StateStore>,
    dies_at: Arc<AtomicU64>,
    disk: SimDisk,
}

impl Life {
    fn begin(world: &World) -> Self {
        let clock = Arc::new(SimClock::new(world.wall));
        let dir = DataDir::open_on(Arc::new(world.disk.clone()), "/data", Arc::clone(&clock) as _);
        let options = StateOptions { reserve: RESERVE, ..StateOptions::default() };
        let (handle, inputs) = Handle::new(Arc::clone(&clock) as _);
        let listener = listener(&handle, &clock);
        let breakers = Arc::new(Breakers::new(listener));
        let state: Arc<dyn StateStore> = match dir.and_then(|dir| StateLog::open(&dir, options)) {
            Ok(log) => log,
            // A machine that dies while it starts has no daemon; nothing is said there.
            Err(_) => Arc::new(breakwatch_store::memory::MemoryState::new()),
        };
        let dies_at = Arc::clone(&world.dies_at);
        let life = Self { clock, handle, breakers, state, dies_at, disk: world.disk.clone() };
        if !life.is_dead() {
            world.attach(&life.clock, &life.state, &life.breakers, &life.handle, inputs);
        }
        life
    }

    /// Whether the machine has died.
    pub fn is_dead(&self) -> bool {
        is_dead(&self.disk, &self.dies_at)
    }

    /// Lets time pass; `false` if the machine has died.
    pub async fn pass(&self, seconds: f64) -> bool {
        let end = tokio::time::Instant::now() + Duration::from_secs_f64(seconds);
        while !self.is_dead() && tokio::time::Instant::now() < end {
            let left = end - tokio::time::Instant::now();
            tokio::time::sleep(left.min(Duration::from_millis(20))).await;
        }
        !self.is_dead()
    }

    /// Posts alerts, `alertname=A service=x` as firing and `-alertname=…` as over; whether that was acknowledged.
    pub async fn post(&self, alerts: &[&str]) -> bool {
        let now = self.clock.now();
        let posted = alerts.iter().map(|text| {
            let over = text.starts_with('-');
            let later = now + Duration::from_secs(100 * 3600);
            PostedAlert {
                labels: labels(text.trim_start_matches('-')),
                starts_at: (!over).then_some(now),
                ends_at: Some(if over { now } else { later }),
                ..PostedAlert::default()
            }
        });
        let posted: Vec<PostedAlert> = posted.collect();
        self.acknowledged(self.handle.call(move |alerting, now| alerting.receive(posted, now))).await
    }

    /// Whether a call was answered before the machine died.
    pub async fn acknowledged<T>(&self, call: impl Future<Output = Option<T>>) -> bool {
        tokio::select! {
            answer = call => answer.is_some() && !self.is_dead(),
            () = async { while self.pass(3600.0).await {} } => false,
        }
    }

    /// Ids of messages that are durably in the outbox.
    pub fn outbox(&self) -> Vec<String> {
        self.state.table(Table::Outbox).into_iter().map(|record| record.key).collect()
    }
}

/// A listener as wiring has it, for breakers of integrations.
fn listener(handle: &Handle, clock: &Arc<SimClock>) -> TransitionListener {
    let (handle, clock) = (handle.clone(), Arc::clone(clock));
    Arc::new(move |guard, transition| {
        let event = breakwatch::alerting::transition_event(guard, transition, &Default::default(), &*clock);
        let saved = Box::new(breakwatch::alerting::saved(guard, &*clock));
        handle.tell(Input::Transition(Box::new(event), guard.name.to_string(), saved));
    })
}

fn read_config(text: &str) -> Arc<Config> {
    let diagnostics = Diagnostics::new();
    let node = breakwatch_config::load_text("alerting.yml", text, &diagnostics).expect("YAML");
    let config = Config::read(&node, &KINDS, &diagnostics);
    config.map(Arc::new).unwrap_or_else(|| panic!("{:?}", diagnostics.into_sorted()))
}

/// `a=1 b=2` as labels.
pub fn labels(text: &str) -> Labels {
    Labels::from_pairs(text.split_whitespace().filter_map(|pair| pair.split_once('=')))
}

fn is_dead(disk: &SimDisk, dies_at: &AtomicU64) -> bool {
    disk.operations() >= dies_at.load(Ordering::SeqCst)
}

/// An integration whose other side does as the test says.
struct Post {
    key: Arc<str>,
    life: usize,
    /// When this life began, by the runtime's clock and by the wall: what is seen from outside knows no jumps.
    started: (tokio::time::Instant, Timestamp),
    disk: SimDisk,
    taken: Arc<Mutex<Vec<Taken>>>,
    calls: Arc<AtomicU64>,
    behaviour: Arc<Mutex<Box<Behaviour>>>,
    dies_at: Arc<AtomicU64>,
    send_resolved: bool,
}

impl Post {
    fn take(&self, message: &Notification) -> Receipt {
        let at = self.seconds();
        let taken = Taken { life: self.life, at, to: self.key.to_string(), message: message.clone() };
        self.taken.lock().push(taken);
        Receipt { reference: format!("ref-{}", message.id), answer: "ok".to_owned() }
    }

    /// Seconds since the start of the world.
    fn seconds(&self) -> f64 {
        let (began, wall) = self.started;
        (wall.since(START) + began.elapsed()).as_millis() as f64 / 1000.0
    }

    /// The machine dies at once: nothing is written any more, nothing leaves it.
    fn die(&self) {
        let now = self.disk.operations();
        self.dies_at.store(now, Ordering::SeqCst);
        self.disk.die_at(now);
    }
}

#[async_trait]
impl Notifier for Post {
    fn integration(&self) -> &'static str {
        "webhook"
    }

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    fn at_once(&self) -> usize {
        8
    }

    async fn notify(&self, message: &Notification) -> Result<Receipt, NotifyError> {
        if is_dead(&self.disk, &self.dies_at) {
            return std::future::pending().await;
        }
        self.calls.fetch_add(1, Ordering::SeqCst);
        let at = self.seconds();
        let attempt = (self.behaviour.lock())(&self.key, at);
        let lost = |message: &str| NotifyError::Retryable { message: message.to_owned(), retry_after: None };
        match attempt {
            Attempt::Taken => Ok(self.take(message)),
            Attempt::Refused => Err(lost("connection refused")),
            Attempt::AnswerLost => {
                self.take(message);
                Err(lost("connection reset"))
            }
            Attempt::DiesBefore => {
                self.die();
                std::future::pending().await
            }
            Attempt::DiesAfterTaking => {
                self.take(message);
                self.die();
                std::future::pending().await
            }
            Attempt::DiesAfterAnswer => {
                let receipt = self.take(message);
                self.die();
                Ok(receipt)
            }
        }
    }
}
