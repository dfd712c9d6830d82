//! `discord`: messages by webhook, as one embed.

use async_trait::async_trait;
use breakwatch_plugin_api::{Field, Notification, NotifierEntry, NotifyError};
use serde_json::{Value, json};

use crate::clean::{clip, link};
use crate::http::{Answer, HttpClient, Outgoing, Posting, parse};
use crate::layout::{Item, Message, Room, Tone};
use crate::markdown::escape;
use crate::settings::{HTTP_CONFIG, SENDS_RESOLVED, SecretSource, Settings, TIMEOUT, field};
use crate::template::{Data, Text, or_default, own};

/// Limits of Discord's messages and embeds, in characters; an embed may have 6000 in all.
const MAX_CONTENT: usize = 2000;
const MAX_TITLE: usize = 256;
const MAX_DESCRIPTION: usize = 4096;
const MAX_FIELDS: usize = 25;
const MAX_FIELD_NAME: usize = 256;
const MAX_FIELD_VALUE: usize = 1024;
const MAX_EMBED: usize = 6000;
/// Alerts told in detail. Escaping may double a text.
const ROOM: Room = Room { alerts: 8, value: 400 };

const FIELDS: &[Field] = &[
    field("webhook_url", "secret URL", "", "The webhook's URL."),
    field("webhook_url_file", "file", "", "A file that holds the URL; read again for each message."),
    field("content", "template", "", "Text above the embed; may call people."),
    field("title", "template", "the message in one line", "The embed's title."),
    field("message", "template", "description, notes, alerts", "The embed's text."),
    field("username", "template", "", "The name messages are shown under."),
    field("avatar_url", "template", "", "The picture messages are shown with."),
    TIMEOUT,
    HTTP_CONFIG,
    SENDS_RESOLVED,
];

/// The row in the table.
pub(crate) const ENTRY: NotifierEntry = NotifierEntry {
    key: "discord",
    section: "discord_configs",
    summary: "Posts to Discord by a webhook.",
    fields: FIELDS,
    parse: parse::<Discord>,
};

struct Discord {
    url: SecretSource,
    texts: Texts,
}

struct Texts {
    content: Option<Text>,
    title: Option<Text>,
    message: Option<Text>,
    username: Option<Text>,
    avatar_url: Option<Text>,
}

/// Builds the message.
fn payload(texts: &Texts, notification: &Notification) -> Value {
    let message = Message::new(notification, ROOM);
    let data = Data::new(notification, &escape);
    let render = |text: &Option<Text>| or_default(text.as_ref(), &data, notification, String::new);
    let title = or_default(texts.title.as_ref(), &data, notification, || escape(&message.headline));
    let description = match texts.message.as_ref().and_then(|text| own(text, &data, notification)) {
        Some(own) => with_notes(own, &message),
        None => default_text(&message),
    };
    let title = clip(&title, MAX_TITLE);
    let description = clip(&description, MAX_DESCRIPTION);
    let room = MAX_EMBED - title.chars().count() - description.chars().count();
    let mut embed = json!({
        "title": title,
        "description": description,
        "color": colour(message.tone),
        "fields": fields(texts, &message, room),
        "timestamp": notification.created_at.to_rfc3339(),
    });
    let page = message.single().and_then(|item| item.dashboard.clone()).or_else(|| message.page.clone());
    if let Some(page) = page {
        embed["url"] = page.into();
    }
    let content = clip(&render(&texts.content), MAX_CONTENT);
    let mut payload = json!({ "embeds": [embed] });
    if content.is_empty() {
        // Nobody is called by what an alert says. A user who sets `content` may call whom he likes.
        payload["allowed_mentions"] = json!({ "parse": [] });
    } else {
        payload["content"] = content.into();
    }
    let username = clip(&render(&texts.username), 80);
    for (key, value) in
        [("username", username), ("avatar_url", link(&render(&texts.avatar_url)).unwrap_or_default())]
    {
        if !value.is_empty() {
            payload[key] = value.into();
        }
    }
    payload
}

const fn colour(tone: Tone) -> u32 {
    match tone {
        Tone::Bad => 0x00B3_261E,
        Tone::Warn => 0x00E6_A100,
        Tone::Good => 0x002E_CC71,
    }
}

fn with_notes(mut text: String, message: &Message) -> String {
    for note in &message.notes {
        text.push_str(&format!("\n*{}*", escape(note)));
    }
    text
}

fn default_text(message: &Message) -> String {
    let text = match message.single() {
        Some(item) => {
            let mut text = escape(&item.story());
            if !item.description.is_empty() {
                text.push_str(&format!("\n{}", escape(&item.description)));
            }
            text.push_str(&links(item));
            text
        }
        None => message.items.iter().map(bullet).collect::<Vec<_>>().join("\n"),
    };
    with_notes(text, message)
}

