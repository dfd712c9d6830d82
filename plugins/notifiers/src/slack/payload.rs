//! The message in Slack's form: one attachment with a coloured bar.
//!
//! Slack gives meaning to `&`, `<` and `>` alone. What comes from alerts is escaped before it meets a template, so
//! that a label can neither call a channel (`<!channel>`) nor hide a link, while the user's own markup works.

use breakwatch_plugin_api::Notification;
use serde::Serialize;

use crate::clean::{clean, clip, link};
use crate::layout::{Item, Message, Room, Tone};
use crate::template::{Data, Text, or_default, own};

/// Slack cuts an attachment's title there.
const MAX_TITLE: usize = 1024;
/// Alerts told in detail; more would fill the reader's screen, and 100 attachments' worth is refused.
const ROOM: Room = Room { alerts: 10, value: 500 };
/// A value this short shares a row with another.
const SHORT_VALUE: usize = 40;

/// The texts a user may set; what is not set has our layout.
pub(super) struct Texts {
    pub(super) channel: Option<Text>,
    pub(super) username: Option<Text>,
    pub(super) icon_emoji: Option<Text>,
    pub(super) icon_url: Option<Text>,
    pub(super) link_names: bool,
    pub(super) message_text: Option<Text>,
    pub(super) color: Option<Text>,
    pub(super) title: Option<Text>,
    pub(super) title_link: Option<Text>,
    pub(super) pretext: Option<Text>,
    pub(super) text: Option<Text>,
    pub(super) fallback: Option<Text>,
    pub(super) callback_id: Option<Text>,
    pub(super) footer: Option<Text>,
    pub(super) image_url: Option<Text>,
    pub(super) thumb_url: Option<Text>,
    pub(super) short_fields: bool,
    pub(super) fields: Option<Vec<FieldText>>,
    pub(super) actions: Option<Vec<ActionText>>,
    pub(super) mrkdwn_in: Option<Vec<String>>,
}

/// A named value.
pub(super) struct FieldText {
    pub(super) title: Text,
    pub(super) value: Text,
    pub(super) short: Option<bool>,
}

/// A button.
pub(super) struct ActionText {
    pub(super) kind: Text,
    pub(super) text: Text,
    pub(super) url: Option<Text>,
    pub(super) style: Option<Text>,
    pub(super) name: Option<Text>,
    pub(super) value: Option<Text>,
    pub(super) confirm: Option<ConfirmText>,
}

/// What a button asks before it acts.
pub(super) struct ConfirmText {
    pub(super) text: Option<Text>,
    pub(super) title: Option<Text>,
    pub(super) ok_text: Option<Text>,
    pub(super) dismiss_text: Option<Text>,
}

/// The body of a request to a webhook, chat.postMessage or chat.update.
#[derive(Serialize, Clone, Debug, Default)]
pub(super) struct Request {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) ts: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) thread_ts: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_emoji: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_url: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    link_names: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    attachments: [Attachment; 1],
}

#[derive(Serialize, Clone, Debug, Default)]
struct Attachment {
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title_link: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pretext: String,
    text: String,
    fallback: String,
    callback_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action>,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thumb_url: String,
    footer: String,
    color: String,
    mrkdwn_in: Vec<String>,
}

#[derive(Serialize, Clone, Debug)]
struct Field {
    title: String,
    value: String,
    short: bool,
}

#[derive(Serialize, Clone, Debug, Default)]
struct Action {
    #[serde(rename = "type")]
    kind: String,
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    style: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<Confirm>,
}

#[derive(Serialize, Clone, Debug)]
struct Confirm {
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ok_text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    dismiss_text: String,
}

/// Builds the message.
pub(super) fn build(texts: &Texts, notification: &Notification) -> Request {
    let message = Message::new(notification, ROOM);
    let escape = |text: &str| escape(text, texts.link_names);
    let render = Render {
        plain: Data::new(notification, &str::to_owned),
        marked: Data::new(notification, &escape),
        notification,
    };
    let headline = escape(&message.headline);
    let title_link = render.plain(&texts.title_link, || default_link(&message));
    Request {
        channel: render.plain(&texts.channel, String::new),
        username: render.plain(&texts.username, String::new),
        icon_emoji: render.plain(&texts.icon_emoji, String::new),
        icon_url: render.link(&texts.icon_url),
        link_names: texts.link_names,
        text: render.marked(&texts.message_text, String::new),
        attachments: [Attachment {
            title: clip(&render.marked(&texts.title, || headline.clone()), MAX_TITLE),
            title_link: link(&title_link).unwrap_or_default(),
            pretext: render.marked(&texts.pretext, String::new),
            text: match texts.text.as_ref().and_then(|text| own(text, &render.marked, notification)) {
                Some(text) => own_text(&text, &message, &escape),
                None => default_text(&message, &escape),
            },
            fallback: render.marked(&texts.fallback, || headline.clone()),
            callback_id: render.plain(&texts.callback_id, String::new),
            fields: fields(texts, &message, &render, &escape),
            actions: actions(texts, &message, &render),
            image_url: render.link(&texts.image_url),
            thumb_url: render.link(&texts.thumb_url),
            footer: render.marked(&texts.footer, || "breakwatch".to_owned()),
            color: render.plain(&texts.color, || colour(message.tone).to_owned()),
            mrkdwn_in: texts
                .mrkdwn_in
                .clone()
                .unwrap_or_else(|| ["fallback", "pretext", "text"].map(str::to_owned).into()),
        }],
        ..Request::default()
    }
}

