//! `ntfy`: push messages by ntfy.sh or a server of one's own.

use async_trait::async_trait;
use breakwatch_plugin_api::{Field, Notification, NotifierEntry, NotifyError, Secret};
use serde_json::{Value, json};

use crate::clean::{clean, clip, clip_bytes, link};
use crate::http::{Answer, HttpClient, Outgoing, Posting, parse};
use crate::layout::{Item, Message, Room, Tone};
use crate::settings::{HTTP_CONFIG, SENDS_RESOLVED, SecretSource, Settings, TIMEOUT, field};
use crate::template::{Data, Text, or_default, own};

/// The server makes a file of a longer message.
const MAX_MESSAGE: usize = 4096;
const MAX_TITLE: usize = 250;
/// Alerts told in detail: it is read on a phone.
const ROOM: Room = Room { alerts: 5, value: 250 };

const FIELDS: &[Field] = &[
    field("url", "secret URL", "", "The topic's URL, such as `https://ntfy.sh/my-topic`."),
    field("url_file", "file", "", "A file that holds the URL; read again for each message."),
    field("token", "secret", "", "An access token."),
    field("token_file", "file", "", "A file that holds the token."),
    field("title", "template", "the message in one line", "The title."),
    field("message", "template", "description, reason, evidence", "The text."),
    field("priority", "template", "5, 4 or 3 by what it is about", "1 (low) to 5 (urgent)."),
    field("tags", "list of templates", "rotating_light, warning or white_check_mark", "Tags and emojis."),
    TIMEOUT,
    HTTP_CONFIG,
    SENDS_RESOLVED,
];

/// The row in the table.
pub(crate) const ENTRY: NotifierEntry = NotifierEntry {
    key: "ntfy",
    section: "ntfy_configs",
    summary: "Sends push messages by ntfy.",
    fields: FIELDS,
    parse: parse::<Ntfy>,
};

struct Ntfy {
    url: SecretSource,
    token: Option<SecretSource>,
    texts: Texts,
}

struct Texts {
    title: Option<Text>,
    message: Option<Text>,
    priority: Option<Text>,
    tags: Option<Vec<Text>>,
}

/// The server's URL and the topic. Messages are posted to the server as JSON, as headers cannot carry every text.
fn split(url: &Secret) -> Option<(Secret, String)> {
    let mut url = url::Url::parse(url.expose()).ok()?;
    let mut segments: Vec<String> = url.path_segments()?.map(str::to_owned).collect();
    segments.retain(|segment| !segment.is_empty());
    let topic = segments.pop()?;
    url.set_path(&segments.join("/"));
    Some((Secret::new(url.as_str()), topic))
}

/// Builds the message, without its topic.
fn payload(texts: &Texts, notification: &Notification) -> Value {
    let message = Message::new(notification, ROOM);
    let data = Data::new(notification, &clean);
    let render = |text: &Option<Text>, default: &dyn Fn() -> String| {
        or_default(text.as_ref(), &data, notification, default)
    };
    let (tag, priority) = match message.tone {
        Tone::Bad => ("rotating_light", 5),
        Tone::Warn => ("warning", 4),
        Tone::Good => ("white_check_mark", 3),
    };
    let text = match texts.message.as_ref().and_then(|text| own(text, &data, notification)) {
        Some(own) => std::iter::once(own).chain(message.notes.iter().cloned()).collect::<Vec<_>>().join("\n"),
        None => default_text(&message),
    };
    let tags = match &texts.tags {
        None => vec![tag.to_owned()],
        Some(tags) => {
            let tags = tags.iter().filter_map(|tag| own(tag, &data, notification));
            tags.map(|tag| clip(tag.trim(), 60)).filter(|tag| !tag.is_empty()).collect()
        }
    };
    let number = render(&texts.priority, &|| priority.to_string()).trim().parse().unwrap_or(priority);
    let single = message.single();
    let mut payload = json!({
        "title": clip(&render(&texts.title, &|| message.headline.clone()), MAX_TITLE),
        "message": clip_bytes(&text, MAX_MESSAGE),
        "priority": number.clamp(1, 5),
        "tags": tags,
        "actions": actions(single),
    });
    let page = single.and_then(|item| item.dashboard.clone()).or_else(|| message.page.clone());
    if let Some(page) = page.as_deref().and_then(link) {
        payload["click"] = page.into();
    }
    payload
}

fn actions(item: Option<&Item>) -> Vec<Value> {
    let Some(item) = item else { return Vec::new() };
    let action = |(label, url): (&str, &Option<String>)| {
        Some(json!({ "action": "view", "label": label, "url": url.as_ref()? }))
    };
    [("Dashboard", &item.dashboard), ("Runbook", &item.runbook)].into_iter().filter_map(action).collect()
}

