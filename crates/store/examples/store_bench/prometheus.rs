//! The same samples in Debian's Prometheus: by remote write for the live folder, then compacted.

use std::path::Path;
use std::time::Duration;

use crate::ingest::feed;
use crate::server::{Server, pause};
use crate::{Args, bytes_below, say};

/// Sends the samples of [`crate::size`] to a Prometheus and prints what it makes of them.
pub(crate) fn compare(args: &Args, jitter: bool, targets: usize) {
    let dir = args.dir.join("prometheus");
    let _ = std::fs::remove_dir_all(&dir);
    let Some(server) = Server::prometheus(&dir) else {
        say("Prometheus", "not installed here: no comparison");
        return;
    };
    let sent = feed(&server, "Prometheus", jitter, targets);
    let live = bytes_below(&dir.join("data"));
    say("Prometheus: whole folder", format!("{:.3} bytes/sample", live as f64 / sent as f64));
    drop(server);
    compacted(&dir);
}

/// Lets a fresh Prometheus compact what there is.
fn compacted(dir: &Path) {
    let Some(server) = Server::prometheus(dir) else { return };
    // Compaction runs by itself a minute after the start.
    let mut blocks = Vec::new();
    for _ in 0..180 {
        pause(Duration::from_secs(1));
        let now = block_bytes(&dir.join("data"));
        if server.metric("prometheus_tsdb_compactions_total") > 0.0 && now == blocks {
            break;
        }
        blocks = now;
    }
    drop(server);
    let (bytes, samples) = block_figures(&dir.join("data"));
    say("Prometheus: blocks", format!("{} of {:.2} M samples", blocks.len(), samples / 1e6));
    say("Prometheus: compacted blocks", format!("{:.3} bytes/sample", bytes / samples.max(1.0)));
}

fn block_bytes(data: &Path) -> Vec<u64> {
    let entries = std::fs::read_dir(data).into_iter().flatten().flatten();
    let blocks = entries.filter(|entry| entry.path().join("meta.json").exists());
    blocks.map(|entry| bytes_below(&entry.path())).collect()
}

/// Bytes and samples of the blocks, by their own word.
fn block_figures(data: &Path) -> (f64, f64) {
    let entries = std::fs::read_dir(data).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().join("meta.json").exists()).fold(
        (0.0, 0.0),
        |(bytes, samples), entry| {
            let text = std::fs::read_to_string(entry.path().join("meta.json")).unwrap_or_default();
            let meta: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let held = meta["stats"]["numSamples"].as_f64().unwrap_or(0.0);
            (bytes + bytes_below(&entry.path()) as f64, samples + held)
        },
    )
}
