//! From the `exporters` section to export loops.

use std::collections::BTreeMap;
use std::sync::Arc;

use breakwatch_breaker::Preset;
use breakwatch_config::Config;
use breakwatch_exporters::{Delivery, EXPORTERS};
use breakwatch_model::Clock;
use breakwatch_plugin_api::{Diagnostics, Exporter, ExporterContext};

use super::checks::Restored;
use crate::breakers::{Breakers, Guard, GuardKind};

/// An exporter ready to send, with its breaker.
pub struct Guarded {
    /// The component id.
    pub id: Arc<str>,
    /// Sends.
    pub exporter: Arc<dyn Exporter>,
    /// Its breaker.
    pub guard: Arc<Guard>,
    /// What happens after a failure, and how much is sent at once.
    pub delivery: Delivery,
}

/// Builds every exporter that pushes. `prometheus` is no such exporter: it is `/metrics`.
///
/// # Errors
/// What is wrong with its settings.
pub fn build(
    config: &Config,
    resource: &[(String, String)],
    breakers: &Breakers,
    restored: &Restored,
    clock: &dyn Clock,
) -> Result<BTreeMap<Arc<str>, Guarded>, String> {
    let mut exporters = BTreeMap::new();
    for (id, settings) in &config.exporters {
        let Some(entry) = EXPORTERS.iter().find(|entry| entry.key == &*id.kind) else { continue };
        let context = ExporterContext {
            id: id.clone(),
            base_dir: settings.base_dir.clone(),
            resource: resource.to_vec(),
        };
        let diagnostics = Diagnostics::new();
        let exporter = (entry.parse)(&settings.settings, &context, &diagnostics);
        // Its mistakes were reported by the line above: both read the same settings.
        let delivery = Delivery::read(&settings.settings, &Diagnostics::new());
        if diagnostics.has_errors() {
            let faults: Vec<String> = diagnostics.into_sorted().iter().map(ToString::to_string).collect();
            return Err(faults.join("\n"));
        }
        // One that is pulled from has nothing to send.
        let Some(exporter) = exporter else { continue };
        let name: Arc<str> = id.to_string().into();
        let breaker = super::breaker::config(&settings.breaker, Preset::HttpApi)
            .map_err(|error| format!("{}: exporters.{id}.breaker: {error}", settings.place))?;
        let guard = breakers
            .ensure(&name, GuardKind::Exporter, breaker, restored.breaker(&name), clock.monotonic())
            .map_err(|error| error.to_string())?;
        exporters
            .insert(Arc::clone(&name), Guarded { id: name, exporter: Arc::from(exporter), guard, delivery });
    }
    breakers.retain(|guard| guard.kind != GuardKind::Exporter || exporters.contains_key(&guard.name));
    Ok(exporters)
}
