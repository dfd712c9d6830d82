//! Reads a configuration and everything it names, so that `validate`, the start and a reload find the same mistakes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use breakwatch_alerts::config::Recurrence;
use breakwatch_config::{Config, process_environment};
use breakwatch_plugin_api::Diagnostics;

use super::{notifiers, tables};
use crate::rules::files::RuleFiles;

/// What the command line says over the configuration; it goes on saying so after a reload.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// The address to listen on.
    pub listen: Option<SocketAddr>,
}

/// A configuration that can be run.
pub struct Loaded {
    /// The typed configuration.
    pub config: Config,
    /// Routes and integrations.
    pub alerting: notifiers::Alerting,
    /// Rule groups.
    pub rules: RuleFiles,
    /// What the command line says.
    pub overrides: Overrides,
    /// Findings that do not keep it from running, one a line.
    pub warnings: Vec<String>,
}

/// Loads configuration files, or the embedded one if there are none.
///
/// # Errors
/// Every mistake, one a line, each with file, line and column.
pub fn load(paths: &[PathBuf], overrides: Overrides) -> Result<Loaded, Vec<String>> {
    let diagnostics = Diagnostics::new();
    let config = match overrides.listen {
        Some(listen) if paths.is_empty() => Config::embedded(listen, &tables::tables(), &diagnostics),
        _ => Config::load(paths, &tables::tables(), &process_environment, &diagnostics),
    };
    let read = config.and_then(|mut config| {
        config.server.listen = overrides.listen.unwrap_or(config.server.listen);
        let alerting = notifiers::read(&config, &external_url(&config), &diagnostics);
        let rules = RuleFiles::read(&config.rules, &diagnostics);
        check_breakers(&config, &diagnostics);
        for windows in config.checks.values().filter_map(|check| check.pause.as_ref()) {
            let _ = Recurrence::read_list(windows, &diagnostics);
        }
        Some((config, alerting?, rules))
    });
    let failed = diagnostics.has_errors();
    let findings: Vec<String> = diagnostics.into_sorted().iter().map(ToString::to_string).collect();
    match read {
        Some((config, alerting, rules)) if !failed => {
            Ok(Loaded { config, alerting, rules, overrides, warnings: findings })
        }
        _ => Err(findings),
    }
}

impl Loaded {
    /// The same configuration for a daemon that listens on `address`. It differs where the configuration leaves the
    /// port to the system: links in messages and the check of the daemon itself need the one it got.
    ///
    /// # Errors
    /// When it can no longer be read.
    pub fn listening_on(self, address: SocketAddr) -> Result<Self, Vec<String>> {
        if address == self.config.server.listen {
            return Ok(self);
        }
        load(&self.config.files, Overrides { listen: Some(address) })
    }
}

/// Breaker settings are typed by `config` but judged as a whole by the breaker.
fn check_breakers(config: &Config, diagnostics: &Diagnostics) {
    for (id, check) in &config.checks {
        if let Err(error) = super::breaker::check_config(check) {
            diagnostics.error(&check.breaker.place, format!("checks.{id}.breaker: {error}"));
        }
    }
}

/// Where people reach the pages: as configured, or the listening address.
#[must_use]
pub fn external_url(config: &Config) -> String {
    match &config.server.external_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => {
            let scheme = if config.server.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{}{}", config.server.listen, config.server.path_prefix)
        }
    }
}

/// Whether an address may be listened on: other than loopback only with credentials, or when it is said plainly.
///
/// # Errors
/// What to do about it.
pub fn check_listen(config: &Config) -> Result<(), String> {
    let server = &config.server;
    let protected = !server.auth.users.is_empty() || !server.auth.tokens.is_empty();
    if server.listen.ip().is_loopback() || protected || server.allow_remote_without_auth {
        return Ok(());
    }
    Err(format!(
        "listening on {} without credentials would let everybody read; add `server.auth`, or say \
         `server.allow_remote_without_auth: true`",
        server.listen
    ))
}

/// The data directory, as an absolute path.
#[must_use]
pub fn data_dir(config: &Config) -> PathBuf {
    std::path::absolute(&config.store.path).unwrap_or_else(|_| Path::new(&config.store.path).to_path_buf())
}
