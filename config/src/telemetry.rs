//! The daemon's own logs, spans and metrics.

use std::time::Duration;

use breakwatch_plugin_api::{Secret, Section};

use crate::values::{self, duration_within};

/// How the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// For people on a terminal, journald under systemd, else logfmt.
    #[default]
    Auto,
    /// `key=value` lines.
    Logfmt,
    /// One JSON object a line.
    Json,
    /// Lines with the priority prefix journald reads.
    Journald,
}

/// The least important lines that are written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum LogLevel {
    /// Only what needs somebody.
    Error,
    /// Also what may need somebody.
    Warn,
    /// Also what happens.
    #[default]
    Info,
    /// Also how it happens.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The word in configuration files and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How OTLP is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OtlpProtocol {
    /// gRPC.
    #[default]
    Grpc,
    /// Protobuf over HTTP.
    HttpProtobuf,
}

/// Where the daemon's own spans and logs go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryOtlp {
    /// The collector's address; the signal's path is added for HTTP.
    pub endpoint: String,
    /// How it is spoken.
    pub protocol: OtlpProtocol,
    /// Headers or gRPC metadata sent along.
    pub headers: Vec<(String, Secret)>,
    /// How long one request may take.
    pub timeout: Duration,
    /// How often metrics are sent.
    pub interval: Duration,
    /// Send spans.
    pub traces: bool,
    /// Send log records.
    pub logs: bool,
    /// Send the daemon's own metrics from here too; they are in the store already and leave with the rest.
    pub metrics: bool,
}

/// Settings under `telemetry`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TelemetryConfig {
    /// What is logged.
    pub log_level: LogLevel,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Where spans and logs go, if anywhere.
    pub otlp: Option<TelemetryOtlp>,
    /// More attributes of the OpenTelemetry resource, also of exported check metrics.
    pub resource: Vec<(String, String)>,
}

impl TelemetryConfig {
    pub(crate) fn read(section: Option<Section<'_>>) -> Self {
        let mut read = Self::default();
        let Some(mut section) = section else { return read };
        if let Some(mut logs) = section.section("logs") {
            read.log_level = logs.choice("level", &LEVELS).unwrap_or_default();
            read.log_format = logs.choice("format", &FORMATS).unwrap_or_default();
            logs.finish();
        }
        read.otlp = section.section("otlp").and_then(read_otlp);
        read.resource = section.string_map("resource").unwrap_or_default();
        section.finish();
        read
    }
}

const LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

const FORMATS: [(&str, LogFormat); 4] = [
    ("auto", LogFormat::Auto),
    ("logfmt", LogFormat::Logfmt),
    ("json", LogFormat::Json),
    ("journald", LogFormat::Journald),
];

const PROTOCOLS: [(&str, OtlpProtocol); 2] =
    [("grpc", OtlpProtocol::Grpc), ("http/protobuf", OtlpProtocol::HttpProtobuf)];

/// OpenTelemetry's default for one request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// OpenTelemetry's default between two exports of metrics.
const INTERVAL: Duration = Duration::from_secs(60);

fn read_otlp(mut section: Section<'_>) -> Option<TelemetryOtlp> {
    section.required("endpoint");
    let endpoint = values::http_url(&mut section, "endpoint");
    let second = Duration::from_secs(1);
    let headers = section.string_map("headers").unwrap_or_default();
    let read = TelemetryOtlp {
        endpoint: endpoint.clone().unwrap_or_default(),
        protocol: section.choice("protocol", &PROTOCOLS).unwrap_or_default(),
        headers: headers.into_iter().map(|(name, value)| (name, Secret::new(value))).collect(),
        timeout: values::timeout(&mut section, "timeout").unwrap_or(TIMEOUT),
        interval: duration_within(&mut section, "interval", second, second * 3600).unwrap_or(INTERVAL),
        traces: section.bool("traces").unwrap_or(true),
        logs: section.bool("logs").unwrap_or(true),
        metrics: section.bool("metrics").unwrap_or(false),
    };
    section.finish();
    endpoint.map(|_| read)
}
