//! Rule groups in simulated time: a group that hangs in the store is late alone, and stopped in the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use breakwatch::alerting::{self, Input};
use breakwatch::rules::evaluation::Evaluation;
use breakwatch::rules::files::RuleFiles;
use breakwatch::rules::{Parts, Rules};
use breakwatch::store::StoreHandle;
use breakwatch::telemetry::instruments::Instruments;
use breakwatch_alerts::Alerting;
use breakwatch_alerts::rules::{Defaults, Group, RuleFile};
use breakwatch_model::{
    Appended, Appender, CancelToken, Clock as _, Cursor, Followed, Follower, Labels, Matcher, Metadata,
    Queryable, Sample, SelectHints, Selector, SeriesInfo, SeriesRef, SeriesSet, StorageError, TimeRange,
    Timestamp,
};
use breakwatch_plugin_api::Diagnostics;
use breakwatch_promql::Engine;
use breakwatch_sim::SimClock;
use breakwatch_store::memory::{MemoryHistory, MemoryState};
use opentelemetry_sdk::Resource;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const START: Timestamp = Timestamp::from_secs(1_700_000_000);
const INTERVAL: Duration = Duration::from_secs(15);
/// A slow machine may take this long for what takes no simulated time.
const PATIENCE: Duration = Duration::from_secs(30);

#[expect(clippy::disallowed_methods, reason = "blocking threads are waited for in real time")]
fn real_time() -> Instant {
    Instant::now()
}

/// A history in which reading the series `hung` takes until the disk is mended, or the reader is told to stop.
#[derive(Default)]
struct HangingStore {
    history: MemoryHistory,
    hangs: AtomicBool,
    /// Whether a reader that hangs does not even hear that it is to stop.
    deaf: AtomicBool,
}

impl HangingStore {
    fn wait(&self, selector: &Selector, cancel: &CancelToken) -> Result<(), StorageError> {
        while self.hangs.load(Ordering::SeqCst)
            && selector.matchers.iter().any(|matcher| matcher.value() == "hung")
        {
            if !self.deaf.load(Ordering::SeqCst) {
                cancel.check()?;
            }
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl Queryable for HangingStore {
    fn epoch(&self) -> u64 {
        self.history.epoch()
    }

    fn prepare(&self, matchers: &[Matcher], cancel: &CancelToken) -> Result<Selector, StorageError> {
        self.history.prepare(matchers, cancel)
    }

    fn select<'a>(
        &'a self,
        selector: &'a Selector,
        range: TimeRange,
        hints: &SelectHints,
        cancel: &'a CancelToken,
    ) -> Result<Box<dyn SeriesSet + 'a>, StorageError> {
        self.wait(selector, cancel)?;
        self.history.select(selector, range, hints, cancel)
    }

    fn last_samples(
        &self,
        selector: &Selector,
        range: TimeRange,
        cancel: &CancelToken,
        out: &mut Vec<(usize, Sample)>,
    ) -> Result<(), StorageError> {
        self.wait(selector, cancel)?;
        self.history.last_samples(selector, range, cancel, out)
    }

    fn series(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        cancel: &CancelToken,
    ) -> Result<(Vec<Labels>, bool), StorageError> {
        self.history.series(selectors, range, limit, cancel)
    }

    fn label_names(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        cancel: &CancelToken,
    ) -> Result<(Vec<Arc<str>>, bool), StorageError> {
        self.history.label_names(selectors, range, limit, cancel)
    }

    fn label_values(
        &self,
        name: &str,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        cancel: &CancelToken,
    ) -> Result<(Vec<Arc<str>>, bool), StorageError> {
        self.history.label_values(name, selectors, range, limit, cancel)
    }

    fn metadata(&self, metric: Option<&str>) -> Vec<(Arc<str>, Metadata)> {
        self.history.metadata(metric)
    }
}

impl Appender for HangingStore {
    fn resolve(&self, labels: &Labels, meta: &Metadata) -> SeriesRef {
        self.history.resolve(labels, meta)
    }

    fn append(&self, batch: &[(SeriesRef, Sample)]) -> Result<Appended, StorageError> {
        self.history.append(batch)
    }
}

impl Follower for HangingStore {
    fn end(&self) -> Cursor {
        self.history.end()
    }

    fn follow(&self, from: Cursor, max_samples: usize) -> Result<Followed, StorageError> {
        self.history.follow(from, max_samples)
    }

