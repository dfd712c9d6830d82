//! Reloads: reads the configuration again, and if all of it can be used brings the running parts in line with it.
//! What has not changed keeps its state; a file with a mistake changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use breakwatch_config::Config;
use breakwatch_store::History;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::checks::Restored;
use super::load::{self, Loaded, Overrides};
use super::stores::retention;
use super::{auth, checks, exporters, notifiers};
use crate::alerting::{Heartbeats, Input};
use crate::checks::publish::Publisher;
use crate::checks::scheduler::Command;
use crate::export::ExportLoop;
use crate::http::tls::Certificate;
use crate::reload::{ReloadError, ReloadRequest};
use crate::shared::Shared;
use crate::systemd::Systemd;

/// Knows what is running and how to change it.
pub struct Reloader {
    /// The running daemon.
    pub shared: Arc<Shared>,
    /// The signs of life the daemon sends.
    pub heartbeats: Heartbeats,
    /// What was known before the start.
    pub restored: Restored,
    /// The OpenTelemetry resource.
    pub attributes: Vec<(String, String)>,
    /// Ends the series of checks that are gone.
    pub publisher: Publisher,
    /// The history, whose retention may change.
    pub history: Arc<History>,
    /// The running export loops, each with its settings' text and its own stop.
    pub exporters: BTreeMap<Arc<str>, RunningExporter>,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// What the command line says over it.
    pub overrides: Overrides,
    /// The listener's certificate, if it speaks TLS.
    pub certificate: Option<Certificate>,
    /// Says when the daemon stops.
    pub stopped: watch::Receiver<bool>,
}

/// An export loop that is under way.
pub struct RunningExporter {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Reloader {
    /// Answers requests until the daemon goes down.
    pub async fn run(mut self, mut requests: mpsc::Receiver<ReloadRequest>) {
        let mut stopped = self.stopped.clone();
        loop {
            tokio::select! {
                request = requests.recv() => {
                    let Some(request) = request else { break };
                    let outcome = self.reload().await;
                    let _ = request.send(outcome);
                }
                _ = stopped.changed() => break,
            }
        }
        for (_, exporter) in std::mem::take(&mut self.exporters) {
            let _ = exporter.stop.send(true);
            let _ = exporter.task.await;
        }
    }

    async fn reload(&mut self) -> Result<(), ReloadError> {
        Systemd.reloading();
        let (paths, overrides) = (self.config.files.clone(), self.overrides);
        let loaded = tokio::task::spawn_blocking(move || load::load(&paths, overrides)).await;
        let outcome = match loaded {
            Ok(Ok(loaded)) => self.apply(loaded).await,
            Ok(Err(findings)) => Err(findings.join("\n")),
            Err(error) => Err(error.to_string()),
        };
        let now = self.shared.clock.now();
        self.shared.reload.note(outcome.is_ok(), now);
        self.shared.instruments.reloaded(outcome.is_ok());
        match &outcome {
            Ok(()) => tracing::info!("configuration_reloaded"),
            Err(error) => tracing::error!(error, "configuration_reload_failed: the old one stays in force"),
        }
        Systemd.ready();
        outcome.map_err(ReloadError::Invalid)
    }

    /// Brings everything in line. What can fail comes first.
    async fn apply(&mut self, loaded: Loaded) -> Result<(), String> {
        let Loaded { config, alerting, rules, warnings, .. } = loaded;
        load::check_listen(&config)?;
        self.refuse_fixed(&config)?;
        let shared = Arc::clone(&self.shared);
        let auth =
            auth::build(&config.server, &load::data_dir(&config)).map_err(|error| error.to_string())?;
        match (&self.certificate, &config.server.tls) {
            (Some(certificate), Some(files)) => {
                certificate.replace(files).map_err(|e| format!("server.tls: {e}"))?;
            }
            (None, None) => {}
            _ => return Err("`server.tls` cannot be switched by a reload: restart the daemon".to_owned()),
        }
        let (restored, windows) = (&self.restored, &alerting.config.maintenance);
        let gone =
            checks::build(&config, &shared.units, &shared.breakers, restored, windows, &*shared.clock)?;
        let receivers = notifiers::guard(alerting, &shared.breakers, &self.restored, &*shared.clock)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        for unit in gone {
            self.publisher.end(&unit, shared.clock.now());
            shared.observer.forgotten(&unit);
        }
        shared.observer.refresh();
        let units = shared.checks();
        shared.bulkheads.configure(config.bulkheads.clone());
        shared.bulkheads.fit(units.iter().map(|unit| (&*unit.id.kind, &*unit.target)));
        self.heartbeats.replace(&receivers);
        shared.alerting.tell(Input::Reload(Box::new(receivers)));
        let breakers = Arc::clone(&shared.breakers);
        let open = move |_: &str, name: &str| breakers.is_open(name);
        let _ = shared.alerting.call(move |alerting, now| alerting.reconcile_breakers(open, now)).await;
        shared.rules.replace(rules).await;
        shared.auth.store(Arc::new(auth));
        shared.reload.enable_api(config.server.enable_lifecycle);
        shared.config_text.store(Arc::new(breakwatch_config::print_config(&config)));
        self.set_retention(&config);
        self.config = Arc::new(config);
        self.start_exporters()?;
        let _ = shared.scheduler.send(Command::Refresh).await;
        shared.changes.notify();
        Ok(())
    }

    /// Retention takes effect at once, on a thread of its own: files may have to go.
    fn set_retention(&self, config: &Config) {
        let (history, retention) = (Arc::clone(&self.history), retention(config));
        tokio::task::spawn_blocking(move || {
            if let Err(error) = history.set_retention(retention) {
                tracing::warn!(%error, "files beyond retention could not be removed");
            }
        });
    }

    /// What only a restart can change is said, not silently ignored.
    fn refuse_fixed(&self, config: &Config) -> Result<(), String> {
        if config.server.listen != self.config.server.listen {
            return Err("`server.listen` cannot be changed by a reload: restart the daemon".to_owned());
        }
        if config.store.path != self.config.store.path {
            return Err("`store.path` cannot be changed by a reload: restart the daemon".to_owned());
        }
        Ok(())
    }

    /// Starts export loops for the exporters of the configuration in force, in place of those that ran before.
    ///
    /// # Errors
    /// What is wrong with their settings; those that ran go on.
    pub fn start_exporters(&mut self) -> Result<(), String> {
        let shared = &self.shared;
        let built = exporters::build(
            &self.config,
            &self.attributes,
            &shared.breakers,
            &self.restored,
            &*shared.clock,
        )?;
        // Two loops must not move one cursor. A batch that was on its way is sent again by the new loop.
        for (_, running) in std::mem::take(&mut self.exporters) {
            running.task.abort();
        }
        for (id, guarded) in built {
            let (stop, stopped) = watch::channel(false);
            let export = ExportLoop {
                id: guarded.id,
                exporter: guarded.exporter,
                guard: guarded.guard,
                delivery: guarded.delivery,
                follower: shared.store.follower(),
                state: Arc::clone(&shared.state),
                clock: Arc::clone(&shared.clock),
                instruments: shared.instruments.clone(),
            };
            let task = tokio::spawn(export.run(stopped));
            self.exporters.insert(id, RunningExporter { stop, task });
        }
        Ok(())
    }
}
