//! The check engine alone, in simulated time: scripted checks, a clock that moves with tokio's paused time, a
//! history in memory. A test says how a check behaves as a function of time and looks at what came of it.
#![allow(dead_code, unreachable_pub, reason = "each test program uses the part it needs")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use breakwatch::alerting::{Handle, Input, saved, transition_event};
use breakwatch::breakers::{Breakers, GuardKind, TransitionListener};
use breakwatch::bulkhead::Bulkheads;
use breakwatch::changes::Changes;
use breakwatch::checks::observer::Observer;
use breakwatch::checks::publish::Publisher;
use breakwatch::checks::runner::Runner;
use breakwatch::checks::scheduler::{Command, Pulse, Scheduler};
use breakwatch::checks::series::{Identity, SeriesWriter};
use breakwatch::checks::unit::{CheckSettings, CheckUnit, ProbePace, Units};
use breakwatch::telemetry::instruments::Instruments;
use breakwatch_breaker::{Config, Preset, State};
use breakwatch_config::BulkheadsConfig;
use breakwatch_model::{
    Appended, Appender, CancelToken, CheckFailure, Clock as _, FailureReason, Impact, Labels, Matcher,
    Metadata, Queryable as _, Sample, SelectHints, SeriesRef, Status, StorageError, TimeRange, Timestamp,
};
use breakwatch_plugin_api::{Check, CheckContext, ComponentId, Recorder};
use breakwatch_sim::SimClock;
use breakwatch_store::memory::{MemoryHistory, MemoryState};
use opentelemetry_sdk::Resource;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Wall time at which every simulation starts.
pub const START: Timestamp = Timestamp::from_secs(1_700_000_000);

/// How one attempt goes.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Ends after this long, and works.
    Works(Duration),
    /// Ends after this long, and works badly.
    Degraded(Duration),
    /// Ends after this long, and fails.
    Fails(Duration),
    /// Panics at once.
    Panics,
    /// Never ends.
    Hangs,
    /// The daemon could not look.
    Local,
    /// Fails at once, for this reason.
    FailsAs(FailureReason),
}

/// At once, and works.
pub const OK: Act = Act::Works(Duration::ZERO);
/// At once, and fails.
pub const BAD: Act = Act::Fails(Duration::ZERO);

type Script = dyn Fn(Duration) -> Act + Send + Sync;

/// A check that behaves as a script says, and remembers when it was asked.
pub struct Scripted {
    clock: Arc<SimClock>,
    origin: Instant,
    script: Box<Script>,
    target: String,
    /// When each attempt began and ended, since the start.
    pub attempts: Mutex<Vec<(Duration, Option<Duration>)>>,
}

impl Scripted {
    fn since(&self) -> Duration {
        self.clock.monotonic() - self.origin
    }

    /// When attempts began.
    pub fn begun(&self) -> Vec<Duration> {
        self.attempts.lock().iter().map(|(begun, _)| *begun).collect()
    }
}

#[async_trait]
impl Check for Scripted {
    async fn run(&self, _: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let begun = self.since();
        let index = {
            let mut attempts = self.attempts.lock();
            attempts.push((begun, None));
            attempts.len() - 1
        };
        let failure = || CheckFailure::new(FailureReason::Connect, "connection refused");
        let outcome = match (self.script)(begun) {
            Act::Works(takes) => {
                tokio::time::sleep(takes).await;
                Ok(())
            }
            Act::Degraded(takes) => {
                tokio::time::sleep(takes).await;
                rec.degrade(CheckFailure::new(FailureReason::Latency, "slow"));
                Ok(())
            }
            Act::Fails(takes) => {
                tokio::time::sleep(takes).await;
                Err(failure())
            }
            Act::Panics => panic!("scripted"),
            Act::Hangs => std::future::pending().await,
            Act::FailsAs(reason) => Err(CheckFailure::new(reason, "scripted")),
            Act::Local => Err(CheckFailure::new(FailureReason::Internal, "no file descriptor")),
        };
        self.attempts.lock()[index].1 = Some(self.since());
        outcome
    }

    fn target(&self) -> String {
        self.target.clone()
    }
}

/// Takes every sample and remembers none.
struct Nowhere;

impl Appender for Nowhere {
    fn resolve(&self, _: &Labels, _: &Metadata) -> SeriesRef {
        SeriesRef(0)
    }

