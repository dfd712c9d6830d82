//! A fake HTTP receiver on loopback: records every request and answers as scripted, well or badly.
//!
//! It stands in for Slack, PagerDuty, webhooks and collectors. The bad answers are the ones real peers give on
//! bad days: nothing at all, a byte at a time, headers or a body without end, a reset at the worst moment.

mod answer;
mod request;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub use self::answer::Answer;
pub use self::request::Recorded;
use crate::TestIdentity;

/// A running receiver. Dropping it closes its port and every connection.
pub struct Receiver {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<Recorded>>,
    arrived: Notify,
    script: Mutex<VecDeque<Answer>>,
    fallback: Mutex<Option<Answer>>,
    connections: AtomicUsize,
}

impl Receiver {
    /// Starts on a free loopback port; answers 200 with an empty body until told otherwise.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        Self::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Starts on a given address: the receiver that comes back where it went down.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start_on(address: SocketAddr) -> io::Result<Self> {
        Self::serve(TcpListener::bind(address).await?, None)
    }

    /// Starts on a free loopback port and speaks TLS.
    ///
    /// # Errors
    /// When no port can be had or the identity cannot be used.
    pub async fn start_tls(identity: &TestIdentity) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Self::serve(listener, Some(TlsAcceptor::from(identity.server_config()?)))
    }

    fn serve(listener: TcpListener, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(accept(listener, tls, Arc::clone(&shared)));
        Ok(Self { address, scheme, shared, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path (with its leading slash) on this receiver.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Adds an answer to the script; each request takes the next one.
    pub fn then(&self, answer: Answer) -> &Self {
        self.shared.script.lock().push_back(answer);
        self
    }

    /// Sets the answer for every request after the script's end.
    pub fn always(&self, answer: Answer) -> &Self {
        *self.shared.fallback.lock() = Some(answer);
        self
    }

    /// Every request so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().clone()
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Waits until at least `count` requests have arrived and gives all of them; `None` if the deadline passes
    /// first.
    pub async fn wait_for(&self, count: usize, deadline: Duration) -> Option<Vec<Recorded>> {
        let enough = async {
            loop {
                let arrived = self.shared.arrived.notified();
                let requests = self.requests();
                if requests.len() >= count {
                    return requests;
                }
                arrived.await;
            }
        };
        tokio::time::timeout(deadline, enough).await.ok()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn next_answer(&self) -> Answer {
        let scripted = self.script.lock().pop_front();
        scripted.or_else(|| self.fallback.lock().clone()).unwrap_or_else(|| Answer::status(200))
    }

    /// Whether the next answer is to reset the connection before reading; takes it off the script if so.
    fn resets_on_accept(&self) -> bool {
        let mut script = self.script.lock();
        match script.front() {
            Some(Answer::ResetOnAccept) => script.pop_front().is_some(),
            Some(_) => false,
            None => matches!(*self.fallback.lock(), Some(Answer::ResetOnAccept)),
        }
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    // Connections die with the receiver: dropping the set aborts its tasks.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        if shared.resets_on_accept() {
            let _ = stream.set_zero_linger();
            continue;
        }
        connections.spawn(connection(stream, tls.clone(), Arc::clone(&shared)));
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    match tls {
        None => {
            let _ = stream.set_nodelay(true);
            if let Some(stream) = talk(stream, &shared).await {
                // Closing without lingering makes the kernel send a reset.
                let _ = stream.set_zero_linger();
            }
        }
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                // To the peer, a TLS stream dropped without a closing alert is as rude as a reset.
                talk(stream, &shared).await;
            }
        }
    }
}

/// Serves requests until either side ends; gives the stream back if it is to be reset.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: S, shared: &Shared) -> Option<S> {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(request)) = request::read(&mut stream).await {
        shared.requests.lock().push(request);
        shared.arrived.notify_waiters();
        let answer = shared.next_answer();
        if matches!(answer, Answer::ResetAfterRequest | Answer::ResetOnAccept) {
            return Some(stream.into_inner());
        }
        if answer.send(stream.get_mut()).await.is_err() {
            break;
        }
    }
    None
}

#[cfg(test)]
mod tests;
