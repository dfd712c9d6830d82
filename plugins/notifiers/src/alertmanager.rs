//! `alertmanager`: forwards alerts to a cluster of Alertmanagers by API v2.
//!
//! Every peer is told, as Prometheus does it: the cluster itself sees to it that nobody is paged twice. One peer
//! that took the alerts is enough.

use std::time::Duration;

use async_trait::async_trait;
use breakwatch_plugin_api::{
    Diagnostics, Field, Node, Notification, Notifier, NotifierContext, NotifierEntry, NotifyError, Receipt,
    Secret,
};

use crate::alertmanager_json;
use crate::http::{HttpClient, Judged, Outgoing};
use crate::settings::{HTTP_CONFIG, SENDS_RESOLVED, SecretSource, Settings, checked, field};

/// The API's path under an Alertmanager's address.
const PATH: &str = "/api/v2/alerts";
/// Alertmanager takes an alert for over at this time after we last told of it. Three times the default repeat
/// interval: a daemon that is gone for good does not leave alerts behind, a repeat that is late ends none.
const DEFAULT_TTL: Duration = Duration::from_secs(12 * 3600);

const FIELDS: &[Field] = &[
    field("urls", "list of URLs", "", "The peers' addresses, such as `http://alertmanager-0:9093`."),
    field("alert_ttl", "duration", "12h", "An alert that is not told of again for this long counts as over."),
    field("timeout", "duration", "10s", "How long one try may take for each peer."),
    HTTP_CONFIG,
    SENDS_RESOLVED,
];

/// The row in the table.
pub(crate) const ENTRY: NotifierEntry = NotifierEntry {
    key: "alertmanager",
    section: "alertmanager_configs",
    summary: "Forwards alerts to a cluster of Alertmanagers.",
    fields: FIELDS,
    parse,
};

struct Alertmanager {
    client: HttpClient,
    peers: Vec<Secret>,
    ttl: Duration,
    send_resolved: bool,
}

fn parse(node: &Node, context: &NotifierContext, diagnostics: &Diagnostics) -> Option<Box<dyn Notifier>> {
    let alertmanager = checked(diagnostics, |diagnostics| read(node, context, diagnostics))?;
    Some(Box::new(alertmanager))
}

fn read(node: &Node, context: &NotifierContext, diagnostics: &Diagnostics) -> Option<Alertmanager> {
    let mut settings = Settings::open(node, context, diagnostics)?;
    let urls = settings.section.required("urls");
    let peers = settings.section.strings("urls").unwrap_or_default();
    for url in &peers {
        settings.check_url(&SecretSource::Inline(Secret::new(url)), urls);
    }
    if let Some(node) = urls.filter(|_| peers.is_empty()) {
        settings.error(node, "at least one URL is needed");
    }
    let ttl = settings.section.duration("alert_ttl").unwrap_or(DEFAULT_TTL);
    let send_resolved = settings.send_resolved(true);
    let client = settings.http_client();
    settings.finish();
    let peers = peers.iter().map(|url| endpoint(url)).collect();
    Some(Alertmanager { client: client?, peers, ttl, send_resolved })
}

fn endpoint(url: &str) -> Secret {
    let base = url.trim_end_matches('/');
    Secret::new(if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") })
}

impl Alertmanager {
    async fn tell(&self, peer: &Secret, body: Vec<u8>) -> Result<(), NotifyError> {
        let answer = self.client.send(Outgoing::json(peer, body)).await?;
        match answer.judge("Alertmanager") {
            Judged::Delivered => Ok(()),
            Judged::Failed(error) | Judged::TooLarge(error) => Err(error),
        }
    }
}

#[async_trait]
impl Notifier for Alertmanager {
    fn integration(&self) -> &'static str {
        ENTRY.key
    }

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    /// It takes the alerts of many Prometheus servers side by side.
    fn at_once(&self) -> usize {
        8
    }

    async fn notify(&self, notification: &Notification) -> Result<Receipt, NotifyError> {
        let body = alertmanager_json::api_alerts(notification, notification.created_at + self.ttl);
        // All at once: a peer that hangs must not keep the others from hearing.
        let tries = self.peers.iter().map(|peer| self.tell(peer, body.clone()));
        let results = futures_util::future::join_all(tries).await;
        let told = results.iter().filter(|result| result.is_ok()).count();
        let faults: Vec<NotifyError> = results.into_iter().filter_map(Result::err).collect();
        if told == 0 {
            return Err(worth_most(faults));
        }
        let mut answer = format!("{told} of {} peers", self.peers.len());
        for fault in faults {
            answer.push_str(&format!("; {fault}"));
        }
        Ok(Receipt { reference: String::new(), answer })
    }
}

/// Of several faults the one that gives the message the best chance: try again rather than wait for the operator,
/// wait rather than give up.
fn worth_most(faults: Vec<NotifyError>) -> NotifyError {
    let rank = |fault: &NotifyError| match fault {
        NotifyError::Retryable { .. } => 0,
        NotifyError::Misconfigured(_) => 1,
        NotifyError::Rejected(_) => 2,
    };
    let none = || NotifyError::Misconfigured("no peer is configured".to_owned());
    faults.into_iter().min_by_key(rank).unwrap_or_else(none)
}

#[cfg(test)]
mod tests {
    use breakwatch_sim::receiver::{Answer, Receiver};

    use super::*;
    use crate::testing::{TRANSITIONS, build, context, golden_json, list, map, sample, text};

    #[test]
    fn every_transition_by_its_golden_file() {
        for (name, transition) in TRANSITIONS {
            let message = sample(Some(transition));
            let body = alertmanager_json::api_alerts(&message, message.created_at + DEFAULT_TTL);
            golden_json(&format!("alertmanager_{name}.json"), &body);
        }
    }

    #[tokio::test]
    async fn every_peer_is_told_and_one_is_enough() {
        let (good, bad) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
        bad.always(Answer::text(503, "starting"));
        let urls = list(vec![text(&bad.url("")), text(&good.url("/am/"))]);
        let forward = build(&ENTRY, &map(vec![("urls", urls)]), &context()).unwrap();
        let receipt = forward.notify(&sample(None)).await.unwrap();
        assert!(receipt.answer.starts_with("1 of 2 peers; Alertmanager answered 503"), "{}", receipt.answer);
        let request = &good.requests()[0];
        assert_eq!(
            (request.path.as_str(), request.json()[0]["labels"]["check"].as_str()),
            ("/am/api/v2/alerts", Some("http/website"))
        );
        good.always(Answer::status(400));
        let error = forward.notify(&sample(None)).await.unwrap_err();
        assert!(matches!(error, NotifyError::Retryable { .. }), "one peer may still take it: {error}");
    }
}
