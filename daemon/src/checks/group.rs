//! A group: the status of several checks as one.
//!
//! A group is derived, not measured; but running it like a check gives it a breaker, alerts, history and a place
//! on the page by the mechanism everything else uses. It reads last results and touches nothing outside.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use breakwatch_config::{Group, MinHealthy};
use breakwatch_model::{CheckFailure, FailureReason, Labels, MetricFamily, Status};
use breakwatch_plugin_api::{Check, CheckContext, Recorder};
use parking_lot::RwLock;

use super::unit::CheckUnit;

/// Looks at the last results of a group's members.
pub struct GroupCheck {
    members: Vec<Arc<str>>,
    min_healthy: MinHealthy,
    // Weak: the table of checks holds this check.
    units: Weak<RwLock<BTreeMap<Arc<str>, Arc<CheckUnit>>>>,
}

impl GroupCheck {
    /// A group of checks in `units`.
    #[must_use]
    pub fn new(group: &Group, units: Weak<RwLock<BTreeMap<Arc<str>, Arc<CheckUnit>>>>) -> Self {
        let members = group.members.iter().map(|(id, _)| Arc::from(id.to_string())).collect();
        Self { members, min_healthy: group.min_healthy, units }
    }
}

#[async_trait]
impl Check for GroupCheck {
    async fn run(&self, ctx: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let Some(units) = self.units.upgrade() else {
            return Err(CheckFailure::new(FailureReason::Internal, "the daemon is stopping"));
        };
        let units = units.read().clone();
        let now = ctx.started_at;
        let mut count: BTreeMap<Status, usize> = BTreeMap::new();
        for member in &self.members {
            let status = units.get(member).map_or(Status::Unknown, |unit| unit.status(now));
            *count.entry(status).or_default() += 1;
            if status != Status::Healthy {
                rec.fact(&**member, status.as_str());
            }
        }
        let number = |status| count.get(&status).copied().unwrap_or(0);
        let (total, unknown) = (self.members.len(), number(Status::Unknown));
        // Degraded is not down: it counts as available.
        let available = number(Status::Healthy) + number(Status::Degraded);
        let help = "Members of the group by status.";
        let mut family = MetricFamily::gauge("breakwatch_group_members", "", help);
        for status in Status::ALL {
            family.push(Labels::from_pairs([("status", status.as_str())]), number(status) as f64);
        }
        rec.family(family);
        let needed = self.min_healthy.of(total).max(1);
        // Certain only if those that were not measured could not make the difference.
        if available + unknown < needed {
            let message = format!("{available} of {total} members are available, {needed} are needed");
            return Err(CheckFailure::new(FailureReason::Members, message));
        }
        if available < needed {
            let message =
                format!("{unknown} of {total} members are not measured: the group cannot be judged");
            return Err(CheckFailure::new(FailureReason::Internal, message));
        }
        if available < total {
            let message = format!("{available} of {total} members are available");
            rec.degrade(CheckFailure::new(FailureReason::Members, message));
        }
        Ok(())
    }

    fn target(&self) -> String {
        self.members.join(", ")
    }
}
