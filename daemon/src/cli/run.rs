//! `run`: the daemon, from its start to its last word.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_config::LogFormat as ConfigFormat;
use breakwatch_model::{Clock, SystemClock};
use clap::Args as ClapArgs;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::Exit;
use super::options::ConfigFiles;
use crate::open_files;
use crate::systemd::Systemd;
use crate::telemetry::logging::{self, Format, LogSettings};
use crate::wiring::daemon::{Daemon, StartError};
use crate::wiring::load::{self, Loaded, Overrides};
use crate::wiring::resource;
use crate::wiring::resource::otlp_target;

/// `run`.
#[derive(ClapArgs, Debug, Clone, Default)]
pub struct Run {
    /// Which configuration.
    #[command(flatten)]
    pub files: ConfigFiles,
    /// Log level or filter, such as `info` or `breakwatch=debug,warn`; wins over the configuration.
    #[arg(long, value_name = "LEVEL", env = "BREAKWATCH_LOG_LEVEL")]
    pub log_level: Option<String>,
    /// How log lines look on stderr.
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
    /// The address to listen on; wins over the configuration.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

/// See [`Run::log_format`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum LogFormat {
    /// Human on a terminal, logfmt otherwise, journal priorities under systemd.
    Auto,
    /// `key=value` pairs.
    Logfmt,
    /// One JSON object a line.
    Json,
    /// For people.
    Human,
}

/// The last spans and log records may take this long to leave.
const TELEMETRY_BUDGET: Duration = Duration::from_secs(1);
/// How often `systemctl status` gets a new line.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// Runs until told to stop.
///
/// # Errors
/// Why the daemon did not start.
pub fn run(args: &Run) -> Result<ExitCode, Exit> {
    // One crypto library for every TLS connection. Fails only if it was installed before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listen = args.listen.as_ref().map(|text| {
        text.parse()
            .map_err(|_| Exit::Failed(format!("--listen {text:?} is no address such as 127.0.0.1:9475")))
    });
    let overrides = Overrides { listen: listen.transpose()? };
    let loaded = load::load(&args.files.config, overrides);
    let loaded = loaded.map_err(|findings| Exit::BadConfig(findings.join("\n")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("breakwatch")
        .build()
        .map_err(Exit::failed)?;
    let outcome = runtime.block_on(serve(args, loaded));
    // Whatever still blocks a thread (a resolver, a disk) does not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(500));
    outcome
}

async fn serve(args: &Run, loaded: Loaded) -> Result<ExitCode, Exit> {
    let settings = log_settings(args, &loaded);
    // The instance id is in the state log, which is not open yet; the resource of logs and spans names the host.
    let identity = resource::attributes(&loaded.config, &breakwatch_store::memory::MemoryState::new());
    let identity = identity.map_err(Exit::failed)?;
    let telemetry = logging::init(&settings, &resource::sdk(&identity)).map_err(Exit::Failed)?;
    open_files::raise();
    let mut signals = Signals::new().map_err(Exit::failed)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let scheme = if loaded.config.server.tls.is_some() { "https" } else { "http" };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let daemon = Daemon::start(loaded, clock).await.map_err(|error| match error {
        StartError::Config(text) => Exit::BadConfig(text),
        other => Exit::failed(other),
    })?;
    tracing::info!(
        version = crate::shared::VERSION,
        url = %format!("{scheme}://{}{}/", daemon.address, daemon.shared.path_prefix),
        checks = daemon.shared.checks().len(),
        "breakwatch_started"
    );
    Systemd.ready();
    let keeper = tokio::spawn(keep_systemd_informed(Arc::clone(&daemon.shared)));
    signals.wait(&daemon).await;
    keeper.abort();
    Systemd.stopping();
    tracing::info!("breakwatch_stopping");
    tokio::select! {
        () = daemon.stop() => tracing::info!("breakwatch_stopped"),
        () = signals.terminated() => tracing::warn!("second signal: stopping at once"),
    }
    let _ = tokio::task::spawn_blocking(move || telemetry.shutdown(TELEMETRY_BUDGET)).await;
    Ok(ExitCode::SUCCESS)
}

/// The signals the daemon acts on.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Reloads on SIGHUP, returns on SIGTERM and SIGINT.
    async fn wait(&mut self, daemon: &Daemon) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    // The outcome is logged where it happens; here nobody waits for it.
                    let reload = daemon.shared.reload.clone();
                    tokio::spawn(async move { let _ = reload.reload().await; });
                }
            }
        }
    }

    async fn terminated(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Feeds the watchdog from the loops' pulses, and writes the status line.
async fn keep_systemd_informed(shared: Arc<crate::shared::Shared>) {
    let period = Systemd.watchdog_interval().unwrap_or(STATUS_EVERY).min(STATUS_EVERY);
    let mut ticks = tokio::time::interval(period);
    loop {
        ticks.tick().await;
        if let Some(trouble) = shared.vitals().trouble(shared.clock.monotonic()) {
            tracing::error!(trouble, "the watchdog is not fed");
            continue;
        }
        Systemd.alive();
        let open = shared.breakers.list().iter().filter(|guard| shared.breakers.is_open(&guard.name)).count();
        let alerts = shared.alerting.snapshot();
        let text = format!(
            "{} checks, {open} open breakers, {} alerts firing, {} messages waiting",
            shared.units.read().len(),
            alerts.firing.len(),
            alerts.outbox
        );
        Systemd.status(&text);
    }
}

fn log_settings(args: &Run, loaded: &Loaded) -> LogSettings {
    let telemetry = &loaded.config.telemetry;
    let level = args.log_level.clone().unwrap_or_else(|| telemetry.log_level.as_str().to_owned());
    let format = match (args.log_format, telemetry.log_format) {
        (Some(LogFormat::Logfmt), _) | (None, ConfigFormat::Logfmt) => Format::Logfmt,
        (Some(LogFormat::Json), _) | (None, ConfigFormat::Json) => Format::Json,
        (Some(LogFormat::Human), _) => Format::Human,
        (None, ConfigFormat::Journald) => Format::Journald,
        _ => Format::Auto,
    };
    let otlp = telemetry.otlp.as_ref().map(otlp_target);
    LogSettings { level, format, otlp }
}
