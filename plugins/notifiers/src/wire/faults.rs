//! Answers of every class.

use std::time::Duration;

use breakwatch_plugin_api::{NotifyError, Receipt};
use breakwatch_sim::receiver::{Answer, Receiver};

use super::{CANARY, CASES, Case};
use crate::testing::{sample, text};

/// Long enough for a loaded machine to answer on loopback where an answer is expected.
const PATIENT: &str = "30s";
/// Short, where the time-out is what is tested.
const HASTY: &str = "400ms";

async fn outcome(case: &Case, answer: Answer, timeout: &str) -> Result<Receipt, NotifyError> {
    let receiver = Receiver::start().await.unwrap();
    receiver.always(answer);
    let notifier = case.build(&receiver, vec![("timeout", text(timeout))]);
    // A hang that is not ended by the time-out would hang the test; this says so instead.
    let deadline = Duration::from_secs(60);
    let result = tokio::time::timeout(deadline, notifier.notify(&sample(None))).await;
    let result = result.unwrap_or_else(|_| panic!("{} has no time-out", case.kind));
    if let Err(error) = &result {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(CANARY) && !shown.contains("127.0.0.1"), "{}: {shown}", case.kind);
    }
    result
}

#[tokio::test]
async fn taken() {
    for case in &CASES {
        outcome(case, (case.taken)(), PATIENT).await.unwrap_or_else(|e| panic!("{}: {e}", case.kind));
    }
}

#[tokio::test]
async fn passing_trouble_is_tried_again_when_asked() {
    for case in &CASES {
        for status in [429, 500, 502, 503, 504] {
            let answer = Answer::text(status, "later").header("Retry-After", "17");
            match outcome(case, answer, PATIENT).await {
                Err(NotifyError::Retryable { retry_after: Some(wait), .. }) => {
                    assert_eq!(wait, Duration::from_secs(17), "{} {status}", case.kind);
                }
                other => panic!("{} {status}: {other:?}", case.kind),
            }
        }
        let far = Answer::status(503).header("Retry-After", "86400");
        match outcome(case, far, PATIENT).await {
            Err(NotifyError::Retryable { retry_after, .. }) => {
                assert_eq!(retry_after, Some(Duration::from_secs(900)), "{}", case.kind);
            }
            other => panic!("{}: {other:?}", case.kind),
        }
    }
}

#[tokio::test]
async fn refusals_are_not_tried_again() {
    for case in &CASES {
        for status in [401, 403] {
            let result = outcome(case, Answer::text(status, "no"), PATIENT).await;
            assert!(
                matches!(result, Err(NotifyError::Misconfigured(_))),
                "{} {status}: {result:?}",
                case.kind
            );
        }
        for status in [400, 405, 410, 413, 422] {
            let result = outcome(case, Answer::text(status, "no"), PATIENT).await;
            assert!(matches!(result, Err(NotifyError::Rejected(_))), "{} {status}: {result:?}", case.kind);
        }
    }
}

#[tokio::test]
async fn a_refusal_for_size_is_met_with_a_shorter_message_once() {
    for case in &CASES {
        let receiver = Receiver::start().await.unwrap();
        receiver.then(Answer::status(413)).always((case.taken)());
        let notifier = case.build(&receiver, vec![("timeout", text(PATIENT))]);
        let mut big = sample(None);
        big.alerts[0].annotations = big.alerts[0].annotations.with("evidence", "x ".repeat(3000));
        let result = notifier.notify(&big).await;
        if case.kind == "heartbeat" {
            // Nothing is as short as a ping.
            assert!(matches!(result, Err(NotifyError::Rejected(_))));
            continue;
        }
        let sizes: Vec<usize> = receiver.requests().iter().map(|request| request.body.len()).collect();
        if case.kind == "alertmanager" {
            // What is forwarded must not be changed: another daemon would see other alerts.
            assert!(matches!(result, Err(NotifyError::Rejected(_))) && sizes.len() == 1);
            continue;
        }
        result.unwrap_or_else(|error| panic!("{}: {error}", case.kind));
        assert!(sizes.len() == 2 && sizes[1] < sizes[0], "{}: {sizes:?}", case.kind);
    }
}

#[tokio::test]
async fn connection_trouble_is_tried_again() {
    for case in &CASES {
        for answer in
            [Answer::ResetOnAccept, Answer::ResetAfterRequest, Answer::HalfClose, Answer::EndlessHeaders]
        {
            let result = outcome(case, answer.clone(), PATIENT).await;
            assert!(
                matches!(result, Err(NotifyError::Retryable { .. })),
                "{} {answer:?}: {result:?}",
                case.kind
            );
        }
    }
}

