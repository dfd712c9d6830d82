//! `telegram`: messages by a bot.

use async_trait::async_trait;
use breakwatch_plugin_api::{Field, Node, Notification, NotifierEntry, NotifyError, Receipt, Secret};
use serde_json::{Value, json};

use crate::clean::{clean, clip};
use crate::email::escape_html;
use crate::http::{Answer, HttpClient, Judged, Outgoing, Posting, parse};
use crate::layout::{Item, Message, Room, Tone};
use crate::markdown::escape_of;
use crate::settings::{HTTP_CONFIG, SENDS_RESOLVED, SecretSource, Settings, TIMEOUT, field};
use crate::template::{Data, Text};

/// Where the bot API is.
const API: &str = "https://api.telegram.org";
/// Telegram takes this many characters after its markup has been read.
const MAX_TEXT: usize = 4096;
/// Alerts told in detail: with every value at its longest they stay within the limit.
const ROOM: Room = Room { alerts: 6, value: 120 };
/// Room for the evidence of a single alert.
const SINGLE: Room = Room { alerts: 1, value: 350 };
/// Characters that MarkdownV2 gives a meaning to, by the bot API.
const MARKDOWN_V2: [char; 19] =
    ['\\', '_', '*', '[', ']', '(', ')', '~', '`', '>', '#', '+', '-', '=', '|', '{', '}', '.', '!'];
/// Those of the older Markdown.
const MARKDOWN: [char; 4] = ['_', '*', '`', '['];

/// What Telegram takes the text for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Html,
    MarkdownV2,
    Markdown,
    Plain,
}

const MODES: [(&str, Mode); 4] =
    [("HTML", Mode::Html), ("MarkdownV2", Mode::MarkdownV2), ("Markdown", Mode::Markdown), ("", Mode::Plain)];

const FIELDS: &[Field] = &[
    field("bot_token", "secret", "", "The bot's token."),
    field("bot_token_file", "file", "", "A file that holds the token; read again for each message."),
    field("chat_id", "number or @name", "", "The chat to post to."),
    field("chat_id_file", "file", "", "A file that holds the chat's id."),
    field("message_thread_id", "number", "", "The topic inside the chat."),
    field("message", "template", "our layout", "The text."),
    field("parse_mode", "HTML, MarkdownV2, Markdown or nothing", "HTML", "The markup of `message`."),
    field("disable_notifications", "true or false", "false", "Whether the message comes without a sound."),
    field("api_url", "URL", API, "Where the bot API is."),
    TIMEOUT,
    HTTP_CONFIG,
    SENDS_RESOLVED,
];

/// The row in the table.
pub(crate) const ENTRY: NotifierEntry = NotifierEntry {
    key: "telegram",
    section: "telegram_configs",
    summary: "Posts to Telegram as a bot.",
    fields: FIELDS,
    parse: parse::<Telegram>,
};

struct Telegram {
    api: String,
    token: SecretSource,
    chat: SecretSource,
    thread: Option<u64>,
    texts: Texts,
    silent: bool,
}

struct Texts {
    message: Option<Text>,
    mode: Mode,
}

/// The text and what it is to be taken for. A user's text that is too long, or fails, gives way to ours: cutting
/// it could cut its markup in two, and Telegram refuses that.
fn text(texts: &Texts, notification: &Notification) -> (String, Mode) {
    let rendered = texts.message.as_ref().map(|text| match texts.mode {
        Mode::Html => text.render_html(&Data::new(notification, &clean)),
        Mode::MarkdownV2 => text.render(&Data::new(notification, &|text| escape_of(text, &MARKDOWN_V2))),
        Mode::Markdown => text.render(&Data::new(notification, &|text| escape_of(text, &MARKDOWN))),
        Mode::Plain => text.render(&Data::new(notification, &clean)),
    });
    match rendered {
        Some(Ok(text)) if texts.mode == Mode::Plain => (clip(&text, MAX_TEXT), Mode::Plain),
        Some(Ok(text)) if text.chars().count() <= MAX_TEXT && !text.trim().is_empty() => (text, texts.mode),
        Some(outcome) => {
            let mistake = outcome.err().unwrap_or_else(|| "too long or empty".to_owned());
            tracing::warn!(receiver = %notification.receiver, %mistake,
                "the template of the Telegram message failed; the standard text goes out");
            (default_text(notification), Mode::Html)
        }
        None => (default_text(notification), Mode::Html),
    }
}

fn default_text(notification: &Notification) -> String {
    let room = if notification.alerts.len() == 1 { SINGLE } else { ROOM };
    let message = Message::new(notification, room);
    let sign = match message.tone {
        Tone::Bad => "🔴",
        Tone::Warn => "🟠",
        Tone::Good => "🟢",
    };
    let mut lines = vec![format!("{sign} <b>{}</b>", escape_html(&message.headline))];
    lines.extend(message.notes.iter().map(|note| format!("<i>{}</i>", escape_html(note))));
    for item in &message.items {
        told(&mut lines, item, message.single().is_none());
    }
    lines.join("\n")
}

