//! Every integration that speaks HTTP against a peer that answers well, badly, or not at all: each class of answer
//! must mean the same to the sender, whoever gave it, and no secret may come out.

mod faults;
mod hostile;
mod secrets;
mod settings;
mod tables;

use breakwatch_plugin_api::{Node, Notifier};
use breakwatch_sim::receiver::{Answer, Receiver};

use crate::testing::{build, context, list, map, text};
use crate::{NOT_BUILT, NOTIFIERS};

/// An integration over HTTP: its kind, its settings for a receiver's URL (with a canary in every secret), and the
/// answer that means the message was taken.
struct Case {
    kind: &'static str,
    settings: fn(&Receiver) -> Vec<(&'static str, Node)>,
    taken: fn() -> Answer,
}

/// Long and unlike anything else, so that finding it anywhere means it leaked.
const CANARY: &str = "cAnArY-9f8e7d6c5b4a";

fn url(receiver: &Receiver) -> Node {
    text(&receiver.url(&format!("/hook/{CANARY}?key={CANARY}")))
}

const CASES: [Case; 10] = [
    Case {
        kind: "slack",
        settings: |receiver| vec![("api_url", url(receiver))],
        taken: || Answer::text(200, "ok"),
    },
    Case {
        kind: "pagerduty",
        settings: |receiver| vec![("routing_key", text(CANARY)), ("url", text(&receiver.url("/v2/enqueue")))],
        taken: || Answer::json(202, r#"{"status":"success","message":"Event processed","dedup_key":"x"}"#),
    },
    Case {
        kind: "webhook",
        settings: |receiver| vec![("url", url(receiver)), ("hmac_secret", text(CANARY))],
        taken: || Answer::status(200),
    },
    Case {
        kind: "alertmanager",
        settings: |receiver| vec![("urls", list(vec![text(&receiver.url(""))]))],
        taken: || Answer::status(200),
    },
    Case {
        kind: "msteamsv2",
        settings: |receiver| vec![("webhook_url", url(receiver))],
        taken: || Answer::status(202),
    },
    Case {
        kind: "discord",
        settings: |receiver| vec![("webhook_url", url(receiver))],
        taken: || Answer::status(204),
    },
    Case {
        kind: "telegram",
        settings: |receiver| {
            vec![("bot_token", text(CANARY)), ("chat_id", text("-1")), ("api_url", text(&receiver.url("")))]
        },
        taken: || Answer::json(200, r#"{"ok":true,"result":{"message_id":1}}"#),
    },
    Case {
        kind: "ntfy",
        settings: |receiver| {
            vec![("url", text(&receiver.url(&format!("/{CANARY}")))), ("token", text(CANARY))]
        },
        taken: || Answer::json(200, r#"{"id":"x"}"#),
    },
    Case {
        kind: "heartbeat",
        settings: |receiver| vec![("url", url(receiver))],
        taken: || Answer::text(200, "OK"),
    },
    Case {
        kind: "slack",
        settings: |receiver| {
            vec![
                ("app_token", text(CANARY)),
                ("app_url", text(&receiver.url("/api/chat.postMessage"))),
                ("channel", text("#ops")),
            ]
        },
        taken: || Answer::json(200, r#"{"ok":true,"channel":"C1","ts":"1.0"}"#),
    },
];

impl Case {
    fn build(&self, receiver: &Receiver, more: Vec<(&'static str, Node)>) -> Box<dyn Notifier> {
        let entry = NOTIFIERS.iter().find(|entry| entry.key == self.kind).expect("a kind that is built");
        let mut settings = (self.settings)(receiver);
        settings.extend(more);
        build(entry, &map(settings), &context()).unwrap_or_else(|found| panic!("{}: {found}", self.kind))
    }
}
