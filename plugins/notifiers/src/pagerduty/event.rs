//! The event PagerDuty takes (Events API v2), within its limits.

use std::collections::BTreeMap;

use breakwatch_model::AlertStatus;
use breakwatch_plugin_api::{Notification, Secret, TransitionKind};
use serde::Serialize;
use serde_json::Value;

use crate::clean::{clip, link};
use crate::ids::dedup_key;
use crate::layout::{Item, Message, Room};
use crate::template::{Data, Text, or_default};
use crate::tree::Tree;

/// PagerDuty cuts a summary there.
const MAX_SUMMARY: usize = 1024;
/// PagerDuty refuses a larger event.
const MAX_EVENT: usize = 512_000;
/// Room for any name of a source, class or component; bounds what is left of an event without its details.
const MAX_NAME: usize = 1024;
/// As many alerts as a reader will page through; with the rest counted.
const ROOM: Room = Room { alerts: 50, value: 2000 };
/// What takes the place of details that are too big.
const TOO_BIG: &str =
    "Custom details have been removed because the original event exceeds the maximum size of 512KB";

/// The texts a user may set; what is not set has our layout.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) description: Option<Text>,
    pub(super) severity: Option<Text>,
    pub(super) client: Option<Text>,
    pub(super) client_url: Option<Text>,
    pub(super) source: Option<Text>,
    pub(super) class: Option<Text>,
    pub(super) component: Option<Text>,
    pub(super) group: Option<Text>,
    pub(super) details: Vec<(String, Tree)>,
    pub(super) images: Vec<Image>,
    pub(super) links: Option<Vec<LinkText>>,
}

pub(super) struct Image {
    pub(super) src: Option<Text>,
    pub(super) alt: Option<Text>,
    pub(super) href: Option<Text>,
}

pub(super) struct LinkText {
    pub(super) href: Option<Text>,
    pub(super) text: Option<Text>,
}

#[derive(Serialize)]
struct Event<'e> {
    routing_key: &'e str,
    dedup_key: String,
    event_action: &'static str,
    payload: Payload,
    client: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    client_url: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<BTreeMap<&'static str, String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<BTreeMap<&'static str, String>>,
}

#[derive(Serialize)]
struct Payload {
    summary: String,
    source: String,
    severity: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    timestamp: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    class: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    component: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    group: String,
    custom_details: BTreeMap<String, Value>,
}

/// Builds the event as JSON.
pub(super) fn build(texts: &Texts, notification: &Notification, key: &Secret) -> Vec<u8> {
    let message = Message::new(notification, ROOM);
    let data = Data::new(notification, &str::to_owned);
    let render = |text: &Option<Text>, default: &dyn Fn() -> String| {
        or_default(text.as_ref(), &data, notification, default)
    };
    let name = |text, default: &dyn Fn() -> String| clip(&render(text, default), MAX_NAME);
    let single = message.single();
    let fact = |name: &str| single.and_then(|item| item.fact(name)).unwrap_or_default().to_owned();
    let client = name(&texts.client, &|| "breakwatch".to_owned());
    let source = name(&texts.source, &|| {
        let known = [fact("Target"), fact("Check"), client.clone()];
        known.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
    });
    let severity = severity(texts, notification, &render(&texts.severity, &|| by_label(notification)));
    let started = notification.alerts.iter().map(|alert| alert.starts_at).min();
    let page = link(&render(&texts.client_url, &|| message.page.clone().unwrap_or_default()));
    let mut event = Event {
        routing_key: key.expose(),
        dedup_key: dedup_key(notification),
        event_action: action(notification),
        payload: Payload {
            summary: clip(
                &filled(render(&texts.description, &|| message.headline.clone()), &message.headline),
                MAX_SUMMARY,
            ),
            source: filled(source, "breakwatch"),
            severity,
            timestamp: started.map(|time| time.to_rfc3339()).unwrap_or_default(),
            class: name(&texts.class, &|| fact("Reason")),
            component: name(&texts.component, &|| fact("Check")),
            group: name(&texts.group, &String::new),
            custom_details: details(texts, notification, &message, &data),
        },
        client,
        client_url: page.unwrap_or_default(),
        images: images(texts, &render),
        links: links(texts, single, &render),
    };
    let encoded = encode(&event);
    if encoded.len() <= MAX_EVENT {
        return encoded;
    }
    event.payload.custom_details = BTreeMap::from([("error".to_owned(), Value::from(TOO_BIG))]);
    encode(&event)
}

fn encode(event: &Event<'_>) -> Vec<u8> {
    // Texts and trees of them always serialise.
    serde_json::to_vec(event).unwrap_or_default()
}

/// A required field must not be empty, whatever a template makes of it.
fn filled(text: String, default: &str) -> String {
    if text.trim().is_empty() { default.to_owned() } else { text }
}

