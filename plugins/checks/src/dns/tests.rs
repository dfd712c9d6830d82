//! Against servers on loopback that answer from a table.

use std::net::SocketAddr;
use std::sync::Arc;

use breakwatch_model::FailureReason;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

use super::message::{Question, encode_name};
use super::{ENTRY, PHASES};
use crate::testing::{Run, build, mistakes, run_into, run_with};

type Respond = Arc<dyn Fn(&[u8], bool) -> Vec<Vec<u8>> + Send + Sync>;

/// A server that gives the same port over UDP and TCP to a function of the query.
struct Server {
    address: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Server {
    async fn start(respond: impl Fn(&[u8], bool) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        let respond: Respond = Arc::new(respond);
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let over_udp = Arc::clone(&respond);
        let datagrams = tokio::spawn(async move {
            let mut query = [0; 1024];
            while let Ok((read, from)) = udp.recv_from(&mut query).await {
                for answer in over_udp(&query[..read], false) {
                    let _ = udp.send_to(&answer, from).await;
                }
            }
        });
        let streams = tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let Ok(length) = stream.read_u16().await else { continue };
                let mut query = vec![0; usize::from(length)];
                let _ = stream.read_exact(&mut query).await;
                for answer in respond(&query, true) {
                    let _ = stream.write_all(&(answer.len() as u16).to_be_bytes()).await;
                    let _ = stream.write_all(&answer).await;
                }
            }
        });
        Self { address, tasks: [datagrams, streams] }
    }

    async fn ask(&self, extra: Value) -> Run {
        run_with(&ENTRY, &self.settings(extra)).await
    }

    fn settings(&self, extra: Value) -> Value {
        let mut settings = json!({ "name": "Example.org", "server": self.address.to_string() });
        for (key, value) in extra.as_object().unwrap() {
            settings[key] = value.clone();
        }
        settings
    }
}

/// The question part of a query: everything between the header and EDNS.
fn question(query: &[u8]) -> &[u8] {
    &query[12..query.len() - 11]
}

/// An answer to `query` with flags and answer records (type and data); names point to the question.
fn answer(query: &[u8], flags: u16, records: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut wire = query[..2].to_vec();
    for word in [0x8000 | flags, 1, records.len() as u16, 0, 0] {
        wire.extend(word.to_be_bytes());
    }
    wire.extend(question(query));
    for (record, data) in records {
        wire.extend([0xc0, 12]);
        wire.extend(record.to_be_bytes());
        wire.extend([0, 1, 0, 0, 1, 44]);
        wire.extend((data.len() as u16).to_be_bytes());
        wire.extend(data);
    }
    wire
}

fn soa() -> Vec<u8> {
    let numbers = [2_024_010_101u32, 1, 2, 3, 4];
    // Names that point to the question's, one of them behind a label of its own.
    [vec![2, b'n', b's', 0xc0, 12, 0xc0, 12], numbers.iter().flat_map(|n| n.to_be_bytes()).collect()].concat()
}

#[tokio::test]
async fn an_answer_is_read_and_measured() {
    let server = Server::start(|query, _| {
        vec![answer(query, 0x0480, &[(1, vec![192, 0, 2, 1]), (1, vec![192, 0, 2, 2])])]
    })
    .await;
    for transport in ["udp", "tcp"] {
        let expect =
            json!({ "answer_regex": " 300 IN A 192.0.2.2$", "authoritative": true, "answers_min": 2 });
        let run = server.ask(json!({ "transport": transport, "expect": expect })).await;
        run.succeeded();
        assert_eq!(run.value("probe_dns_answer_rrs", ""), Some(2.0));
        assert_eq!(run.value("probe_dns_query_succeeded", ""), Some(1.0));
        assert_eq!(
            run.fact("answer"),
            Some("Example.org. 300 IN A 192.0.2.1; Example.org. 300 IN A 192.0.2.2")
        );
        let took = PHASES
            .iter()
            .map(|phase| run.value("probe_dns_duration_seconds", &format!("{{phase={phase:?}}}")).unwrap());
        assert!(took.into_iter().all(|took| took > 0.0));
    }
}

