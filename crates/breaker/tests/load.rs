//! A hundred clients at once, over real sockets, through the tower layer: healthy, failing, recovering.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may be blunt")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use breakwatch_breaker::tower::BreakerLayer;
use breakwatch_breaker::{Breaker, Preset, State};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tower::{Layer, Service, service_fn};

const CLIENTS: u64 = 100;
const CALLS_EACH: u64 = 20;

/// A server that answers 200 or 500, as told, and counts.
#[derive(Clone, Default)]
struct Server {
    fails: Arc<AtomicBool>,
    hits: Arc<AtomicU64>,
}

impl Server {
    async fn start(&self) -> SocketAddr {
        let server = self.clone();
        let answer = async move || {
            server.hits.fetch_add(1, Ordering::SeqCst);
            // Long enough for the calls of all clients to overlap.
            tokio::time::sleep(Duration::from_millis(2)).await;
            if server.fails.load(Ordering::SeqCst) {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::OK
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            axum::serve(listener, Router::new().route("/", get(answer))).await.unwrap();
        });
        address
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    good: u64,
    failed: u64,
    rejected: u64,
}

impl Tally {
    fn share_good(&self) -> f64 {
        self.good as f64 / (self.good + self.failed + self.rejected) as f64
    }
}

/// One client: a connection of its own, its calls one after the other. A 500 is no success.
async fn client(
    address: SocketAddr,
    layer: BreakerLayer<breakwatch_breaker::tower::ServerErrorsFail>,
) -> Tally {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let sender = Arc::new(tokio::sync::Mutex::new(sender));
    let send = service_fn(move |request: Request<Empty<Bytes>>| {
        let sender = Arc::clone(&sender);
        async move {
            let mut sender = sender.lock().await;
            sender.ready().await?;
            sender.send_request(request).await
        }
    });
    let mut guarded = layer.layer(send);
    let mut tally = Tally::default();
    for _ in 0..CALLS_EACH {
        let request = Request::get("/").header("host", "localhost").body(Empty::new()).unwrap();
        let response: Result<hyper::Response<Incoming>, _> = guarded.call(request).await;
        match response {
            Ok(response) if response.status() == StatusCode::OK => tally.good += 1,
            Err(error) if error.is_rejected() => tally.rejected += 1,
            Ok(_) | Err(_) => tally.failed += 1,
        }
    }
    tally
}

async fn all_clients(address: SocketAddr, breaker: &Breaker) -> Tally {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| tokio::spawn(client(address, BreakerLayer::for_http_client(breaker.clone()))))
        .collect();
    let mut sum = Tally::default();
    for client in clients {
        let tally = client.await.unwrap();
        sum.good += tally.good;
        sum.failed += tally.failed;
        sum.rejected += tally.rejected;
    }
    sum
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_clients_see_the_breaker_open_refuse_and_recover() {
    let server = Server::default();
    let address = server.start().await;
    let hour = Duration::from_secs(3600);
    let config = Preset::HttpApi.builder().open_for(hour).open_for_max(hour).build().unwrap();
    let breaker = Breaker::new("load", config, now()).unwrap();

    let healthy = all_clients(address, &breaker).await;
    println!("healthy: {healthy:?}");
    assert!(healthy.share_good() > 0.95, "{healthy:?}");

    server.fails.store(true, Ordering::SeqCst);
    let failing = all_clients(address, &breaker).await;
    println!("failing: {failing:?}");
    assert_eq!((breaker.state(), failing.good), (State::Open, 0));
    // At most what was under way when the breaker opened, and the five that opened it.
    assert!(failing.failed <= CLIENTS + 5, "{failing:?}");

    let hits = server.hits.load(Ordering::SeqCst);
    let began = now();
    let open = all_clients(address, &breaker).await;
    println!("open: {open:?} in {:?}", began.elapsed());
    assert_eq!(open, Tally { rejected: CLIENTS * CALLS_EACH, ..Tally::default() });
    assert_eq!(server.hits.load(Ordering::SeqCst), hits, "nothing reaches the server");

    // An hour later, without waiting for it.
    server.fails.store(false, Ordering::SeqCst);
    breaker.restore(&breaker.snapshot(now()).aged(hour), now());
    let recovering = all_clients(address, &breaker).await;
    println!("recovering: {recovering:?}");
    assert_eq!((breaker.state(), recovering.failed), (State::Closed, 0));
    let recovered = all_clients(address, &breaker).await;
    println!("recovered: {recovered:?}");
    assert_eq!(recovered, Tally { good: CLIENTS * CALLS_EACH, ..Tally::default() });
}