    fn series_info(&self, reference: SeriesRef) -> Option<SeriesInfo> {
        self.history.series_info(reference)
    }
}

/// `slow` reads the series that hangs, `quick` one that does not.
const RULES: &str = r#"
groups:
  - { name: slow, rules: [{ record: copy:hung, expr: hung }, { alert: Hung, expr: hung > 0 }] }
  - { name: quick, rules: [{ record: copy:free, expr: free }, { alert: Free, expr: free > 0 }] }
"#;

fn rule_files(text: &str) -> RuleFiles {
    let diagnostics = Diagnostics::new();
    let node = breakwatch_config::load_text("rules.yml", text, &diagnostics).unwrap();
    let file = RuleFile::read("rules.yml", &node, &Engine::default(), &diagnostics).unwrap();
    let defaults = Defaults { interval: INTERVAL, ..Defaults::default() };
    RuleFiles { files: vec![file], defaults, external_labels: Labels::empty() }
}

struct World {
    clock: Arc<SimClock>,
    store: Arc<HangingStore>,
    rules: Rules,
    stop: watch::Sender<bool>,
    evaluation: JoinHandle<()>,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(SimClock::new(START));
        let store = Arc::new(HangingStore::default());
        for name in ["hung", "free"] {
            let labels = Labels::from_pairs([("__name__", name)]);
            // One sample in sight of every evaluation of the test.
            for step in 0..1000 {
                store.history.push(&labels, START + INTERVAL * step, 1.0);
            }
        }
        let (handle, mut inputs) = alerting::Handle::new(clock.clone());
        let parts = Parts {
            clock: clock.clone(),
            engine: Arc::new(Engine::default()),
            store: StoreHandle::new(Arc::clone(&store), Vec::new),
            state: Arc::new(MemoryState::new()),
            alerting: handle,
            instruments: Instruments::new(Resource::builder_empty().build()),
            external_url: "http://bw".to_owned(),
        };
        let now = clock.clone();
        tokio::spawn(async move {
            let config = breakwatch_alerts::config::Config::empty();
            let settings = breakwatch_alerts::Settings { seed: 1, ..Default::default() };
            let mut alerting = Alerting::new(config.into(), settings, Default::default(), now.now());
            while let Some(input) = inputs.recv().await {
                match input {
                    Input::Rules(alerts, _) => alerting.receive_rules(alerts, now.now()),
                    Input::Call(call) => call(&mut alerting, now.now())(),
                    _ => {}
                }
            }
        });
        let (rules, evaluation): (Rules, Evaluation) = Rules::new(parts, &rule_files(RULES));
        let (stop, stopped) = watch::channel(false);
        let evaluation = tokio::spawn(evaluation.run(stopped));
        let world = Self { clock, store, rules, stop, evaluation };
        // Until both groups have been evaluated and wait for their next time.
        let is_idle = |group: &Arc<Group>| {
            let (now, next) = (world.clock.now(), group.next_due(world.clock.now()));
            next > now && group.last_evaluation() + INTERVAL == next
        };
        let groups = [world.group("slow"), world.group("quick")];
        let deadline = real_time() + PATIENCE;
        while !groups.iter().all(is_idle) {
            assert!(real_time() < deadline, "the groups are not evaluated");
            world.pass(Duration::from_secs(1)).await;
            std::thread::yield_now();
        }
        world
    }

    fn group(&self, name: &str) -> Arc<Group> {
        Arc::clone(self.rules.groups().iter().find(|group| group.name() == name).unwrap())
    }

    fn hang(&self, hangs: bool) {
        self.store.hangs.store(hangs, Ordering::SeqCst);
    }

