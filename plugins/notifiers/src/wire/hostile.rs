//! Hostile content through every integration: taken, whole enough to be read, and nothing but data.

use breakwatch_sim::receiver::{Answer, Receiver};

use super::CASES;
use crate::testing::{hostile, poisoned, sample, text};

#[tokio::test]
async fn every_hostile_message_goes_out_as_well_formed_json() {
    for case in &CASES {
        let receiver = Receiver::start().await.unwrap();
        receiver.always((case.taken)());
        let notifier = case.build(&receiver, vec![("timeout", text("60s"))]);
        let all = hostile();
        for content in &all {
            let result = notifier.notify(&poisoned(content)).await;
            result.unwrap_or_else(|error| panic!("{}: {content:.40?}: {error}", case.kind));
        }
        let requests = receiver.requests();
        assert_eq!(requests.len(), all.len(), "{}: one request for one message", case.kind);
        for request in requests.iter().filter(|request| request.method == "POST") {
            assert!(request.json().is_object() || request.json().is_array(), "{}", case.kind);
            assert!(request.headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("x-injected")));
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_no_text_is_told_as_far_as_it_can_be() {
    for case in &CASES {
        let receiver = Receiver::start().await.unwrap();
        let body = b"\xff\xfe\0\x1b[31mno\r\nlevel=error msg=forged\xc3".to_vec();
        receiver.always(Answer::Reply { status: 400, headers: Vec::new(), body });
        let error = case.build(&receiver, Vec::new()).notify(&sample(None)).await.unwrap_err().to_string();
        assert!(error.contains("[31mno level=error msg=forged"), "{}: {error}", case.kind);
        assert!(!error.chars().any(char::is_control), "{}: {error:?}", case.kind);
    }
}
