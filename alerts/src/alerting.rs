//! The whole of alerting behind one door: alerts in, durable state and messages out.
//!
//! One owner drives it and gives it the time. The order that makes it safe:
//!
//! 1. call whatever happened ([`Alerting::receive`], [`Alerting::transition`], [`Alerting::tick`], …);
//! 2. [`Alerting::take_batch`], make the batch durable, then [`Alerting::committed`];
//! 3. send what [`Alerting::due_messages`] names: [`Alerting::start`] gives the message, [`Alerting::finish`] takes the
//!    answer;
//! 4. wait until [`Alerting::next_due`] or the next call.
//!
//! A message becomes sendable only when the batch that holds it is durable, so a crash at any point loses nothing and
//! repeats at most what was on its way, with the same id. Should the disk refuse for good, calling `committed` anyway
//! lets messages go out undurably: a page that may be repeated is better than none.

mod affected;
mod clock;
mod digest;
mod explain;
mod flush;
mod handover;
mod intake;
mod lane;
mod message;
mod notes;
mod operate;
mod reload;
mod restore;
mod send;
#[cfg(test)]
mod tests;
mod views;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Batch, Fingerprint, Labels, Timestamp};

pub use explain::{Explanation, IntegrationStory, RouteStory, labels_in};
pub use intake::PostedAlert;
pub use restore::Restored;
pub use send::Due;
pub use views::{AlertState, AlertView, GroupView, OutboxView, Stats};

use crate::ack::Acks;
use crate::alert::StoredAlert;
use crate::changes::Changes;
use crate::config::{Config, Integration, Route};
use crate::group::Group;
use crate::inhibit::Inhibitor;
use crate::ledger::{Event, Record};
use crate::outbox::Outbox;
use crate::silence::Silences;
use lane::Lane;

/// How often what has ended is tidied away.
const HOUSEKEEPING: Duration = Duration::from_secs(15);

/// What the daemon decides once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the daemon's pages are, without a trailing slash; goes into every message.
    pub external_url: String,
    /// After how long an undeliverable message is given up.
    pub max_age: Duration,
    /// Seeds ids and random delays. Must differ from start to start, or ids repeat.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { external_url: String::new(), max_age: Duration::from_secs(24 * 3600), seed: fastrand::u64(..) }
    }
}

/// See the module's description.
pub struct Alerting {
    config: Arc<Config>,
    settings: Settings,
    rng: fastrand::Rng,
    alerts: HashMap<Fingerprint, StoredAlert>,
    groups: BTreeMap<Arc<str>, Group>,
    /// When groups are to be looked at.
    timers: BTreeSet<(Timestamp, Arc<str>)>,
    /// When groups escalate.
    escalations: BTreeSet<(Timestamp, Arc<str>)>,
    /// The groups an alert is in.
    group_ids: HashMap<Fingerprint, Vec<Arc<str>>>,
    /// The last alert of each breaker, by kind and name.
    breakers: HashMap<(String, String), Fingerprint>,
    outbox: Outbox,
    next_seq: u64,
    inhibitor: Inhibitor,
    silences: Silences,
    acks: Acks,
    /// Checks kept quiet because what they depend on fails, with the root cause.
    dependency: HashMap<String, String>,
    /// What holds each integration's messages back.
    lanes: HashMap<Arc<str>, Lane>,
    changes: Changes,
    /// Batches taken so far; what is created now goes into the next one.
    taken: u64,
    /// Batches known to be durable.
    durable: u64,
    housekeeping_at: Timestamp,
    problems: Vec<String>,
}