#[tokio::test]
async fn every_kind_of_record_reads_like_a_zone_file() {
    let name = || encode_name("mail.example.org").unwrap();
    for (record, data, text) in [
        ("AAAA", [vec![0x20, 1, 0xd, 0xb8], vec![0; 11], vec![1]].concat(), "2001:db8::1"),
        ("CNAME", name(), "mail.example.org."),
        ("NS", vec![0xc0, 12], "Example.org."),
        ("PTR", name(), "mail.example.org."),
        ("MX", [vec![0, 10], name()].concat(), "10 mail.example.org."),
        ("SRV", [vec![0, 1, 0, 2, 0, 80], name()].concat(), "1 2 80 mail.example.org."),
        ("TXT", b"\x05a \"b\"\x01\xff\x00".to_vec(), "\"a \\\"b\\\"\" \"\\255\" \"\""),
        ("CAA", b"\x00\x05issueca.example".to_vec(), "0 issue \"ca.example\""),
        ("SOA", soa(), "ns.Example.org. Example.org. 2024010101 1 2 3 4"),
    ] {
        let number = super::TYPES.iter().find(|(name, _)| *name == record).unwrap().1;
        let server = Server::start(move |query, _| vec![answer(query, 0, &[(number, data.clone())])]).await;
        let run = server.ask(json!({ "record": record })).await;
        let expected = format!("Example.org. 300 IN {record} {text}");
        assert_eq!(run.succeeded().fact("answer"), Some(expected.as_str()));
        assert_eq!(run.value("probe_dns_serial", ""), (record == "SOA").then_some(2_024_010_101.0));
    }
}

#[tokio::test]
async fn expectations_can_fail() {
    let server = Server::start(|query, _| vec![answer(query, 0, &[(1, vec![192, 0, 2, 1])])]).await;
    for (expect, message) in [
        (json!({ "answer_regex": "192.0.2.9" }), "no record matches /192.0.2.9/ (assertion)"),
        (json!({ "answer_not_regex": "192" }), "a record matches /192/ (assertion)"),
        (json!({ "answers_min": 2 }), "1 records in the answer, expected at least 2 (assertion)"),
        (json!({ "authoritative": true }), "the answer is not authoritative (assertion)"),
        (json!({ "rcode": "NXDOMAIN" }), "the answer is NOERROR, expected NXDOMAIN (status)"),
    ] {
        let run = server.ask(json!({ "expect": expect })).await;
        assert_eq!(run.failure().to_string(), message);
    }
    let none = Server::start(|query, _| vec![answer(query, 3, &[])]).await;
    let run = none.ask(json!({})).await;
    assert_eq!(run.failure().to_string(), "the answer is NXDOMAIN, expected NOERROR (status)");
    assert_eq!(run.value("probe_dns_query_succeeded", ""), Some(1.0));
    none.ask(json!({ "expect": { "rcode": ["NXDOMAIN", "REFUSED"] } })).await.succeeded();
    let servfail = Server::start(|query, _| vec![answer(query, 2, &[])]).await;
    assert_eq!(servfail.ask(json!({})).await.failure().reason, FailureReason::Status);
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let server = Server::start(|query, tcp| {
        let flags = if tcp { 0 } else { 0x0200 };
        let records = if tcp { vec![(16, b"\x04long".to_vec())] } else { Vec::new() };
        vec![answer(query, flags, &records)]
    })
    .await;
    let run = server.ask(json!({ "record": "TXT" })).await;
    assert_eq!(run.succeeded().fact("truncated"), Some("asked again over TCP"));
    assert_eq!(run.value("probe_dns_answer_rrs", ""), Some(1.0));
}

