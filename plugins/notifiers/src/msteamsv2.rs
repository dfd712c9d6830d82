//! `msteamsv2`: Microsoft Teams by a workflow's webhook, as an adaptive card.
//!
//! Teams looks for Markdown in plain text blocks, but not in the runs of a rich text block: our own layout uses
//! those, so that nothing an alert says can be markup.

use async_trait::async_trait;
use breakwatch_plugin_api::{Field, Notification, NotifierEntry, NotifyError};
use serde_json::{Value, json};

use crate::clean::clip;
use crate::http::{Answer, HttpClient, Judged, Outgoing, Posting, parse};
use crate::layout::{Item, Message, Room, Tone};
use crate::markdown::escape;
use crate::settings::{HTTP_CONFIG, SENDS_RESOLVED, SecretSource, Settings, TIMEOUT, field};
use crate::template::{Data, Text, or_default, own};

/// Teams takes about 28 KB; the card's own structure needs some of it.
const MAX_TEXT: usize = 12_000;
const MAX_TITLE: usize = 1000;
/// Alerts told in detail.
const ROOM: Room = Room { alerts: 8, value: 400 };

const FIELDS: &[Field] = &[
    field("webhook_url", "secret URL", "", "The workflow's URL."),
    field("webhook_url_file", "file", "", "A file that holds the URL; read again for each message."),
    field("title", "template", "the message in one line", "The card's title."),
    field("text", "template", "description, facts, notes", "The card's text, as Markdown."),
    TIMEOUT,
    HTTP_CONFIG,
    SENDS_RESOLVED,
];

/// The row in the table.
pub(crate) const ENTRY: NotifierEntry = NotifierEntry {
    key: "msteamsv2",
    section: "msteamsv2_configs",
    summary: "Posts to Microsoft Teams by a workflow's webhook.",
    fields: FIELDS,
    parse: parse::<Teams>,
};

struct Teams {
    url: SecretSource,
    texts: Texts,
}

struct Texts {
    title: Option<Text>,
    text: Option<Text>,
}

/// Builds the message.
fn payload(texts: &Texts, notification: &Notification) -> Value {
    let message = Message::new(notification, ROOM);
    let data = Data::new(notification, &escape);
    let title = or_default(texts.title.as_ref(), &data, notification, || escape(&message.headline));
    let mut body = vec![json!({
        "type": "TextBlock",
        "text": clip(&title, MAX_TITLE),
        "weight": "Bolder",
        "size": "Medium",
        "wrap": true,
        "style": "heading",
        "color": colour(message.tone),
    })];
    match texts.text.as_ref().and_then(|text| own(text, &data, notification)) {
        Some(text) => {
            body.push(json!({ "type": "TextBlock", "text": clip(&text, MAX_TEXT), "wrap": true }));
        }
        None => body.extend(message.items.iter().map(|item| block(item, message.single().is_none()))),
    }
    body.extend(message.notes.iter().map(|note| rich(vec![run(note, false)])));
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "msteams": { "width": "Full" },
    });
    let actions = actions(&message);
    if !actions.is_empty() {
        card["actions"] = actions.into();
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    })
}

const fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Bad => "Attention",
        Tone::Warn => "Warning",
        Tone::Good => "Good",
    }
}

fn run(text: &str, bold: bool) -> Value {
    let weight = if bold { "Bolder" } else { "Default" };
    json!({ "type": "TextRun", "text": text, "weight": weight })
}

fn rich(inlines: Vec<Value>) -> Value {
    json!({ "type": "RichTextBlock", "inlines": inlines })
}

/// One alert: a name if it is one of several, then what is known, a line each.
fn block(item: &Item, named: bool) -> Value {
    let mut inlines = Vec::new();
    if named {
        let word = if item.over { "Over: " } else { "" };
        inlines.push(run(&format!("{word}{}\n", item.name), true));
    }
    for text in [item.story(), item.description.clone()].into_iter().filter(|text| !text.is_empty()) {
        inlines.push(run(&format!("{text}\n"), false));
    }
    for fact in &item.facts {
        inlines.push(run(&format!("{}: ", fact.name), true));
        inlines.push(run(&format!("{}\n", fact.value), false));
    }
    if !item.evidence.is_empty() {
        inlines.push(run("Evidence: ", true));
        inlines.push(json!({ "type": "TextRun", "text": item.evidence, "fontType": "Monospace" }));
    }
    rich(inlines)
}