fn told(lines: &mut Vec<String>, item: &Item, several: bool) {
    if several {
        let word = if item.over { "over: " } else { "" };
        lines.push(format!("\n<b>{word}{}</b>", escape_html(&item.name)));
    }
    lines.extend(
        [item.story(), item.description.clone()].iter().filter(|t| !t.is_empty()).map(|t| escape_html(t)),
    );
    let wanted: &[&str] = if several {
        &["Target", "Reason"]
    } else {
        &["Target", "Severity", "Reason", "Failures", "Root cause", "Started", "Recovery time", "Lasted"]
    };
    let facts = wanted.iter().filter_map(|name| Some((name, item.fact(name)?)));
    lines.extend(facts.map(|(name, value)| format!("{name}: {}", escape_html(value))));
    if !item.evidence.is_empty() && !several {
        lines.push(format!("<pre>{}</pre>", escape_html(&item.evidence)));
    }
    let links =
        [("Dashboard", &item.dashboard), ("Runbook", &item.runbook)].into_iter().filter_map(|(name, url)| {
            let url = url.as_ref().filter(|url| url.len() <= 500)?;
            Some(format!("<a href=\"{}\">{name}</a>", escape_html(url)))
        });
    let links: Vec<String> = links.collect();
    if !links.is_empty() {
        lines.push(links.join(" · "));
    }
}

impl Telegram {
    fn payload(&self, notification: &Notification, chat: &str) -> Value {
        let (text, mode) = text(&self.texts, notification);
        let mut payload = json!({
            "chat_id": chat.parse::<i64>().map_or_else(|_| Value::from(chat), Value::from),
            "text": text,
            "disable_notification": self.silent,
            "link_preview_options": { "is_disabled": true },
        });
        if let Some((word, _)) = MODES.iter().find(|(word, it)| *it == mode && !word.is_empty()) {
            payload["parse_mode"] = (*word).into();
        }
        if let Some(thread) = self.thread {
            payload["message_thread_id"] = thread.into();
        }
        let first = notification.first.as_ref().and_then(|receipt| receipt.reference.parse::<i64>().ok());
        if let Some(id) = first {
            payload["reply_parameters"] = json!({ "message_id": id, "allow_sending_without_reply": true });
        }
        payload
    }
}

#[async_trait]
impl Posting for Telegram {
    const KEY: &'static str = ENTRY.key;
    const SERVICE: &'static str = "Telegram";

    fn read(settings: &mut Settings<'_>) -> Option<Self> {
        let token = settings.secret("bot_token", "bot_token_file");
        let token = token.or_else(|| settings.global_secret("telegram_bot_token", "telegram_bot_token_file"));
        // The chat's id is no secret.
        let chat = match settings.section.string("chat_id").filter(|chat| chat != "0") {
            Some(chat) => Some(SecretSource::Inline(Secret::new(chat))),
            None => settings.section.get("chat_id_file").and_then(|node| {
                SecretSource::file(node, &settings.context.base_dir, settings.diagnostics())
            }),
        };
        settings.section.allow(["chat_id_file"]);
        let node = settings.section.node();
        for (what, missing) in [("bot_token", token.is_none()), ("chat_id", chat.is_none())] {
            let file = format!("{what}_file");
            if missing && node.get(what).is_none() && node.get(&file).is_none() {
                settings.error(node, &format!("one of `{what}` and `{file}` must be set"));
            }
        }
        let api = settings.or_global("api_url", "telegram_api_url");
        let url = api.and_then(Node::as_str).unwrap_or(API).trim_end_matches('/').to_owned();
        settings.check_url(&SecretSource::Inline(Secret::new(&url)), api);
        let texts = Texts {
            message: settings.text_or("message", "telegram.default.message"),
            mode: settings.section.choice("parse_mode", &MODES).unwrap_or(Mode::Html),
        };
        let thread = settings.section.integer("message_thread_id", 0..=u64::MAX).filter(|id| *id != 0);
        let silent = settings.section.bool("disable_notifications").unwrap_or(false);
        Some(Self { api: url, token: token?, chat: chat?, thread, texts, silent })
    }

    async fn post(&self, client: &HttpClient, notification: &Notification) -> Result<Answer, NotifyError> {
        let (token, chat) = (self.token.read().await?, self.chat.read().await?);
        let url = Secret::new(format!("{}/bot{}/sendMessage", self.api, token.expose()));
        let body = self.payload(notification, chat.expose()).to_string().into_bytes();
        let secrets = [token];
        let mut answer = client.send(Outgoing { secrets: &secrets, ..Outgoing::json(&url, body) }).await?;
        // Telegram says how long to wait in the body.
        let wait = serde_json::from_str::<Value>(&answer.body).ok();
        let wait = wait.and_then(|value| value["parameters"]["retry_after"].as_u64());
        if let (Some(seconds), None) = (wait, answer.retry_after) {
            answer.retry_after = Some(crate::http::capped(seconds));
        }
        Ok(answer)
    }

