//! Log lines and spans: to stderr always, to an OTLP collector when one is configured.
//!
//! stderr is what systemd and a terminal read: human-readable on a terminal, logfmt on a pipe, with journal
//! priorities under systemd. OTLP logs and spans leave by opentelemetry-otlp and its batch processors, which drop
//! when the collector is away: telemetry about the daemon must never slow the daemon.

use std::io::IsTerminal as _;
use std::time::Duration;

use breakwatch_plugin_api::Secret;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig,
    WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use super::logfmt::Logfmt;

/// How log lines look on stderr.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// Human on a terminal, logfmt otherwise; with journal priorities under systemd.
    #[default]
    Auto,
    /// `key=value` pairs.
    Logfmt,
    /// `key=value` pairs with the journal's priorities in front.
    Journald,
    /// One JSON object a line.
    Json,
    /// For people.
    Human,
}

/// The transport of OTLP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OtlpProtocol {
    /// gRPC, port 4317.
    Grpc,
    /// HTTP with protobuf bodies, port 4318; signal paths are appended to the endpoint.
    HttpProtobuf,
}

/// Where the daemon's own logs and spans go besides stderr.
#[derive(Clone, Debug)]
pub struct OtlpTarget {
    /// `http://host:4317` or `http://host:4318`.
    pub endpoint: String,
    /// The transport.
    pub protocol: OtlpProtocol,
    /// Extra headers, such as an API key.
    pub headers: Vec<(String, Secret)>,
    /// For one export.
    pub timeout: Duration,
    /// Send log records.
    pub logs: bool,
    /// Send spans.
    pub traces: bool,
    /// Send the daemon's own metrics by the SDK as well, this often.
    pub metrics: Option<Duration>,
}

/// Log settings.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// A level or a filter in tracing's form: `info`, `breakwatch=debug,warn`.
    pub level: String,
    /// How lines look.
    pub format: Format,
    /// Where logs and spans go too.
    pub otlp: Option<OtlpTarget>,
}

/// Keeps the providers alive; [`Telemetry::shutdown`] flushes them.
#[derive(Default)]
pub struct Telemetry {
    logs: Option<SdkLoggerProvider>,
    spans: Option<SdkTracerProvider>,
}

/// Crates on the way of the OTLP exporters themselves: their lines must not be exported again.
const EXPORT_PATH: &str = "info,h2=off,hyper=off,hyper_util=off,tonic=off,reqwest=off,tower=off,opentelemetry=off,opentelemetry_sdk=off,opentelemetry_otlp=off,opentelemetry-otlp=off";

/// Installs the process-wide subscriber. Call once, inside the runtime (the gRPC exporter needs it).
///
/// # Errors
/// When the level cannot be read or an OTLP exporter cannot be built.
pub fn init(settings: &LogSettings, resource: &Resource) -> Result<Telemetry, String> {
    let level = if settings.level.is_empty() { "info" } else { &settings.level };
    let filter = EnvFilter::try_new(level).map_err(|error| format!("log level {level:?}: {error}"))?;
    let stderr = stderr_layer(settings.format).with_filter(filter);
    let registry = Registry::default().with(stderr);
    let Some(target) = &settings.otlp else {
        registry.try_init().map_err(|error| error.to_string())?;
        return Ok(Telemetry::default());
    };
    let build = |error: ExporterBuildError| format!("OTLP exporter for {}: {error}", target.endpoint);
    let logs = target.logs.then(|| log_exporter(target)).transpose().map_err(build)?;
    let logs = logs.map(|exporter| {
        SdkLoggerProvider::builder().with_resource(resource.clone()).with_batch_exporter(exporter).build()
    });
    let spans = target.traces.then(|| span_exporter(target)).transpose().map_err(build)?;
    let spans = spans.map(|exporter| {
        SdkTracerProvider::builder().with_resource(resource.clone()).with_batch_exporter(exporter).build()
    });
    let bridge = logs
        .as_ref()
        .map(|logs| OpenTelemetryTracingBridge::new(logs).with_filter(EnvFilter::new(EXPORT_PATH)));
    let tracer = spans.as_ref().map(|spans| {
        tracing_opentelemetry::layer()
            .with_tracer(spans.tracer("breakwatch"))
            .with_filter(EnvFilter::new(EXPORT_PATH))
    });
    registry.with(bridge).with(tracer).try_init().map_err(|error| error.to_string())?;
    Ok(Telemetry { logs, spans })
}

