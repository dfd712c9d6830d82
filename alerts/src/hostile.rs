//! Whatever clients, files and the disk may hold: read or refused, never a panic, and never lost on the way.

use breakwatch_model::{Labels, Record, Timestamp};
use breakwatch_plugin_api::Diagnostics;
use proptest::prelude::*;

use crate::testing::{START, at};
use crate::{Alerting, Config, IntegrationKind, PostedAlert, Restored, Settings};

const KINDS: [IntegrationKind; 1] = [IntegrationKind { kind: "webhook", section: "webhook_configs" }];

fn config(text: &str) -> Option<Config> {
    let diagnostics = Diagnostics::new();
    let node = breakwatch_config::load_text("t.yml", text, &diagnostics)?;
    Config::read(&node, &KINDS, &diagnostics)
}

fn alerting(restored: Restored) -> Alerting {
    let config = config(
        "{route: {receiver: a, group_wait: 0s, group_by: ['...']}, receivers: [{name: a, webhook_configs: [{}]}]}",
    );
    Alerting::new(config.unwrap().into(), Settings { seed: 1, ..Settings::default() }, restored, START)
}

/// Texts that break naive code: signs of many grammars, control characters, long runs.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        "[{}\"'=~!,:\\\\\\[\\]()*+.#<>&|\\-0-9a-z \n\t\u{0}\u{202e}é]{0,60}",
        "(a{1,3}(=|=~|!=|!~)[\"']?\\PC{0,8}[\"']?,?){0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn matchers_schedules_and_configurations(text in text()) {
        if let Ok(matchers) = crate::matchers::parse_matchers(&text) {
            // What is read and printed is read the same again.
            let printed = crate::text::matchers(&matchers);
            prop_assert_eq!(crate::matchers::parse_matchers(&printed).ok(), Some(matchers), "{}", printed);
        }
        let _ = crate::cron::Cron::parse(&text);
        let quoted = serde_json::to_string(&text).unwrap();
        for template in [
            "{route: {receiver: a, routes: [{matchers: [X]}]}, receivers: [{name: a}]}",
            "{route: {receiver: a, group_by: [X]}, receivers: [{name: a, rate_limit: X, transitions: [X]}]}",
            "{route: {receiver: X}, receivers: [{name: X}], time_intervals: [{name: X, time_intervals: [{weekdays: [X], days_of_month: [X], times: [{start_time: X, end_time: X}], location: X}]}]}",
            "X",
        ] {
            if let Some(config) = config(&template.replace('X', &quoted)) {
                let yaml = config.to_alertmanager_yaml();
                let again = crate::hostile::config(&format!("{yaml}\ndefault_inhibit_rules: false\n"));
                prop_assert!(again.is_some_and(|again| again.to_alertmanager_yaml() == yaml), "{}", yaml);
            }
        }
    }

    #[test]
    fn alerts_of_any_content_arrive_whole(labels in prop::collection::btree_map(text(), text(), 1..6), note in text()) {
        let labels = Labels::from_pairs(labels);
        prop_assume!(!labels.is_empty());
        let mut alerting = alerting(Restored::default());
        let annotations = Labels::from_pairs([("summary", note)]);
        let posted = PostedAlert { labels: labels.clone(), annotations: annotations.clone(), ..PostedAlert::default() };
        alerting.receive(vec![posted], START).unwrap();
        alerting.tick(START);
        let batch = alerting.take_batch();
        // And over a restart.
        let mut store: Vec<(breakwatch_model::Table, Record)> = Vec::new();
        for op in batch.ops {
            if let breakwatch_model::Op::Put { table, key, value } = op {
                store.push((table, Record { key, at: Timestamp(0), value }));
            }
        }
        let table = |wanted| store.iter().filter(|(table, _)| *table == wanted).map(|(_, r)| r.clone()).collect();
        let restored = Restored {
            alerts: table(breakwatch_model::Table::Alerts),
            notifications: table(breakwatch_model::Table::Notifications),
            outbox: table(breakwatch_model::Table::Outbox),
            ..Restored::default()
        };
        let mut alerting = self::alerting(restored);
        prop_assert_eq!(alerting.take_problems(), Vec::<String>::new());
        alerting.committed();
        let due = alerting.due_messages(at(1.0));
        prop_assert_eq!(due.len(), 1);
        let message = alerting.start(&due[0].id, at(1.0)).unwrap();
        prop_assert_eq!(&message.alerts[0].labels, &labels);
        prop_assert_eq!(&message.alerts[0].annotations, &annotations);
    }

    #[test]
    fn records_of_any_content_are_left_out(key in text(), value in prop::collection::vec(any::<u8>(), 0..200)) {
        for stem in ["alert/", "group/", "slot/a\n", "", "rule/"] {
            let record = Record { key: format!("{stem}{key}"), at: Timestamp(0), value: value.clone() };
            let all = || vec![record.clone()];
            let restored = Restored { alerts: all(), notifications: all(), outbox: all(), silences: all(), acks: all() };
            let mut alerting = alerting(restored);
            alerting.tick(START);
            let _ = alerting.next_due();
        }
    }
}

#[test]
fn a_megabyte_of_annotation_goes_through() {
    let mut alerting = alerting(Restored::default());
    let long = "x".repeat(1 << 20);
    let posted = PostedAlert {
        labels: Labels::from_pairs([("alertname", "A")]),
        annotations: Labels::from_pairs([("d", long.as_str())]),
        ..PostedAlert::default()
    };
    alerting.receive(vec![posted], START).unwrap();
    alerting.tick(START);
    let _ = alerting.take_batch();
    alerting.committed();
    let due = alerting.due_messages(START);
    assert_eq!(alerting.start(&due[0].id, START).unwrap().alerts[0].annotations.value("d").len(), 1 << 20);
}