    /// Lets simulated time pass in steps, so that nothing that is due in between is skipped.
    async fn pass(&self, time: Duration) {
        let step = Duration::from_millis(500);
        let mut left = time;
        while left > Duration::ZERO {
            tokio::time::advance(step).await;
            left = left.saturating_sub(step);
            // What is due gets under way, on blocking threads too.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Waits, without simulated time passing.
    async fn until(&self, mut done: impl FnMut() -> bool) {
        let deadline = real_time() + PATIENCE;
        while !done() {
            assert!(real_time() < deadline, "it did not come about");
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
    }
}

impl Drop for World {
    /// A test that failed must not wait for a store that hangs.
    fn drop(&mut self) {
        self.hang(false);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_group_is_late_alone() {
    let world = World::new().await;
    let (slow, quick) = (world.group("slow"), world.group("quick"));
    let (slow_last, slow_missed, quick_missed) = (slow.last_evaluation(), slow.missed(), quick.missed());
    world.hang(true);
    for _ in 0..7 {
        let before = quick.last_evaluation();
        world.pass(INTERVAL).await;
        world.until(|| quick.last_evaluation() > before).await;
        assert_eq!(quick.last_evaluation(), before + INTERVAL);
    }
    assert_eq!(slow.last_evaluation(), slow_last);
    assert_eq!(quick.missed(), quick_missed);
    // Readers need not wait for it either.
    assert_eq!(slow.rules().len(), 2);
    assert!(!world.rules.groups().firing_labels().is_empty());

    world.hang(false);
    world.until(|| slow.last_evaluation() > slow_last).await;
    world.pass(INTERVAL).await;
    let caught_up = || quick.last_evaluation().since(slow.last_evaluation()) < INTERVAL;
    world.until(caught_up).await;
    // The one that hung took place, late; of the six after it, only the last was still worth it.
    assert!((5..=7).contains(&(slow.missed() - slow_missed)), "{}", slow.missed() - slow_missed);
    let missed = world.rules.families().into_iter().find(|f| f.name.ends_with("iterations_missed_total"));
    let of_slow = Labels::from_pairs([("rule_group", "rules.yml;slow")]);
    let shown = missed.unwrap().points.into_iter().find(|point| point.labels == of_slow).unwrap();
    assert_eq!(shown.value, slow.missed() as f64);
}

#[tokio::test(start_paused = true)]
async fn an_evaluation_that_hangs_is_stopped_and_its_alerts_stay() {
    let world = World::new().await;
    let slow = world.group("slow");
    let (alive, begun) = (slow.last_evaluation(), world.clock.now());
    assert_eq!(slow.rules()[1].alerting.as_ref().unwrap().alerts.len(), 1);
    world.hang(true);
    // Evaluations may take two minutes.
    world.pass(INTERVAL + Duration::from_secs(120)).await;
    world.until(|| slow.last_evaluation() > alive).await;
    assert!(world.clock.now().since(begun) >= Duration::from_secs(120));
    let rules = slow.rules();
    assert!(rules.iter().all(|rule| rule.health.error().contains("timed out")), "{rules:?}");
    assert_eq!(rules[1].alerting.as_ref().unwrap().alerts.len(), 1, "no evidence that it is over");
    world.hang(false);
    world.pass(INTERVAL * 2).await;
    world.until(|| slow.rules().iter().all(|rule| rule.health.error().is_empty())).await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_and_a_stop_do_not_wait_for_a_group_that_hangs() {
    let world = World::new().await;
    let before = world.group("slow");
    world.hang(true);
    world.pass(INTERVAL * 2).await;
    let rules = world.rules.clone();
    let replaced =
        tokio::spawn(async move { rules.replace(rule_files(&RULES.replace("copy:", "twin:"))).await });
    world.pass(Duration::from_secs(6)).await;
    world.until(|| replaced.is_finished()).await;
    let after = world.group("slow");
    assert!(!Arc::ptr_eq(&before, &after));
    assert_eq!(after.rules()[0].name.as_ref(), "twin:hung");
    let alerts = |group: &Group| group.rules()[1].alerting.as_ref().unwrap().alerts.clone();
    assert_eq!(alerts(&after), alerts(&before), "instances go on");
    assert_eq!(alerts(&after).len(), 1);

    world.pass(INTERVAL * 2).await;
    world.stop.send(true).unwrap();
    world.pass(Duration::from_secs(6)).await;
    world.until(|| world.evaluation.is_finished()).await;
}

#[tokio::test(start_paused = true)]
async fn an_evaluation_that_cannot_be_stopped_shows_and_holds_up_nobody() {
    let world = World::new().await;
    let quick = world.group("quick");
    let pulse_age = || world.rules.pulse().age(world.clock.monotonic());
    world.hang(true);
    world.store.deaf.store(true, Ordering::SeqCst);
    world.pass(INTERVAL + Duration::from_secs(100)).await;
    assert!(pulse_age() < Duration::from_secs(5), "it may still end");
    world.pass(Duration::from_secs(60)).await;
    assert!(pulse_age() > Duration::from_secs(15), "{:?}", pulse_age());
    let before = quick.last_evaluation();
    world.pass(INTERVAL).await;
    world.until(|| quick.last_evaluation() > before).await;
    world.stop.send(true).unwrap();
    world.pass(Duration::from_secs(11)).await;
    world.until(|| world.evaluation.is_finished()).await;
}