fn bullet(item: &Item) -> String {
    let parts =
        [item.fact("Target").unwrap_or_default(), &item.summary, item.fact("Reason").unwrap_or_default()];
    let mut line = format!("• {}**{}**", if item.over { "over: " } else { "" }, escape(&item.name));
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        line.push_str(&format!(" — {}", escape(&clip(part, 120))));
    }
    line
}

fn links(item: &Item) -> String {
    let pairs = [("Dashboard", &item.dashboard), ("Runbook", &item.runbook)];
    let links = pairs.into_iter().filter_map(|(name, url)| {
        // A closing bracket would end the link's address.
        Some(format!("[{name}]({})", url.as_ref()?.replace(')', "%29")))
    });
    let links: Vec<String> = links.collect();
    if links.is_empty() { String::new() } else { format!("\n{}", links.join(" · ")) }
}

/// The facts of a single alert, as many as there is room for.
fn fields(texts: &Texts, message: &Message, mut room: usize) -> Vec<Value> {
    let Some(item) = message.single().filter(|_| texts.message.is_none()) else { return Vec::new() };
    let facts = item.facts.iter().map(|fact| (fact.name.as_str(), fact.value.as_str(), true));
    let evidence = (!item.evidence.is_empty()).then_some(("Evidence", item.evidence.as_str(), false));
    let mut fields = Vec::new();
    // The evidence first in getting room: it is what the reader needs most.
    for (name, value, inline) in evidence.into_iter().chain(facts) {
        let (name, value) = (clip(&escape(name), MAX_FIELD_NAME), clip(&escape(value), MAX_FIELD_VALUE));
        let size = name.chars().count() + value.chars().count();
        if size <= room && fields.len() < MAX_FIELDS {
            room -= size;
            fields.push(json!({ "name": name, "value": value, "inline": inline }));
        }
    }
    fields
}

#[async_trait]
impl Posting for Discord {
    const KEY: &'static str = ENTRY.key;
    const SERVICE: &'static str = "Discord";

    fn read(settings: &mut Settings<'_>) -> Option<Self> {
        let url = settings.required_secret_url(
            ["webhook_url", "webhook_url_file"],
            Some(["discord_webhook_url", "discord_webhook_url_file"]),
        );
        let texts = Texts {
            content: settings.text("content"),
            title: settings.text_or("title", "discord.default.title"),
            message: settings.text_or("message", "discord.default.message"),
            username: settings.text("username"),
            avatar_url: settings.text("avatar_url"),
        };
        Some(Self { url: url?, texts })
    }

    async fn post(&self, client: &HttpClient, notification: &Notification) -> Result<Answer, NotifyError> {
        let url = self.url.read().await?;
        let body = payload(&self.texts, notification).to_string().into_bytes();
        client.send(Outgoing::json(&url, body)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Posted;
    use crate::testing::{TRANSITIONS, context, golden_json, hostile, poisoned, sample, texts};
    use breakwatch_plugin_api::Diagnostics;

    fn built(more: &[(&str, &str)], notification: &Notification) -> Value {
        let mut settings = vec![("webhook_url", "https://discord.com/api/webhooks/1/x")];
        settings.extend_from_slice(more);
        let diagnostics = Diagnostics::new();
        let discord = Posted::<Discord>::read(&texts(&settings), &context(), &diagnostics);
        let discord = discord.unwrap_or_else(|| panic!("{:?}", diagnostics.into_sorted()));
        payload(&discord.posting.texts, notification)
    }

    #[test]
    fn every_transition_by_its_golden_file() {
        for (name, transition) in TRANSITIONS {
            let value = built(&[], &sample(Some(transition)));
            golden_json(&format!("discord_{name}.json"), value.to_string().as_bytes());
        }
    }

    #[test]
    fn hostile_content_calls_nobody_and_stays_within_the_limits() {
        for content in hostile() {
            for more in [&[][..], &[("content", "{{ .CommonAnnotations.summary }}")]] {
                let value = built(more, &poisoned(&content));
                let shown = value.to_string();
                assert!(!shown.contains("@everyone") && !shown.contains("](javascript"), "{shown}");
                let embed = &value["embeds"][0];
                let count = |value: &Value| value.as_str().unwrap_or_default().chars().count();
                let fields = embed["fields"].as_array().unwrap();
                let inside: usize = fields.iter().map(|f| count(&f["name"]) + count(&f["value"])).sum();
                assert!(count(&embed["title"]) <= 256 && count(&embed["description"]) <= 4096);
                assert!(count(&embed["title"]) + count(&embed["description"]) + inside <= 6000);
                assert!(fields.len() <= 25 && count(&value["content"]) <= 2000);
            }
        }
    }
}