#[tokio::test]
async fn nobody_listens() {
    for case in &CASES {
        let receiver = Receiver::start().await.unwrap();
        let notifier = case.build(&receiver, vec![("timeout", text(PATIENT))]);
        drop(receiver);
        // The port is freed when the listener's task has been dropped.
        tokio::task::yield_now().await;
        let result = notifier.notify(&sample(None)).await;
        match result {
            Err(NotifyError::Retryable { message, .. }) => assert!(!message.contains(CANARY), "{message}"),
            other => panic!("{}: {other:?}", case.kind),
        }
    }
}

#[tokio::test]
async fn silence_and_dribbling_cost_one_timeout() {
    for case in &CASES {
        let slow = Answer::ByteByByte { body: b"ok".to_vec(), pause: Duration::from_millis(50) };
        for answer in [Answer::Hang, slow] {
            let result = outcome(case, answer.clone(), HASTY).await;
            match result {
                Err(NotifyError::Retryable { message, .. }) => {
                    assert!(message.contains("no answer within 400ms"), "{}: {message}", case.kind);
                }
                other => panic!("{} {answer:?}: {other:?}", case.kind),
            }
        }
    }
}

#[tokio::test]
async fn a_body_without_end_is_read_only_so_far() {
    for case in &CASES {
        // The status alone says it was taken, except with Slack, whose word `ok` never came.
        let result = outcome(case, Answer::EndlessBody { status: 200 }, PATIENT).await;
        match case.kind {
            "slack" => assert!(matches!(result, Err(NotifyError::Retryable { .. })), "{result:?}"),
            kind => drop(result.unwrap_or_else(|error| panic!("{kind}: {error}"))),
        }
        let result = outcome(case, Answer::EndlessBody { status: 500 }, PATIENT).await;
        assert!(matches!(result, Err(NotifyError::Retryable { .. })), "{}: {result:?}", case.kind);
    }
}

#[tokio::test]
async fn redirects_go_nowhere_else() {
    for case in &CASES {
        let (first, other) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
        for status in [301, 302, 303, 307, 308] {
            first.then(Answer::status(status).header("Location", &other.url("/stolen")));
        }
        let notifier = case.build(&first, vec![("timeout", text(PATIENT))]);
        for status in [301, 302, 303, 307, 308] {
            let result = notifier.notify(&sample(None)).await;
            assert!(
                matches!(result, Err(NotifyError::Misconfigured(_))),
                "{} {status}: {result:?}",
                case.kind
            );
        }
        assert_eq!(other.requests(), [], "{}: another host heard of it", case.kind);
        // The same host, the method kept: the message arrives whole.
        let receiver = Receiver::start().await.unwrap();
        receiver.then(Answer::status(308).header("Location", "/new")).always((case.taken)());
        let notifier = case.build(&receiver, vec![("timeout", text(PATIENT))]);
        notifier.notify(&sample(None)).await.unwrap_or_else(|error| panic!("{}: {error}", case.kind));
        let requests = receiver.requests();
        assert_eq!(
            (requests[1].path.as_str(), &requests[1].body),
            ("/new", &requests[0].body),
            "{}",
            case.kind
        );
    }
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let receiver = Receiver::start().await.unwrap();
    receiver.always(Answer::status(307).header("Location", "/again"));
    let case = &CASES[2];
    let result = case.build(&receiver, vec![("timeout", text(PATIENT))]).notify(&sample(None)).await;
    assert!(matches!(result, Err(NotifyError::Misconfigured(_))), "{result:?}");
    assert_eq!(receiver.requests().len(), 11);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_repeated_under_the_same_name() {
    for case in CASES.iter().filter(|case| matches!(case.kind, "webhook" | "slack" | "pagerduty")) {
        let receiver = Receiver::start().await.unwrap();
        receiver.then(Answer::ResetAfterRequest).always((case.taken)());
        let notifier = case.build(&receiver, vec![("timeout", text(PATIENT))]);
        let message = sample(None);
        assert!(matches!(notifier.notify(&message).await, Err(NotifyError::Retryable { .. })));
        notifier.notify(&message).await.unwrap();
        let requests = receiver.requests();
        assert_eq!(requests.len(), 2, "{}: no repeat of its own", case.kind);
        assert_eq!(requests[0].header("idempotency-key"), requests[1].header("idempotency-key"));
        assert_eq!(requests[0].body, requests[1].body, "{}", case.kind);
    }
}
