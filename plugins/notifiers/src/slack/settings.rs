//! `slack_configs`: Alertmanager's keys and ours.

use breakwatch_plugin_api::{Diagnostics, Field, Node, NotifierContext, Secret, Section};

use super::Slack;
use super::payload::{ActionText, ConfirmText, FieldText, Texts};
use crate::settings::{HTTP_CONFIG, SENDS_NO_RESOLVED, SecretSource, Settings, TIMEOUT, field};
use crate::template::Text;

/// Where a bot posts.
const BOT_URL: &str = "https://slack.com/api/chat.postMessage";

pub(super) const FIELDS: &[Field] = &[
    field(
        "api_url",
        "secret URL",
        "",
        "The incoming webhook's URL, or the URL of chat.postMessage for a bot.",
    ),
    field("api_url_file", "file", "", "A file that holds the URL; read again for each message."),
    field("app_token", "secret", "", "A bot's token; messages then go by chat.postMessage."),
    field("app_token_file", "file", "", "A file that holds the token."),
    field("app_url", "URL", BOT_URL, "Where a bot's messages are posted."),
    field("channel", "template", "", "The channel; a bot needs it."),
    field(
        "update_message",
        "true or false",
        "false",
        "A bot changes its first message about a group of alerts.",
    ),
    field(
        "post_updates_to_thread",
        "true or false",
        "false",
        "A bot answers in the thread of its first message.",
    ),
    field("username", "template", "", "The name messages are shown under, if the webhook allows it."),
    field("icon_emoji", "template", "", "The icon shown, as an emoji."),
    field("icon_url", "template", "", "The icon shown."),
    field(
        "link_names",
        "true or false",
        "false",
        "Whether `@name` and `#channel` in the message become links.",
    ),
    field("message_text", "template", "", "Text above the attachment."),
    field("color", "template", "danger, warning or good", "The colour of the bar."),
    field("title", "template", "the message in one line", "The attachment's title."),
    field("title_link", "template", "the dashboard", "Where the title leads."),
    field("pretext", "template", "", "Text above the attachment's bar."),
    field("text", "template", "description, notes, alerts", "The attachment's text."),
    field("fallback", "template", "the message in one line", "What notifications on a phone show."),
    field("callback_id", "template", "", "An id for interactive messages."),
    field("footer", "template", "breakwatch", "Text under the attachment."),
    field("image_url", "template", "", "An image under the text."),
    field("thumb_url", "template", "", "A small image beside the text."),
    field("fields", "list", "check, target, reason, evidence, …", "Named values: `title`, `value`, `short`."),
    field("short_fields", "true or false", "false", "Whether fields stand side by side."),
    field(
        "actions",
        "list",
        "dashboard and runbook",
        "Buttons: `type`, `text`, `url`, `style`, `name`, `value`.",
    ),
    field("mrkdwn_in", "list of texts", "fallback, pretext, text", "Where Slack's markup counts."),
    TIMEOUT,
    HTTP_CONFIG,
    SENDS_NO_RESOLVED,
];

/// Where messages go.
pub(super) enum Endpoint {
    /// An incoming webhook, or chat.postMessage with `http_config.authorization`.
    Url(SecretSource),
    /// A bot.
    Bot {
        /// The URL of chat.postMessage.
        url: Secret,
        /// The bot's token.
        token: SecretSource,
    },
}

pub(super) fn read(node: &Node, context: &NotifierContext, diagnostics: &Diagnostics) -> Option<Slack> {
    let mut settings = Settings::open(node, context, diagnostics)?;
    let endpoint = endpoint(&mut settings);
    let update = settings.section.bool("update_message").unwrap_or(false);
    let thread = settings.section.bool("post_updates_to_thread").unwrap_or(false);
    let texts = texts(&mut settings);
    let send_resolved = settings.send_resolved(false);
    let client = settings.http_client();
    if let Some(Endpoint::Bot { .. }) = endpoint
        && texts.channel.is_none()
    {
        settings.error(node, "a bot needs a `channel`");
    }
    let webhook =
        matches!(&endpoint, Some(Endpoint::Url(SecretSource::Inline(url))) if !is_bot_url(url.expose()));
    for (key, set) in [("update_message", update), ("post_updates_to_thread", thread)] {
        if set && webhook {
            let message = format!("`{key}` needs a bot (`app_token`): an incoming webhook cannot do it");
            settings.section.error_at(key, message);
        }
    }
    settings.finish();
    Some(Slack { client: client?, endpoint: endpoint?, texts, update, thread, send_resolved })
}

