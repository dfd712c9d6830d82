//! A scripted SMTP peer for what no proper server does: silence, a byte at a time, lines slipped in before TLS,
//! endless answers, a reset in the middle.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One thing the peer does; the script runs anew on every connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends these bytes.
    Say(String),
    /// Sends these bytes one at a time with this pause.
    SaySlowly(String, Duration),
    /// Sends these bytes over and over until the other side has enough.
    SayForEver(String),
    /// Reads a line.
    Hear,
    /// Reads lines up to one that is a lone dot.
    HearData,
    /// Does nothing, for ever.
    Hang,
    /// Resets the connection.
    Reset,
}

/// A running scripted peer; dropping it closes its port.
pub struct SmtpScript {
    /// The port on 127.0.0.1.
    pub port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl SmtpScript {
    /// Starts a peer that does these steps on every connection.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(steps: Vec<Step>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (steps, log) = (steps.clone(), Arc::clone(&log));
                connections.spawn(async move { play(stream, &steps, &log).await });
            }
        });
        Ok(Self { port, heard, task })
    }

    /// Every line heard so far, over all connections.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().clone()
    }
}

impl Drop for SmtpScript {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play(stream: TcpStream, steps: &[Step], log: &Mutex<Vec<String>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    for step in steps {
        match step {
            Step::Say(text) => stream.get_mut().write_all(text.as_bytes()).await?,
            Step::SaySlowly(text, pause) => {
                for byte in text.bytes() {
                    stream.get_mut().write_all(&[byte]).await?;
                    tokio::time::sleep(*pause).await;
                }
            }
            Step::SayForEver(text) => loop {
                stream.get_mut().write_all(text.as_bytes()).await?;
                tokio::task::yield_now().await;
            },
            Step::Hear => {
                hear(&mut stream, log).await?;
            }
            Step::HearData => while hear(&mut stream, log).await?.is_some_and(|line| line != ".") {},
            Step::Hang => std::future::pending().await,
            Step::Reset => return stream.get_ref().set_zero_linger(),
        }
    }
    // Wait for the other side to go, so that it is never we who cut it short.
    while hear(&mut stream, log).await?.is_some() {}
    Ok(())
}

async fn hear(stream: &mut BufReader<TcpStream>, log: &Mutex<Vec<String>>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
    log.lock().push(line.clone());
    Ok(Some(line))
}
