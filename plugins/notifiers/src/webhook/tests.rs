use std::time::Duration;

use breakwatch_sim::receiver::{Answer as Reply, Receiver};

use super::*;
use crate::testing::{
    TRANSITIONS, alert, build, context, golden_json, hostile, map, notification, poisoned, sample, text,
    texts,
};

#[test]
fn every_transition_by_its_golden_file() {
    for (name, transition) in TRANSITIONS {
        let body = alertmanager_json::webhook(&sample(Some(transition)), 0);
        golden_json(&format!("webhook_{name}.json"), &body);
    }
}

#[test]
fn hostile_content_arrives_as_it_is() {
    for text in hostile() {
        let poisoned = poisoned(&text);
        let value: serde_json::Value =
            serde_json::from_slice(&alertmanager_json::webhook(&poisoned, 0)).unwrap();
        assert_eq!(value["alerts"][0]["annotations"]["summary"], text);
    }
}

async fn send(settings: Node, notification: &Notification) -> breakwatch_sim::receiver::Recorded {
    let receiver = Receiver::start().await.unwrap();
    let NodeKind::Map(mut entries) = settings.kind else { panic!("a mapping") };
    let NodeKind::Map(url) = texts(&[("url", &receiver.url("/hook"))]).kind else { panic!("a mapping") };
    entries.extend(url);
    let settings = Node { kind: NodeKind::Map(entries), ..text("") };
    let webhook = build(&ENTRY, &settings, &context()).unwrap();
    webhook.notify(notification).await.unwrap();
    receiver.wait_for(1, Duration::from_secs(30)).await.unwrap().remove(0)
}

use breakwatch_plugin_api::{Node, NodeKind};

#[tokio::test]
async fn the_request_is_complete_and_signed() {
    let message = sample(None);
    let request = send(texts(&[("hmac_secret", "It's a Secret to Everybody")]), &message).await;
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("idempotency-key"), Some("01HF-7QZ/3"));
    assert!(request.header("user-agent").unwrap().starts_with("breakwatch/"));
    assert_eq!(request.body, alertmanager_json::webhook(&message, 0));
    let signature = sign(&Secret::new("It's a Secret to Everybody"), &request.body);
    assert_eq!(request.header("x-breakwatch-signature"), Some(format!("sha256={signature}").as_str()));
}

#[test]
fn the_signature_is_hmac_sha256() {
    // RFC 4231, test case 2.
    assert_eq!(
        sign(&Secret::new("Jefe"), b"what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

#[tokio::test]
async fn a_body_of_the_users_own() {
    let request = send(texts(&[("body", "hello"), ("content_type", "text/plain")]), &sample(None)).await;
    assert_eq!((request.text().as_str(), request.header("content-type")), ("hello", Some("text/plain")));
    let tree = map(vec![("payload", map(vec![("n", text("5")), ("t", texts(&[("x", "y z")]))]))]);
    let request = send(tree, &sample(None)).await;
    assert_eq!(request.json(), serde_json::json!({"n": 5, "t": {"x": "y z"}}));
}

#[tokio::test]
async fn a_body_that_is_too_large_goes_out_shorter() {
    let receiver = Receiver::start().await.unwrap();
    receiver.then(Reply::status(413));
    let webhook = build(&ENTRY, &texts(&[("url", &receiver.url("/"))]), &context()).unwrap();
    let group = notification((0..20).map(|i| alert(&format!("host-{i}"), None)).collect());
    webhook.notify(&group).await.unwrap();
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].json()["truncatedAlerts"], 17);
    assert_eq!(requests[0].header("idempotency-key"), requests[1].header("idempotency-key"));
}

#[test]
fn mistakes_in_the_settings_are_named() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "one of `url` and `url_file` must be set"),
        (&[("url", "//x")], "expected a URL that begins with"),
        (&[("url", "https://{{ .Receiver }}.example/")], "must stand before its first"),
        (&[("url", "https://a/"), ("hmac_header", "a b")], "expected the name of a header"),
        (&[("url", "https://a/"), ("payload", "x"), ("body", "y")], "at most one of `payload` and `body`"),
        (&[("url", "https://a/"), ("http_config", "x")], "expected a mapping"),
    ];
    for (settings, wanted) in cases {
        let Err(found) = build(&ENTRY, &texts(settings), &context()) else { panic!("{wanted}: accepted") };
        assert!(found.contains(wanted), "wanted {wanted:?}, found:\n{found}");
    }
}
