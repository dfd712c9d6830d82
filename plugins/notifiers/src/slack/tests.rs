use std::time::Duration;

use breakwatch_sim::receiver::{Answer as Reply, Receiver};

use super::*;
use crate::testing::{
    TRANSITIONS, alert, build, context, golden_json, hostile, list, map, notification, poisoned, sample,
    text, texts,
};

const URL: &str = "https://hooks.slack.com/services/T000/B000/secret";

fn slack(settings: &Node) -> Slack {
    let diagnostics = Diagnostics::new();
    let slack = settings::read(settings, &context(), &diagnostics);
    slack.unwrap_or_else(|| panic!("{:?}", diagnostics.into_sorted()))
}

fn payload(settings: &Node, notification: &Notification) -> serde_json::Value {
    serde_json::to_value(payload::build(&slack(settings).texts, notification)).unwrap()
}

#[test]
fn every_transition_by_its_golden_file() {
    let settings = texts(&[("api_url", URL), ("channel", "#ops")]);
    for (name, transition) in TRANSITIONS {
        let value = payload(&settings, &sample(Some(transition)));
        golden_json(&format!("slack_{name}.json"), value.to_string().as_bytes());
    }
}

#[test]
fn a_group_with_notes_by_its_golden_file() {
    let mut group =
        notification((0..12).map(|i| alert(&format!("host-{i}"), (i == 3).then_some(10))).collect());
    group.notes = vec!["delivered late: decided at 22:14, receiver down until 23:01".to_owned()];
    let value = payload(&texts(&[("api_url", URL)]), &group);
    golden_json("slack_group.json", value.to_string().as_bytes());
}

#[test]
fn the_users_own_layout_is_kept() {
    let button = map(vec![("type", text("button")), ("text", text("Go")), ("url", text("https://a/b"))]);
    let field = map(vec![("title", text("T")), ("value", text("V"))]);
    let settings = map(vec![
        ("api_url", text(URL)),
        ("color", text("#439FE0")),
        ("title", text("Title")),
        ("text", text("Text")),
        ("fallback", text("Fallback")),
        ("username", text("Watch")),
        ("icon_emoji", text(":bell:")),
        ("short_fields", text("true")),
        ("fields", list(vec![field])),
        ("actions", list(vec![button])),
        ("mrkdwn_in", list(vec![text("text")])),
    ]);
    let value = payload(&settings, &sample(None));
    assert_eq!(
        value,
        serde_json::json!({
            "username": "Watch",
            "icon_emoji": ":bell:",
            "attachments": [{
                "title": "Title",
                "title_link": "https://watch.example.org/checks/http%2Fwebsite",
                "text": "Text",
                "fallback": "Fallback",
                "callback_id": "",
                "fields": [{"title": "T", "value": "V", "short": true}],
                "actions": [{"type": "button", "text": "Go", "url": "https://a/b"}],
                "footer": "breakwatch",
                "color": "#439FE0",
                "mrkdwn_in": ["text"],
            }],
        })
    );
}

#[test]
fn nothing_in_an_alert_is_markup() {
    for linked in ["true", "false"] {
        let settings = texts(&[("api_url", URL), ("link_names", linked)]);
        for text in hostile() {
            let value = payload(&settings, &poisoned(&text));
            let attachment = &value["attachments"][0];
            let shown =
                serde_json::to_string(&[&attachment["title"], &attachment["text"], &attachment["fields"]]);
            let shown = shown.unwrap();
            assert!(!shown.contains('<') && !shown.contains('>'), "{shown}");
            assert!(linked == "false" || !shown.contains("@here"), "{shown}");
            assert!(value["attachments"][0]["title"].as_str().unwrap().chars().count() <= 1024);
            assert!(value.to_string().chars().count() < 40_000, "Slack refuses more than 40,000 characters");
        }
    }
}

#[test]
fn mistakes_in_the_settings_are_named() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "no Slack URL"),
        (&[("api_url", "ftp://x/y")], "expected a URL that begins with http:// or https://"),
        (&[("api_url", URL), ("app_token", "xoxb-1")], "at most one of `api_url`"),
        (&[("app_token", "xoxb-1")], "a bot needs a `channel`"),
        (&[("api_url", URL), ("update_message", "true")], "an incoming webhook cannot do it"),
        (&[("api_url", URL), ("tittle", "x")], "did you mean `title`?"),
        (&[("api_url_file", "missing")], "cannot read /nonexistent/missing"),
    ];
    for (settings, wanted) in cases {
        let Err(found) = build(&ENTRY, &texts(settings), &context()) else { panic!("{wanted}: accepted") };
        assert!(found.contains(wanted), "wanted {wanted:?}, found:\n{found}");
        assert!(!found.contains("hooks.slack.com"), "the URL is a secret: {found}");
    }
}

#[test]
fn global_settings_are_defaults() {
    let mut context = context();
    context.global = Some(texts(&[("slack_api_url", URL)]));
    assert!(build(&ENTRY, &texts(&[]), &context).is_ok());
    context.global = Some(texts(&[("slack_app_token", "xoxb-1")]));
    assert!(build(&ENTRY, &texts(&[("channel", "#ops")]), &context).is_ok());
}

