//! The estate and its script: five hundred checks, and what goes wrong with them in a week. Every week is the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use breakwatch::checks::group::GroupCheck;
use breakwatch::checks::unit::{CheckSettings, ProbePace};
use breakwatch_config::{Group, MinHealthy};
use breakwatch_model::{CheckFailure, Clock as _, FailureReason, Impact, Labels};
use breakwatch_plugin_api::{Check, CheckContext, ComponentId, Place, Recorder};
use breakwatch_sim::SimClock;

use crate::engine::{Engine, settings};

/// Seconds from Monday, 00:00.
pub type Second = u64;

/// `at(2, 10, 30)`: Wednesday, 10:30.
pub const fn at(day: u64, hour: u64, minute: u64) -> Second {
    ((day * 24 + hour) * 60 + minute) * 60
}

/// A week.
pub const WEEK: Second = at(7, 0, 0);

/// How often most checks run. A week of five hundred checks is four hundred thousand runs then, which an unoptimised build
/// does in about a minute.
pub const INTERVAL: Second = 900;
/// How often canaries and what must be seen soon run.
pub const FAST: Second = 60;

/// The daemon's own link is gone: every check of the network fails, and no receiver can be reached.
pub const ISOLATED: (Second, Second) = (at(3, 10, 0), at(3, 11, 30));
/// The receiver `ops` cannot be reached.
pub const OPS_AWAY: (Second, Second) = (at(6, 6, 0), at(6, 7, 0));
/// How many shops depend on the database: ten of them through the API, which depends on it too.
pub const SHOPS: usize = 49;

/// What a target is like in a span of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// It does not work.
    Down,
    /// It works badly.
    Slow,
    /// The daemon cannot look at it.
    Unseen,
}

/// A span of the script.
pub type Span = (Second, Second, How);

const fn down(from: Second, to: Second) -> Span {
    (from, to, How::Down)
}

/// A check that follows the script.
struct Watched {
    clock: Arc<SimClock>,
    origin: Instant,
    spans: Vec<Span>,
    /// Whether it needs the daemon's link.
    link: bool,
}

#[async_trait]
impl Check for Watched {
    async fn run(&self, _: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let now = (self.clock.monotonic() - self.origin).as_secs() % WEEK;
        if self.link && (ISOLATED.0..ISOLATED.1).contains(&now) {
            return Err(CheckFailure::new(FailureReason::Timeout, "no answer within 5s"));
        }
        match self.spans.iter().find(|(from, to, _)| (*from..*to).contains(&now)) {
            None => Ok(()),
            Some((_, _, How::Down)) => Err(CheckFailure::new(FailureReason::Connect, "connection refused")),
            Some((_, _, How::Unseen)) => {
                Err(CheckFailure::new(FailureReason::Internal, "no file descriptor left"))
            }
            Some((_, _, How::Slow)) => {
                rec.degrade(CheckFailure::new(FailureReason::Latency, "slower than 1s"));
                Ok(())
            }
        }
    }

    fn target(&self) -> String {
        "host.example".to_owned()
    }
}

/// Puts the estate together.
pub fn build(engine: &Engine) {
    let watch = |id: &str, settings: CheckSettings, link: bool, spans: Vec<Span>| {
        let (clock, origin) = (Arc::clone(&engine.clock), engine.origin);
        engine.add_check(id, settings, Arc::new(Watched { clock, origin, spans, link }));
    };
    for canary in ["a", "b", "c"] {
        // One canary alone fails on Friday: its own outage, and no isolation.
        let spans = if canary == "a" { vec![down(at(4, 8, 0), at(4, 9, 0))] } else { Vec::new() };
        watch(&format!("icmp/canary-{canary}"), CheckSettings { canary: true, ..every(FAST) }, true, spans);
    }
    // The host's own disk needs no link; it fails while the daemon is cut off, and that is believed.
    let disk = CheckSettings { local: true, pace: ProbePace::Normal, ..every(FAST) };
    watch("disk/root", disk, false, vec![down(at(3, 10, 30), at(3, 13, 0))]);
    let flaps = (0..3).map(|i| down(at(1, 12, 20 * i), at(1, 12, 20 * i + 10))).collect();
    watch("http/flapper", every(FAST), true, flaps);
    // Every second run of a day fails: never three in a row, so its breaker never opens.
    let wobbles = (0..12 * 60).map(|i| (at(5, 0, 2 * i), at(5, 0, 2 * i + 1), How::Down)).collect();
    watch("http/wobbly", every(FAST), true, wobbles);
    database(&watch);
    batch(&watch);
    pool(engine, &watch);
    sites(&watch);
    let count = engine.units.read().len();
    assert_eq!(count, 500, "the estate has five hundred checks");
}

