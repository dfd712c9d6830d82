//! OTLP over gRPC.
//!
//! One unary call over tonic's channel, which connects, reconnects and keeps HTTP/2. The message is framed
//! here: it is encoded already, and fast gzip cannot be asked of the generated client.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower_service::Service as _;

use super::answer::{Answer, MAX_ANSWER, SendError, decode_binary_header, from_grpc};
use super::http::{USER_AGENT, gzip};
use super::settings::Settings;

/// The call.
const METHOD: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// How often an idle connection is asked whether it still stands, so that a vanished peer is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A message's frame: compressed or not, and its length.
const FRAME: usize = 5;

/// Sends requests to one address.
pub(super) struct Client {
    endpoint: Endpoint,
    connector: Connector,
    /// Made at the first call: a channel needs a running runtime, which validating has not.
    channel: OnceLock<Channel>,
    headers: HeaderMap,
    gzip: bool,
    timeout: Duration,
}

impl Client {
    /// # Errors
    /// What of the settings cannot be used.
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        let authority = settings.uri.authority().cloned().ok_or("the address has no host")?;
        let connector = Connector::new(settings, &authority)?;
        // The connector does TLS itself, so the channel is told of none; `origin` is what the peer is told.
        let address = format!("http://{authority}");
        let endpoint = Endpoint::from_shared(address)
            .and_then(|endpoint| endpoint.user_agent(USER_AGENT))
            .map_err(|error| format!("cannot prepare gRPC: {error}"))?
            .origin(settings.uri.clone())
            .connect_timeout(settings.timeout)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .tcp_nodelay(true);
        let mut headers = HeaderMap::new();
        headers.extend(settings.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        Ok(Self {
            endpoint,
            connector,
            channel: OnceLock::new(),
            headers,
            gzip: settings.gzip,
            timeout: settings.timeout,
        })
    }

    /// Sends one request.
    pub(super) async fn send(&self, body: Vec<u8>) -> Result<Answer, SendError> {
        let request = self.request(&body)?;
        let connect = || self.endpoint.connect_with_connector_lazy(self.connector.clone());
        let mut channel = self.channel.get_or_init(connect).clone();
        std::future::poll_fn(|context| channel.poll_ready(context)).await.map_err(|error| lost(&error))?;
        let response = channel.call(request).await.map_err(|error| lost(&error))?;
        read(response).await
    }

    fn request(&self, body: &[u8]) -> Result<Request<Body>, SendError> {
        let compressed = if self.gzip { Some(gzip(body)?) } else { None };
        let message = compressed.as_deref().unwrap_or(body);
        let length = u32::try_from(message.len()).map_err(|_| SendError::Rejected("too large".to_owned()))?;
        let mut framed = Vec::with_capacity(message.len() + FRAME);
        framed.push(u8::from(self.gzip));
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(message);
        let mut request = Request::new(Body::new(Full::new(Bytes::from(framed))));
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = http::Version::HTTP_2;
        *request.uri_mut() = Uri::from(PathAndQuery::from_static(METHOD));
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("te", HeaderValue::from_static("trailers"));
        if self.gzip {
            headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
        }
        // At most eight digits (gRPC's rule): milliseconds reach over a day.
        let millis = self.timeout.as_millis().min(99_999_999);
        if let Ok(value) = HeaderValue::try_from(format!("{millis}m")) {
            headers.insert("grpc-timeout", value);
        }
        Ok(request)
    }
}

/// Reads the answer: its status from the trailers (or the headers, if there is nothing else), then the message.
async fn read(response: Response<Body>) -> Result<Answer, SendError> {
    let (parts, body) = response.into_parts();
    if let Some(status) = status_of(&parts.headers) {
        return finish(&status, &[]);
    }
    if parts.status != http::StatusCode::OK {
        // A proxy answered, not a gRPC server.
        return Err(super::answer::from_http(parts.status.as_u16(), &[], None, None));
    }
    let body = Limited::new(body, MAX_ANSWER).collect().await;
    let body = body.map_err(|error| SendError::retryable(format!("the answer broke off: {error}")))?;
    let status = body.trailers().and_then(status_of);
    let status = status.ok_or_else(|| SendError::retryable("the answer has no gRPC status"))?;
    finish(&status, &body.to_bytes())
}

fn finish(status: &Status, framed: &[u8]) -> Result<Answer, SendError> {
    if status.code() != Code::Ok {
        return Err(from_grpc(status));
    }
    match framed.split_first_chunk::<FRAME>() {
        // We said nothing of compressed answers, so there are none.
        Some((header, message)) if header[0] == 0 => Answer::read(message),
        Some(_) => Err(SendError::retryable("the answer is compressed, which was not asked for")),
        None => Ok(Answer::default()),
    }
}

/// The status in headers or trailers, with its details.
fn status_of(headers: &HeaderMap) -> Option<Status> {
    let status = Status::from_header_map(headers)?;
    let details =
        headers.get("grpc-status-details-bin").and_then(|value| decode_binary_header(value.as_bytes()));
    Some(Status::with_details(status.code(), status.message(), Bytes::from(details.unwrap_or_default())))
}

/// No answer: the innermost cause, which is the one that says something.
fn lost(error: &dyn std::error::Error) -> SendError {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    SendError::retryable(format!("no answer: {cause}"))
}

/// Connects to one address, by TLS where asked.
#[derive(Clone)]
struct Connector {
    host: Arc<str>,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Connector {
    fn new(settings: &Settings, authority: &Authority) -> Result<Self, String> {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let tls = match &settings.tls {
            None => None,
            Some(tls) => {
                let name = tls.server_name.clone().unwrap_or_else(|| host.to_owned());
                let name = ServerName::try_from(name).map_err(|error| format!("{host}: {error}"))?;
                Some((TlsConnector::from(Arc::new(tls.client_config(&[b"h2"])?)), name))
            }
        };
        let default_port = if tls.is_some() { 443 } else { 80 };
        Ok(Self { host: host.into(), port: authority.port_u16().unwrap_or(default_port), tls })
    }

    async fn connect(self) -> std::io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect((&*self.host, self.port)).await?;
        stream.set_nodelay(true)?;
        match self.tls {
            None => Ok(Box::new(stream)),
            Some((connector, name)) => Ok(Box::new(connector.connect(name, stream).await?)),
        }
    }
}

/// A connection, by TLS or not.
trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for S {}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connecting = self.clone().connect();
        Box::pin(async move { connecting.await.map(TokioIo::new) })
    }
}