impl Telemetry {
    /// Sends what is still waiting, for at most `budget`. Runs on a thread of its own, because the SDK's own
    /// time-outs are not kept when the collector is silent.
    pub fn shutdown(self, budget: Duration) {
        let (done, finished) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            if let Some(provider) = self.spans {
                let _ = provider.shutdown();
            }
            if let Some(provider) = self.logs {
                let _ = provider.shutdown();
            }
            let _ = done.send(());
        });
        let _ = finished.recv_timeout(budget);
    }
}

fn stderr_layer(format: Format) -> Box<dyn Layer<Registry> + Send + Sync> {
    let terminal = std::io::stderr().is_terminal();
    let journal = std::env::var_os("JOURNAL_STREAM").is_some() && !terminal;
    let format = match format {
        Format::Auto if terminal => Format::Human,
        Format::Auto => Format::Logfmt,
        chosen => chosen,
    };
    match format {
        Format::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
        Format::Logfmt | Format::Journald => fmt::layer()
            .event_format(Logfmt { journal: journal || format == Format::Journald })
            .with_ansi(false)
            .with_writer(std::io::stderr)
            .boxed(),
        Format::Human | Format::Auto => {
            let plain = std::env::var_os("NO_COLOR").is_some() || !terminal;
            fmt::layer().compact().with_ansi(!plain).with_writer(std::io::stderr).boxed()
        }
    }
}

fn log_exporter(target: &OtlpTarget) -> Result<LogExporter, ExporterBuildError> {
    match target.protocol {
        OtlpProtocol::Grpc => LogExporter::builder()
            .with_tonic()
            .with_endpoint(&target.endpoint)
            .with_timeout(target.timeout)
            .with_metadata(metadata(target))
            .build(),
        OtlpProtocol::HttpProtobuf => LogExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(signal_endpoint(target, "v1/logs"))
            .with_timeout(target.timeout)
            .with_headers(headers(target))
            .build(),
    }
}

fn span_exporter(target: &OtlpTarget) -> Result<SpanExporter, ExporterBuildError> {
    match target.protocol {
        OtlpProtocol::Grpc => SpanExporter::builder()
            .with_tonic()
            .with_endpoint(&target.endpoint)
            .with_timeout(target.timeout)
            .with_metadata(metadata(target))
            .build(),
        OtlpProtocol::HttpProtobuf => SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(signal_endpoint(target, "v1/traces"))
            .with_timeout(target.timeout)
            .with_headers(headers(target))
            .build(),
    }
}

/// The SDK's own exporter of metrics.
///
/// # Errors
/// When it cannot be built.
pub fn metric_exporter(target: &OtlpTarget) -> Result<MetricExporter, ExporterBuildError> {
    match target.protocol {
        OtlpProtocol::Grpc => MetricExporter::builder()
            .with_tonic()
            .with_endpoint(&target.endpoint)
            .with_timeout(target.timeout)
            .with_metadata(metadata(target))
            .build(),
        OtlpProtocol::HttpProtobuf => MetricExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(signal_endpoint(target, "v1/metrics"))
            .with_timeout(target.timeout)
            .with_headers(headers(target))
            .build(),
    }
}

fn signal_endpoint(target: &OtlpTarget, path: &str) -> String {
    format!("{}/{path}", target.endpoint.trim_end_matches('/'))
}

fn headers(target: &OtlpTarget) -> std::collections::HashMap<String, String> {
    target.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect()
}

fn metadata(target: &OtlpTarget) -> opentelemetry_otlp::tonic_types::metadata::MetadataMap {
    let pairs = headers(target).into_iter();
    let map: http::HeaderMap =
        pairs.filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?))).collect();
    opentelemetry_otlp::tonic_types::metadata::MetadataMap::from_headers(map)
}
