//! What a receiver that works gets.

use crate::receiver::{BOTH, Protocol, Receiver};
use crate::tls::Identity;
use crate::{batch, came, exporter, sent, to};

#[tokio::test]
async fn every_point_arrives_once_with_its_own_time() {
    for protocol in BOTH {
        for compression in ["gzip", "none"] {
            let receiver = Receiver::start(protocol, &[]).await;
            let exporter = to(protocol, receiver.address.port(), &[("compression", compression.to_owned())]);
            let batch = batch(100);
            let exported = exporter.export(&batch).await.expect("taken");
            assert_eq!((exported.accepted, exported.refused, &*exported.message), (102, 0, ""));
            let received = receiver.take();
            assert_eq!(came(&received), sent(&batch), "{protocol:?} {compression}");
            if protocol == Protocol::Http {
                assert_eq!(received[0].gzip, compression == "gzip");
            }
            // The same again is sent again: only a failed batch is remembered.
            exporter.export(&batch).await.expect("taken");
            assert_eq!(came(&receiver.take()), sent(&batch));
        }
    }
}

#[tokio::test]
async fn headers_and_the_name_of_the_sender_come_along() {
    for protocol in BOTH {
        let receiver = Receiver::start(protocol, &[]).await;
        let settings = [
            ("headers.x-scope-orgid", "tenant".to_owned()),
            ("headers.authorization", "Bearer t".to_owned()),
        ];
        let exporter = to(protocol, receiver.address.port(), &settings);
        exporter.export(&batch(1)).await.expect("taken");
        let headers = &receiver.take()[0].headers;
        let header =
            |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        assert_eq!(
            (header("x-scope-orgid"), header("authorization")),
            ("tenant".to_owned(), "Bearer t".to_owned())
        );
        assert!(header("user-agent").starts_with("breakwatch/"), "{:?}", header("user-agent"));
        let content_type =
            if protocol == Protocol::Grpc { "application/grpc" } else { "application/x-protobuf" };
        assert_eq!(header("content-type"), content_type);
    }
}

#[tokio::test]
async fn large_batches_go_in_several_requests() {
    for protocol in BOTH {
        let receiver = Receiver::start(protocol, &[]).await;
        let exporter = to(protocol, receiver.address.port(), &[]);
        let batch = batch(20_000);
        let exported = exporter.export(&batch).await.expect("taken");
        assert_eq!(exported.accepted, 20_002);
        let received = receiver.take();
        assert_eq!(received.len(), 3);
        assert_eq!(came(&received), sent(&batch));
    }
}

#[tokio::test]
async fn tls_checks_the_peer_and_shows_who_we_are() {
    for protocol in BOTH {
        for ask_client in [false, true] {
            let identity = Identity::new("localhost", ask_client);
            let receiver = Receiver::start_tls(protocol, &identity).await;
            let endpoint = format!("https://localhost:{}", receiver.address.port());
            let path = |file: &str| identity.path(file).display().to_string();
            let mut settings = vec![("endpoint", endpoint.clone()), ("tls.ca_file", path("ca.pem"))];
            if ask_client {
                settings.push(("tls.cert_file", path("client.pem")));
                settings.push(("tls.key_file", path("client.key")));
            }
            let good = exporter(protocol, &settings).expect("good settings");
            assert_eq!(good.export(&batch(3)).await.expect("taken").accepted, 5, "{protocol:?} {ask_client}");

            // Whom the system trusts does not include the test's authority.
            let untrusting = exporter(protocol, &[("endpoint", endpoint.clone())]).expect("good settings");
            let error = untrusting.export(&batch(3)).await.expect_err("not trusted").to_string();
            assert!(error.contains("certificate"), "{error}");
            if !ask_client {
                let careless = [("endpoint", endpoint), ("tls.insecure_skip_verify", "true".to_owned())];
                let careless = exporter(protocol, &careless).expect("good settings");
                assert_eq!(careless.export(&batch(3)).await.expect("taken").accepted, 5);
            }
        }
    }
}

#[tokio::test]
async fn the_name_in_the_certificate_can_be_another() {
    let identity = Identity::new("collector.internal", false);
    let receiver = Receiver::start_tls(Protocol::Grpc, &identity).await;
    let settings = [
        ("endpoint", format!("https://127.0.0.1:{}", receiver.address.port())),
        ("tls.ca_file", identity.path("ca.pem").display().to_string()),
        ("tls.server_name_override", "collector.internal".to_owned()),
    ];
    let named = exporter(Protocol::Grpc, &settings).expect("good settings");
    assert_eq!(named.export(&batch(1)).await.expect("taken").accepted, 3);
    let unnamed = exporter(Protocol::Grpc, &settings[..2]).expect("good settings");
    assert!(unnamed.export(&batch(1)).await.is_err());
}

#[test]
fn validating_needs_no_runtime_and_finds_unusable_files() {
    for protocol in BOTH {
        let endpoint = ("endpoint", "https://127.0.0.1:1".to_owned());
        assert!(exporter(protocol, std::slice::from_ref(&endpoint)).is_ok());
        let missing = [endpoint.clone(), ("tls.ca_file", "/no/such/ca.pem".to_owned())];
        let error = exporter(protocol, &missing).err().expect("refused");
        assert!(error.starts_with("cannot read certificates from /no/such/ca.pem"), "{error}");
        let empty = tempfile::NamedTempFile::new().expect("a file");
        let empty = [endpoint, ("tls.ca_file", empty.path().display().to_string())];
        assert!(exporter(protocol, &empty).err().expect("refused").contains("there are none in it"));
    }
}
