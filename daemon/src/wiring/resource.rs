//! Who this daemon is, to OpenTelemetry and in the labels of everything it stores.

use breakwatch_config::{Config, OtlpProtocol as ConfigProtocol, TelemetryOtlp};
use breakwatch_model::{Batch, StateStore, StorageError, Table};
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_semantic_conventions::resource::{SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION};

use crate::shared::VERSION;
use crate::telemetry::instruments::Instruments;
use crate::telemetry::logging::{OtlpProtocol, OtlpTarget, metric_exporter};

/// Attributes that the semantic conventions have not declared stable yet.
const HOST_NAME: &str = "host.name";
const OS_TYPE: &str = "os.type";

/// The key of the instance id in the state log.
const INSTANCE_ID: &str = "instance_id";

/// The attributes of the OpenTelemetry resource, those of the configuration last so that they win.
///
/// # Errors
/// When the instance id is new and cannot be kept.
pub fn attributes(config: &Config, state: &dyn StateStore) -> Result<Vec<(String, String)>, StorageError> {
    let own = [
        (SERVICE_NAME, "breakwatch".to_owned()),
        (SERVICE_VERSION, VERSION.to_owned()),
        (SERVICE_INSTANCE_ID, instance_id(state)?),
        (HOST_NAME, host_name()),
        (OS_TYPE, std::env::consts::OS.to_owned()),
    ];
    let mut attributes: Vec<(String, String)> = own.map(|(name, value)| (name.to_owned(), value)).to_vec();
    for (name, value) in &config.telemetry.resource {
        attributes.retain(|(known, _)| known != name);
        attributes.push((name.clone(), value.clone()));
    }
    Ok(attributes)
}

/// The same attributes for the SDK, which adds what `OTEL_RESOURCE_ATTRIBUTES` says.
#[must_use]
pub fn sdk(attributes: &[(String, String)]) -> Resource {
    let pairs = attributes.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder().with_attributes(pairs).build()
}

/// Where the daemon's own logs, spans and metrics go besides stderr and `/metrics`.
#[must_use]
pub fn otlp_target(otlp: &TelemetryOtlp) -> OtlpTarget {
    OtlpTarget {
        endpoint: otlp.endpoint.clone(),
        protocol: match otlp.protocol {
            ConfigProtocol::Grpc => OtlpProtocol::Grpc,
            ConfigProtocol::HttpProtobuf => OtlpProtocol::HttpProtobuf,
        },
        headers: otlp.headers.clone(),
        timeout: otlp.timeout,
        logs: otlp.logs,
        traces: otlp.traces,
        metrics: otlp.metrics.then_some(otlp.interval),
    }
}

/// The daemon's instruments, exported by the SDK too if the configuration says so.
///
/// # Errors
/// When the SDK's exporter cannot be built.
pub fn instruments(config: &Config, attributes: &[(String, String)]) -> Result<Instruments, String> {
    let target = config.telemetry.otlp.as_ref().map(otlp_target);
    let exporter = match target.as_ref().and_then(|target| Some((target, target.metrics?))) {
        None => None,
        Some((target, interval)) => {
            let exporter = metric_exporter(target);
            Some((exporter.map_err(|error| format!("telemetry.otlp: {error}"))?, interval))
        }
    };
    Ok(Instruments::exporting(sdk(attributes), exporter))
}

/// The `instance` label: as configured, or the host's name.
#[must_use]
pub fn instance(config: &Config) -> String {
    config.store.instance.clone().unwrap_or_else(host_name)
}

/// The host's name.
#[must_use]
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

/// An id that stays the same for the life of the data directory.
fn instance_id(state: &dyn StateStore) -> Result<String, StorageError> {
    let known = state.get(Table::Meta, INSTANCE_ID).and_then(|value| serde_json::from_slice(&value).ok());
    if let Some(id) = known {
        return Ok(id);
    }
    let id = uuid::Uuid::new_v4().to_string();
    let mut batch = Batch::new();
    batch.put(Table::Meta, INSTANCE_ID, format!("{id:?}").into_bytes());
    state.commit(batch)?;
    Ok(id)
}
