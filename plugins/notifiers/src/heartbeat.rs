//! `heartbeat`: pings a URL, so that somebody else notices when this daemon is gone (a dead-man's switch).
//!
//! It says only "I am alive" and carries nothing of the alert. Route an alert that always fires to it, or let the
//! daemon call it on its own `interval`.

use async_trait::async_trait;
use breakwatch_model::AlertStatus;
use breakwatch_plugin_api::{
    Diagnostics, Field, Node, Notification, Notifier, NotifierContext, NotifierEntry, NotifyError, Receipt,
};
use reqwest::Method;

use crate::http::{HttpClient, Judged, Outgoing};
use crate::settings::{HTTP_CONFIG, SecretSource, Settings, TIMEOUT, checked, field};

const METHODS: [(&str, Method); 3] = [("GET", Method::GET), ("POST", Method::POST), ("HEAD", Method::HEAD)];

const FIELDS: &[Field] = &[
    field("url", "secret URL", "", "The URL to ping."),
    field("url_file", "file", "", "A file that holds the URL; read again for each ping."),
    field("method", "GET, POST or HEAD", "GET", "The method."),
    field("interval", "duration", "1m", "How often the daemon pings while it evaluates and sends."),
    TIMEOUT,
    HTTP_CONFIG,
];

/// The row in the table.
pub(crate) const ENTRY: NotifierEntry = NotifierEntry {
    key: "heartbeat",
    section: "heartbeat_configs",
    summary: "Pings a URL while the daemon is alive.",
    fields: FIELDS,
    parse,
};

struct Heartbeat {
    client: HttpClient,
    url: SecretSource,
    method: Method,
}

fn parse(node: &Node, context: &NotifierContext, diagnostics: &Diagnostics) -> Option<Box<dyn Notifier>> {
    let heartbeat = checked(diagnostics, |diagnostics| read(node, context, diagnostics))?;
    Some(Box::new(heartbeat))
}

fn read(node: &Node, context: &NotifierContext, diagnostics: &Diagnostics) -> Option<Heartbeat> {
    let mut settings = Settings::open(node, context, diagnostics)?;
    let url = settings.required_secret_url(["url", "url_file"], None);
    let words: Vec<(&str, usize)> = METHODS.iter().enumerate().map(|(at, (word, _))| (*word, at)).collect();
    let method = settings.section.choice("method", &words).unwrap_or(0);
    let method = METHODS.get(method).map_or(Method::GET, |(_, method)| method.clone());
    // Read by whoever keeps the time; a mistake in it is found here all the same.
    let _ = settings.section.duration("interval");
    // The end of an always-firing alert is no sign of life.
    if settings.section.bool("send_resolved") == Some(true) {
        settings
            .section
            .error_at("send_resolved", "a heartbeat has nothing to say about the end of an alert");
    }
    let client = settings.http_client();
    settings.finish();
    Some(Heartbeat { client: client?, url: url?, method })
}

#[async_trait]
impl Notifier for Heartbeat {
    fn integration(&self) -> &'static str {
        ENTRY.key
    }

    fn send_resolved(&self) -> bool {
        false
    }

    async fn notify(&self, notification: &Notification) -> Result<Receipt, NotifyError> {
        if notification.status == AlertStatus::Resolved {
            // The always-firing alert has ended: that is the very silence the other side waits for.
            return Ok(Receipt {
                reference: String::new(),
                answer: "no ping for the end of an alert".to_owned(),
            });
        }
        let url = self.url.read().await?;
        let answer =
            self.client.send(Outgoing { method: self.method.clone(), ..Outgoing::post(&url) }).await?;
        match answer.judge("the heartbeat's receiver") {
            Judged::Delivered => Ok(Receipt { reference: String::new(), answer: answer.summary() }),
            Judged::Failed(error) | Judged::TooLarge(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use breakwatch_plugin_api::TransitionKind;
    use breakwatch_sim::receiver::Receiver;

    use super::*;
    use crate::testing::{build, context, sample, texts};

    #[tokio::test]
    async fn a_ping_carries_nothing() {
        let receiver = Receiver::start().await.unwrap();
        let url = receiver.url("/ping/0000-key");
        for (method, wanted) in [(None, "GET"), (Some("POST"), "POST")] {
            let mut settings = vec![("url", url.as_str()), ("interval", "30s")];
            settings.extend(method.map(|method| ("method", method)));
            let heartbeat = build(&ENTRY, &texts(&settings), &context()).unwrap();
            heartbeat.notify(&sample(None)).await.unwrap();
            let request = receiver.requests().pop().unwrap();
            let count = receiver.requests().len();
            assert_eq!((request.method.as_str(), request.path.as_str()), (wanted, "/ping/0000-key"));
            assert_eq!(request.body, b"");
            heartbeat.notify(&sample(Some(TransitionKind::Closed))).await.unwrap();
            assert_eq!(receiver.requests().len(), count, "the end of an alert is no sign of life");
        }
    }
}
