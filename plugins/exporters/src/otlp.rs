//! OTLP metrics over gRPC and HTTP/protobuf.
//!
//! Samples leave with their own times, in requests of bounded size, by the settings of the OpenTelemetry
//! Collector's `otlp` and `otlp_http` exporters and, where those are silent, by the standard environment
//! variables. One attempt a call: retries, the breaker and the cursor belong to the caller. A batch may take
//! several requests; those that were accepted before a failure are not sent again.

mod answer;
mod encode;
mod environment;
mod grpc;
mod http;
mod settings;
mod tls;

use std::time::Duration;

use async_trait::async_trait;
use breakwatch_plugin_api::{
    Diagnostics, ExportError, Exported, Exporter, ExporterContext, ExporterEntry, Node, SampleBatch,
};
use parking_lot::Mutex;
use rustc_hash::FxHashSet;

use answer::{Answer, SendError};
use encode::{Encoder, PointKey};
use settings::{Protocol, Settings};

/// `otlp`: gRPC unless `protocol` says otherwise.
pub(crate) const ENTRY: ExporterEntry = ExporterEntry {
    key: "otlp",
    summary: "Sends metrics by OTLP, over gRPC unless `protocol` says otherwise.",
    fields: &settings::FIELDS,
    parse: |node, context, diagnostics| parse(node, context, diagnostics, None),
};

/// `otlp_http`: the Collector's name of the HTTP exporter.
pub(crate) const HTTP_ENTRY: ExporterEntry = ExporterEntry {
    key: "otlp_http",
    summary: "Sends metrics by OTLP over HTTP/protobuf.",
    fields: &settings::FIELDS,
    parse: |node, context, diagnostics| parse(node, context, diagnostics, Some(Protocol::HttpProtobuf)),
};

/// `otlphttp`: the Collector's older name of the same.
pub(crate) const OLD_HTTP_ENTRY: ExporterEntry = ExporterEntry { key: "otlphttp", ..HTTP_ENTRY };

fn parse(
    node: &Node,
    context: &ExporterContext,
    diagnostics: &Diagnostics,
    protocol: Option<Protocol>,
) -> Option<Box<dyn Exporter>> {
    let variables = |name: &str| std::env::var(name).ok();
    let settings = Settings::read(node, context, protocol, &variables, diagnostics)?;
    let transport = match Transport::new(&settings) {
        Ok(transport) => transport,
        Err(message) => {
            diagnostics.error(&node.place, message);
            return None;
        }
    };
    let max_points = settings.delivery.batch.max_size as usize;
    Some(Box::new(Otlp {
        endpoint: settings.shown_endpoint(),
        timeout: settings.timeout,
        transport,
        encoder: Mutex::new(Encoder::new(context.resource.clone(), max_points)),
        progress: Mutex::default(),
        batch_size: max_points,
    }))
}

/// A configured exporter.
struct Otlp {
    endpoint: String,
    timeout: Duration,
    transport: Transport,
    encoder: Mutex<Encoder>,
    progress: Mutex<Progress>,
    batch_size: usize,
}

/// How far a batch got that failed half-way.
#[derive(Default)]
struct Progress {
    /// Samples that are answered, well or not.
    answered: FxHashSet<PointKey>,
    /// What became of them.
    exported: Exported,
    /// Why some were rejected for good.
    rejection: Option<String>,
}

enum Transport {
    Grpc(Box<grpc::Client>),
    Http(http::Client),
}

impl Transport {
    fn new(settings: &Settings) -> Result<Self, String> {
        Ok(match settings.protocol {
            Protocol::Grpc => Self::Grpc(Box::new(grpc::Client::new(settings)?)),
            Protocol::HttpProtobuf => Self::Http(http::Client::new(settings)?),
        })
    }

    async fn send(&self, body: Vec<u8>) -> Result<Answer, SendError> {
        match self {
            Self::Grpc(client) => client.send(body).await,
            Self::Http(client) => client.send(body).await,
        }
    }
}

#[async_trait]
impl Exporter for Otlp {
    async fn export(&self, batch: &SampleBatch) -> Result<Exported, ExportError> {
        // The progress stays in its place: an export that is given up half-way is just dropped.
        let chunks = self.encoder.lock().encode(batch, &self.progress.lock().answered);
        for chunk in chunks {
            let sent = tokio::time::timeout(self.timeout, self.transport.send(chunk.body)).await;
            match sent.unwrap_or_else(|_| Err(SendError::no_answer(self.timeout))) {
                Ok(answer) => self.progress.lock().taken(chunk.points, answer),
                Err(SendError::Rejected(message)) => self.progress.lock().rejected(chunk.points, message),
                Err(SendError::Retryable { message, retry_after }) => {
                    return Err(ExportError::Retryable { message, retry_after });
                }
            }
            self.progress.lock().answered.extend(chunk.keys);
        }
        let Progress { exported, rejection, .. } = std::mem::take(&mut *self.progress.lock());
        match rejection {
            Some(message) if exported.accepted == 0 => Err(ExportError::Rejected(message)),
            _ => Ok(exported),
        }
    }

    fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }
}

impl Progress {
    fn taken(&mut self, points: u64, answer: Answer) {
        let refused = answer.refused.min(points);
        self.exported.accepted += points - refused;
        self.exported.refused += refused;
        self.say(answer.message);
    }

    fn rejected(&mut self, points: u64, message: String) {
        self.exported.refused += points;
        self.say(message.clone());
        self.rejection.get_or_insert(message);
    }

    /// Keeps the first message: the others are usually the same.
    fn say(&mut self, message: String) {
        if self.exported.message.is_empty() {
            self.exported.message = message;
        }
    }
}