    fn judge(&self, answer: &Answer) -> Judged {
        match answer.judge(Self::SERVICE) {
            // The chat or the token is wrong: 404 is what a wrong token gets.
            Judged::Failed(NotifyError::Rejected(message))
                if answer.status == 404 || answer.body.contains("chat not found") =>
            {
                Judged::Failed(NotifyError::Misconfigured(message))
            }
            verdict => verdict,
        }
    }

    fn receipt(&self, _: &Notification, answer: &Answer) -> Receipt {
        let id = serde_json::from_str::<Value>(&answer.body).ok();
        let id = id.and_then(|value| value["result"]["message_id"].as_i64());
        // The answer repeats the message; its id is enough.
        let reference = id.map(|id| id.to_string()).unwrap_or_default();
        Receipt { answer: format!("{}", answer.status), reference }
    }
}

#[cfg(test)]
mod tests {
    use breakwatch_plugin_api::Diagnostics;
    use std::time::Duration;

    use breakwatch_sim::receiver::{Answer as Reply, Receiver};

    use super::*;
    use crate::http::Posted;
    use crate::testing::{
        TRANSITIONS, alert, all_escaped, build, context, golden, hostile, notification, poisoned, sample,
        texts,
    };

    fn own(mode: &str, message: &str) -> Texts {
        let settings =
            texts(&[("bot_token", "1:x"), ("chat_id", "-1"), ("parse_mode", mode), ("message", message)]);
        let diagnostics = Diagnostics::new();
        let telegram = Posted::<Telegram>::read(&settings, &context(), &diagnostics);
        telegram.unwrap_or_else(|| panic!("{:?}", diagnostics.into_sorted())).posting.texts
    }

    #[test]
    fn every_transition_by_its_golden_file() {
        let texts = Texts { message: None, mode: Mode::Html };
        for (name, transition) in TRANSITIONS {
            let (text, _) = text(&texts, &sample(Some(transition)));
            golden(&format!("telegram_{name}.html"), &text);
        }
    }

    #[test]
    fn hostile_content_is_no_markup_and_fits() {
        let default = Texts { message: None, mode: Mode::Html };
        for content in hostile() {
            let many = notification(vec![poisoned(&content).alerts.remove(0); 20]);
            for message in [poisoned(&content), many] {
                let (html, _) = text(&default, &message);
                assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
                let visible = html.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
                let visible = visible.replace("&quot;", "\"").replace("&#39;", "'");
                assert!(visible.chars().count() <= 4096, "{}", visible.chars().count());
            }
            for mode in ["HTML", "MarkdownV2", "Markdown", ""] {
                let texts = own(mode, "{{ .CommonAnnotations.summary }}");
                let (shown, mode) = text(&texts, &poisoned(&content));
                assert!(shown.chars().count() <= 4096 || mode == Mode::Html);
                match mode {
                    Mode::Html => assert!(!shown.contains("<script"), "{shown}"),
                    Mode::MarkdownV2 => assert!(all_escaped(&shown, "_*[]()~`>#+-=|{}.!"), "{shown}"),
                    Mode::Markdown => assert!(all_escaped(&shown, "_*`["), "{shown}"),
                    Mode::Plain => {}
                }
            }
        }
    }

    #[tokio::test]
    async fn the_request_and_its_answers() {
        let receiver = Receiver::start().await.unwrap();
        receiver.then(Reply::json(200, r#"{"ok":true,"result":{"message_id":77}}"#));
        receiver.then(Reply::json(429, r#"{"ok":false,"error_code":429,"parameters":{"retry_after":13}}"#));
        receiver.then(Reply::json(400, r#"{"ok":false,"description":"Bad Request: chat not found"}"#));
        receiver.then(Reply::json(404, r#"{"ok":false,"description":"Not Found"}"#));
        let settings =
            texts(&[("bot_token", "123:canary"), ("chat_id", "-100123"), ("api_url", &receiver.url(""))]);
        let telegram = build(&ENTRY, &settings, &context()).unwrap();
        let receipt = telegram.notify(&sample(None)).await.unwrap();
        assert_eq!(receipt.reference, "77");
        let request = &receiver.requests()[0];
        assert_eq!(request.path, "/bot123:canary/sendMessage");
        assert_eq!(
            (request.json()["chat_id"].as_i64(), request.json()["parse_mode"].as_str()),
            (Some(-100_123), Some("HTML"))
        );
        let mut answer = notification(vec![alert("", Some(1))]);
        answer.first = Some(receipt);
        let wait = Some(Duration::from_secs(13));
        let error = telegram.notify(&answer).await.unwrap_err();
        assert!(
            matches!(&error, NotifyError::Retryable { retry_after, .. } if *retry_after == wait),
            "{error:?}"
        );
        assert_eq!(receiver.requests()[1].json()["reply_parameters"]["message_id"], 77);
        for _ in 0..2 {
            let error = telegram.notify(&answer).await.unwrap_err();
            assert!(
                matches!(error, NotifyError::Misconfigured(_)) && !error.to_string().contains("canary"),
                "{error}"
            );
        }
    }
}
