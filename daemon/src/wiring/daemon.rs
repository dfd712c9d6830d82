//! The running daemon: started from a loaded configuration, reloaded, stopped in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwap;
use breakwatch_breaker::Preset;
use breakwatch_model::{Clock, StorageError};
use breakwatch_promql::{Engine, EngineOptions};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::checks::Restored;
use super::load::{Loaded, check_listen, data_dir, external_url};
use super::reloader::Reloader;
use super::stores::Stores;
use super::{auth, bars, checks, notifiers, resource, selfscrape};
use crate::alerting::{self, AlertingTask, Heartbeats, Input, TaskParts, transition_event};
use crate::breakers::{Breakers, GuardKind, TransitionListener};
use crate::bulkhead::Bulkheads;
use crate::changes::Changes;
use crate::checks::observer::Observer;
use crate::checks::publish::Publisher;
use crate::checks::runner::Runner;
use crate::checks::scheduler::{Command, Pulse, Scheduler};
use crate::checks::series::{Identity, SeriesWriter};
use crate::checks::unit::Units;
use crate::events;
use crate::guarded_store::GuardedStore;
use crate::http::server;
use crate::http::tls::Certificate;
use crate::reload::ReloadHandle;
use crate::rules::{self, Rules};
use crate::shared::Shared;
use crate::store::StoreHandle;
use crate::telemetry::instruments::Instruments;

/// How long each part may take to stop; together they stay below ten seconds.
const STOP_CHECKS: Duration = Duration::from_secs(4);
const STOP_ALERTING: Duration = Duration::from_secs(3);
const STOP_REST: Duration = Duration::from_secs(2);

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The data directory cannot be used.
    #[error("data directory {0}: {1}")]
    Store(String, StorageError),
    /// The token cannot be read or made.
    #[error("token in {0}: {1}")]
    Token(String, std::io::Error),
}

/// A running daemon.
pub struct Daemon {
    /// What its parts share.
    pub shared: Arc<Shared>,
    /// Where it listens.
    pub address: SocketAddr,
    stores: Stores,
    stop: watch::Sender<bool>,
    stop_http: oneshot::Sender<()>,
    scheduler: JoinHandle<()>,
    http: JoinHandle<std::io::Result<()>>,
    background: Vec<JoinHandle<()>>,
    reloader: JoinHandle<()>,
}

impl Daemon {
    /// Starts everything. Returns once the daemon serves.
    ///
    /// # Errors
    /// Why it did not start; nothing runs then.
    pub async fn start(loaded: Loaded, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let config = &loaded.config;
        check_listen(config).map_err(StartError::Config)?;
        // First the address: a second daemon on the same port must not get as far as the store.
        let listen = config.server.listen;
        let listener = TcpListener::bind(listen).await.map_err(|error| StartError::Listen(listen, error))?;
        let address = listener.local_addr().map_err(|error| StartError::Listen(listen, error))?;
        let loaded = loaded.listening_on(address).map_err(|wrong| StartError::Config(wrong.join("\n")))?;
        let config = &loaded.config;
        let path = data_dir(config);
        let shown = path.display().to_string();
        let stores = Stores::open(&path, config, Arc::clone(&clock));
        let stores = stores.map_err(|error| StartError::Store(shown.clone(), error))?;
        let auth =
            auth::build(&config.server, &path).map_err(|error| StartError::Token(shown.clone(), error))?;
        let attributes = resource::attributes(config, &*stores.state);
        let attributes = attributes.map_err(|error| StartError::Store(shown, error))?;
        let instruments = resource::instruments(config, &attributes).map_err(StartError::Config)?;
        let core = Core::new(&loaded, &stores, instruments, Arc::clone(&clock));
        core.start(loaded, stores, auth, attributes, listener, address).await
    }

    /// Stops in order: no new runs, what is decided is made durable, what is under way may end; at most ten seconds.
    pub async fn stop(self) {
        self.shared.set_ready(false);
        let _ = self.shared.scheduler.send(Command::Stop).await;
        let scheduler = self.scheduler.abort_handle();
        if tokio::time::timeout(STOP_CHECKS, self.scheduler).await.is_err() {
            scheduler.abort();
            tracing::warn!("check runs were still under way and are given up");
        }
        let _ = self.stop.send(true);
        self.reloader.abort();
        for guard in self.shared.breakers.list() {
            self.shared.alerting.breaker_changed(&guard);
        }
        self.shared.observer.chronicle.beat();
        if tokio::time::timeout(STOP_ALERTING, self.shared.alerting.stop()).await.is_err() {
            tracing::warn!("alerting did not end in time; everything committed is durable");
        }
        let _ = self.stop_http.send(());
        let rest = async {
            for task in self.background {
                let _ = task.await;
            }
            let _ = self.http.await;
        };
        let _ = tokio::time::timeout(STOP_REST, rest).await;
        let stores = self.stores;
        let _ = tokio::task::spawn_blocking(move || stores.close()).await;
    }
}