    fn append(&self, batch: &[(SeriesRef, Sample)]) -> Result<Appended, StorageError> {
        Ok(Appended { accepted: batch.len(), ..Appended::default() })
    }
}

/// The engine around scripted checks.
pub struct Engine {
    pub clock: Arc<SimClock>,
    pub origin: Instant,
    pub units: Units,
    pub breakers: Arc<Breakers>,
    /// What breakers of checks that are added get.
    pub breaker: Config,
    pub history: Arc<MemoryHistory>,
    pub state: Arc<MemoryState>,
    pub alerting: Handle,
    pub inputs: mpsc::UnboundedReceiver<Input>,
    pub transitions: Arc<Mutex<Vec<(Duration, String, State)>>>,
    pub pulse: Arc<Pulse>,
    pub runner: Runner,
    pub commands: Option<mpsc::Sender<Command>>,
    task: Option<JoinHandle<()>>,
}

/// Settings most tests change one thing of: every ten seconds, five at most, no repetition.
pub fn settings() -> CheckSettings {
    CheckSettings {
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        retries: 0,
        retry_interval: Duration::from_secs(2),
        pace: ProbePace::Stretch,
        start_grace: Duration::ZERO,
        negate: false,
        canary: false,
        local: false,
        labels: Labels::empty(),
        impact: Impact::High,
        category: "all".to_owned(),
        depends_on: Vec::new(),
        description: String::new(),
        runbook_url: String::new(),
        dashboard_url: String::new(),
    }
}

/// A check's breaker without jitter: three failures, 30 s open doubling to 5 min, two good probes.
pub fn breaker() -> Config {
    Config { jitter: 0.0, failure_rate: None, ..Preset::Check.config() }
}

impl Engine {
    pub fn new() -> Self {
        Self::starting_at(START)
    }

    /// A simulation that starts at this wall time.
    pub fn starting_at(start: Timestamp) -> Self {
        let history = Arc::new(MemoryHistory::new());
        Self::with_history(start, Arc::clone(&history) as _, history)
    }

    /// An engine whose wall clock shows `start` and which remembers no samples: for long times.
    pub fn forgetful(start: Timestamp) -> Self {
        Self::with_history(start, Arc::new(Nowhere), Arc::new(MemoryHistory::new()))
    }

    fn with_history(start: Timestamp, appender: Arc<dyn Appender>, history: Arc<MemoryHistory>) -> Self {
        let clock = Arc::new(SimClock::new(start));
        let origin = clock.monotonic();
        let transitions = Arc::new(Mutex::new(Vec::new()));
        let (alerting, inputs) = Handle::new(Arc::clone(&clock) as _);
        let units = Units::default();
        let state = Arc::new(MemoryState::new());
        let observer = Observer::new(Arc::clone(&units), &*state, Arc::clone(&clock) as _, alerting.clone());
        let observer = Arc::new(observer);
        let listener: TransitionListener = {
            let (transitions, observer) = (Arc::clone(&transitions), Arc::clone(&observer));
            let (alerting, units, clock) = (alerting.clone(), Arc::clone(&units), Arc::clone(&clock));
            Arc::new(move |guard, transition| {
                let event = transition_event(guard, transition, &units, &*clock);
                let saved = Box::new(saved(guard, &*clock));
                observer.transition(guard, transition, &event.message);
                alerting.tell(Input::Transition(Box::new(event), guard.name.to_string(), saved));
                transitions.lock().push((transition.at - origin, guard.name.to_string(), transition.to));
            })
        };
        let instruments = Instruments::new(Resource::builder_empty().build());
        let identity = Identity { job: "breakwatch".into(), instance: "here".into() };
        let writer = SeriesWriter::new(appender, identity);
        let runner = Runner {
            clock: Arc::clone(&clock) as _,
            publisher: Publisher::new(writer, instruments.clone()),
            instruments,
            observer,
            changes: Changes::default(),
            bulkheads: Arc::new(Bulkheads::new(BulkheadsConfig::default(), Arc::clone(&clock) as _)),
            started: origin,
        };
        Self {
            pulse: Arc::new(Pulse::new(origin)),
            clock,
            origin,
            units,
            alerting,
            breaker: breaker(),
            inputs,
            state,
            breakers: Arc::new(Breakers::new(listener)),
            history,
            transitions,
            runner,
            commands: None,
            task: None,
        }
    }

