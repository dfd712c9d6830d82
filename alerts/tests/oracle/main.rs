//! Alertmanager as oracle: the same script of alerts, under the same configuration, goes to a real Alertmanager in
//! real time and to this crate in simulated time. Groups, receivers, contents and times must agree.
//!
//! Intended differences, kept out of the script: the end of an alert that was told is told although silenced,
//! inhibited or muted; an alert that was over before it was ever seen firing makes no group; and a breaker's alert does
//! not wait for the tick of a group that has rested.

#![expect(clippy::unwrap_used, reason = "helpers of tests may be blunt")]

mod ours;
mod theirs;

use std::collections::BTreeMap;

use serde_json::Value;

/// What is done, in seconds after the start.
pub enum Action {
    /// Alerts are posted: `a=1 b=2` fires, `-a=1 b=2` is over.
    Post(&'static [&'static str]),
    /// Alerts with this name are silenced for so many seconds.
    Silence(&'static str, f64),
}

/// A message as a receiver saw it, without what must differ.
#[derive(Clone, Debug)]
pub struct Message {
    /// Seconds after the start.
    pub at: f64,
    /// Receiver, status, group key, group labels and alerts, as text.
    pub content: String,
}

const CONFIG: &str = r#"
route:
  receiver: rest
  group_by: [service]
  group_wait: 1s
  group_interval: 3s
  repeat_interval: 8s
  routes:
    - { matchers: [ 'team=~"db|web"' ], receiver: team, continue: true, group_by: ['...'] }
    - { match: { team: db }, receiver: dba, group_by: [service, severity] }
    - { matchers: [ kind="mail" ], receiver: once }
    - { matchers: [ kind="muted" ], receiver: rest, mute_time_intervals: [ always ] }
    - { matchers: [ kind="inactive" ], receiver: rest, active_time_intervals: [ never ] }
inhibit_rules:
  - { source_matchers: [ severity="critical" ], target_matchers: [ severity="warning" ], equal: [ service ] }
time_intervals:
  - { name: always, time_intervals: [ { times: [ { start_time: '00:00', end_time: '24:00' } ] } ] }
  - { name: never, time_intervals: [ { years: [ '1999' ] } ] }
receivers:
  - { name: rest, webhook_configs: [ { url: 'http://URL/' } ] }
  - { name: team, webhook_configs: [ { url: 'http://URL/' } ] }
  - { name: dba, webhook_configs: [ { url: 'http://URL/' } ] }
  - { name: once, webhook_configs: [ { url: 'http://URL/', send_resolved: false } ] }
"#;

/// Times stay clear of each other and of the ticks they lead to by about half a second.
const SCRIPT: &[(f64, Action)] = &[
    (0.5, Action::Post(&["alertname=A service=x", "alertname=B service=x job=j", "alertname=C service=y"])),
    (1.0, Action::Post(&["alertname=D service=x team=db severity=warning"])),
    (
        1.5,
        Action::Post(&[
            "alertname=M service=m kind=mail",
            "alertname=N kind=muted",
            "alertname=O kind=inactive",
        ]),
    ),
    (3.0, Action::Post(&["alertname=E service=x instance=i"])),
    (6.0, Action::Post(&["-alertname=A service=x"])),
    (
        7.0,
        Action::Post(&["alertname=F service=z severity=critical", "alertname=G service=z severity=warning"]),
    ),
    (8.5, Action::Silence("H", 7.0)),
    (9.0, Action::Post(&["alertname=H service=y"])),
    (
        10.0,
        Action::Post(&[
            "-alertname=M service=m kind=mail",
            "-alertname=D service=x team=db severity=warning",
        ]),
    ),
    (12.0, Action::Post(&["-alertname=F service=z severity=critical"])),
    (14.0, Action::Post(&["alertname=A service=x"])),
    (16.0, Action::Post(&["alertname=M service=m kind=mail"])),
    (19.0, Action::Post(&["-alertname=C service=y"])),
    (
        20.4,
        Action::Post(&[
            "-alertname=G service=z severity=warning",
            "alertname=P service=p",
            "alertname=P service=q",
        ]),
    ),
    (22.5, Action::Post(&["-alertname=P service=p"])),
];

/// When the script is over.
const END: f64 = 27.0;

/// How far apart the same message may come. The real one shares a busy machine.
const TOLERANCE: f64 = 1.2;

/// A webhook body as content.
fn content(body: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let alerts = body["alerts"].as_array().cloned().unwrap_or_default();
    let alerts: Vec<String> =
        alerts.iter().map(|alert| format!("{}{}", text(&alert["status"]), alert["labels"])).collect();
    let (receiver, status, key) = (text(&body["receiver"]), text(&body["status"]), text(&body["groupKey"]));
    format!("{receiver} {status} {key} {} {}", body["groupLabels"], alerts.join(" "))
}

/// Messages by group, in order.
fn by_group(messages: &[Message]) -> BTreeMap<String, Vec<&Message>> {
    let mut groups: BTreeMap<String, Vec<&Message>> = BTreeMap::new();
    for message in messages {
        let mut words = message.content.split(' ');
        let (receiver, _, key) = (words.next(), words.next(), words.next());
        let group = format!("{} {}", receiver.unwrap_or_default(), key.unwrap_or_default());
        groups.entry(group).or_default().push(message);
    }
    groups
}

fn show(messages: &[Message]) -> String {
    messages.iter().map(|message| format!("{:6.2} {}\n", message.at, message.content)).collect()
}

#[test]
fn alertmanager_and_we_say_the_same() {
    let Some(theirs) = theirs::run(CONFIG, SCRIPT, END) else {
        println!("LEFT OUT: there is no Alertmanager here");
        return;
    };
    let ours = ours::run(CONFIG, SCRIPT, END);
    let told = || format!("theirs:\n{}\nours:\n{}", show(&theirs), show(&ours));
    let (their_groups, our_groups) = (by_group(&theirs), by_group(&ours));
    assert_eq!(their_groups.keys().collect::<Vec<_>>(), our_groups.keys().collect::<Vec<_>>(), "{}", told());
    assert!(theirs.len() > 15, "{}", told());
    for (group, theirs) in &their_groups {
        let ours = &our_groups[group];
        assert_eq!(theirs.len(), ours.len(), "{group}\n{}", told());
        for (their, our) in theirs.iter().zip(ours) {
            assert_eq!(their.content, our.content, "{group}\n{}", told());
            assert!(
                (their.at - our.at).abs() < TOLERANCE,
                "{group}: {} and {}\n{}",
                their.at,
                our.at,
                told()
            );
        }
    }
}
