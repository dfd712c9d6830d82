//! Targets for checks: one that answers and writes down when it was asked, one that takes connections and never says
//! a word. All of 127.0.0.0/8 is this host, so that they can be as many hosts as a test wants.
#![allow(dead_code, unreachable_pub, reason = "each program uses the part it needs")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]
#![allow(clippy::disallowed_methods, reason = "what is measured is the real world")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use breakwatch::checks::schedule::Grid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// When each path was asked for.
pub type Arrivals = BTreeMap<String, Vec<Instant>>;

/// Both kinds of targets, on threads of their own until dropped.
pub struct Targets {
    /// The port of the one that answers, on every address of this host.
    pub healthy: u16,
    /// The port of the one that does not.
    pub hung: u16,
    arrivals: Arc<Mutex<Arrivals>>,
    held: Arc<Mutex<BTreeMap<Ipv4Addr, usize>>>,
    open: Arc<AtomicUsize>,
    // Dropped last: it ends both.
    _runtime: Runtime,
}

impl Targets {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("runtime");
        let listen = || async { TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.expect("a free port") };
        let (answering, silent) = runtime.block_on(async { (listen().await, listen().await) });
        let port = |listener: &TcpListener| listener.local_addr().expect("bound").port();
        let (healthy, hung) = (port(&answering), port(&silent));
        let targets = Self {
            healthy,
            hung,
            arrivals: Arc::default(),
            held: Arc::default(),
            open: Arc::default(),
            _runtime: runtime,
        };
        let arrivals = Arc::clone(&targets.arrivals);
        targets._runtime.spawn(async move {
            while let Ok((stream, _)) = answering.accept().await {
                tokio::spawn(answer(stream, Instant::now(), Arc::clone(&arrivals)));
            }
        });
        let (held, open) = (Arc::clone(&targets.held), Arc::clone(&targets.open));
        targets._runtime.spawn(async move {
            while let Ok((stream, _)) = silent.accept().await {
                if let Ok(address) = stream.local_addr()
                    && let std::net::IpAddr::V4(ip) = address.ip()
                {
                    *held.lock().expect("lock").entry(ip).or_default() += 1;
                }
                tokio::spawn(hold(stream, Arc::clone(&open)));
            }
        });
        targets
    }

    /// How many connections this address of the hung target has taken.
    pub fn held(&self, address: [u8; 4]) -> usize {
        self.held.lock().expect("lock").get(&Ipv4Addr::from(address)).copied().unwrap_or(0)
    }

    /// How many connections to the hung target are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// When each path was asked for; begins anew.
    pub fn take_arrivals(&self) -> Arrivals {
        std::mem::take(&mut *self.arrivals.lock().expect("lock"))
    }
}

/// Answers one request with 200, and writes down when its connection came.
async fn answer(mut stream: TcpStream, came: Instant, arrivals: Arc<Mutex<Arrivals>>) {
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => head.extend_from_slice(&buffer[..read]),
        }
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or("").to_owned();
    arrivals.lock().expect("lock").entry(path).or_default().push(came);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await;
}

/// Reads what comes and says nothing, until the other side gives up.
async fn hold(mut stream: TcpStream, open: Arc<AtomicUsize>) {
    open.fetch_add(1, Ordering::Relaxed);
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    open.fetch_sub(1, Ordering::Relaxed);
}

/// A configuration with healthy checks every second, and on three other hosts checks, a database and Slack, which all
/// hang for so long. The checks `dead` are refused at once, so that there is something to tell Slack.
pub fn incident(targets: &Targets, healthy: usize, hung: usize, hangs_for: Duration) -> String {
    let (good, bad) = (targets.healthy, targets.hung);
    let fine = (0..healthy).map(|i| {
        format!("  http/fine-{i}: {{ url: 'http://127.0.0.1:{good}/{i}', interval: 1s, timeout: 1s }}\n")
    });
    let hanging = (0..hung).map(|i| format!("  http/hung-{i}: {{ url: 'http://127.0.0.2:{bad}/' }}\n"));
    let dead = (0..5).map(|i| {
        let breaker = "breaker: { failure_threshold: 1 }";
        format!("  command/dead-{i}: {{ argv: [/bin/false], interval: 1s, timeout: 1s, {breaker} }}\n")
    });
    let checks: String = fine.chain(hanging).chain(dead).collect();
    format!(
        "defaults: {{ interval: {wait}s, timeout: {wait}s }}\n\
         store: {{ path: data }}\n\
         alerting:\n  \
           route: {{ receiver: ops, group_by: [check], group_wait: 0s }}\n  \
           receivers: [{{ name: ops, slack_configs: [{{ api_url: 'http://127.0.0.3:{bad}/hook', channel: '#ops' }}] }}]\n\
         checks:\n{checks}  \
           database/hung: {{ dsn: 'postgres://u:p@127.0.0.4:{bad}/main', query: SELECT 1 }}\n",
        wait = hangs_for.as_secs(),
    )
}

/// A configuration in which every second check hangs, each on a host of its own, until just before its next run: nearly
/// all of those are under way all the time.
pub fn every_second_hangs(targets: &Targets, checks: usize, interval: Duration) -> String {
    let lines: String = (0..checks)
        .map(|i| {
            let (port, host) = if i % 2 == 0 { (targets.healthy, 1) } else { (targets.hung, 2) };
            format!("  http/c-{i}: {{ url: 'http://127.{host}.{}.{}:{port}/{i}' }}\n", i / 200, i % 200 + 1)
        })
        .collect();
    // Breakers that never open: they would make it easier from the third failure on.
    format!(
        "defaults: {{ interval: {every}ms, timeout: {limit}ms, breaker: {{ failure_threshold: 100000, failure_rate: off }} }}\n\
         store: {{ path: data }}\nchecks:\n{lines}",
        every = interval.as_millis(),
        limit = interval.as_millis() - 100,
    )
}

/// How late each run began, behind the grid of its check; `check` names the check that asks for a path. When the
/// daemon's grids count from is not known here: all of them share it, and most runs are punctual, so it lies at the end
/// of the longest stretch in which no run began. A run that did not take place makes the next one late by an interval.
pub fn delays(arrivals: &Arrivals, interval: Duration, check: impl Fn(&str) -> String) -> Vec<Duration> {
    let Some(reference) = arrivals.values().flatten().min().copied() else { return Vec::new() };
    let step = interval.as_secs_f64();
    // Seconds since the reference, with the phases of the checks taken off.
    let aligned: Vec<Vec<f64>> = arrivals
        .iter()
        .map(|(path, times)| {
            let phase = Grid::new(reference, &check(path), interval).phase.as_secs_f64();
            times.iter().map(|time| (*time - reference).as_secs_f64() - phase).collect()
        })
        .collect();
    let mut places: Vec<f64> = aligned.iter().flatten().map(|at| at.rem_euclid(step)).collect();
    places.sort_by(f64::total_cmp);
    let around = places.iter().skip(1).copied().chain(places.first().map(|first| first + step));
    let gaps = places.iter().zip(around).map(|(before, after)| (after - before, after));
    let origin = gaps.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(0.0, |(_, after)| after);
    let mut delays = Vec::new();
    for times in aligned {
        let mut before = None;
        for at in times {
            let line = ((at - origin) / step).floor();
            let missed = before.map_or(0.0, |before: f64| (line - before - 1.0).max(0.0));
            before = Some(line);
            delays.push(Duration::from_secs_f64(at - origin - line * step + missed * step));
        }
    }
    delays.sort_unstable();
    delays
}

/// The value below which this share of sorted values lies.
pub fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}
