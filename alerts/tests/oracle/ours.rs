//! This crate, driven through its public face in simulated time.

use std::sync::Arc;
use std::time::Duration;

use breakwatch_alerts::config::{Config, IntegrationKind};
use breakwatch_alerts::{Alerting, PostedAlert, Restored, Settings, SilenceMatcher, SilenceRequest};
use breakwatch_model::{AlertStatus, Labels, Timestamp};
use breakwatch_plugin_api::{Diagnostics, Notification, Receipt};
use serde_json::json;

use super::{Action, Message, content};

fn time(seconds: f64) -> Timestamp {
    Timestamp::from_secs_f64(1_704_067_200.0 + seconds)
}

pub(crate) fn labels(text: &str) -> Labels {
    Labels::from_pairs(text.split_whitespace().filter_map(|pair| pair.split_once('=')))
}

pub(crate) fn run(config: &str, script: &[(f64, Action)], end: f64) -> Vec<Message> {
    let diagnostics = Diagnostics::new();
    let node = breakwatch_config::load_text("oracle.yml", config, &diagnostics).unwrap();
    let kinds = [IntegrationKind { kind: "webhook", section: "webhook_configs" }];
    let config = Config::read(&node, &kinds, &diagnostics).unwrap();
    let settings = Settings { seed: 1, ..Settings::default() };
    let mut alerting = Alerting::new(Arc::new(config), settings, Restored::default(), time(0.0));
    let mut messages = Vec::new();
    for (at, action) in script {
        run_to(&mut alerting, *at, &mut messages);
        act(&mut alerting, action, time(*at));
    }
    run_to(&mut alerting, end, &mut messages);
    messages
}

fn act(alerting: &mut Alerting, action: &Action, now: Timestamp) {
    match action {
        Action::Post(alerts) => {
            let post = |text: &&str| match text.strip_prefix('-') {
                Some(text) => {
                    PostedAlert { labels: labels(text), ends_at: Some(now), ..PostedAlert::default() }
                }
                None => PostedAlert { labels: labels(text), ..PostedAlert::default() },
            };
            alerting.receive(alerts.iter().map(post).collect(), now).unwrap();
        }
        Action::Silence(name, seconds) => {
            let matcher = SilenceMatcher {
                name: "alertname".into(),
                value: (*name).into(),
                is_regex: false,
                is_equal: true,
            };
            let request = SilenceRequest {
                id: String::new(),
                matchers: vec![matcher],
                starts_at: now,
                ends_at: now + Duration::from_secs_f64(*seconds),
                created_by: "oracle".into(),
                comment: "oracle".into(),
                recurrence: None,
            };
            alerting.set_silence(request, now).unwrap();
        }
    }
}

/// Ticks and sends at every due moment up to a time.
fn run_to(alerting: &mut Alerting, end: f64, messages: &mut Vec<Message>) {
    loop {
        let due = alerting.next_due();
        if due > time(end) {
            return;
        }
        alerting.tick(due);
        let _ = alerting.take_batch();
        alerting.committed();
        for message in alerting.due_messages(due) {
            let Some(notification) = alerting.start(&message.id, due) else { continue };
            let at = due.since(time(0.0)).as_secs_f64();
            messages.push(Message { at, content: content(&body(&notification)) });
            alerting.finish(&message.id, Ok(Receipt::default()), due);
        }
        let _ = alerting.take_batch();
        alerting.committed();
    }
}

/// What of the webhook's body is compared.
fn body(notification: &Notification) -> serde_json::Value {
    let alerts: Vec<serde_json::Value> = notification
        .alerts
        .iter()
        .map(|alert| {
            let status: AlertStatus = alert.status(notification.created_at);
            json!({ "status": status.as_str(), "labels": alert.labels })
        })
        .collect();
    json!({
        "receiver": notification.receiver,
        "status": notification.status.as_str(),
        "groupKey": notification.group_key,
        "groupLabels": notification.group_labels,
        "alerts": alerts,
    })
}