impl Alerting {
    /// Takes over the stored state under a configuration. Nothing is sent by itself: the first [`Alerting::tick`]
    /// looks at every group that fell due meanwhile and finds nothing to repeat.
    #[must_use]
    pub fn new(config: Arc<Config>, settings: Settings, restored: Restored, now: Timestamp) -> Self {
        let mut alerting = Self {
            inhibitor: Inhibitor::new(&config.inhibit_rules),
            config,
            rng: fastrand::Rng::with_seed(settings.seed),
            settings,
            alerts: HashMap::new(),
            groups: BTreeMap::new(),
            timers: BTreeSet::new(),
            escalations: BTreeSet::new(),
            group_ids: HashMap::new(),
            breakers: HashMap::new(),
            outbox: Outbox::default(),
            next_seq: 1,
            silences: Silences::default(),
            acks: Acks::new(),
            dependency: HashMap::new(),
            lanes: HashMap::new(),
            changes: Changes::default(),
            taken: 0,
            durable: 0,
            housekeeping_at: now + HOUSEKEEPING,
            problems: Vec::new(),
        };
        alerting.silences.set_maintenance(&alerting.config.maintenance);
        alerting.lanes = lane::lanes(&alerting.config, HashMap::new());
        alerting.restore(restored, now);
        alerting.place_alerts(now);
        alerting
    }

    /// Does everything that is due: looks at groups, escalates, hands over to fallback receivers, gives up what is too
    /// old, tidies.
    pub fn tick(&mut self, now: Timestamp) {
        while let Some((_, id)) = pop_due(&mut self.timers, now) {
            if let Some(group) = self.groups.remove(&id) {
                self.flush(group, now);
            }
        }
        while let Some((_, id)) = pop_due(&mut self.escalations, now) {
            if let Some(group) = self.groups.remove(&id) {
                self.escalate(group, now);
            }
        }
        self.review_outbox(now);
        if self.housekeeping_at <= now {
            self.housekeeping_at = now + HOUSEKEEPING;
            self.tidy(now);
        }
    }

    /// When [`Alerting::tick`] or [`Alerting::due_messages`] next have something to do.
    #[must_use]
    pub fn next_due(&self) -> Timestamp {
        let first = |set: &BTreeSet<(Timestamp, Arc<str>)>| set.first().map_or(Timestamp::MAX, |(at, _)| *at);
        let times = [first(&self.timers), first(&self.escalations), self.outbox_due(), self.housekeeping_at];
        times.into_iter().min().unwrap_or(Timestamp::MAX)
    }

    /// Whether [`Alerting::take_batch`] would give anything.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Everything that changed since the last call. Must be made durable before anything is sent; a batch that could
    /// not be committed must be tried again before any later one.
    pub fn take_batch(&mut self) -> Batch {
        self.taken += 1;
        self.changes.take_batch()
    }

    /// Says that every batch taken so far is durable: the messages in them may be sent.
    pub fn committed(&mut self) {
        self.durable = self.taken;
    }

    /// Ledger records since the last call, for logs and metrics. The journal has them too.
    pub fn take_records(&mut self) -> Vec<Record> {
        self.changes.take_recent()
    }

    /// What could not be taken over from the stored state, in words. Empty after the first call.
    pub fn take_problems(&mut self) -> Vec<String> {
        std::mem::take(&mut self.problems)
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    fn record(&mut self, at: Timestamp, event: Event) {
        self.changes.record(Record::new(at, event));
    }

    fn new_id(&mut self) -> String {
        let mut bytes = [0u8; 16];
        self.rng.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}

fn pop_due(timers: &mut BTreeSet<(Timestamp, Arc<str>)>, now: Timestamp) -> Option<(Timestamp, Arc<str>)> {
    if timers.first()?.0 > now { None } else { timers.pop_first() }
}

/// The integrations of a route's receiver and of the receivers it has escalated to.
fn integrations(config: &Config, route: &Route, escalated: usize) -> Vec<Arc<Integration>> {
    let steps = route.escalation.iter().take(escalated).map(|step| &step.receiver);
    let mut names: Vec<&Arc<str>> = vec![&route.receiver];
    for name in steps {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let receivers = names.iter().filter_map(|name| config.receiver(name));
    receivers.flat_map(|receiver| receiver.integrations.iter().cloned()).collect()
}

/// The id of an alert's group under a route.
fn group_id(route: &Route, labels: &Labels) -> (Arc<str>, String, Labels) {
    let group_labels = route.group_by.group_labels(labels);
    let text = crate::text::label_set(&group_labels);
    (format!("{}:{text}", route.id).into(), format!("{}:{text}", route.key), group_labels)
}
