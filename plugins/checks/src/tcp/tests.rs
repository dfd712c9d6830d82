//! Against servers on loopback.

use std::sync::Arc;

use breakwatch_model::FailureReason;
use breakwatch_plugin_api::Level;
use breakwatch_sim::servers::Postgres;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio_rustls::TlsAcceptor;

use super::{ENTRY, TLS_ENTRY};
use crate::testing::certs::Authority;
use crate::testing::server::{self, Server};
use crate::testing::{build, mistakes, run_into, run_with};

/// A server that greets, and answers each line by a table; `None` begins TLS.
async fn conversing(
    authority: &Authority,
    greeting: &'static str,
    answers: &'static [(&'static str, &'static str)],
    then_tls: &'static str,
) -> Server {
    let leaf = authority.leaf("localhost", 90);
    let acceptor = TlsAcceptor::from(authority.server(&leaf, &[], false));
    let acceptor = Arc::new(acceptor);
    server::tcp(move |stream| {
        let acceptor = Arc::clone(&acceptor);
        async move {
            let mut stream = BufReader::new(stream);
            let _ = stream.write_all(greeting.as_bytes()).await;
            if !converse(&mut stream, answers, then_tls).await {
                return;
            }
            let Ok(stream) = acceptor.accept(stream.into_inner()).await else { return };
            converse(&mut BufReader::new(stream), answers, "").await;
        }
    })
    .await
}

async fn converse(
    stream: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>,
    answers: &[(&str, &str)],
    then_tls: &str,
) -> bool {
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let said = line.trim_end();
        let answer =
            answers.iter().find(|(known, _)| *known == said).map_or("500 what?\r\n", |(_, answer)| answer);
        let _ = stream.write_all(answer.as_bytes()).await;
        if !then_tls.is_empty() && said == then_tls {
            return true;
        }
        line.clear();
    }
    false
}

const SMTP: &[(&str, &str)] = &[
    ("EHLO breakwatch.invalid", "250-localhost\r\n250-STARTTLS\r\n250 HELP\r\n"),
    ("STARTTLS", "220 go ahead\r\n"),
    ("NOOP inside", "250 ok\r\n"),
    ("AUTH one two", "235 welcome\r\n"),
];