/// The two views of the alerts a template may be given.
struct Render<'n> {
    /// For ids, colours and URLs, which Slack takes as they are.
    plain: Data,
    /// For texts, in which Slack looks for markup.
    marked: Data,
    notification: &'n Notification,
}

impl Render<'_> {
    fn plain(&self, text: &Option<Text>, default: impl FnOnce() -> String) -> String {
        or_default(text.as_ref(), &self.plain, self.notification, default)
    }

    fn marked(&self, text: &Option<Text>, default: impl FnOnce() -> String) -> String {
        or_default(text.as_ref(), &self.marked, self.notification, default)
    }

    fn link(&self, text: &Option<Text>) -> String {
        link(&self.plain(text, String::new)).unwrap_or_default()
    }
}

/// Slack's three, and with `link_names` also the plain `@name` that Slack would turn into a call.
pub(super) fn escape(text: &str, link_names: bool) -> String {
    let escaped = clean(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    // A word joiner is not seen and parts the sign from the name.
    if link_names { escaped.replace('@', "@\u{2060}") } else { escaped }
}

const fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Bad => "danger",
        Tone::Warn => "warning",
        Tone::Good => "good",
    }
}

fn default_link(message: &Message) -> String {
    let dashboard = message.single().and_then(|item| item.dashboard.clone());
    dashboard.or_else(|| message.page.clone()).unwrap_or_default()
}

fn default_text(message: &Message, escape: &dyn Fn(&str) -> String) -> String {
    let mut lines: Vec<String> = Vec::new();
    match message.single() {
        Some(item) => {
            lines.push(escape(&item.story()));
            lines.push(escape(&item.description));
        }
        None => lines.extend(message.items.iter().map(|item| bullet(item, escape))),
    }
    lines.extend(remarks(message, escape));
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

/// What the reader must know whatever the layout: delivered late, shortened.
fn remarks(message: &Message, escape: &dyn Fn(&str) -> String) -> Vec<String> {
    message.notes.iter().map(|note| format!("_{}_", escape(note))).collect()
}

/// The user's text with the remarks under it.
fn own_text(text: &str, message: &Message, escape: &dyn Fn(&str) -> String) -> String {
    let remarks = remarks(message, escape);
    if remarks.is_empty() { text.to_owned() } else { format!("{text}\n{}", remarks.join("\n")) }
}

/// One alert of several, in one line.
fn bullet(item: &Item, escape: &dyn Fn(&str) -> String) -> String {
    let mut line = format!("{} *{}*", if item.over { "•  _over_" } else { "• " }, escape(&item.name));
    let parts = [
        item.fact("Target").unwrap_or_default(),
        item.summary.as_str(),
        item.fact("Reason").unwrap_or_default(),
    ];
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        line.push_str(" — ");
        line.push_str(&escape(&clip(part, 200)));
    }
    for (url, word) in [(&item.dashboard, "dashboard"), (&item.runbook, "runbook")] {
        if let Some(url) = url {
            line.push_str(&format!(" <{}|{word}>", escape(url)));
        }
    }
    line
}

fn fields(
    texts: &Texts,
    message: &Message,
    render: &Render<'_>,
    escape: &dyn Fn(&str) -> String,
) -> Vec<Field> {
    if let Some(fields) = &texts.fields {
        let field = |field: &FieldText| Field {
            title: or_default(Some(&field.title), &render.marked, render.notification, String::new),
            value: or_default(Some(&field.value), &render.marked, render.notification, String::new),
            short: field.short.unwrap_or(texts.short_fields),
        };
        return fields.iter().map(field).collect();
    }
    // A user's own text is meant to be the whole message.
    let Some(item) = message.single().filter(|_| texts.text.is_none()) else { return Vec::new() };
    let short = |value: &str| value.chars().count() <= SHORT_VALUE;
    let mut fields: Vec<Field> = item
        .facts
        .iter()
        .map(|fact| Field {
            title: escape(&fact.name),
            value: escape(&fact.value),
            short: short(&fact.value),
        })
        .collect();
    if !item.evidence.is_empty() {
        fields.push(Field { title: "Evidence".to_owned(), value: escape(&item.evidence), short: false });
    }
    fields
}

fn actions(texts: &Texts, message: &Message, render: &Render<'_>) -> Vec<Action> {
    if let Some(actions) = &texts.actions {
        return actions.iter().map(|action| user_action(action, render)).collect();
    }
    let Some(item) = message.single() else { return Vec::new() };
    let button = |text: &str, url: &Option<String>| {
        let (kind, text) = ("button".to_owned(), text.to_owned());
        url.clone().map(|url| Action { kind, text, url, ..Action::default() })
    };
    let both = [button("View dashboard", &item.dashboard), button("Runbook", &item.runbook)];
    both.into_iter().flatten().collect()
}

fn user_action(action: &ActionText, render: &Render<'_>) -> Action {
    let marked = |text: &Text| or_default(Some(text), &render.marked, render.notification, String::new);
    let optional = |text: &Option<Text>| text.as_ref().map(marked).unwrap_or_default();
    Action {
        kind: marked(&action.kind),
        text: marked(&action.text),
        url: render.link(&action.url),
        style: optional(&action.style),
        name: optional(&action.name),
        value: optional(&action.value),
        confirm: action.confirm.as_ref().map(|confirm| Confirm {
            text: optional(&confirm.text),
            title: optional(&confirm.title),
            ok_text: optional(&confirm.ok_text),
            dismiss_text: optional(&confirm.dismiss_text),
        }),
    }
}
