//! Real receivers on loopback that do as they are told: tonic's generated server for gRPC, axum for HTTP.

use std::collections::VecDeque;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response as HttpResponse};
use http::{HeaderMap, HeaderValue, StatusCode};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::tls::Identity;

/// How OTLP is spoken.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Protocol {
    Grpc,
    Http,
}

pub(crate) const BOTH: [Protocol; 2] = [Protocol::Grpc, Protocol::Http];

/// What to answer next. Without a script every request is answered well.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Good,
    /// So many points refused, with these words.
    Partial(i64, &'static str),
    /// A gRPC status or the HTTP status beside it, perhaps with a wait.
    Fail(tonic::Code, u16, Option<Duration>),
    /// Never.
    Silence,
    /// Something that is no OTLP (HTTP only).
    Nonsense,
}

/// A request that came.
pub(crate) struct Received {
    pub(crate) request: ExportMetricsServiceRequest,
    pub(crate) headers: HeaderMap,
    /// Whether it came compressed.
    pub(crate) gzip: bool,
}

/// A receiver that listens until it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    script: Mutex<VecDeque<Reply>>,
    received: Mutex<Vec<Received>>,
}

impl Receiver {
    pub(crate) async fn start(protocol: Protocol, script: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::on(listener, protocol, script, None)
    }

    pub(crate) async fn start_tls(protocol: Protocol, identity: &Identity) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::on(listener, protocol, &[], Some(identity))
    }

    pub(crate) fn on(
        listener: TcpListener,
        protocol: Protocol,
        script: &[Reply],
        tls: Option<&Identity>,
    ) -> Self {
        let address = listener.local_addr().expect("bound");
        let shared =
            Arc::new(Shared { script: Mutex::new(script.iter().cloned().collect()), ..Shared::default() });
        let task = match protocol {
            Protocol::Grpc => {
                tokio::spawn(serve_grpc(listener, Arc::clone(&shared), tls.map(Identity::for_tonic)))
            }
            Protocol::Http => {
                let acceptor = tls.map(Identity::acceptor);
                tokio::spawn(serve_http(listener, Arc::clone(&shared), acceptor))
            }
        };
        Self { address, shared, task }
    }

    /// Takes the requests that came since the last time.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.shared.received.lock().expect("no panic holds it"))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn next(&self) -> Reply {
        self.script.lock().expect("no panic holds it").pop_front().unwrap_or(Reply::Good)
    }

    fn keep(&self, request: ExportMetricsServiceRequest, headers: HeaderMap, gzip: bool) {
        self.received.lock().expect("no panic holds it").push(Received { request, headers, gzip });
    }
}

fn response(refused: i64, message: &str) -> ExportMetricsServiceResponse {
    let partial =
        ExportMetricsPartialSuccess { rejected_data_points: refused, error_message: message.to_owned() };
    ExportMetricsServiceResponse { partial_success: (refused > 0).then_some(partial) }
}

struct Grpc(Arc<Shared>);

#[tonic::async_trait]
impl MetricsService for Grpc {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let headers = request.metadata().clone().into_headers();
        // tonic's server takes `grpc-encoding` out once it has decompressed.
        self.0.keep(request.into_inner(), headers, true);
        match self.0.next() {
            Reply::Good | Reply::Nonsense => Ok(Response::new(response(0, ""))),
            Reply::Partial(refused, message) => Ok(Response::new(response(refused, message))),
            Reply::Silence => std::future::pending().await,
            Reply::Fail(code, _, None) => Err(Status::new(code, "as told")),
            Reply::Fail(code, _, Some(wait)) => Err(Status::with_details_and_metadata(
                code,
                "as told",
                retry_info(wait).into(),
                MetadataMap::new(),
            )),
        }
    }
}

/// `google.rpc.Status` with a `RetryInfo`, written by hand: code and message are left out, `details` is field 3.
fn retry_info(wait: Duration) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, bytes.len() as u8], bytes].concat();
    let duration = [&[1 << 3][..], &[wait.as_secs() as u8]].concat();
    let info = field(1, &duration);
    let any = [field(1, b"type.googleapis.com/google.rpc.RetryInfo"), field(2, &info)].concat();
    field(3, &any)
}

async fn serve_grpc(
    listener: TcpListener,
    shared: Arc<Shared>,
    tls: Option<tonic::transport::ServerTlsConfig>,
) {
    let service = MetricsServiceServer::new(Grpc(shared)).accept_compressed(CompressionEncoding::Gzip);
    let mut server = tonic::transport::Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).expect("a good identity");
    }
    let served = server.add_service(service).serve_with_incoming(TcpIncoming::from(listener)).await;
    served.expect("serving goes on");
}

async fn serve_http(listener: TcpListener, shared: Arc<Shared>, tls: Option<TlsAcceptor>) {
    let router = axum::Router::new().route("/v1/metrics", axum::routing::post(take_http)).with_state(shared);
    match tls {
        None => axum::serve(listener, router).await,
        Some(acceptor) => axum::serve(crate::tls::Listener { listener, acceptor }, router).await,
    }
    .expect("serving goes on");
}

async fn take_http(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> HttpResponse {
    let gzip = headers.get("content-encoding").is_some_and(|value| value == "gzip");
    let mut plain = Vec::new();
    if gzip {
        flate2::read::GzDecoder::new(&*body).read_to_end(&mut plain).expect("gzip");
    } else {
        plain.extend_from_slice(&body);
    }
    let request = ExportMetricsServiceRequest::decode(&*plain).expect("decodes");
    shared.keep(request, headers, gzip);
    match shared.next() {
        Reply::Good => response(0, "").encode_to_vec().into_response(),
        Reply::Partial(refused, message) => response(refused, message).encode_to_vec().into_response(),
        Reply::Silence => std::future::pending().await,
        Reply::Nonsense => "<html>Welcome</html>".into_response(),
        Reply::Fail(_, status, wait) => {
            let mut failure = StatusCode::from_u16(status).expect("a status").into_response();
            if let Some(wait) = wait {
                failure.headers_mut().insert("retry-after", HeaderValue::from(wait.as_secs()));
            }
            failure
        }
    }
}