/// A database, the API on it, and forty-nine shops on either: fifty services behind one database. One shop has
/// trouble of its own that lasts longer.
fn database(watch: &impl Fn(&str, CheckSettings, bool, Vec<Span>)) {
    let outage = down(at(1, 3, 0), at(1, 5, 0));
    let on = |name: &str| CheckSettings { depends_on: vec![name.into()], ..every(INTERVAL) };
    let critical = CheckSettings { impact: Impact::Critical, ..every(FAST) };
    watch("database/main", critical, true, vec![outage]);
    watch("http/api", on("database/main"), true, vec![outage]);
    for i in 0..SHOPS {
        let root = if i < 10 { "http/api" } else { "database/main" };
        let outage = if i == 7 { down(at(1, 3, 0), at(1, 8, 0)) } else { outage };
        watch(&format!("http/shop-{i:02}"), on(root), true, vec![outage]);
    }
}

/// Twenty jobs that are down in the maintenance window of Wednesday, 02:00 to 04:00; one stays down after it.
fn batch(watch: &impl Fn(&str, CheckSettings, bool, Vec<Span>)) {
    for i in 0..20 {
        let until = if i == 0 { at(2, 6, 0) } else { at(2, 3, 30) };
        let settings = CheckSettings { labels: team("batch"), ..every(INTERVAL) };
        watch(&format!("command/batch-{i:02}"), settings, true, vec![down(at(2, 2, 10), until)]);
    }
}

/// Ten members of a group of which half must be available; six fail on Friday evening.
fn pool(engine: &Engine, watch: &impl Fn(&str, CheckSettings, bool, Vec<Span>)) {
    let ids: Vec<String> = (0..10).map(|i| format!("tcp/pool-{i}")).collect();
    for (i, id) in ids.iter().enumerate() {
        let spans = if i < 6 { vec![down(at(4, 20, 0), at(4, 21, 0))] } else { Vec::new() };
        watch(id, every(INTERVAL), true, spans);
    }
    let members = ids.iter().map(|id| (ComponentId::parse(id).expect("an id"), Place::default())).collect();
    let group = Group { members, min_healthy: MinHealthy::Share(0.5) };
    let settings = CheckSettings { local: true, pace: ProbePace::Normal, ..every(FAST) };
    engine.add_check(
        "group/pool",
        settings,
        Arc::new(GroupCheck::new(&group, Arc::downgrade(&engine.units))),
    );
}

/// Ordinary sites; the first fifteen have a story.
fn sites(watch: &impl Fn(&str, CheckSettings, bool, Vec<Span>)) {
    let stories: [(usize, Span); 13] = [
        (1, down(at(0, 9, 0), at(0, 9, 50))),
        // At most two runs of a quarter of an hour fall into eighteen minutes.
        (2, down(at(0, 12, 0), at(0, 12, 18))),
        (3, down(at(0, 15, 0), at(1, 16, 0))),
        // Begins before the isolation and ends in it.
        (4, down(at(3, 9, 0), at(3, 10, 45))),
        // Begins in the isolation and ends after it.
        (5, down(at(3, 11, 0), at(3, 13, 0))),
        (6, (at(4, 10, 0), at(4, 11, 0), How::Slow)),
        (7, (at(4, 12, 0), at(4, 14, 0), How::Unseen)),
        // Paused by a person the whole time.
        (10, down(at(2, 14, 0), at(2, 15, 0))),
        // Silenced the whole time.
        (11, down(at(5, 12, 30), at(5, 15, 30))),
        // Silenced after it was told of.
        (12, down(at(5, 12, 0), at(5, 14, 0))),
        // While the receiver is away.
        (13, down(at(6, 6, 10), at(6, 8, 0))),
        // While the receiver is away, and over before it is back.
        (14, down(at(6, 6, 0), at(6, 6, 50))),
        (15, down(at(6, 20, 0), at(6, 22, 0))),
    ];
    for i in 0..412 {
        let spans = stories.iter().filter(|(site, _)| *site == i).map(|(_, span)| *span).collect();
        let impact = if i == 15 { Impact::Low } else { Impact::High };
        let settings = CheckSettings { labels: team("web"), impact, ..every(INTERVAL) };
        watch(&format!("http/site-{i:03}"), settings, true, spans);
    }
}

fn every(interval: Second) -> CheckSettings {
    let retry_interval = Duration::from_secs(5);
    CheckSettings { interval: Duration::from_secs(interval), retry_interval, ..settings() }
}

fn team(name: &str) -> Labels {
    Labels::from_pairs([("team", name)])
}
