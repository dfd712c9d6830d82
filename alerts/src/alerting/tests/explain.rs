//! Why somebody was told, and why somebody was not.

use std::cell::Cell;
use std::rc::Rc;

use super::guarantee::silence;
use super::sim::{Sim, flaky};
use crate::ledger::Record;
use crate::matchers::parse_matchers;

const ONE: &str = "
route: { receiver: ops, group_by: [service], group_wait: 10s, group_interval: 1m }
receivers: [ { name: ops, webhook_configs: [ {} ] } ]
inhibit_rules: [ { source_matchers: [alertname=Root], target_matchers: [alertname=B], equal: [service] } ]
";

fn explain(sim: &Sim, matchers: &str) -> String {
    let records = sim.store.ledger.iter().map(|r| serde_json::from_slice::<Record>(&r.value).unwrap());
    let records: Vec<Record> = records.collect();
    let found = sim.alerting.explain(&parse_matchers(matchers).unwrap(), &records, sim.time());
    found.iter().flat_map(super::super::Explanation::lines).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_whole_way_is_told() {
    let mut sim = Sim::new(ONE);
    let down = Rc::new(Cell::new(true));
    let seen = Rc::clone(&down);
    sim.answer = flaky(move || seen.get());
    sim.post(&["alertname=A service=x"]);
    assert!(
        explain(&sim, "alertname=A").contains(
            "ops/webhook[0] is to be told when the group is looked at, at 2024-01-01T00:00:10.000Z"
        )
    );
    sim.run_to(12.0);
    let text = explain(&sim, "alertname=A");
    assert!(text.contains("has a message waiting since 2024-01-01T00:00:10.000Z, tried 3 times, last error: connection refused"), "{text}");
    down.set(false);
    sim.run_to(60.0);
    let text = explain(&sim, "service=x");
    for line in [
        "{alertname=\"A\", service=\"x\"} (",
        "  firing since 2024-01-01T00:00:00.000Z, active",
        "  route {} to ops, group {}:{service=\"x\"}",
        "    ops/webhook[0] was told that it fires",
        "  2024-01-01T00:00:00.000Z raised, began at 2024-01-01T00:00:00.000Z",
        "  2024-01-01T00:00:10.000Z ops/webhook[0]: to be told (first of this group): 1 firing, 0 over",
        "  2024-01-01T00:00:10.000Z ops/webhook[0]: attempt 1",
        "ops/webhook[0]: failed: connection refused; tried again at",
        "ops/webhook[0]: delivered after",
    ] {
        assert!(text.contains(line), "{line}\nnot in\n{text}");
    }
}

#[test]
fn who_was_not_told_and_why() {
    let mut sim = Sim::new(ONE);
    let id = sim.alerting.set_silence(silence("alertname", "A", 0.0, 3600.0), sim.time()).unwrap();
    sim.post(&["alertname=A service=x", "alertname=Root service=x", "alertname=B service=x"]);
    sim.run_to(20.0);
    let text = explain(&sim, "alertname=A");
    assert!(text.contains(&format!("ops/webhook[0] is not told: silenced by {id}")), "{text}");
    assert!(text.contains("suppressed") && text.contains(&format!("kept quiet: silenced by {id}")), "{text}");
    assert!(explain(&sim, "alertname=B").contains("is not told: inhibited by Root"));
    sim.post(&["-alertname=A service=x"]);
    sim.run_to(200.0);
    let text = explain(&sim, "alertname=A");
    assert!(text.contains("not firing") && text.contains("over since"), "{text}");
    assert_eq!(explain(&sim, "alertname=Z"), "");
}
