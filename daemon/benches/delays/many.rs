//! Ten thousand checks that do nothing: how punctually the scheduler starts them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use breakwatch::alerting::Handle;
use breakwatch::breakers::{Breakers, GuardKind};
use breakwatch::bulkhead::Bulkheads;
use breakwatch::changes::Changes;
use breakwatch::checks::observer::Observer;
use breakwatch::checks::publish::Publisher;
use breakwatch::checks::runner::Runner;
use breakwatch::checks::schedule::Grid;
use breakwatch::checks::scheduler::{Command, Pulse, Scheduler};
use breakwatch::checks::series::{Identity, SeriesWriter};
use breakwatch::checks::unit::{CheckSettings, CheckUnit, ProbePace, Units};
use breakwatch::telemetry::instruments::Instruments;

use breakwatch_breaker::Preset;
use breakwatch_config::BulkheadsConfig;
use breakwatch_model::{CheckFailure, Clock, Impact, Labels, SystemClock};
use breakwatch_plugin_api::{Check, CheckContext, ComponentId, Recorder};
use breakwatch_store::memory::{MemoryHistory, MemoryState};
use opentelemetry_sdk::Resource;
use tokio::sync::mpsc;

use crate::hung::quantile;

const CHECKS: usize = 10_000;
const INTERVAL: Duration = Duration::from_secs(10);
/// Three times round, after the first one, which is off the grid.
const SPAN: Duration = Duration::from_secs(30);
/// A start this late is late.
const LATE: Duration = Duration::from_millis(10);
/// At most this share may be.
const GOAL: f64 = 0.001;

/// Says when it was started.
struct Started(mpsc::UnboundedSender<(Arc<str>, Instant)>);

#[async_trait]
impl Check for Started {
    async fn run(&self, ctx: &CheckContext, _: &mut Recorder) -> Result<(), CheckFailure> {
        let _ = self.0.send((Arc::clone(&ctx.check), Instant::now()));
        Ok(())
    }

    fn target(&self) -> String {
        "nothing".to_owned()
    }
}

fn settings() -> CheckSettings {
    CheckSettings {
        interval: INTERVAL,
        timeout: Duration::from_secs(5),
        retries: 0,
        retry_interval: Duration::from_secs(1),
        pace: ProbePace::Stretch,
        start_grace: Duration::ZERO,
        negate: false,
        canary: false,
        local: false,
        labels: Labels::empty(),
        impact: Impact::High,
        category: String::new(),
        depends_on: Vec::new(),
        description: String::new(),
        runbook_url: String::new(),
        dashboard_url: String::new(),
    }
}

/// The engine with everything a run goes through, and a history in memory.
fn scheduler(started: &mpsc::UnboundedSender<(Arc<str>, Instant)>) -> Scheduler {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (alerting, _inputs) = Handle::new(Arc::clone(&clock));
    let (units, state) = (Units::default(), MemoryState::new());
    let breakers = Breakers::new(Arc::new(|_, _| {}));
    let now = clock.monotonic();
    for i in 0..CHECKS {
        let id = ComponentId::parse(&format!("http/check-{i}")).expect("id");
        let name: Arc<str> = id.to_string().into();
        let guard = breakers.ensure(&name, GuardKind::Check, Preset::Check.config(), None, now);
        let check = Arc::new(Started(started.clone()));
        let unit = CheckUnit::new(id, check, settings(), 0, guard.expect("breaker"));
        units.write().insert(name, Arc::new(unit));
    }
    let observer = Observer::new(Arc::clone(&units), &state, Arc::clone(&clock), alerting);
    let instruments = Instruments::new(Resource::builder_empty().build());
    let identity = Identity { job: "bench".into(), instance: "here".into() };
    let writer = SeriesWriter::new(Arc::new(MemoryHistory::new()), identity);
    let runner = Runner {
        clock: Arc::clone(&clock),
        publisher: Publisher::new(writer, instruments.clone()),
        instruments,
        observer: Arc::new(observer),
        changes: Changes::default(),
        bulkheads: Arc::new(Bulkheads::new(BulkheadsConfig::default(), Arc::clone(&clock))),
        started: now,
    };
    Scheduler::new(runner, units, Arc::new(Pulse::new(now)))
}

pub fn run() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    let (started, mut starts) = mpsc::unbounded_channel();
    let (origin, began) = runtime.block_on(async {
        let scheduler = scheduler(&started);
        let origin = scheduler.origin();
        let (commands, queue) = mpsc::channel(8);
        let task = tokio::spawn(scheduler.run(queue));
        tokio::time::sleep(INTERVAL).await;
        let began = Instant::now();
        tokio::time::sleep(SPAN).await;
        commands.send(Command::Stop).await.expect("the scheduler runs");
        task.await.expect("it ends well");
        (origin, began)
    });
    let mut delays = Vec::new();
    while let Ok((name, at)) = starts.try_recv() {
        if at >= began {
            let grid = Grid::new(origin, &name, INTERVAL);
            // The line before the start: the first one after a whole interval earlier.
            let due = grid.after(at - INTERVAL);
            delays.push(at.saturating_duration_since(due));
        }
    }
    delays.sort_unstable();
    let late = delays.iter().filter(|delay| **delay > LATE).count();
    let share = late as f64 / delays.len().max(1) as f64;
    let expected = CHECKS * SPAN.as_secs() as usize / INTERVAL.as_secs() as usize;
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| quantile(&delays, share));
    println!("{CHECKS} checks at {INTERVAL:?}, scheduler alone:");
    println!(
        "  {} starts (expected about {expected}), p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?}",
        delays.len()
    );
    println!("  {late} late by more than {LATE:?}: {:.3} % (goal {:.1} %)", share * 100.0, GOAL * 100.0);
}
