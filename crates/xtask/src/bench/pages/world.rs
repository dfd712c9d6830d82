//! The world around the daemon: targets that go bad on command, and a receiver, all with time stamps.
//!
//! One small server for both, on threads of its own, so that what is measured is the daemon and not its surroundings.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Nothing sent here is larger: a message about 10,000 alerts has a few megabytes.
const REQUEST_CAP: usize = 64 << 20;

/// A running world. Its URLs: `/target/LAMP/NAME` is good or bad as its lamp says; `/hook/NAME` takes messages.
pub(super) struct World {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _runtime: Runtime,
}

/// A message that arrived.
#[derive(Clone)]
pub(super) struct Message {
    /// When its last byte was read.
    pub(super) at: Instant,
    /// The name under which it was posted.
    pub(super) hook: String,
    body: Vec<u8>,
}

impl Message {
    /// Alertmanager's webhook body.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Whether it says that something fires.
    pub(super) fn fires(&self) -> bool {
        self.json()["status"] == "firing"
    }
}

#[derive(Default)]
struct State {
    lamps: HashMap<String, Lamp>,
    messages: Vec<Message>,
}

#[derive(Default)]
struct Lamp {
    bad: bool,
    /// When each target was first asked since the lamp was switched.
    first: HashMap<String, Instant>,
}

impl World {
    /// Starts.
    pub(super) fn start() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                tokio::spawn(async move { serve(stream, &state).await });
            }
        });
        Ok(Self { address, state, _runtime: runtime })
    }

    /// The URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Switches every target of a lamp to bad or good.
    pub(super) fn switch(&self, lamp: &str, bad: bool) {
        self.lock().lamps.insert(lamp.to_owned(), Lamp { bad, first: HashMap::new() });
    }

    /// When a target was first asked since its lamp was switched.
    pub(super) fn first_answer(&self, lamp: &str, target: &str) -> Option<Instant> {
        self.lock().lamps.get(lamp)?.first.get(target).copied()
    }

    /// How many targets of a lamp were asked since it was switched.
    pub(super) fn asked(&self, lamp: &str) -> usize {
        self.lock().lamps.get(lamp).map_or(0, |lamp| lamp.first.len())
    }

    /// Every message so far but the first `known`.
    pub(super) fn messages(&self, known: usize) -> Vec<Message> {
        self.lock().messages.get(known..).unwrap_or_default().to_vec()
    }

    /// Forgets the messages so far.
    pub(super) fn forget_messages(&self) {
        self.lock().messages.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Polls until something holds.
#[expect(clippy::disallowed_methods, reason = "waits for other processes")]
pub(super) fn wait<T>(
    what: &str,
    patience: Duration,
    mut holds: impl FnMut() -> Option<T>,
) -> Result<T, String> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = holds() {
            return Ok(value);
        }
        if Instant::now() > deadline {
            return Err(format!("waited in vain for {what}"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

async fn serve(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some((path, body)) = request(&mut stream, &mut buffer).await? {
        let status = answer(&path, body, state);
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nok");
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "this is what is measured")]
fn answer(path: &str, body: Vec<u8>, state: &Mutex<State>) -> u16 {
    let at = Instant::now();
    let mut state = lock(state);
    match path.split('/').collect::<Vec<_>>()[..] {
        ["", "target", lamp, target] => {
            let lamp = state.lamps.entry(lamp.to_owned()).or_default();
            lamp.first.entry(target.to_owned()).or_insert(at);
            if lamp.bad { 500 } else { 200 }
        }
        ["", "hook", hook] => {
            state.messages.push(Message { at, hook: hook.to_owned(), body });
            200
        }
        _ => 404,
    }
}

/// Reads a request: its path and body. `None` at the end of the connection.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<(String, Vec<u8>)>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(buffer.get(..end).unwrap_or_default()).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let total = end + 4 + length.unwrap_or(0_usize);
            if total > REQUEST_CAP {
                return Err(io::ErrorKind::InvalidData.into());
            }
            while buffer.len() < total {
                if stream.read_buf(buffer).await? == 0 {
                    return Ok(None);
                }
            }
            let body = buffer.get(end + 4..total).unwrap_or_default().to_vec();
            buffer.drain(..total);
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            return Ok(Some((path, body)));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}
