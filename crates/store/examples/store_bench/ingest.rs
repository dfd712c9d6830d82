//! Taking samples over HTTP: the daemon and Debian's Prometheus, fed the same remote-write requests in the same way.

use crate::data::{DAY, NAMES, START, STEP, Target, labels};
use crate::server::Server;
use crate::{Args, bytes_below, say, timed};

/// Samples per remote-write request.
const PER_REQUEST: usize = 2000;

/// Targets of the comparison: 501 series.
const TARGETS: usize = 167;

/// Sends both the same two days and prints what it cost each. Making blocks of a finished day is not part of it on
/// either side beyond what each does meanwhile: Prometheus cuts a block every two hours of samples, the daemon
/// stores sealed chunks.
pub(crate) fn run(args: &Args) {
    let dir = args.dir.join("ingest");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    match &args.daemon {
        Some(binary) => match Server::daemon(binary, &dir.join("daemon")) {
            Some(server) => drop(feed(&server, "daemon", true, TARGETS)),
            None => say("daemon", "does not start: no comparison"),
        },
        None => say("daemon", "no --daemon FILE given: left out"),
    }
    let place = dir.join("prometheus");
    match Server::prometheus(&place) {
        Some(server) => drop(feed(&server, "Prometheus", true, TARGETS)),
        None => say("Prometheus", "not installed here: no comparison"),
    }
    say("daemon: folder, MB", format!("{:.1}", bytes_below(&dir.join("daemon/data")) as f64 / 1e6));
}

/// Sends the samples of [`crate::size`] and prints what the server made of them; gives how many there were.
pub(crate) fn feed(server: &Server, name: &str, jitter: bool, targets: usize) -> usize {
    let mut makers: Vec<Target> = (0..targets).map(|n| Target::new(n, jitter)).collect();
    let mut stream = server.connect().unwrap();
    let (mut sent, mut request, mut held) = (0_usize, Vec::new(), 0);
    let before = server.cpu();
    let (_, took) = timed(|| {
        for due in (START..START + 2 * DAY + 11 * 60_000).step_by(STEP as usize) {
            for (n, maker) in makers.iter_mut().enumerate() {
                let t = maker.time(due);
                for (name, value) in NAMES.iter().zip(maker.next()) {
                    put_series(&mut request, name, n, t, value);
                    held += 1;
                }
                if held >= PER_REQUEST {
                    server.write(&mut stream, &pack(&request));
                    sent += held;
                    held = 0;
                    request.clear();
                }
            }
        }
        server.write(&mut stream, &pack(&request));
        sent += held;
    });
    let wall = sent as f64 / took.as_secs_f64();
    say(&format!("{name}: remote write, samples/s of wall time"), format!("{:.0} k", wall / 1e3));
    let used = sent as f64 / (server.cpu() - before);
    say(&format!("{name}: samples per CPU second"), format!("{:.0} k", used / 1e3));
    say(&format!("{name}: resident memory"), format!("{:.0} MB", server.rss()));
    sent
}

fn pack(request: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(request).unwrap()
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A `TimeSeries` with one sample, as a field of a `WriteRequest`.
fn put_series(out: &mut Vec<u8>, name: &str, target: usize, t: i64, v: f64) {
    let mut series = Vec::with_capacity(200);
    for (label, value) in labels(name, target).iter() {
        let mut pair = Vec::new();
        put_field(&mut pair, 1, label.as_bytes());
        put_field(&mut pair, 2, value.as_bytes());
        put_field(&mut series, 1, &pair);
    }
    let mut sample = vec![1 << 3 | 1];
    sample.extend_from_slice(&v.to_le_bytes());
    sample.push(2 << 3);
    put_varint(&mut sample, t as u64);
    put_field(&mut series, 2, &sample);
    put_field(out, 1, &series);
}
