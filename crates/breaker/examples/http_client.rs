//! An HTTP client behind a breaker, against a server that breaks and is repaired.
//!
//! ```sh
//! cargo run -p breakwatch-breaker --features tower --example http_client
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use breakwatch_breaker::tower::{BreakerLayer, BreakerService};
use breakwatch_breaker::{Breaker, CallError, Preset, State};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tower::{Layer, Service, ServiceExt, service_fn};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One request on a connection of its own.
async fn send(address: SocketAddr, request: Request<Empty<Bytes>>) -> Result<Response<Incoming>, Failure> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

/// A server that answers 500 from its 4th to its 8th answer.
async fn start_server() -> std::io::Result<SocketAddr> {
    let answers = Arc::new(AtomicU32::new(0));
    let answer = async move || match answers.fetch_add(1, Ordering::Relaxed) {
        3..8 => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::OK,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let routes = axum::Router::new().route("/", axum::routing::get(answer));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(address)
}

/// A client is a service; the layer makes a guarded one of it.
async fn get<S, C, A>(client: &mut BreakerService<S, C, A>) -> Result<StatusCode, CallError<Failure>>
where
    BreakerService<S, C, A>:
        Service<Request<Empty<Bytes>>, Response = Response<Incoming>, Error = CallError<Failure>>,
{
    let request = Request::get("/").header("host", "localhost").body(Empty::new());
    let request = request.map_err(|error| CallError::Failed(error.into()))?;
    Ok(client.ready().await?.call(request).await?.status())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let config = Preset::HttpApi
        .builder()
        .failure_threshold(3)
        .open_for(Duration::from_millis(300))
        .call_timeout(Duration::from_secs(2))
        .build()?;
    let breaker = Breaker::new("shop", config, tokio::time::Instant::now().into_std())?;
    breaker.on_transition(|change| println!("-- {} -> {}: {}", change.from, change.to, change.reason));

    let address = start_server().await?;
    let client = service_fn(move |request| send(address, request));
    let mut client = BreakerLayer::for_http_client(breaker.clone()).layer(client);

    let give_up = tokio::time::Instant::now() + Duration::from_secs(10);
    let mut has_opened = false;
    while !(has_opened && breaker.state() == State::Closed) {
        match get(&mut client).await {
            Ok(status) => println!("{status}"),
            Err(error) => println!("{error}"),
        }
        has_opened |= breaker.state() == State::Open;
        if tokio::time::Instant::now() > give_up {
            return Err("the breaker did not recover".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let now: Instant = tokio::time::Instant::now().into_std();
    println!("recovered after {:?}", breaker.stats(now).last_recovery);
    Ok(())
}