fn default_text(message: &Message) -> String {
    let mut lines = Vec::new();
    for item in &message.items {
        if message.single().is_none() {
            lines.push(format!("{}{}", if item.over { "over: " } else { "" }, item.name));
        }
        lines.extend([item.story(), item.description.clone()]);
        let wanted = ["Target", "Reason", "Failures", "Root cause", "Recovery time", "Lasted"];
        let facts = wanted.into_iter().filter_map(|name| Some(format!("{name}: {}", item.fact(name)?)));
        lines.extend(facts);
        lines.push(item.evidence.clone());
    }
    lines.extend(message.notes.iter().cloned());
    lines.retain(|line| !line.is_empty());
    // An empty message would be shown as "triggered".
    if lines.is_empty() { message.headline.clone() } else { lines.join("\n") }
}

#[async_trait]
impl Posting for Ntfy {
    const KEY: &'static str = ENTRY.key;
    const SERVICE: &'static str = "ntfy";

    fn read(settings: &mut Settings<'_>) -> Option<Self> {
        let url = settings.required_secret_url(["url", "url_file"], Some(["ntfy_url", "ntfy_url_file"]));
        if let (Some(SecretSource::Inline(secret)), Some(node)) = (&url, settings.section.get("url"))
            && split(secret).is_none()
        {
            settings.error(node, "expected the URL of a topic, such as `https://ntfy.sh/my-topic`");
        }
        let token = settings.secret("token", "token_file");
        let token = token.or_else(|| settings.global_secret("ntfy_token", "ntfy_token_file"));
        let tags = settings.section.get("tags");
        let tags = tags.map(|node| {
            let nodes = node.as_list().unwrap_or(std::slice::from_ref(node));
            nodes.iter().filter_map(|node| settings.text_of(node)).collect()
        });
        let texts = Texts {
            title: settings.text("title"),
            message: settings.text("message"),
            priority: settings.text("priority"),
            tags,
        };
        Some(Self { url: url?, token, texts })
    }

    async fn post(&self, client: &HttpClient, notification: &Notification) -> Result<Answer, NotifyError> {
        let full = self.url.read().await?;
        let (server, topic) = split(&full)
            .ok_or_else(|| NotifyError::Misconfigured("the URL does not name a topic".to_owned()))?;
        let mut secrets = vec![full];
        let mut payload = payload(&self.texts, notification);
        payload["topic"] = topic.into();
        let mut outgoing = Outgoing::json(&server, payload.to_string().into_bytes());
        if let Some(token) = &self.token {
            let token = token.read().await?;
            outgoing.headers.push(("Authorization".to_owned(), format!("Bearer {}", token.expose())));
            secrets.push(token);
        }
        outgoing.secrets = &secrets;
        client.send(outgoing).await
    }
}

#[cfg(test)]
mod tests {
    use breakwatch_plugin_api::Diagnostics;
    use breakwatch_sim::receiver::Receiver;

    use super::*;
    use crate::http::Posted;
    use crate::testing::{TRANSITIONS, build, context, golden_json, hostile, poisoned, sample, texts};

    fn built(notification: &Notification) -> Value {
        let diagnostics = Diagnostics::new();
        let settings = texts(&[("url", "https://ntfy.sh/ops-7f3a")]);
        payload(
            &Posted::<Ntfy>::read(&settings, &context(), &diagnostics).unwrap().posting.texts,
            notification,
        )
    }

    #[test]
    fn every_transition_by_its_golden_file() {
        for (name, transition) in TRANSITIONS {
            golden_json(
                &format!("ntfy_{name}.json"),
                built(&sample(Some(transition))).to_string().as_bytes(),
            );
        }
    }

    #[test]
    fn hostile_content_fits() {
        for content in hostile() {
            let value = built(&poisoned(&content));
            assert!(value["message"].as_str().unwrap().len() <= 4096);
            assert!(!value.to_string().contains("\"url\":\"javascript"));
        }
    }

    #[tokio::test]
    async fn the_topic_goes_into_the_body() {
        let receiver = Receiver::start().await.unwrap();
        let settings = texts(&[("url", &receiver.url("/base/ops-7f3a")), ("token", "tk_canary")]);
        build(&ENTRY, &settings, &context()).unwrap().notify(&sample(None)).await.unwrap();
        let request = &receiver.requests()[0];
        assert_eq!((request.path.as_str(), request.json()["topic"].as_str()), ("/base", Some("ops-7f3a")));
        assert_eq!(request.header("authorization"), Some("Bearer tk_canary"));
        let Err(found) = build(&ENTRY, &texts(&[("url", "https://ntfy.sh/")]), &context()) else {
            panic!("accepted")
        };
        assert!(found.contains("expected the URL of a topic"), "{found}");
    }
}