#[tokio::test]
async fn a_port_that_is_open() {
    let server = server::tcp(|_| async {}).await;
    let run = run_with(&ENTRY, &json!({ "address": server.address, "unhealthy": { "latency": "1h" } })).await;
    run.succeeded();
    assert_eq!(run.level("latency"), Some(Level::Fine));
    assert!(run.value("breakwatch_tcp_duration_seconds", r#"{phase="connect"}"#).unwrap() > 0.0);
    assert_eq!(run.value("probe_ip_protocol", ""), Some(4.0));
    drop(server);
}

#[tokio::test]
async fn a_port_that_is_closed() {
    let port = breakwatch_sim::servers::free_port();
    let run = run_with(&ENTRY, &json!({ "address": format!("127.0.0.1:{port}") })).await;
    assert_eq!(
        run.failure().to_string(),
        format!("connecting to 127.0.0.1:{port}: connection refused (connect)")
    );
}

#[tokio::test]
async fn a_conversation() {
    let authority = Authority::new();
    let server = conversing(&authority, "220-welcome\r\n220 mail one two\r\n", SMTP, "").await;
    let dialogue = json!([
        { "expect": "^220 mail (\\w+) (\\w+)" },
        { "send": "AUTH ${1} ${2}" },
        { "expect": "^235" },
    ]);
    let run = run_with(&ENTRY, &json!({ "address": server.address, "dialogue": dialogue })).await;
    assert_eq!(run.succeeded().fact("last line"), Some("235 welcome"));
    let dialogue = json!([{ "expect": "^220 " }, { "send": "QUIT" }, { "expect": "^221" }]);
    let check = build(&ENTRY, &json!({ "address": server.address, "dialogue": dialogue })).unwrap();
    // The server waits for more, and so does the check, up to its deadline.
    assert_eq!(run_into(&*check, "dialogue").await.result, None);
}

#[tokio::test]
async fn answers_that_never_match() {
    let closing = server::tcp(|mut stream| async move {
        let _ = stream.write_all(b"554 go away\r\n").await;
        let _ = stream.shutdown().await;
    })
    .await;
    let wants = json!({ "address": closing.address, "dialogue": [{ "expect": "^220" }] });
    let run = run_with(&ENTRY, &wants).await;
    assert_eq!(
        run.failure().to_string(),
        "no line matches /^220/; the last line was \"554 go away\" (assertion)"
    );
    assert_eq!(run.value("probe_failed_due_to_regex", ""), Some(1.0));
    for flood in [&b"x"[..], b"x\n"] {
        let endless = server::tcp(move |mut stream| async move {
            while stream.write_all(&flood.repeat(4096)).await.is_ok() {}
        })
        .await;
        let wants = json!({ "address": endless.address, "dialogue": [{ "expect": "^220" }] });
        let run = run_with(&ENTRY, &wants).await;
        assert!(run.failure().message.len() < 400, "{}", run.failure());
    }
}

#[tokio::test]
async fn starttls_by_hand_and_by_name() {
    let authority = Authority::new();
    let tls = json!({ "ca_file": authority.ca_file() });
    let server = conversing(&authority, "220 mail\r\n", SMTP, "STARTTLS").await;
    let address = format!("localhost:{}", server.address.port());
    let dialogue = json!([
        { "expect": "^220 " }, { "send": "EHLO breakwatch.invalid" }, { "expect": "^250 " }, { "send": "STARTTLS" },
        { "expect": "^220 " }, { "starttls": true }, { "send": "NOOP inside" }, { "expect": "^250 ok" },
    ]);
    let by_hand = json!({
        "address": address, "tls": tls, "dialogue": dialogue, "ip_family": "ipv4",
        "degraded": { "certificate_days": 100 },
    });
    let run = run_with(&ENTRY, &by_hand).await;
    assert_eq!(run.succeeded().level("certificate_days"), Some(Level::Degraded));
    let by_name = json!({ "address": address, "tls": tls, "starttls": "smtp", "ip_family": "ipv4" });
    let run = run_with(&TLS_ENTRY, &by_name).await;
    assert!(run.succeeded().value("probe_ssl_earliest_cert_expiry", "").unwrap() > 0.0);
    assert_eq!(run.value("probe_tls_version_info", r#"{version="TLS 1.3"}"#), Some(1.0));

    const IMAP: &[(&str, &str)] = &[("a STARTTLS", "a OK begin\r\n")];
    const POP3: &[(&str, &str)] = &[("STLS", "+OK begin\r\n")];
    const FTP: &[(&str, &str)] = &[("AUTH TLS", "234 begin\r\n")];
    for (protocol, greeting, answers, last) in [
        ("imap", "* OK ready\r\n", IMAP, "a STARTTLS"),
        ("pop3", "+OK ready\r\n", POP3, "STLS"),
        ("ftp", "220-hello\r\n220 ready\r\n", FTP, "AUTH TLS"),
    ] {
        let server = conversing(&authority, greeting, answers, last).await;
        let address = format!("localhost:{}", server.address.port());
        let settings = json!({ "address": address, "tls": tls, "starttls": protocol, "ip_family": "ipv4" });
        run_with(&TLS_ENTRY, &settings).await.succeeded();
    }
}

#[tokio::test]
async fn starttls_that_is_refused_or_poisoned() {
    let authority = Authority::new();
    let tls = json!({ "ca_file": authority.ca_file() });
    const PLAIN: &[(&str, &str)] =
        &[("EHLO breakwatch.invalid", "250 HELP\r\n"), ("STARTTLS", "454 no TLS today\r\n")];
    let server = conversing(&authority, "220 mail\r\n", PLAIN, "").await;
    let settings = json!({ "address": server.address, "tls": tls, "starttls": "smtp" });
    let run = run_with(&TLS_ENTRY, &settings).await;
    assert_eq!(run.failure().to_string(), "the target does not offer TLS: 454 no TLS today (tls)");
    const EAGER: &[(&str, &str)] =
        &[("EHLO breakwatch.invalid", "250 HELP\r\n"), ("STARTTLS", "220 go\r\n250 injected\r\n")];
    let server = conversing(&authority, "220 mail\r\n", EAGER, "STARTTLS").await;
    let settings = json!({ "address": server.address, "tls": tls, "starttls": "smtp" });
    let run = run_with(&TLS_ENTRY, &settings).await;
    assert_eq!(run.failure().to_string(), "the target sent more before TLS began (protocol)");
}

#[tokio::test]
async fn tls_from_the_start() {
    let authority = Authority::new();
    let expired = authority.leaf("localhost", -1);
    let acceptor = Arc::new(TlsAcceptor::from(authority.server(&expired, &[], false)));
    let server = server::tcp(move |stream| {
        let acceptor = Arc::clone(&acceptor);
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.write_all(b"hello\n").await;
            let _ = stream.read(&mut [0; 1]).await;
        }
    })
    .await;
    let address = format!("localhost:{}", server.address.port());
    let tls = json!({ "ca_file": authority.ca_file() });
    let settings = json!({ "address": address, "tls": tls, "ip_family": "ipv4" });
    let run = run_with(&TLS_ENTRY, &settings).await;
    assert_eq!(run.failure().reason, FailureReason::Tls);
    assert!(run.failure().message.starts_with("the certificate expired 1."), "{}", run.failure());
    let settings = json!({
        "address": address, "use_tls": true, "tls": { "insecure_skip_verify": true }, "ip_family": "ipv4",
        "dialogue": [{ "expect": "hello" }],
    });
    run_with(&ENTRY, &settings).await.succeeded();
}

#[tokio::test]
async fn the_certificate_of_a_real_postgresql() {
    let authority = Authority::new();
    let leaf = authority.leaf("localhost", 42);
    let [cert, key] = [&leaf.cert_file, &leaf.key_file].map(|file| std::fs::read_to_string(file).unwrap());
    let files = [("server.crt", cert.as_str()), ("server.key", key.as_str())];
    let settings = ["ssl=on", "ssl_cert_file=@server.crt", "ssl_key_file=@server.key"];
    let Some(server) = Postgres::start_with(&files, &settings) else { return };
    let settings = json!({
        "address": format!("localhost:{}", server.port()), "starttls": "postgres", "ip_family": "ipv4",
        "tls": { "ca_file": authority.ca_file() },
    });
    let run = run_with(&TLS_ENTRY, &settings).await;
    assert_eq!(run.succeeded().fact("certificate days left").map(|days| &days[..2]), Some("41"));
    let Some(plain) = Postgres::start() else { return };
    let settings = json!({ "address": format!("127.0.0.1:{}", plain.port()), "starttls": "postgres" });
    let run = run_with(&TLS_ENTRY, &settings).await;
    assert_eq!(run.failure().to_string(), "the target does not offer TLS (tls)");
}

#[tokio::test]
async fn an_ldap_server_that_agrees() {
    let authority = Authority::new();
    let leaf = authority.leaf("localhost", 90);
    let acceptor = Arc::new(TlsAcceptor::from(authority.server(&leaf, &[], false)));
    let server = server::tcp(move |mut stream| {
        let acceptor = Arc::clone(&acceptor);
        async move {
            let mut request = [0; 31];
            let _ = stream.read_exact(&mut request).await;
            assert!(request.ends_with(b"1.3.6.1.4.1.1466.20037"));
            let _ = stream.write_all(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00").await;
            let _ = acceptor.accept(stream).await;
        }
    })
    .await;
    let settings = json!({
        "address": format!("localhost:{}", server.address.port()), "starttls": "ldap", "ip_family": "ipv4",
        "tls": { "ca_file": authority.ca_file() },
    });
    run_with(&TLS_ENTRY, &settings).await.succeeded();
}

#[test]
fn mistakes_in_the_settings() {
    for (settings, expected) in [
        (json!({}), "missing required key `address`"),
        (
            json!({ "address": "mail" }),
            "address: expected a host and a port, such as `mail.example.org:25` or `[::1]:25`, found \"mail\"",
        ),
        (
            json!({ "address": "a:1", "dialogue": [{ "expect": "x", "send": "y" }] }),
            "dialogue[0]: a step is one of `expect`, `send` and `starttls`",
        ),
        (
            json!({ "address": "a:1", "dialogue": [{ "send": "a\nb" }] }),
            "dialogue[0].send: expected one line of text, found \"a\\nb\"",
        ),
        (
            json!({ "address": "a:1", "use_tls": true, "dialogue": [{ "starttls": true }] }),
            "dialogue: TLS can begin only once",
        ),
        (
            json!({ "address": "a:1", "degraded": { "certificate_days": 1 } }),
            "address: `certificate_days` needs `use_tls: true` or a `starttls` step",
        ),
    ] {
        assert_eq!(mistakes(&ENTRY, &settings).first().map(String::as_str), Some(expected));
    }
    let found = mistakes(&TLS_ENTRY, &json!({ "address": "a", "starttls": "stmp" }));
    assert!(found[0].ends_with("(did you mean `smtp`?)"), "{found:?}");
    assert_eq!(build(&TLS_ENTRY, &json!({ "address": "a" })).unwrap().target(), "a:443");
    assert_eq!(build(&TLS_ENTRY, &json!({ "address": "a", "starttls": "imap" })).unwrap().target(), "a:143");
}