/// News about an outage (half-open, reopened) never resolves its incident.
fn action(notification: &Notification) -> &'static str {
    let news = matches!(notification.transition, Some(TransitionKind::HalfOpen | TransitionKind::Reopened));
    match notification.status {
        AlertStatus::Resolved if !news => "resolve",
        _ => "trigger",
    }
}

/// PagerDuty knows four words and refuses every other.
fn severity(texts: &Texts, notification: &Notification, word: &str) -> &'static str {
    match word.trim().to_ascii_lowercase().as_str() {
        "critical" | "page" | "emergency" | "fatal" => "critical",
        "error" | "high" | "major" | "" => "error",
        "warning" | "warn" | "medium" | "minor" => "warning",
        "info" | "information" | "low" | "none" | "notice" => "info",
        other => {
            if texts.severity.is_some() {
                tracing::warn!(receiver = %notification.receiver, severity = ?clip(other, 60),
                    "not a severity PagerDuty knows (critical, error, warning, info); sent as error");
            }
            "error"
        }
    }
}

/// The severity of the worst alert.
fn by_label(notification: &Notification) -> String {
    let rank = |word: &str| match word {
        "critical" | "page" | "emergency" | "fatal" => 0,
        "warning" | "warn" | "medium" | "minor" => 2,
        "info" | "information" | "low" | "none" | "notice" => 3,
        _ => 1,
    };
    let words = notification.alerts.iter().map(|alert| alert.labels.value("severity"));
    words.min_by_key(|word| rank(word)).unwrap_or_default().to_owned()
}

fn details(
    texts: &Texts,
    notification: &Notification,
    message: &Message,
    data: &Data,
) -> BTreeMap<String, Value> {
    let mut details = BTreeMap::new();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            details.insert(name.to_owned(), Value::from(value));
        }
    };
    add("num_firing", message.firing.to_string());
    add("num_resolved", message.resolved.to_string());
    add("firing", told(message.items.iter().filter(|item| !item.over)));
    add("resolved", told(message.items.iter().filter(|item| item.over)));
    add("notes", message.notes.join("\n"));
    if let Some(item) = message.single() {
        for name in ["Check", "Type", "Target", "Reason", "Failures", "Recovery time", "Root cause"] {
            add(&name.to_lowercase().replace(' ', "_"), item.fact(name).unwrap_or_default().to_owned());
        }
        add("description", item.description.clone());
        add("evidence", item.evidence.clone());
    }
    for (name, tree) in &texts.details {
        match tree.value(data) {
            Ok(value) => {
                details.insert(name.clone(), value);
            }
            Err(mistake) => {
                tracing::warn!(receiver = %notification.receiver, detail = %name, %mistake,
                    "a template of the receiver failed; the detail is left out");
            }
        }
    }
    details
}

/// Alerts as text, one paragraph each.
fn told<'i>(items: impl Iterator<Item = &'i Item>) -> String {
    let paragraph = |item: &Item| {
        let facts = item.facts.iter().map(|fact| format!("{}: {}", fact.name, fact.value));
        let evidence = Some(format!("Evidence: {}", item.evidence)).filter(|_| !item.evidence.is_empty());
        let head = Some(item.summary.clone()).filter(|summary| !summary.is_empty());
        head.into_iter().chain(facts).chain(evidence).collect::<Vec<_>>().join("\n")
    };
    items.map(paragraph).collect::<Vec<_>>().join("\n\n")
}

type Render<'r> = &'r dyn Fn(&Option<Text>, &dyn Fn() -> String) -> String;

fn images(texts: &Texts, render: Render<'_>) -> Vec<BTreeMap<&'static str, String>> {
    let image = |image: &Image| {
        let src = link(&render(&image.src, &String::new))?;
        let alt = clip(&render(&image.alt, &String::new), MAX_NAME);
        let href = link(&render(&image.href, &String::new)).unwrap_or_default();
        Some(BTreeMap::from([("src", src), ("alt", alt), ("href", href)]))
    };
    texts.images.iter().filter_map(image).collect()
}

fn links(texts: &Texts, single: Option<&Item>, render: Render<'_>) -> Vec<BTreeMap<&'static str, String>> {
    let pair = |href: String, text: String| BTreeMap::from([("href", href), ("text", text)]);
    if let Some(links) = &texts.links {
        let one = |it: &LinkText| {
            let href = link(&render(&it.href, &String::new))?;
            Some(pair(href, clip(&render(&it.text, &String::new), MAX_NAME)))
        };
        return links.iter().filter_map(one).collect();
    }
    let Some(item) = single else { return Vec::new() };
    [(&item.dashboard, "Dashboard"), (&item.runbook, "Runbook"), (&item.source, "Source")]
        .into_iter()
        .filter_map(|(href, text)| Some(pair(href.clone()?, text.to_owned())))
        .collect()
}
