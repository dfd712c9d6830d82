//! How many attempts a loop makes at once, and which ones wait.

use breakwatch_breaker::Preset;
use breakwatch_model::{AlertStatus, Labels, SystemClock};
use opentelemetry_sdk::Resource;
use tokio::sync::Semaphore;

use super::*;
use crate::breakers::{Breakers, GuardKind};

/// Takes three messages at once, and none before it is let.
struct Gate {
    begun: Mutex<Vec<String>>,
    answers: BTreeMap<&'static str, Semaphore>,
}

#[async_trait::async_trait]
impl Notifier for Gate {
    fn integration(&self) -> &'static str {
        "webhook"
    }

    fn send_resolved(&self) -> bool {
        true
    }

    fn at_once(&self) -> usize {
        3
    }

    async fn notify(&self, message: &Notification) -> Result<Receipt, NotifyError> {
        self.begun.lock().push(message.id.clone());
        self.answers[&*message.id].acquire().await.unwrap().forget();
        Ok(Receipt::default())
    }
}

fn message(id: &str, alerts: &[&str]) -> Notification {
    let now = SystemClock.now();
    let alert = |name: &&str| Alert {
        labels: Labels::from_pairs([("alertname", *name)]),
        annotations: Labels::empty(),
        starts_at: now,
        ends_at: None,
        updated_at: now,
        generator_url: String::new(),
    };
    Notification {
        id: id.to_owned(),
        receiver: "ops".to_owned(),
        integration: "webhook[0]".to_owned(),
        group_key: String::new(),
        group_labels: Labels::empty(),
        status: AlertStatus::Firing,
        alerts: alerts.iter().map(alert).collect(),
        truncated_alerts: 0,
        transition: None,
        created_at: now,
        notes: Vec::new(),
        external_url: String::new(),
        first: None,
        previous: None,
    }
}

/// Lets every task go on until it waits.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn messages_of_the_same_alert_go_one_after_the_other_and_others_side_by_side() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (handle, mut inputs) = Handle::new(Arc::clone(&clock));
    let instruments = Instruments::new(Resource::builder_empty().build());
    let mut senders = Senders::new(Context { clock: Arc::clone(&clock), instruments, handle });
    let answers = ["1", "2", "3", "4", "5", "6"].map(|id| (id, Semaphore::new(0))).into();
    let gate = Arc::new(Gate { begun: Mutex::default(), answers });
    let key: Arc<str> = "ops/webhook[0]".into();
    let breakers = Breakers::new(Arc::new(|_, _| {}));
    let config = Preset::Check.config();
    let guard = breakers.ensure(&key, GuardKind::Notifier, config, None, clock.monotonic()).unwrap();
    senders.replace(&Receivers {
        config: Config::empty().into(),
        notifiers: [(Arc::clone(&key), Arc::clone(&gate) as Arc<dyn Notifier>)].into(),
        guards: [(Arc::clone(&key), guard)].into(),
        limits: BTreeMap::new(),
        heartbeats: BTreeMap::new(),
    });
    let messages = [
        ("1", &["a", "b"][..]),
        ("2", &["c"]),
        ("3", &["d", "b"]),
        ("4", &["e"]),
        ("5", &["f"]),
        ("6", &["g"]),
    ];
    for (id, alerts) in messages {
        senders.send(&key, message(id, alerts));
    }
    settle().await;
    assert_eq!(*gate.begun.lock(), ["1", "2"], "the third is of an alert that is being told of");
    gate.answers["1"].add_permits(1);
    settle().await;
    assert_eq!(*gate.begun.lock(), ["1", "2", "3", "4"], "three at once");
    gate.answers["3"].add_permits(1);
    settle().await;
    assert_eq!(*gate.begun.lock(), ["1", "2", "3", "4", "5"]);
    assert!(senders.stuck().is_none());
    for answer in gate.answers.values() {
        answer.add_permits(1);
    }
    settle().await;
    let mut told = Vec::new();
    while let Ok(Input::Sent(id, result)) = inputs.try_recv() {
        result.unwrap();
        told.push(id);
    }
    told.sort();
    assert_eq!(told, ["1", "2", "3", "4", "5", "6"]);
}
