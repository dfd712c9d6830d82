//! Targets on loopback: servers that speak HTTP, with and without TLS, and ones that follow a script of bytes.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A server that ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// `http://127.0.0.1:port` with a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The URL by name, as certificates for `localhost` need it.
    pub(crate) fn https(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }
}

/// Serves each connection with `serve`.
pub(crate) async fn tcp<F, S>(serve: S) -> Server
where
    S: Fn(TcpStream) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream));
        }
    });
    Server { address, task }
}

/// Reads a request up to its empty line, answers with fixed bytes and closes.
pub(crate) async fn canned(answer: impl Into<Vec<u8>>) -> Server {
    let answer: Arc<Vec<u8>> = Arc::new(answer.into());
    tcp(move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

/// Reads up to the empty line that ends a request's head.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    head
}

type Answer = Response<Full<Bytes>>;

/// Serves HTTP/1.1 in the clear.
pub(crate) async fn http(answer: impl Fn(Request<Incoming>) -> Answer + Send + Sync + 'static) -> Server {
    let answer = Arc::new(answer);
    tcp(move |stream| {
        let answer = Arc::clone(&answer);
        async move { serve(stream, false, answer).await }
    })
    .await
}

/// Serves HTTP/2 in the clear, by prior knowledge.
pub(crate) async fn h2c(answer: impl Fn(Request<Incoming>) -> Answer + Send + Sync + 'static) -> Server {
    let answer = Arc::new(answer);
    tcp(move |stream| {
        let answer = Arc::clone(&answer);
        async move { serve(stream, true, answer).await }
    })
    .await
}

/// Serves HTTP over TLS, the version chosen by ALPN.
pub(crate) async fn https(
    config: Arc<ServerConfig>,
    answer: impl Fn(Request<Incoming>) -> Answer + Send + Sync + 'static,
) -> Server {
    let answer = Arc::new(answer);
    let acceptor = TlsAcceptor::from(config);
    tcp(move |stream| {
        let (answer, acceptor) = (Arc::clone(&answer), acceptor.clone());
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            serve(stream, http2, answer).await;
        }
    })
    .await
}

async fn serve<S, A>(stream: S, http2: bool, answer: Arc<A>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Incoming>) -> Answer + Send + Sync + 'static,
{
    let service = service_fn(move |request| {
        let response = answer(request);
        async move { Ok::<_, Infallible>(response) }
    });
    let io = TokioIo::new(stream);
    if http2 {
        let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
    } else {
        let _ = http1::Builder::new().serve_connection(io, service).await;
    }
}

/// A plain 200.
pub(crate) fn ok(body: impl Into<Bytes>) -> Answer {
    Response::new(Full::new(body.into()))
}
