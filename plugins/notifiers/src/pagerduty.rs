//! `pagerduty`: Events API v2.
//!
//! One incident per group of alerts: its key is the hash of the group key, so repeats and updates (half-open,
//! reopened) change the incident they belong to, and only the end of the group resolves it.

mod event;

use async_trait::async_trait;
use breakwatch_plugin_api::{
    Field, Node, Notification, NotifierEntry, NotifyError, Receipt, Secret, Section,
};

use self::event::{Image, LinkText, Texts};
use crate::http::{Answer, HttpClient, Judged, Outgoing, Posting, parse};
use crate::ids::dedup_key;
use crate::settings::{HTTP_CONFIG, SENDS_RESOLVED, SecretSource, Settings, TIMEOUT, field};
use crate::tree::Tree;

/// Where events go.
const URL: &str = "https://events.pagerduty.com/v2/enqueue";

const FIELDS: &[Field] = &[
    field("routing_key", "secret", "", "The integration key of an Events API v2 integration."),
    field("routing_key_file", "file", "", "A file that holds the key; read again for each message."),
    field("url", "URL", URL, "Where events are posted."),
    field("description", "template", "the message in one line", "The incident's title."),
    field("severity", "template", "by the label `severity`", "critical, error, warning or info."),
    field("client", "template", "breakwatch", "The name of whoever sends the event."),
    field("client_url", "template", "the page of alerts", "Where the client is found."),
    field("source", "template", "the target, the check or the client", "What is affected."),
    field("class", "template", "the reason", "The kind of event."),
    field("component", "template", "the check", "The part that is affected."),
    field("group", "template", "", "What the component belongs to."),
    field("details", "mapping", "firing, resolved, num_firing, num_resolved, …", "More facts, as templates."),
    field("images", "list", "", "Images: `src`, `alt`, `href`."),
    field("links", "list", "dashboard and runbook", "Links: `href`, `text`."),
    TIMEOUT,
    HTTP_CONFIG,
    SENDS_RESOLVED,
];

/// The row in the table.
pub(crate) const ENTRY: NotifierEntry = NotifierEntry {
    key: "pagerduty",
    section: "pagerduty_configs",
    summary: "Opens, updates and resolves incidents in PagerDuty.",
    fields: FIELDS,
    parse: parse::<PagerDuty>,
};

struct PagerDuty {
    url: Secret,
    key: SecretSource,
    texts: Texts,
}

fn texts(settings: &mut Settings<'_>) -> Texts {
    let details = settings.section.get("details").and_then(|node| {
        let Some(entries) = node.as_map() else {
            settings.error(node, &format!("expected a mapping, found {}", node.describe()));
            return None;
        };
        let entry = |(key, value): &(breakwatch_plugin_api::Key, Node)| {
            Some((key.name.to_string(), Tree::read(value, settings)?))
        };
        Some(entries.iter().filter_map(entry).collect())
    });
    Texts {
        description: settings.text_or("description", "pagerduty.default.description"),
        severity: settings.text("severity"),
        client: settings.text_or("client", "pagerduty.default.client"),
        client_url: settings.text_or("client_url", "pagerduty.default.clientURL"),
        source: settings.text("source"),
        class: settings.text("class"),
        component: settings.text("component"),
        group: settings.text("group"),
        details: details.unwrap_or_default(),
        images: settings.items("images", image).unwrap_or_default(),
        links: settings.items("links", link),
    }
}

fn image(section: &mut Section<'_>, settings: &Settings<'_>) -> Option<Image> {
    Some(Image {
        src: settings.inner_text(section, "src"),
        alt: settings.inner_text(section, "alt"),
        href: settings.inner_text(section, "href"),
    })
}

fn link(section: &mut Section<'_>, settings: &Settings<'_>) -> Option<LinkText> {
    Some(LinkText { href: settings.inner_text(section, "href"), text: settings.inner_text(section, "text") })
}

#[async_trait]
impl Posting for PagerDuty {
    const KEY: &'static str = ENTRY.key;
    const SERVICE: &'static str = "PagerDuty";

    fn read(settings: &mut Settings<'_>) -> Option<Self> {
        let key = settings.secret("routing_key", "routing_key_file");
        for old in ["service_key", "service_key_file"] {
            if let Some(node) = settings.section.get(old) {
                let help = "add an Events API v2 integration to the service and use its `routing_key`";
                settings.diagnostics().error_with_help(&node.place, "Events API v1 is not built", help);
            }
        }
        let node = settings.section.node();
        let written = |key: &str| node.get(key).is_some_and(|node| !node.is_null());
        if !["routing_key", "routing_key_file", "service_key", "service_key_file"].into_iter().any(written) {
            settings.error(node, "one of `routing_key` and `routing_key_file` must be set");
        }
        let url_node = settings.or_global("url", "pagerduty_url");
        let url = Secret::new(url_node.and_then(Node::as_str).unwrap_or(URL));
        settings.check_url(&SecretSource::Inline(url.clone()), url_node);
        let texts = texts(settings);
        Some(Self { url, key: key?, texts })
    }

    async fn post(&self, client: &HttpClient, notification: &Notification) -> Result<Answer, NotifyError> {
        let key = self.key.read().await?;
        let body = event::build(&self.texts, notification, &key);
        let secrets = [key];
        client.send(Outgoing { secrets: &secrets, ..Outgoing::json(&self.url, body) }).await
    }

    fn judge(&self, answer: &Answer) -> Judged {
        match answer.judge(Self::SERVICE) {
            // The key is checked with the event, so a wrong one is a bad request.
            Judged::Failed(NotifyError::Rejected(message)) if names_the_key(&answer.body) => {
                Judged::Failed(NotifyError::Misconfigured(message))
            }
            verdict => verdict,
        }
    }

    fn receipt(&self, notification: &Notification, answer: &Answer) -> Receipt {
        Receipt { reference: dedup_key(notification), answer: answer.summary() }
    }
}

fn names_the_key(body: &str) -> bool {
    let body = body.to_lowercase();
    body.contains("routing key") || body.contains("routing_key")
}

#[cfg(test)]
mod tests;
