//! TLS targets: good ones, and each kind of bad certificate.

use breakwatch_model::{FailureReason, Timestamp};
use breakwatch_plugin_api::Level;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::super::ENTRY;
use crate::testing::certs::Authority;
use crate::testing::server::{self, Server, ok};
use crate::testing::{Run, run_with};

const HTTP1: &[&[u8]] = &[b"http/1.1"];
const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];

async fn serve(authority: &Authority, days: i64) -> Server {
    let leaf = authority.leaf("localhost", days);
    server::https(authority.server(&leaf, BOTH, false), |request| ok(format!("{:?}", request.version())))
        .await
}

async fn probe(
    server: &Server,
    authority: &Authority,
    extra: &[(&str, Value)],
    tls: &[(&str, Value)],
) -> Run {
    let mut settings = json!({
        "url": server.https("/"), "ip_family": "ipv4", "tls": { "ca_file": authority.ca_file() },
    });
    for (key, value) in extra {
        settings[*key] = value.clone();
    }
    for (key, value) in tls {
        settings["tls"][*key] = value.clone();
    }
    run_with(&ENTRY, &settings).await
}

#[tokio::test]
async fn a_good_certificate_and_http2_by_alpn() {
    let authority = Authority::new();
    let server = serve(&authority, 90).await;
    let run = probe(&server, &authority, &[("expect", json!({ "tls": true, "version": "2" }))], &[]).await;
    run.succeeded();
    assert_eq!(run.value("probe_http_ssl", ""), Some(1.0));
    assert_eq!(run.value("probe_http_version", ""), Some(2.0));
    assert_eq!(run.value("probe_tls_version_info", r#"{version="TLS 1.3"}"#), Some(1.0));
    assert!(run.value("probe_http_duration_seconds", r#"{phase="tls"}"#).unwrap() > 0.0);
    let expiry = run.value("probe_ssl_earliest_cert_expiry", "").unwrap();
    assert_eq!(run.value("probe_ssl_last_chain_expiry_timestamp_seconds", ""), Some(expiry));
    assert_eq!(run.fact("certificate days left").map(|days| &days[..3]), Some("89."));
    assert_eq!(run.fact("certificate names"), Some("localhost"));
    let info = run.rec.families.iter().find(|family| &*family.name == "probe_ssl_last_chain_info").unwrap();
    let labels = &info.points[0].labels;
    assert_eq!(labels.value("subject"), "CN=localhost");
    assert_eq!(labels.value("issuer"), "CN=Test Authority");
    assert_eq!(labels.value("fingerprint_sha256").len(), 64);
}

#[tokio::test]
async fn http1_can_be_asked_for() {
    let authority = Authority::new();
    let server = serve(&authority, 90).await;
    let run = probe(&server, &authority, &[("http_version", json!("1.1"))], &[]).await;
    assert_eq!(run.succeeded().value("probe_http_version", ""), Some(1.1));
    let leaf = authority.leaf("localhost", 90);
    let old = server::https(authority.server(&leaf, HTTP1, false), |_| ok("")).await;
    let run = probe(&old, &authority, &[("http_version", json!("2"))], &[]).await;
    assert_eq!(run.failure().reason, FailureReason::Tls, "{}", run.failure());
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_still_measured() {
    let authority = Authority::new();
    let server = serve(&authority, -3).await;
    let run = probe(&server, &authority, &[], &[]).await;
    assert_eq!(run.failure().reason, FailureReason::Tls);
    let message = &run.failure().message;
    assert!(message.starts_with("the certificate expired 3."), "{message}");
    assert_eq!(run.fact("certificate days left").map(|days| &days[..2]), Some("-3"), "rounded down");
    assert!(run.value("probe_ssl_earliest_cert_expiry", "").unwrap() > 0.0);
    assert_eq!(run.value("probe_ssl_last_chain_expiry_timestamp_seconds", ""), Some(0.0));
    assert_eq!(run.fact("stopped in phase"), Some("tls"));
}

#[tokio::test]
async fn a_certificate_that_ends_soon_has_levels() {
    let authority = Authority::new();
    let server = serve(&authority, 10).await;
    for (degraded, unhealthy, level) in
        [(21, 3, Level::Degraded), (30, 14, Level::Unhealthy), (5, 1, Level::Fine)]
    {
        let levels = [
            ("degraded", json!({ "certificate_days": degraded })),
            ("unhealthy", json!({ "certificate_days": unhealthy })),
        ];
        let run = probe(&server, &authority, &levels, &[]).await;
        run.succeeded();
        assert_eq!(run.level("certificate_days"), Some(level));
        assert!(run.rec.judgements.iter().all(|judged| judged.reason == FailureReason::Certificate));
    }
}

#[tokio::test]
async fn the_wrong_name_says_both_names() {
    let authority = Authority::new();
    let leaf = authority.leaf("other.example", 90);
    let server = server::https(authority.server(&leaf, HTTP1, false), |_| ok("")).await;
    let run = probe(&server, &authority, &[], &[]).await;
    assert_eq!(run.failure().to_string(), "the certificate is for other.example, not for localhost (tls)");
    let named = [("server_name", json!("other.example"))];
    probe(&server, &authority, &[], &named).await.succeeded();
}

#[tokio::test]
async fn self_signed_and_unknown_issuers_are_refused() {
    let authority = Authority::new();
    let leaf = authority.self_signed("localhost");
    let server = server::https(authority.server(&leaf, HTTP1, false), |_| ok("")).await;
    let run = probe(&server, &authority, &[], &[]).await;
    assert_eq!(run.failure().to_string(), "the certificate is self-signed (tls)");
    // Told not to verify, the check still says what is wrong, and still knows the days left.
    let run = probe(&server, &authority, &[], &[("insecure_skip_verify", json!(true))]).await;
    run.succeeded();
    assert_eq!(run.fact("certificate problem"), Some("the certificate is self-signed"));
    assert!(run.value("probe_ssl_earliest_cert_expiry", "").unwrap() > 0.0);

    let stranger = Authority::named("Stranger");
    let server = serve(&stranger, 90).await;
    let run = probe(&server, &authority, &[], &[]).await;
    assert_eq!(run.failure().to_string(), "the certificate's issuer is not trusted: CN=Stranger (tls)");
    let impostor = Authority::new();
    let server = serve(&impostor, 90).await;
    let run = probe(&server, &authority, &[], &[]).await;
    assert_eq!(run.failure().to_string(), "the certificate was not signed by the issuer it names (tls)");
}

#[tokio::test]
async fn client_certificates() {
    let authority = Authority::new();
    let (leaf, own) = (authority.leaf("localhost", 90), authority.leaf("client", 90));
    let server = server::https(authority.server(&leaf, BOTH, true), |_| ok("")).await;
    let files = [
        ("cert_file", json!(own.cert_file.display().to_string())),
        ("key_file", json!(own.key_file.display().to_string())),
    ];
    probe(&server, &authority, &[], &files).await.succeeded();
    let run = probe(&server, &authority, &[], &[]).await;
    assert_eq!(run.failure().to_string(), "the target wants a client certificate (tls)");
}

#[tokio::test]
async fn versions_that_do_not_meet() {
    let authority = Authority::new();
    let leaf = authority.leaf("localhost", 90);
    let config = rustls::ServerConfig::builder_with_provider(crate::net::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(leaf.chain, leaf.key)
        .unwrap();
    let server = server::https(std::sync::Arc::new(config), |_| ok("")).await;
    let run = probe(&server, &authority, &[], &[]).await;
    assert_eq!(run.succeeded().value("probe_tls_version_info", r#"{version="TLS 1.2"}"#), Some(1.0));
    let run = probe(&server, &authority, &[], &[("min_version", json!("1.3"))]).await;
    assert_eq!(run.failure().reason, FailureReason::Tls, "{}", run.failure());
}

#[tokio::test]
async fn plain_http_on_a_tls_port_and_the_other_way_round() {
    let authority = Authority::new();
    let plain = server::http(|_| ok("")).await;
    let run = probe(&plain, &authority, &[], &[]).await;
    assert_eq!(run.failure().to_string(), "the target does not speak TLS on this port (tls)");
    let server = serve(&authority, 90).await;
    let run = run_with(&ENTRY, &json!({ "url": server.url("/") })).await;
    assert_eq!(run.failure().reason, FailureReason::Protocol, "{}", run.failure());
}

#[tokio::test]
async fn a_server_that_closes_without_a_farewell() {
    let authority = Authority::new();
    let leaf = authority.leaf("localhost", 90);
    let acceptor = tokio_rustls::TlsAcceptor::from(authority.server(&leaf, HTTP1, false));
    for (head, good) in
        [("HTTP/1.1 200 OK\r\n\r\n", true), ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", false)]
    {
        let acceptor = acceptor.clone();
        let server = server::tcp(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                server::read_head(&mut stream).await;
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(b"body").await;
                let _ = stream.flush().await;
                // Only the TCP connection is closed, in order, so that what was sent arrives.
                let (mut tcp, _) = stream.into_inner();
                let _ = tcp.shutdown().await;
            }
        })
        .await;
        let run = probe(&server, &authority, &[("expect", json!({ "body_regex": "^body$" }))], &[]).await;
        if good {
            run.succeeded();
        } else {
            assert_eq!(
                run.failure().to_string(),
                "reading the body: the connection was closed early (protocol)"
            );
        }
    }
}

#[tokio::test]
async fn the_clock_that_counts_is_the_runs_own() {
    // A certificate's days are counted from the start of the run, not from whenever they are judged.
    let authority = Authority::new();
    let leaf = authority.leaf("localhost", 10);
    let certificate = crate::net::tls::Certificate::read(&leaf.chain[0]).unwrap();
    let in_a_week = Timestamp::from_secs(certificate.not_after - 3 * 86_400);
    assert_eq!(crate::net::tls::days_until(certificate.not_after, in_a_week), 3.0);
}