/// The history, its write side behind its breaker.
fn guarded(
    stores: &Stores,
    breakers: &Breakers,
    restored: &Restored,
    instruments: &Instruments,
    clock: &Arc<dyn Clock>,
) -> StoreHandle {
    let (name, config) = (Arc::from("store"), Preset::Database.config());
    let history = stores.history.clone();
    match breakers.ensure(&name, GuardKind::Store, config, restored.breaker(&name), clock.monotonic()) {
        Ok(guard) => {
            let (inner, clock) = (history.appender(), Arc::clone(clock));
            history.guarded(Arc::new(GuardedStore::new(inner, guard, clock, instruments.clone())))
        }
        // A preset is always valid; should it ever not be, samples are worth more than their breaker.
        Err(error) => {
            tracing::error!(%error, "the store runs without a breaker");
            history
        }
    }
}

/// What is made first and used by everything after it.
struct Core {
    clock: Arc<dyn Clock>,
    units: Units,
    observer: Arc<Observer>,
    breakers: Arc<Breakers>,
    alerting: alerting::Handle,
    inputs: mpsc::UnboundedReceiver<Input>,
    instruments: Instruments,
    changes: Changes,
    history: StoreHandle,
    writer: SeriesWriter,
    restored: Restored,
}

impl Core {
    fn new(loaded: &Loaded, stores: &Stores, instruments: Instruments, clock: Arc<dyn Clock>) -> Self {
        let units = Units::default();
        let (alerting, inputs) = alerting::Handle::new(Arc::clone(&clock));
        let observer =
            Observer::new(Arc::clone(&units), &*stores.state, Arc::clone(&clock), alerting.clone());
        let observer = Arc::new(observer);
        let listener: TransitionListener = {
            let (alerting, units, clock) = (alerting.clone(), Arc::clone(&units), Arc::clone(&clock));
            let observer = Arc::clone(&observer);
            Arc::new(move |guard, transition| {
                let event = transition_event(guard, transition, &units, &*clock);
                let saved = Box::new(alerting::saved(guard, &*clock));
                observer.transition(guard, transition, &event.message);
                alerting.tell(Input::Transition(Box::new(event), guard.name.to_string(), saved));
            })
        };
        let identity = Identity {
            job: loaded.config.store.job.as_str().into(),
            instance: resource::instance(&loaded.config).into(),
        };
        let breakers = Arc::new(Breakers::new(listener));
        let restored = Restored::load(&*stores.state, &*clock);
        let history = guarded(stores, &breakers, &restored, &instruments, &clock);
        Self {
            units,
            observer,
            breakers,
            alerting,
            inputs,
            instruments,
            changes: Changes::default(),
            writer: SeriesWriter::new(history.appender(), identity),
            history,
            restored,
            clock,
        }
    }