    /// Adds a check (before or after the start; afterwards a refresh is due).
    pub fn add(
        &self,
        id: &str,
        settings: CheckSettings,
        script: impl Fn(Duration) -> Act + Send + Sync + 'static,
    ) -> (Arc<Scripted>, Arc<CheckUnit>) {
        self.add_on(id, "scripted", settings, script)
    }

    /// As [`Engine::add`], with a target such as `host:80`.
    pub fn add_on(
        &self,
        id: &str,
        target: &str,
        settings: CheckSettings,
        script: impl Fn(Duration) -> Act + Send + Sync + 'static,
    ) -> (Arc<Scripted>, Arc<CheckUnit>) {
        let check = Arc::new(Scripted {
            clock: Arc::clone(&self.clock),
            origin: self.origin,
            script: Box::new(script),
            target: target.to_owned(),
            attempts: Mutex::default(),
        });
        (Arc::clone(&check), self.add_check(id, settings, check))
    }

    /// As [`Engine::add`], with a check of any kind.
    pub fn add_check(&self, id: &str, settings: CheckSettings, check: Arc<dyn Check>) -> Arc<CheckUnit> {
        let name: Arc<str> = id.into();
        let now = self.clock.monotonic();
        let guard =
            self.breakers.ensure(&name, GuardKind::Check, self.breaker.clone(), None, now).expect("breaker");
        let id = ComponentId::parse(id).expect("id");
        let unit = Arc::new(CheckUnit::new(id, check, settings, 0, guard));
        let before = self.units.write().insert(name, Arc::clone(&unit));
        if let Some(before) = before {
            unit.inherit(&before);
        }
        unit
    }

    /// Starts the scheduler.
    pub fn start(&mut self) {
        let (commands, queue) = mpsc::channel(64);
        let scheduler = Scheduler::new(self.runner.clone(), Arc::clone(&self.units), Arc::clone(&self.pulse));
        self.runner.observer.refresh();
        self.task = Some(tokio::spawn(scheduler.run(queue)));
        self.commands = Some(commands);
    }

    pub async fn command(&self, command: Command) {
        self.commands.as_ref().expect("started").send(command).await.expect("the scheduler runs");
    }

    /// Runs a check now; what was found.
    pub async fn run_now(&self, name: &str) -> Option<Status> {
        let (answer, found) = oneshot::channel();
        self.command(Command::RunNow(name.into(), answer)).await;
        found.await.expect("an answer")
    }

    /// Lets this much simulated time pass.
    pub async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    /// Stops the scheduler in order.
    pub async fn stop(&mut self) {
        self.command(Command::Stop).await;
        self.task.take().expect("started").await.expect("the scheduler ends well");
    }

    pub fn status(&self, unit: &CheckUnit) -> Status {
        unit.status(self.clock.now())
    }

    /// The stored samples of a series of a check, as seconds since the start and values; stale markers are `None`.
    pub fn samples(&self, metric: &str, check: &str) -> Vec<(f64, Option<f64>)> {
        let matchers = [Matcher::equal("__name__", metric), Matcher::equal("check", check)];
        let cancel = CancelToken::new();
        let selector = self.history.prepare(&matchers, &cancel).expect("prepare");
        let range = TimeRange::new(Timestamp(i64::MIN / 2), Timestamp(i64::MAX / 2));
        let mut set =
            self.history.select(&selector, range, &SelectHints::default(), &cancel).expect("select");
        let mut samples: Vec<Sample> = Vec::new();
        while set.next_series().expect("series").is_some() {
            while set.next_chunk(&mut samples).expect("chunk") {}
        }
        samples.sort_by_key(|sample| sample.t);
        let value = |sample: &Sample| (!sample.is_stale()).then_some(sample.v);
        samples.iter().map(|s| ((s.t.0 - START.0) as f64 / 1000.0, value(s))).collect()
    }

    /// What the breaker of a check went through: seconds since the start, and the new state.
    pub fn breaker_path(&self, name: &str) -> Vec<(f64, State)> {
        let transitions = self.transitions.lock();
        let mine = transitions.iter().filter(|(_, of, _)| of == name);
        mine.map(|(at, _, to)| (at.as_secs_f64(), *to)).collect()
    }

    /// Runs of a check by status.
    pub fn runs(unit: &CheckUnit) -> BTreeMap<Status, u64> {
        unit.state.lock().runs.clone()
    }
}
