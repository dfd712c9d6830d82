//! From the `alerting` section to routes and integrations ready to send.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_alerts::config::{Config as AlertingConfig, Integration, IntegrationKind};
use breakwatch_breaker::Preset;
use breakwatch_config::Config;
use breakwatch_model::Clock;
use breakwatch_notifiers::NOTIFIERS;
use breakwatch_plugin_api::{Diagnostics, Notifier, NotifierContext, Place};

use super::checks::Restored;
use crate::alerting::{ATTEMPT_TIMEOUT, Receivers};
use crate::breakers::{Breakers, GuardKind};

/// How long an integration's open breaker holds messages back before one is tried.
const NOTIFIER_OPEN_FOR: Duration = Duration::from_secs(30);
/// How often a heartbeat is sent unless its `interval` says otherwise.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(60);
/// What an attempt may take besides waiting for the other side.
const LIMIT_MARGIN: Duration = Duration::from_secs(5);

/// Routes and integrations as read from the configuration.
pub struct Alerting {
    /// Routes, inhibition, receivers.
    pub config: Arc<AlertingConfig>,
    /// Integrations by key.
    pub notifiers: BTreeMap<Arc<str>, Arc<dyn Notifier>>,
    /// See [`Receivers::limits`].
    pub limits: BTreeMap<Arc<str>, Duration>,
    /// See [`Receivers::heartbeats`].
    pub heartbeats: BTreeMap<Arc<str>, Duration>,
}

impl Alerting {
    fn new(config: AlertingConfig) -> Self {
        Self {
            config: Arc::new(config),
            notifiers: BTreeMap::new(),
            limits: BTreeMap::new(),
            heartbeats: BTreeMap::new(),
        }
    }

    /// Takes an integration in, with what its settings say to the one who calls it.
    fn add(&mut self, integration: &Integration, notifier: Arc<dyn Notifier>) {
        let duration = |name: &str| {
            integration.settings.get(name)?.as_str().and_then(breakwatch_plugin_api::parse_duration)
        };
        let key = &integration.key;
        if let Some(timeout) = duration("timeout") {
            // A message that is too large is posted a second time, shortened.
            let limit = timeout.saturating_mul(2).saturating_add(LIMIT_MARGIN);
            self.limits.insert(Arc::clone(key), limit.max(ATTEMPT_TIMEOUT));
        }
        if &*integration.kind == "heartbeat" {
            self.heartbeats.insert(Arc::clone(key), duration("interval").unwrap_or(HEARTBEAT_INTERVAL));
        }
        self.notifiers.insert(Arc::clone(key), notifier);
    }
}

/// Reads the `alerting` section and builds every integration. Mistakes go to `diagnostics`.
#[must_use]
pub fn read(config: &Config, external_url: &str, diagnostics: &Diagnostics) -> Option<Alerting> {
    let Some(node) = &config.alerting.node else {
        return Some(Alerting::new(AlertingConfig::empty()));
    };
    let kinds: Vec<IntegrationKind> =
        NOTIFIERS.iter().map(|entry| IntegrationKind { kind: entry.key, section: entry.section }).collect();
    let alerting = AlertingConfig::read(node, &kinds, diagnostics)?;
    let templates = read_templates(&alerting.templates, &config.alerting.base_dir, diagnostics);
    let mut built = Vec::new();
    for receiver in &alerting.receivers {
        let context = NotifierContext {
            receiver: receiver.name.to_string(),
            base_dir: config.alerting.base_dir.clone(),
            global: alerting.global.clone(),
            templates: templates.clone(),
            external_url: external_url.to_owned(),
        };
        for integration in &receiver.integrations {
            let entry = NOTIFIERS.iter().find(|entry| entry.key == &*integration.kind);
            let notifier =
                entry.and_then(|entry| (entry.parse)(&integration.settings, &context, diagnostics));
            if let Some(notifier) = notifier {
                built.push((Arc::clone(integration), Arc::from(notifier)));
            }
        }
    }
    let mut alerting = Alerting::new(alerting);
    for (integration, notifier) in built {
        alerting.add(&integration, notifier);
    }
    Some(alerting)
}

/// The texts of the template files that `templates:` names; `*` stands for any run of characters in a file name.
fn read_templates(patterns: &[String], base_dir: &Path, diagnostics: &Diagnostics) -> Vec<(String, String)> {
    let place = |pattern: &String| Place {
        file: pattern.as_str().into(),
        path: "templates".into(),
        ..Place::default()
    };
    let patterns: Vec<_> = patterns.iter().map(|pattern| (base_dir.join(pattern), place(pattern))).collect();
    let mut texts = Vec::new();
    for path in breakwatch_config::expand_patterns(&patterns, diagnostics) {
        match std::fs::read_to_string(&path) {
            Ok(text) => texts.push((path.display().to_string(), text)),
            Err(error) => {
                let place = Place { file: path.display().to_string().into(), ..Place::default() };
                diagnostics.error(&place, format!("cannot be read: {error}"));
            }
        }
    }
    texts
}

/// The breaker of an integration. Its open time does not grow: a receiver that comes back, after however long, hears
/// everything within a minute.
#[must_use]
pub fn notifier_breaker() -> breakwatch_breaker::Config {
    breakwatch_breaker::Config {
        open_for: NOTIFIER_OPEN_FOR,
        open_for_max: NOTIFIER_OPEN_FOR,
        ..Preset::Notifications.config()
    }
}

/// Gives every integration its breaker.
///
/// # Errors
/// Never in practice: the preset is valid.
pub fn guard(
    alerting: Alerting,
    breakers: &Breakers,
    restored: &Restored,
    clock: &dyn Clock,
) -> Result<Receivers, String> {
    let mut guards = BTreeMap::new();
    for key in alerting.notifiers.keys() {
        let config = notifier_breaker();
        let guard = breakers
            .ensure(key, GuardKind::Notifier, config, restored.breaker(key), clock.monotonic())
            .map_err(|error| error.to_string())?;
        guards.insert(Arc::clone(key), guard);
    }
    breakers.retain(|guard| guard.kind != GuardKind::Notifier || guards.contains_key(&guard.name));
    let Alerting { config, notifiers, limits, heartbeats } = alerting;
    Ok(Receivers { config, notifiers, guards, limits, heartbeats })
}
