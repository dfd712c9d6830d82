//! Everything the daemon knows right now as metric families: the answer to `GET /metrics`, and what the daemon
//! writes into its own store so that rules can speak about it.

use std::sync::Arc;

use breakwatch_model::{Labels, MetricFamily, MetricKind};

use crate::breakers::{self, Guard};
use crate::checks::pause::PausedBy;
use crate::shared::{Shared, VERSION};
use crate::telemetry::process;

/// Families about checks: the last result of each, while it is current.
#[must_use]
pub fn check_families(shared: &Shared) -> Vec<MetricFamily> {
    let now = shared.clock.now();
    let current = |unit: &Arc<crate::checks::unit::CheckUnit>| {
        let state = unit.state.lock();
        let last = state.last.as_ref().filter(|last| now <= last.current_until && !unit.is_paused())?;
        Some(last.families.iter().filter(|family| is_snake_case(&family.name)).cloned().collect::<Vec<_>>())
    };
    shared.checks().iter().filter_map(current).flatten().collect()
}

/// Whether a name is one that promtool's lint accepts. node_exporter's memory names are not: they are stored, and
/// left out here (docs/adr/0004).
fn is_snake_case(name: &str) -> bool {
    !name.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Families about the daemon and its breakers. Blocks for a moment.
#[must_use]
pub fn own_families(shared: &Shared) -> Vec<MetricFamily> {
    let mut families = breaker_families(shared, &shared.breakers.list());
    families.extend(daemon_families(shared));
    families
}

/// Families about these breakers.
#[must_use]
pub fn breaker_families(shared: &Shared, guards: &[Arc<Guard>]) -> Vec<MetricFamily> {
    breakers::families(guards, shared.clock.monotonic(), shared.clock.now())
}

/// Families about the daemon: instruments, alerting, rules, store, process. Blocks for a moment.
#[must_use]
pub fn daemon_families(shared: &Shared) -> Vec<MetricFamily> {
    let mut families = shared.instruments.collect();
    families.extend(shared.observer.families(shared.clock.now()));
    families.extend(shared.bulkheads.families());
    families.extend(shared.alerting.snapshot().families.iter().cloned());
    families.extend(shared.rules.families());
    families.extend(shared.store.families());
    families.extend(shared.reload.families());
    families.extend(process::families(shared.started_at));
    families.push(paused_checks(shared));
    families.push(build_info());
    let help = "Whether configuration and store are loaded.";
    let ready = MetricFamily::gauge("breakwatch_ready", "", help);
    families.push(ready.with(Labels::empty(), f64::from(u8::from(shared.is_ready()))));
    families
}

fn paused_checks(shared: &Shared) -> MetricFamily {
    let (mut user, mut schedule) = (0u32, 0u32);
    for by in shared.checks().iter().filter_map(|unit| unit.pause.by()) {
        match by {
            PausedBy::User => user += 1,
            PausedBy::Schedule { .. } => schedule += 1,
        }
    }
    let help = "Checks that are suspended, by whom: a person, or a window of a schedule.";
    let mut family = MetricFamily::gauge("breakwatch_checks_paused", "", help);
    for (by, count) in [("user", user), ("schedule", schedule)] {
        family.push(Labels::from_pairs([("by", by)]), f64::from(count));
    }
    family
}

fn build_info() -> MetricFamily {
    let help = "Version of breakwatch; the value is 1.";
    MetricFamily::new("breakwatch_build_info", MetricKind::Info, "", help)
        .with(Labels::from_pairs([("version", VERSION)]), 1.0)
}