/// Whether a URL is that of the Web API's method for posting.
pub(super) fn is_bot_url(url: &str) -> bool {
    url.trim_end_matches('/').ends_with("/chat.postMessage")
}

fn endpoint(settings: &mut Settings<'_>) -> Option<Endpoint> {
    let url = settings.secret_url("api_url", "api_url_file");
    let token = settings.secret("app_token", "app_token_file");
    let app_url = settings.or_global("app_url", "slack_app_url").and_then(Node::as_str);
    let app_url = Secret::new(app_url.unwrap_or(BOT_URL));
    let bot = |token| Endpoint::Bot { url: app_url.clone(), token };
    match (url, token) {
        (Some(_), Some(_)) => {
            let message = "at most one of `api_url` (or its file) and `app_token` (or its file) may be set";
            settings.error(settings.section.node(), message);
            None
        }
        (Some(url), None) => Some(Endpoint::Url(url)),
        (None, Some(token)) => Some(bot(token)),
        (None, None) => {
            let written = |key| settings.section.node().get(key).is_some_and(|node| !node.is_null());
            if ["api_url", "api_url_file", "app_token", "app_token_file"].into_iter().any(written) {
                return None; // Already reported.
            }
            let token = settings.global_secret("slack_app_token", "slack_app_token_file").map(bot);
            let endpoint = token.or_else(|| {
                let url = settings.global_secret("slack_api_url", "slack_api_url_file")?;
                settings.check_url(&url, settings.global("slack_api_url"));
                Some(Endpoint::Url(url))
            });
            if endpoint.is_none() {
                let message =
                    "no Slack URL: set `api_url`, `api_url_file`, `app_token` or the global `slack_api_url`";
                settings.error(settings.section.node(), message);
            }
            endpoint
        }
    }
}

fn texts(settings: &mut Settings<'_>) -> Texts {
    Texts {
        channel: settings.text("channel"),
        username: settings.text_or("username", "slack.default.username"),
        icon_emoji: settings.text_or("icon_emoji", "slack.default.iconemoji"),
        icon_url: settings.text_or("icon_url", "slack.default.iconurl"),
        link_names: settings.section.bool("link_names").unwrap_or(false),
        message_text: settings.text("message_text"),
        color: settings.text_or("color", "slack.default.color"),
        title: settings.text_or("title", "slack.default.title"),
        title_link: settings.text_or("title_link", "slack.default.titlelink"),
        pretext: settings.text_or("pretext", "slack.default.pretext"),
        text: settings.text_or("text", "slack.default.text"),
        fallback: settings.text_or("fallback", "slack.default.fallback"),
        callback_id: settings.text_or("callback_id", "slack.default.callbackid"),
        footer: settings.text_or("footer", "slack.default.footer"),
        image_url: settings.text("image_url"),
        thumb_url: settings.text("thumb_url"),
        short_fields: settings.section.bool("short_fields").unwrap_or(false),
        fields: settings.items("fields", |section, settings| {
            Some(FieldText {
                title: required(section, settings, "title")?,
                value: required(section, settings, "value")?,
                short: section.bool("short"),
            })
        }),
        actions: settings.items("actions", action),
        mrkdwn_in: settings.section.strings("mrkdwn_in").filter(|parts| !parts.is_empty()),
    }
}

fn required(section: &mut Section<'_>, settings: &Settings<'_>, key: &'static str) -> Option<Text> {
    section.required(key).and_then(|node| settings.text_of(node))
}

fn action(section: &mut Section<'_>, settings: &Settings<'_>) -> Option<ActionText> {
    let (kind, text) = (required(section, settings, "type"), required(section, settings, "text"));
    let (url, name) = (settings.inner_text(section, "url"), settings.inner_text(section, "name"));
    let (style, value) = (settings.inner_text(section, "style"), settings.inner_text(section, "value"));
    let confirm = section.section("confirm").and_then(|mut inner| {
        let confirm = ConfirmText {
            text: required(&mut inner, settings, "text"),
            title: settings.inner_text(&mut inner, "title"),
            ok_text: settings.inner_text(&mut inner, "ok_text"),
            dismiss_text: settings.inner_text(&mut inner, "dismiss_text"),
        };
        inner.finish();
        confirm.text.is_some().then_some(confirm)
    });
    if url.is_none() && name.is_none() {
        settings.error(section.node(), "an action needs a `url` or a `name`");
    }
    // A button is either a link or a message of its own, as in Alertmanager.
    let link = url.is_some();
    Some(ActionText {
        kind: kind?,
        text: text?,
        url,
        style,
        name: name.filter(|_| !link),
        value: value.filter(|_| !link),
        confirm: confirm.filter(|_| !link),
    })
}
