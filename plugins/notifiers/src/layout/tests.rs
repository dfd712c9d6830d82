use breakwatch_model::Timestamp;
use breakwatch_plugin_api::TransitionKind;

use super::*;
use crate::testing::{alert, notification, sample};

const ROOM: Room = Room { alerts: 10, value: 500 };

#[test]
fn a_headline_for_every_transition() {
    let headline = |transition| Message::new(&sample(transition), ROOM).headline;
    assert_eq!(headline(Some(TransitionKind::Opened)), "[FIRING:1] http/website: website answers 503");
    assert_eq!(headline(Some(TransitionKind::HalfOpen)), "[FIRING:1] http/website: being probed (half-open)");
    assert_eq!(headline(Some(TransitionKind::Reopened)), "[FIRING:1] http/website: still failing (reopened)");
    assert_eq!(headline(Some(TransitionKind::Closed)), "[RESOLVED] http/website: recovered after 5m20s");
    assert_eq!(headline(None), "[FIRING:1] CheckUnhealthy http/website: website answers 503");
}

#[test]
fn a_group_is_counted_and_the_rest_told_of() {
    let mut group = notification(vec![alert("a", None), alert("b", Some(1)), alert("c", None)]);
    group.truncated_alerts = 4;
    let message = Message::new(&group, Room { alerts: 2, value: 500 });
    assert_eq!(message.headline, "[FIRING:2] page: 2 firing, 1 over");
    assert_eq!(message.items.iter().map(|item| item.over).collect::<Vec<_>>(), [false, false]);
    assert_eq!(message.notes, ["5 more alerts not shown"]);
    assert!(message.single().is_none());
}

#[test]
fn an_alert_without_a_check_keeps_all_its_labels() {
    let mut one = alert("x", None);
    one.labels = one.labels.without("check").with("job", "node").with("instance", "db-1:9100");
    let message = Message::new(&notification(vec![one]), ROOM);
    assert_eq!(message.single().unwrap().fact("Labels"), Some("instance=db-1:9100, job=node"));
    assert_eq!(message.single().unwrap().name, "CheckUnhealthy");
}

#[test]
fn tones() {
    assert_eq!(tone(&sample(Some(TransitionKind::Opened))), Tone::Bad);
    assert_eq!(tone(&sample(Some(TransitionKind::HalfOpen))), Tone::Warn);
    assert_eq!(tone(&sample(Some(TransitionKind::Closed))), Tone::Good);
    let mut mild = alert("x", None);
    mild.labels = mild.labels.with("severity", "warning");
    assert_eq!(tone(&notification(vec![mild])), Tone::Warn);
}

#[test]
fn hostile_links_are_no_links() {
    let mut one = alert("x", None);
    one.annotations = one.annotations.with("runbook_url", "javascript:alert(1)");
    one.generator_url = "data:text/html,<script>".to_owned();
    let item = Item::new(&one, Timestamp::from_secs(1_700_000_000), 100);
    assert_eq!((item.runbook, item.source), (None, None));
}