#[test]
fn a_mistake_in_the_global_section_is_told_once() {
    let mut context = context();
    context.global = Some(texts(&[("slack_api_url", "no url")]));
    let diagnostics = Diagnostics::new();
    for _ in 0..3 {
        assert!((ENTRY.parse)(&texts(&[]), &context, &diagnostics).is_none());
    }
    let found: Vec<String> = diagnostics.into_sorted().iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 2, "a warning of the plain text and an error: {found:?}");
}

#[test]
fn the_users_template_files_redefine_the_defaults() {
    let mut context = context();
    let file = r#"{{ define "slack.default.title" }}Mine: {{ .CommonLabels.check }}{{ end }}"#;
    context.templates = vec![("own.tmpl".to_owned(), file.to_owned())];
    let slack = settings::read(&texts(&[("api_url", URL)]), &context, &Diagnostics::new()).unwrap();
    let value = serde_json::to_value(payload::build(&slack.texts, &sample(None))).unwrap();
    assert_eq!(value["attachments"][0]["title"], "Mine: http/website");
    context.templates = vec![("bad.tmpl".to_owned(), "{{ define }}".to_owned())];
    let Err(found) = build(&ENTRY, &texts(&[("api_url", URL)]), &context) else { panic!("accepted") };
    assert!(found.contains("bad.tmpl:1:11: templates: "), "{found}");
}

async fn bot(receiver: &Receiver, more: &[(&str, &str)]) -> Box<dyn Notifier> {
    let url = receiver.url("/api/chat.postMessage");
    let mut settings = vec![("app_token", "xoxb-canary"), ("app_url", &url), ("channel", "#ops")];
    settings.extend_from_slice(more);
    build(&ENTRY, &texts(&settings), &context()).unwrap()
}

const POSTED: &str = r#"{"ok":true,"channel":"C024BE91L","ts":"1503435956.000247"}"#;

#[tokio::test]
async fn a_bot_changes_its_message_and_answers_in_the_thread() {
    let receiver = Receiver::start().await.unwrap();
    receiver.always(Reply::json(200, POSTED));
    let slack = bot(&receiver, &[("update_message", "true"), ("post_updates_to_thread", "true")]).await;
    let mut message = sample(Some(TRANSITIONS[0].1));
    let receipt = slack.notify(&message).await.unwrap();
    assert_eq!(receipt.reference, "C024BE91L/1503435956.000247");
    message = sample(Some(TRANSITIONS[3].1));
    message.first = Some(receipt);
    slack.notify(&message).await.unwrap();
    let requests = receiver.wait_for(3, Duration::from_secs(30)).await.unwrap();
    let paths: Vec<&str> = requests.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, ["/api/chat.postMessage", "/api/chat.postMessage", "/api/chat.update"]);
    assert!(requests.iter().all(|r| r.header("authorization") == Some("Bearer xoxb-canary")));
    let bodies: Vec<_> = requests.iter().map(|request| request.json()).collect();
    assert_eq!((bodies[0]["channel"].as_str(), bodies[0]["thread_ts"].as_str()), (Some("#ops"), None));
    assert_eq!(
        (bodies[1]["channel"].as_str(), bodies[1]["thread_ts"].as_str()),
        (Some("C024BE91L"), Some("1503435956.000247"))
    );
    assert_eq!(
        (bodies[2]["ts"].as_str(), bodies[2]["attachments"][0]["color"].as_str()),
        (Some("1503435956.000247"), Some("good"))
    );
}

#[tokio::test]
async fn a_message_that_is_gone_is_posted_anew() {
    let receiver = Receiver::start().await.unwrap();
    receiver.then(Reply::json(200, r#"{"ok":false,"error":"message_not_found"}"#));
    receiver.then(Reply::json(200, r#"{"ok":true,"channel":"C1","ts":"2.0"}"#));
    let slack = bot(&receiver, &[("update_message", "true")]).await;
    let mut message = sample(Some(TRANSITIONS[1].1));
    message.first = Some(Receipt { reference: "C1/1.0".to_owned(), answer: String::new() });
    assert_eq!(slack.notify(&message).await.unwrap().reference, "C1/2.0");
    let paths: Vec<String> = receiver.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/api/chat.update", "/api/chat.postMessage"]);
}

#[tokio::test]
async fn a_message_that_is_too_long_goes_out_shorter() {
    let receiver = Receiver::start().await.unwrap();
    receiver
        .then(Reply::json(200, r#"{"ok":false,"error":"msg_too_long"}"#))
        .always(Reply::json(200, POSTED));
    let slack = bot(&receiver, &[]).await;
    let group = notification((0..20).map(|i| alert(&format!("host-{i}"), None)).collect());
    slack.notify(&group).await.unwrap();
    let requests = receiver.requests();
    assert!(requests[1].body.len() < requests[0].body.len() / 2);
    assert!(requests[1].text().contains("17 more alerts not shown"), "{}", requests[1].text());
}