#[tokio::test]
async fn forged_and_broken_answers_are_not_believed() {
    let server = Server::start(|query, _| {
        let good = answer(query, 0, &[(1, vec![192, 0, 2, 1])]);
        let mut wrong_id = good.clone();
        wrong_id[0] ^= 0xff;
        let mut wrong_name = good.clone();
        wrong_name[13] ^= 1;
        let mut no_response = good.clone();
        no_response[2] &= 0x7f;
        vec![wrong_id, wrong_name, no_response, good[..5].to_vec(), Vec::new(), good]
    })
    .await;
    let run = server.ask(json!({ "expect": { "answer_regex": "192.0.2.1$" } })).await;
    run.succeeded();
}

#[tokio::test]
async fn nobody_there_and_nobody_answering() {
    let port = breakwatch_sim::servers::free_port();
    let run = run_with(&ENTRY, &json!({ "name": "x", "server": format!("127.0.0.1:{port}") })).await;
    assert_eq!(run.failure().to_string(), format!("asking 127.0.0.1:{port}: connection refused (connect)"));
    let silent = Server::start(|_, _| Vec::new()).await;
    let check = build(&ENTRY, &silent.settings(json!({}))).unwrap();
    let run = run_into(&*check, "request").await;
    assert_eq!(run.result, None);
    assert_eq!(run.value("probe_dns_query_succeeded", ""), Some(0.0));
}

#[test]
fn no_bytes_bring_the_reader_down() {
    let asked = Question { name: "a.b".to_owned(), record: 6, recursion: true };
    let query = asked.encode(7).unwrap();
    let whole = answer(&query, 0, &[(6, soa()), (16, b"\x01x".to_vec()), (257, b"\x00\x05issue".to_vec())]);
    assert!(asked.decode(7, &whole).is_some());
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..200_000 {
        let mut damaged = whole.clone();
        for _ in 0..rng.usize(1..6) {
            let at = rng.usize(2..damaged.len());
            damaged[at] = rng.u8(..);
        }
        damaged.truncate(rng.usize(2..=damaged.len()));
        if let Some(answer) = asked.decode(7, &damaged) {
            assert!(answer.records.iter().all(|record| !record.chars().any(char::is_control)));
        }
    }
    // A name that points to itself, and two that point to each other.
    for loops in [&[0xc0u8, 12][..], &[1, b'a', 0xc0, 14, 0xc0, 12]] {
        let mut wire =
            [7u16, 0x8000, 1, 0, 0, 0].iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        wire[0..2].copy_from_slice(&7u16.to_be_bytes());
        wire.extend(loops);
        assert_eq!(asked.decode(7, &wire), None);
    }
}

#[test]
fn names_and_mistakes() {
    assert_eq!(encode_name("a.bc.").unwrap(), b"\x01a\x02bc\x00");
    assert_eq!(encode_name(".").unwrap(), b"\x00");
    for bad in ["", "a..b", ".a", "a b", &"x".repeat(64), &"abc.".repeat(64), "ä.example"] {
        assert_eq!(encode_name(bad), None, "{bad}");
    }
    for (settings, expected) in [
        (json!({}), "missing required key `name`"),
        (json!({ "name": "a b" }), "name: expected a domain name, found \"a b\""),
        (
            json!({ "name": "a", "server": "x:y" }),
            "server: expected a host, and perhaps a port, such as `example.org:443`, found \"x:y\"",
        ),
        (
            json!({ "name": "a", "expect": { "rcode": "NOPE" } }),
            "expect.rcode: expected a response code such as `NXDOMAIN`, found \"NOPE\"",
        ),
    ] {
        assert_eq!(mistakes(&ENTRY, &settings).first().map(String::as_str), Some(expected));
    }
    assert_eq!(
        build(&ENTRY, &json!({ "name": "a", "record": "MX", "server": "::1" })).unwrap().target(),
        "a MX @[::1]:53"
    );
}