fn actions(message: &Message) -> Vec<Value> {
    let single = message.single();
    let pairs = [
        ("View dashboard", single.and_then(|item| item.dashboard.clone())),
        ("Runbook", single.and_then(|item| item.runbook.clone())),
        ("All alerts", message.page.clone()),
    ];
    let action = |(title, url): (&str, Option<String>)| {
        Some(json!({ "type": "Action.OpenUrl", "title": title, "url": url? }))
    };
    pairs.into_iter().filter_map(action).collect()
}

#[async_trait]
impl Posting for Teams {
    const KEY: &'static str = ENTRY.key;
    const SERVICE: &'static str = "Teams";

    fn read(settings: &mut Settings<'_>) -> Option<Self> {
        let url = settings.required_secret_url(
            ["webhook_url", "webhook_url_file"],
            Some(["msteams_webhook_url", "msteams_webhook_url_file"]),
        );
        let texts = Texts {
            title: settings.text_or("title", "msteamsv2.default.title"),
            text: settings.text_or("text", "msteamsv2.default.text"),
        };
        Some(Self { url: url?, texts })
    }

    async fn post(&self, client: &HttpClient, notification: &Notification) -> Result<Answer, NotifyError> {
        let url = self.url.read().await?;
        let body = payload(&self.texts, notification).to_string().into_bytes();
        client.send(Outgoing::json(&url, body)).await
    }

    /// Connectors say `200` to what Teams itself refused, with the real status in the text.
    fn judge(&self, answer: &Answer) -> Judged {
        let inner = answer.body.split("HTTP error ").nth(1).and_then(|rest| rest.get(..3));
        match inner.and_then(|status| status.parse::<u16>().ok()) {
            Some(status) if answer.status == 200 && status >= 400 => {
                Answer { status, ..answer.clone() }.judge(Self::SERVICE)
            }
            _ => answer.judge(Self::SERVICE),
        }
    }
}

#[cfg(test)]
mod tests {
    use breakwatch_plugin_api::Diagnostics;
    use breakwatch_sim::receiver::{Answer as Reply, Receiver};

    use super::*;
    use crate::http::Posted;
    use crate::testing::{
        TRANSITIONS, all_escaped, build, context, golden_json, hostile, poisoned, sample, texts,
    };

    fn built(more: &[(&str, &str)], notification: &Notification) -> Value {
        let mut settings = vec![("webhook_url", "https://example.webhook.office.com/x")];
        settings.extend_from_slice(more);
        let diagnostics = Diagnostics::new();
        let teams = Posted::<Teams>::read(&texts(&settings), &context(), &diagnostics);
        payload(
            &teams.unwrap_or_else(|| panic!("{:?}", diagnostics.into_sorted())).posting.texts,
            notification,
        )
    }

    #[test]
    fn every_transition_by_its_golden_file() {
        for (name, transition) in TRANSITIONS {
            let value = built(&[], &sample(Some(transition)));
            golden_json(&format!("msteamsv2_{name}.json"), value.to_string().as_bytes());
        }
    }

    #[test]
    fn hostile_content_is_no_markup_and_fits() {
        for content in hostile() {
            for more in [&[][..], &[("text", "**{{ .CommonAnnotations.summary }}**")]] {
                let value = built(more, &poisoned(&content));
                let body = value["attachments"][0]["content"]["body"].as_array().unwrap().clone();
                let blocks = body.iter().filter(|block| block["type"] == "TextBlock");
                for text in blocks.map(|block| block["text"].as_str().unwrap()) {
                    assert!(all_escaped(text, "[]()<>`_#"), "{text}");
                }
                assert!(!value.to_string().contains("\"url\":\"javascript"), "{value}");
                assert!(value.to_string().chars().count() < 28_000, "{}", value.to_string().len());
            }
        }
    }

    #[tokio::test]
    async fn a_refusal_inside_a_200_is_a_refusal() {
        let receiver = Receiver::start().await.unwrap();
        let said = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with";
        receiver.always(Reply::text(200, said));
        let teams = build(&ENTRY, &texts(&[("webhook_url", &receiver.url("/"))]), &context()).unwrap();
        let error = teams.notify(&sample(None)).await.unwrap_err();
        assert!(matches!(error, NotifyError::Retryable { .. }), "{error}");
    }
}
