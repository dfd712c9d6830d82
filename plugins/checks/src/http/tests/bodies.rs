//! Encodings, caps and bombs.

use std::io::Write as _;

use breakwatch_model::FailureReason;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::super::ENTRY;
use crate::testing::run_with;
use crate::testing::server::{self, Server, ok, read_head};

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

async fn encoded(encoding: &'static str, body: Vec<u8>) -> Server {
    server::http(move |_| {
        let mut response = ok(body.clone());
        response.headers_mut().insert("content-encoding", encoding.parse().unwrap());
        response
    })
    .await
}

#[tokio::test]
async fn compressed_bodies_are_judged_decoded() {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(b"hello world").unwrap();
    // Two members after one another are one body (RFC 1952).
    let two = [gzip(b"hello "), gzip(b"world")].concat();
    for (encoding, body) in
        [("gzip", gzip(b"hello world")), ("gzip", two), ("deflate", zlib.finish().unwrap())]
    {
        let length = body.len() as f64;
        let server = encoded(encoding, body).await;
        let settings = json!({ "url": server.url("/"), "expect": { "body_regex": "^hello world$" } });
        let run = run_with(&ENTRY, &settings).await;
        run.succeeded();
        assert_eq!(run.value("probe_http_uncompressed_body_length", ""), Some(11.0));
        assert_eq!(run.value("probe_http_content_length", ""), Some(length));
    }
}

#[tokio::test]
async fn a_bomb_is_cut_at_the_cap() {
    let bomb = gzip(&vec![b'a'; 64 << 20]);
    assert!(bomb.len() < 100_000);
    let server = encoded("gzip", bomb).await;
    let run = run_with(&ENTRY, &json!({ "url": server.url("/"), "max_body": "256KiB" })).await;
    run.succeeded();
    assert_eq!(run.value("probe_http_uncompressed_body_length", ""), Some(262_144.0));
    assert_eq!(run.fact("body read"), Some("the first 262144 bytes"));
}

#[tokio::test]
async fn damaged_compression_is_a_protocol_failure() {
    let whole = gzip(&(0..10_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    let mut flipped = whole.clone();
    let end = flipped.len() - 6;
    flipped[end] ^= 0xff;
    for body in [whole[..whole.len() / 2].to_vec(), flipped, b"not gzip at all".to_vec()] {
        let server = encoded("gzip", body).await;
        let run = run_with(&ENTRY, &json!({ "url": server.url("/") })).await;
        assert_eq!(run.failure().reason, FailureReason::Protocol, "{}", run.failure());
        assert!(run.failure().message.contains("compression is damaged"), "{}", run.failure());
    }
    let server = encoded("br", b"x".to_vec()).await;
    let run = run_with(&ENTRY, &json!({ "url": server.url("/") })).await;
    assert_eq!(run.failure().message, "the answer is encoded as br, which was not asked for");
}

#[tokio::test]
async fn an_endless_body_ends_at_the_cap() {
    let server = server::tcp(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
    })
    .await;
    let run = run_with(&ENTRY, &json!({ "url": server.url("/") })).await;
    run.succeeded();
    assert_eq!(run.value("probe_http_uncompressed_body_length", ""), Some(1_048_576.0));
    for (expect, message) in [
        (json!({ "body_regex": "y" }), "the part of the body that was read does not match /y/"),
        (json!({ "body_max": "1MiB" }), "the body has more than 1048576 bytes, expected at most 1048576"),
        (
            json!({ "json": { "$": "x" } }),
            "the body is longer than the 1048576 bytes read: its JSON is not whole",
        ),
    ] {
        let run = run_with(&ENTRY, &json!({ "url": server.url("/"), "expect": expect })).await;
        assert_eq!(run.failure().message, message);
    }
}

#[tokio::test]
async fn an_excerpt_is_clean_and_short() {
    let server =
        server::http(|_| ok([b"\x00\xff<b>\r\n\x1b[31m".repeat(1000).as_slice(), b"end"].concat())).await;
    let settings = json!({ "url": server.url("/"), "expect": { "body_regex": "^$" } });
    let run = run_with(&ENTRY, &settings).await;
    let excerpt = run.fact("body").unwrap();
    assert!(excerpt.len() <= 520 && !excerpt.chars().any(char::is_control), "{excerpt:?}");
}
