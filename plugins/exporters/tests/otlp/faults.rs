//! A receiver that is down, slow, refusing, or gives up half-way.

use std::time::{Duration, Instant};

use breakwatch_plugin_api::{ExportError, Exported};
use tokio::net::TcpListener;
use tonic::Code;

use crate::receiver::{BOTH, Protocol, Receiver, Reply};
use crate::{batch, came, sent, shared, to};

fn retryable(result: Result<Exported, ExportError>) -> (String, Option<Duration>) {
    match result {
        Err(ExportError::Retryable { message, retry_after }) => (message, retry_after),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_receiver_that_is_down_is_found_again_when_it_is_back() {
    for protocol in BOTH {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let exporter = to(protocol, address.port(), &[]);
        for _ in 0..3 {
            let (message, _) = retryable(exporter.export(&batch(2)).await);
            assert!(message.contains("refused"), "{message}");
        }
        let listener = TcpListener::bind(address).await.expect("the port is free again");
        let receiver = Receiver::on(listener, protocol, &[], None);
        // The connection comes back by itself; how soon is the channel's affair.
        let mut taken = exporter.export(&batch(2)).await;
        for _ in 0..50 {
            if taken.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            taken = exporter.export(&batch(2)).await;
        }
        assert_eq!(taken.expect("taken").accepted, 4);
        assert_eq!(came(&receiver.take()), sent(&batch(2)));
    }
}

#[tokio::test]
async fn a_silent_receiver_costs_one_time_out() {
    for protocol in BOTH {
        let receiver = Receiver::start(protocol, &[Reply::Silence]).await;
        let exporter = to(protocol, receiver.address.port(), &[("timeout", "300ms".to_owned())]);
        let (message, _) = retryable(exporter.export(&batch(2)).await);
        // Which of the two clocks strikes first, ours or the peer's, is chance.
        assert!(message.contains("no answer within 300ms") || message.contains("imeout"), "{message}");
        assert_eq!(exporter.export(&batch(2)).await.expect("taken").accepted, 4);
    }
}

#[tokio::test]
async fn a_connection_that_is_never_answered_ends_too() {
    // Accepted by the kernel, never read.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    for protocol in BOTH {
        let exporter = to(protocol, port, &[("timeout", "200ms".to_owned())]);
        #[expect(clippy::disallowed_methods, reason = "a real socket takes real time")]
        let started = Instant::now();
        retryable(exporter.export(&batch(2)).await);
        assert!(started.elapsed() < Duration::from_secs(30), "it ended, and not by another time-out");
    }
}

#[tokio::test]
async fn refusals_say_whether_to_come_again() {
    let wait = Some(Duration::from_secs(7));
    for protocol in BOTH {
        let script = [
            Reply::Fail(Code::Unavailable, 503, wait),
            Reply::Fail(Code::ResourceExhausted, 429, wait),
            Reply::Fail(Code::Unavailable, 502, None),
            Reply::Fail(Code::Unauthenticated, 401, None),
            Reply::Fail(Code::InvalidArgument, 400, None),
        ];
        let receiver = Receiver::start(protocol, &script).await;
        let exporter = to(protocol, receiver.address.port(), &[]);
        assert_eq!(retryable(exporter.export(&batch(2)).await).1, wait);
        assert_eq!(retryable(exporter.export(&batch(2)).await).1, wait);
        assert_eq!(retryable(exporter.export(&batch(2)).await).1, None);
        let (message, patience) = retryable(exporter.export(&batch(2)).await);
        assert_eq!(
            patience,
            Some(Duration::from_secs(60)),
            "{message}: somebody must correct the credentials"
        );
        let rejected = exporter.export(&batch(2)).await;
        assert!(matches!(rejected, Err(ExportError::Rejected(_))), "{rejected:?}");
    }
}

#[tokio::test]
async fn a_partial_success_is_counted_and_not_sent_again() {
    for protocol in BOTH {
        let receiver = Receiver::start(protocol, &[Reply::Partial(2, "two\nare too old")]).await;
        let exporter = to(protocol, receiver.address.port(), &[]);
        let exported = exporter.export(&batch(10)).await.expect("taken");
        assert_eq!((exported.accepted, exported.refused), (10, 2));
        assert_eq!(exported.message, "two are too old");
    }
}

#[tokio::test]
async fn after_a_failure_half_way_only_the_rest_is_sent() {
    for protocol in BOTH {
        let script = [Reply::Good, Reply::Fail(Code::Unavailable, 503, None)];
        let receiver = Receiver::start(protocol, &script).await;
        let exporter = to(protocol, receiver.address.port(), &[]);
        let mut all = batch(20_000);
        retryable(exporter.export(&all).await);
        let first = receiver.take();
        assert_eq!(first.len(), 2);
        // By the time of the second attempt there may be more.
        all.series[0].samples.push(breakwatch_model::Sample::new(breakwatch_model::Timestamp(99_000), 1.0));
        let exported = exporter.export(&all).await.expect("taken");
        assert_eq!((exported.accepted, exported.refused), (20_003, 0));
        let mut received = first;
        received.truncate(1);
        received.extend(receiver.take());
        assert_eq!(came(&received), sent(&all), "every point once");
    }
}

#[tokio::test]
async fn one_bad_request_does_not_stop_the_others() {
    for protocol in BOTH {
        let script = [Reply::Good, Reply::Fail(Code::InvalidArgument, 400, None)];
        let receiver = Receiver::start(protocol, &script).await;
        let exporter = to(protocol, receiver.address.port(), &[]);
        let exported = exporter.export(&batch(20_000)).await.expect("most is taken");
        assert_eq!((exported.accepted, exported.refused), (20_002 - 8192, 8192));
    }
}

#[tokio::test]
async fn what_is_no_receiver_loses_nothing() {
    let receiver = Receiver::start(Protocol::Http, &[Reply::Nonsense]).await;
    let exporter = to(Protocol::Http, receiver.address.port(), &[]);
    let (message, _) = retryable(exporter.export(&batch(2)).await);
    assert!(message.contains("is this the address of an OTLP receiver?"), "{message}");
    // gRPC spoken to an HTTP/1 server.
    let exporter = to(Protocol::Grpc, receiver.address.port(), &[("timeout", "2s".to_owned())]);
    retryable(exporter.export(&batch(2)).await);
    // A wrong path.
    let wrong = [("metrics_endpoint", format!("http://{}/v1/traces", receiver.address))];
    let exporter = crate::exporter(Protocol::Http, &wrong).expect("good settings");
    assert!(retryable(exporter.export(&batch(2)).await).0.contains("HTTP 404"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_is_given_up_leaves_the_exporter_usable() {
    for protocol in BOTH {
        let receiver = Receiver::start(protocol, &[Reply::Silence]).await;
        let exporter = shared(to(protocol, receiver.address.port(), &[]));
        let task = tokio::spawn({
            let exporter = exporter.clone();
            async move { exporter.export(&batch(2)).await }
        });
        while receiver.take().is_empty() {
            tokio::task::yield_now().await;
        }
        task.abort();
        assert_eq!(exporter.export(&batch(2)).await.expect("taken").accepted, 4);
    }
}
