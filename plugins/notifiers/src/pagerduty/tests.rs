use breakwatch_model::AlertStatus;
use breakwatch_plugin_api::{Diagnostics, TransitionKind};
use serde_json::Value;

use super::*;
use crate::http::Posted;
use crate::testing::{
    TRANSITIONS, alert, build, context, golden_json, hostile, list, map, notification, poisoned, sample,
    text, texts,
};

fn event(settings: &Node, notification: &Notification) -> Value {
    let diagnostics = Diagnostics::new();
    let read = Posted::<PagerDuty>::read(settings, &context(), &diagnostics);
    let pagerduty = read.unwrap_or_else(|| panic!("{:?}", diagnostics.into_sorted()));
    let body = event::build(
        &pagerduty.posting.texts,
        notification,
        &Secret::new("0123456789abcdef0123456789abcdef"),
    );
    serde_json::from_slice(&body).unwrap()
}

fn plain() -> Node {
    texts(&[("routing_key", "0123456789abcdef0123456789abcdef")])
}

#[test]
fn every_transition_by_its_golden_file() {
    for (name, transition) in TRANSITIONS {
        let value = event(&plain(), &sample(Some(transition)));
        golden_json(&format!("pagerduty_{name}.json"), value.to_string().as_bytes());
    }
}

#[test]
fn one_incident_from_the_first_trigger_to_the_resolve() {
    let event = |transition| event(&plain(), &sample(transition));
    let keys: Vec<Value> =
        TRANSITIONS.map(|(_, transition)| event(Some(transition))["dedup_key"].clone()).into();
    // sha256 of `{}/{severity="page"}:{check="http/website"}`.
    assert_eq!(keys[0], "64642a4108a8e630558bce004801741622abed4bb68cf21235f9a2a89af6a43f");
    assert!(keys.iter().all(|key| *key == keys[0]));
    let actions = TRANSITIONS.map(|(_, transition)| event(Some(transition))["event_action"].clone());
    assert_eq!(actions, ["trigger", "trigger", "trigger", "resolve"]);
}

#[test]
fn news_of_an_outage_never_resolves() {
    for transition in [TransitionKind::HalfOpen, TransitionKind::Reopened] {
        let mut odd = sample(Some(transition));
        odd.status = AlertStatus::Resolved;
        assert_eq!(event(&plain(), &odd)["event_action"], "trigger");
    }
}

#[test]
fn severities_are_the_four_that_exist() {
    for (label, wanted) in [
        ("critical", "critical"),
        ("page", "critical"),
        ("WARNING", "warning"),
        ("info", "info"),
        ("", "error"),
        ("purple", "error"),
    ] {
        let mut one = alert("", None);
        one.labels = one.labels.with("severity", label);
        assert_eq!(event(&plain(), &notification(vec![one]))["payload"]["severity"], wanted, "{label}");
    }
    let settings = texts(&[("routing_key", "k"), ("severity", "nonsense")]);
    assert_eq!(event(&settings, &sample(None))["payload"]["severity"], "error");
}

#[test]
fn the_users_own_fields_are_kept() {
    let image = map(vec![("src", text("https://a/i.png")), ("alt", text("graph"))]);
    let hostile_link = map(vec![("href", text("javascript:alert(1)")), ("text", text("x"))]);
    let link = map(vec![("href", text("https://a/b")), ("text", text("there"))]);
    let settings = map(vec![
        ("routing_key", text("k")),
        ("description", text("What")),
        ("client", text("C")),
        ("client_url", text("https://c/")),
        ("source", text("S")),
        ("class", text("cl")),
        ("component", text("co")),
        ("group", text("g")),
        ("details", texts(&[("firing", "mine"), ("answer", "42")])),
        ("images", list(vec![image])),
        ("links", list(vec![hostile_link, link])),
    ]);
    let value = event(&settings, &sample(None));
    assert_eq!(value["payload"]["summary"], "What");
    assert_eq!(value["payload"]["custom_details"]["firing"], "mine");
    assert_eq!(value["payload"]["custom_details"]["answer"], 42);
    assert_eq!(value["payload"]["custom_details"]["num_firing"], "1");
    assert_eq!(value["links"], serde_json::json!([{"href": "https://a/b", "text": "there"}]));
    assert_eq!(value["images"][0]["src"], "https://a/i.png");
    assert_eq!((&value["client"], &value["client_url"]), (&"C".into(), &"https://c/".into()));
    for (key, wanted) in [("source", "S"), ("class", "cl"), ("component", "co"), ("group", "g")] {
        assert_eq!(value["payload"][key], wanted);
    }
}

#[test]
fn an_event_never_outgrows_what_is_taken() {
    let details = texts(&[("routing_key", "k")]);
    let big = map(vec![("routing_key", text("k")), ("details", texts(&[("all", &"x".repeat(600_000))]))]);
    let value = event(&big, &sample(None));
    assert_eq!(value["payload"]["custom_details"].as_object().unwrap().len(), 1);
    assert!(value["payload"]["custom_details"]["error"].as_str().unwrap().contains("512KB"));
    for text in hostile() {
        let value = event(&details, &poisoned(&text));
        assert!(value.to_string().len() <= 512_000);
        assert!(value["payload"]["summary"].as_str().unwrap().chars().count() <= 1024);
        assert_eq!(value["links"], Value::Null, "no hostile text is a link");
    }
}

#[test]
fn mistakes_in_the_settings_are_named() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "one of `routing_key` and `routing_key_file` must be set"),
        (&[("service_key", "x")], "Events API v1 is not built (add an Events API v2 integration"),
        (&[("routing_key", "x"), ("url", "events.pagerduty.com")], "expected a URL that begins with"),
        (&[("routing_key", "x"), ("routing_key_file", "y")], "at most one of"),
    ];
    for (settings, wanted) in cases {
        let Err(found) = build(&ENTRY, &texts(settings), &context()) else { panic!("{wanted}: accepted") };
        assert!(found.contains(wanted), "wanted {wanted:?}, found:\n{found}");
    }
}
