//! From the `alerting` section to routes and integrations ready to send.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use breakwatch_alerts::config::{Config as AlertingConfig, IntegrationKind};
use breakwatch_breaker::Preset;
use breakwatch_config::Config;
use breakwatch_model::Clock;
use breakwatch_notifiers::NOTIFIERS;
use breakwatch_plugin_api::{Diagnostics, Notifier, NotifierContext, Place};

use super::checks::Restored;
use crate::alerting::Receivers;
use crate::breakers::{Breakers, GuardKind};

/// Routes and integrations as read from the configuration.
pub struct Alerting {
    /// Routes, inhibition, receivers.
    pub config: Arc<AlertingConfig>,
    /// Integrations by key.
    pub notifiers: BTreeMap<Arc<str>, Arc<dyn Notifier>>,
}

/// Reads the `alerting` section and builds every integration. Mistakes go to `diagnostics`.
#[must_use]
pub fn read(config: &Config, external_url: &str, diagnostics: &Diagnostics) -> Option<Alerting> {
    let Some(node) = &config.alerting.node else {
        return Some(Alerting { config: Arc::new(AlertingConfig::empty()), notifiers: BTreeMap::new() });
    };
    let kinds: Vec<IntegrationKind> =
        NOTIFIERS.iter().map(|entry| IntegrationKind { kind: entry.key, section: entry.section }).collect();
    let alerting = AlertingConfig::read(node, &kinds, diagnostics)?;
    let templates = read_templates(&alerting.templates, &config.alerting.base_dir, diagnostics);
    let mut notifiers = BTreeMap::new();
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
                notifiers.insert(Arc::clone(&integration.key), Arc::from(notifier));
            }
        }
    }
    Some(Alerting { config: Arc::new(alerting), notifiers })
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
        let config = Preset::Notifications.config();
        let guard = breakers
            .ensure(key, GuardKind::Notifier, config, restored.breaker(key), clock.monotonic())
            .map_err(|error| error.to_string())?;
        guards.insert(Arc::clone(key), guard);
    }
    breakers.retain(|guard| guard.kind != GuardKind::Notifier || guards.contains_key(&guard.name));
    Ok(Receivers { config: alerting.config, notifiers: alerting.notifiers, guards })
}
