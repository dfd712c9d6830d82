//! Targets that send without end, in every way: the memory of the process does not grow with them.

use std::io::Write as _;

use serde_json::json;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::CHECKS;
use crate::testing::server::{self, Server, read_head};
use crate::testing::{build, run};

/// Set in the process that is measured.
const MEASURED: &str = "BREAKWATCH_TEST_MEASURED";
/// How much the process may hold at its fullest, test equipment and debug build included. Each of the targets would
/// send a hundred times that.
const LIMIT_KIB: u64 = 150 * 1024;

/// The measure is one of the whole process, so the test runs in a process of its own.
#[test]
fn endless_targets_do_not_fill_the_memory() {
    if std::env::var_os(MEASURED).is_some() {
        measure();
        return;
    }
    let this = "memory_flat::endless_targets_do_not_fill_the_memory";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this, "--nocapture"])
        .env(MEASURED, "1")
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("stayed flat"), "{said}");
}

fn measure() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bomb = bomb();
        for head in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
            "HTTP/1.1 200 OK\r\nx: ",
            "HTTP/1.1 200 ",
            "",
        ] {
            let target = endless(head.into(), vec![b'a'; 65_536]).await;
            probe("http", json!({ "url": target.url("/"), "max_body": "8MiB" })).await;
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
        let target = endless(head.into(), bomb).await;
        probe("http", json!({ "url": target.url("/"), "max_body": "8MiB" })).await;
        for scheme in ["postgres", "mysql"] {
            // As long a message as the protocol can announce, and then without end.
            let target = endless(b"R\x7f\xff\xff\xff".to_vec(), vec![0; 65_536]).await;
            probe("database", json!({ "dsn": format!("{scheme}://u:p@{}/x", target.address) })).await;
            let target = endless(b"\xff\xff\xff\x00".to_vec(), vec![0; 65_536]).await;
            probe("database", json!({ "dsn": format!("{scheme}://u:p@{}/x", target.address) })).await;
        }
        let target = endless(Vec::new(), vec![b'x'; 65_536]).await;
        probe("tcp", json!({ "address": target.address, "dialogue": [{ "expect": "y" }] })).await;
        probe("command", json!({ "argv": ["head", "-c", "2G", "/dev/zero"] })).await;
    });
    let fullest = fullest_kib();
    assert!(fullest < LIMIT_KIB, "{fullest} KiB");
    println!("stayed flat: {fullest} KiB at most");
}

async fn probe(kind: &str, settings: serde_json::Value) {
    let entry = CHECKS.iter().find(|entry| entry.key == kind).unwrap();
    let check = build(entry, &settings).unwrap();
    let ended = run(&*check).await.result.is_some();
    assert!(ended, "{settings} ends by itself");
}

/// A target that reads nothing, sends a beginning once, and then the same for ever.
async fn endless(head: Vec<u8>, more: Vec<u8>) -> Server {
    server::tcp(move |mut stream| {
        let (head, more) = (head.clone(), more.clone());
        async move {
            if head.starts_with(b"HTTP") {
                read_head(&mut stream).await;
            }
            flood(&mut stream, &head, &more).await;
        }
    })
    .await
}

async fn flood(stream: &mut (impl AsyncWrite + Unpin), head: &[u8], more: &[u8]) {
    let _ = stream.write_all(head).await;
    while stream.write_all(more).await.is_ok() {}
}

/// Ten megabytes of nothing in ten kilobytes; one after another they are one stream.
fn bomb() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![0; 10 << 20]).unwrap();
    encoder.finish().unwrap()
}

/// The most memory the process ever held.
fn fullest_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_ascii_whitespace().next().unwrap().parse().unwrap()
}