    async fn start(
        self,
        loaded: Loaded,
        stores: Stores,
        auth: crate::http::auth::Auth,
        attributes: Vec<(String, String)>,
        listener: TcpListener,
        address: SocketAddr,
    ) -> Result<Daemon, StartError> {
        let certificate = loaded.config.server.tls.as_ref().map(Certificate::load).transpose();
        let certificate = certificate.map_err(|error| StartError::Config(format!("server.tls: {error}")))?;
        let Loaded { config, alerting: receivers, rules: rule_files, overrides, .. } = loaded;
        let clock = Arc::clone(&self.clock);
        let (stop, stopped) = watch::channel(false);
        let maintenance = &receivers.config.maintenance;
        checks::build(&config, &self.units, &self.breakers, &self.restored, maintenance, &*clock)
            .map_err(StartError::Config)?;
        let receivers = notifiers::guard(receivers, &self.breakers, &self.restored, &*clock)
            .map_err(StartError::Config)?;

        let publisher = Publisher::new(self.writer.clone(), self.instruments.clone());
        let bulkheads = Arc::new(Bulkheads::new(config.bulkheads.clone(), Arc::clone(&clock)));
        bulkheads.fit(self.units.read().values().map(|unit| (&*unit.id.kind, &*unit.target)));
        let runner = Runner {
            clock: Arc::clone(&clock),
            publisher: publisher.clone(),
            instruments: self.instruments.clone(),
            observer: Arc::clone(&self.observer),
            changes: self.changes.clone(),
            bulkheads: Arc::clone(&bulkheads),
            started: clock.monotonic(),
        };
        let pulse = Arc::new(Pulse::new(clock.monotonic()));
        let (commands, command_queue) = mpsc::channel(64);
        let scheduler = Scheduler::new(runner, Arc::clone(&self.units), Arc::clone(&pulse));

        let settings = breakwatch_alerts::Settings {
            external_url: external_url(&config),
            ..breakwatch_alerts::Settings::default()
        };
        let restored = breakwatch_alerts::Restored::load(&*stores.state);
        let now = clock.now();
        let mut alerting =
            breakwatch_alerts::Alerting::new(Arc::clone(&receivers.config), settings, restored, now);
        for problem in alerting.take_problems() {
            tracing::warn!(problem, "a saved alert could not be taken over");
        }
        alerting.reconcile_breakers(|_, name| self.breakers.is_open(name), now);

        let engine = Arc::new(Engine::new(EngineOptions::default()));
        let (reload, requests) = ReloadHandle::new(now);
        reload.enable_api(config.server.enable_lifecycle);
        let rules_parts = rules::Parts {
            clock: Arc::clone(&clock),
            engine: Arc::clone(&engine),
            store: self.history.clone(),
            state: stores.state_store(),
            alerting: self.alerting.clone(),
            instruments: self.instruments.clone(),
            external_url: external_url(&config),
        };
        let (rules, evaluation) = Rules::new(rules_parts, &rule_files);
        let shared = Arc::new(Shared {
            started_at: clock.now(),
            started: clock.monotonic(),
            clock: Arc::clone(&clock),
            instance: resource::instance(&config),
            external_url: external_url(&config),
            path_prefix: config.server.path_prefix.clone(),
            max_concurrent_reads: config.server.max_concurrent_reads,
            auth: ArcSwap::from_pointee(auth),
            config_text: ArcSwap::from_pointee(breakwatch_config::print_config(&config)),
            units: Arc::clone(&self.units),
            observer: Arc::clone(&self.observer),
            bulkheads,
            breakers: Arc::clone(&self.breakers),
            scheduler: commands,
            pulse,
            instruments: self.instruments.clone(),
            changes: self.changes.clone(),
            store: self.history.clone(),
            state: stores.state_store(),
            engine,
            alerting: self.alerting.clone(),
            rules,
            reload,
            ready: AtomicBool::new(false),
        });
        let alerting_parts = TaskParts {
            clock: Arc::clone(&clock),
            state: stores.state_store(),
            instruments: self.instruments.clone(),
            changes: self.changes.clone(),
            handle: self.alerting.clone(),
            inputs: self.inputs,
        };
        let task = AlertingTask::new(alerting_parts, alerting, &receivers);
        tokio::spawn(task.run());

        let mut heartbeats = Heartbeats::new(shared.vitals(), Arc::clone(&clock));
        heartbeats.replace(&receivers);
        let mut reloader = Reloader {
            shared: Arc::clone(&shared),
            heartbeats,
            restored: self.restored,
            attributes,
            publisher,
            history: stores.history(),
            exporters: Default::default(),
            config: Arc::new(config),
            overrides,
            certificate: certificate.clone(),
            stopped: stopped.clone(),
        };
        reloader.start_exporters().map_err(StartError::Config)?;

        let restoring = Arc::clone(&shared);
        tokio::task::spawn_blocking(move || bars::restore(&restoring));
        let (stop_http, http_stopped) = oneshot::channel::<()>();
        let http = tokio::spawn(server::serve(listener, certificate.clone(), Arc::clone(&shared), async {
            let _ = http_stopped.await;
        }));
        let scheduler = tokio::spawn(scheduler.run(command_queue));
        self.observer.refresh();
        let background = vec![
            tokio::spawn(events::heartbeat(Arc::clone(&self.observer.chronicle), stopped.clone())),
            tokio::spawn(evaluation.run(stopped.clone())),
            tokio::spawn(selfscrape::run(Arc::clone(&shared), self.writer, stopped)),
        ];
        let reloader = tokio::spawn(reloader.run(requests));
        shared.set_ready(true);
        Ok(Daemon { shared, address, stores, stop, stop_http, scheduler, http, background, reloader })
    }
}
