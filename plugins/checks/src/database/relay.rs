//! Hands a connection of ours to a driver that insists on making its own.
//!
//! sqlx connects by name and port and tells nothing about it. Here the name is resolved and the connection made and
//! timed by us; the driver is pointed at a socket in Linux's abstract namespace, behind which the bytes are passed on
//! unchanged. The driver still verifies the certificate against the configured host, for it never learns that there
//! is anyone in between. The relay also cuts off a server that sends without end.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// More than this is no answer to a probe.
const MAX_RECEIVED: u64 = 16 * 1024 * 1024;

/// How long a server may take to hear that we are done.
const FAREWELL: Duration = Duration::from_millis(250);

const CHUNK: usize = 16 * 1024;

/// A connection to a server.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket behind which a connection lies.
pub(super) struct Relay {
    name: String,
    task: JoinHandle<()>,
    trouble: Arc<OnceLock<String>>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Relay {
    /// Begins to pass on. `suffix` is what the driver will append to the path it is given.
    pub(super) fn open(server: Stream, suffix: String) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (pid, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let name = format!("breakwatch-{pid}-{number}-{:016x}", fastrand::u64(..));
        let listener = StdListener::bind_addr(&SocketAddr::from_abstract_name(format!("{name}{suffix}"))?)?;
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let trouble = Arc::new(OnceLock::new());
        let task = tokio::spawn(run(listener, server, Arc::clone(&trouble)));
        Ok(Self { name, task, trouble })
    }

    /// The path to give to the driver; a leading NUL means the abstract namespace.
    pub(super) fn path(&self) -> String {
        format!("\0{}", self.name)
    }

    /// Closes the driver's connection and waits a moment for the bytes of its farewell to arrive, so that the server
    /// does not log a lost client. Whether they do changes nothing for the run.
    pub(super) async fn part(mut self, connection: impl sqlx::Connection) {
        let farewell = async {
            let _ = connection.close().await;
            let _ = (&mut self.task).await;
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }

    /// Why the connection to the server ended, if it did not end well.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.get().map(String::as_str)
    }
}

async fn run(listener: UnixListener, server: Stream, trouble: Arc<OnceLock<String>>) {
    let Some(driver) = accept_own(&listener).await else { return };
    drop(listener);
    match server {
        Stream::Tcp(stream) => pass(driver, stream, &trouble).await,
        Stream::Unix(stream) => pass(driver, stream, &trouble).await,
    }
}

/// Takes the connection of this very process; anyone else who found the name is turned away.
async fn accept_own(listener: &UnixListener) -> Option<UnixStream> {
    let own = i32::try_from(std::process::id()).ok();
    loop {
        let (stream, _) = listener.accept().await.ok()?;
        if own.is_some() && stream.peer_cred().ok()?.pid() == own {
            return Some(stream);
        }
    }
}

/// Passes bytes both ways until either side is done.
async fn pass(driver: UnixStream, server: impl AsyncRead + AsyncWrite, trouble: &OnceLock<String>) {
    let (mut from_driver, mut to_driver) = driver.into_split();
    let (mut from_server, mut to_server) = split(server);
    let upwards = async {
        let _ = tokio::io::copy(&mut from_driver, &mut to_server).await;
        let _ = to_server.shutdown().await;
        // The driver is done; what the server still says interests nobody, but the driver may be waiting for its end.
        std::future::pending::<()>().await;
    };
    let downwards = async {
        if let Err(error) = receive(&mut from_server, &mut to_driver).await {
            let _ = trouble.set(crate::net::failure::describe(&error));
        }
        let _ = to_driver.shutdown().await;
    };
    tokio::select! {
        () = upwards => {}
        () = downwards => {}
    }
}

async fn receive(
    server: &mut (impl AsyncRead + Unpin),
    driver: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let (mut chunk, mut received) = (vec![0; CHUNK], 0u64);
    loop {
        let read = server.read(&mut chunk).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        received += read as u64;
        if received > MAX_RECEIVED {
            return Err(io::Error::other(format!("the server sent more than {} MiB", MAX_RECEIVED >> 20)));
        }
        driver.write_all(chunk.get(..read).unwrap_or_default()).await?;
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (ours, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn bytes_pass_unchanged_and_the_end_is_seen() {
        let (ours, mut server) = pair().await;
        let relay = Relay::open(Stream::Tcp(ours), "/x".to_owned()).unwrap();
        let mut driver = UnixStream::connect(format!("{}/x", relay.path())).await.unwrap();
        driver.write_all(b"ping").await.unwrap();
        let mut read = [0; 4];
        server.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"ping");
        server.write_all(b"pong").await.unwrap();
        driver.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"pong");
        drop(server);
        assert_eq!(driver.read(&mut read).await.unwrap(), 0);
        assert_eq!(relay.trouble(), Some("the connection was closed early"));
    }

    #[tokio::test]
    async fn dropping_it_closes_the_connection() {
        let (ours, mut server) = pair().await;
        let relay = Relay::open(Stream::Tcp(ours), String::new()).unwrap();
        let _driver = UnixStream::connect(relay.path()).await.unwrap();
        drop(relay);
        assert_eq!(server.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut_off() {
        let (ours, mut server) = pair().await;
        let relay = Relay::open(Stream::Tcp(ours), String::new()).unwrap();
        let mut driver = UnixStream::connect(relay.path()).await.unwrap();
        let flood = tokio::spawn(async move { while server.write_all(&[0; 65536]).await.is_ok() {} });
        let read = tokio::io::copy(&mut driver, &mut tokio::io::sink()).await.unwrap();
        assert!(read <= MAX_RECEIVED, "{read}");
        assert_eq!(relay.trouble(), Some("the server sent more than 16 MiB"));
        drop(relay);
        flood.await.unwrap();
    }
}
