//! From single checks to the whole: overall status, categories, dependencies.
//!
//! What was measured stays what it is: a failing dependency marks its dependants as at risk, it never changes their
//! own status. How far a failure reaches is a matter of its impact.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use breakwatch_model::{Impact, Status, Timestamp};

use crate::checks::unit::CheckUnit;

/// One check in the picture.
#[derive(Clone, Debug)]
pub struct Component {
    /// Its id.
    pub name: Arc<str>,
    /// Its own status.
    pub status: Status,
    /// How bad its failure is.
    pub impact: Impact,
    /// The group it is counted under.
    pub category: String,
    /// Direct dependencies.
    pub depends_on: Vec<Arc<str>>,
    /// The failing dependencies behind it, direct and indirect, nearest the root first.
    pub at_risk_from: Vec<Arc<str>>,
}

/// How many components of a category are how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Works.
    pub healthy: usize,
    /// Works badly.
    pub degraded: usize,
    /// Does not work.
    pub unhealthy: usize,
    /// Not measured.
    pub unknown: usize,
}

impl Counts {
    fn add(&mut self, status: Status) {
        *match status {
            Status::Healthy => &mut self.healthy,
            Status::Degraded => &mut self.degraded,
            Status::Unhealthy => &mut self.unhealthy,
            Status::Unknown => &mut self.unknown,
        } += 1;
    }

    /// All of them.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.healthy + self.degraded + self.unhealthy + self.unknown
    }
}

/// The whole picture.
#[derive(Clone, Debug)]
pub struct Health {
    /// The status of the whole.
    pub overall: Status,
    /// Every component, by name.
    pub components: Vec<Component>,
    /// Status and counts per category.
    pub categories: BTreeMap<String, (Status, Counts)>,
}

/// The picture of these checks at `now`.
#[must_use]
pub fn assess(units: &[Arc<CheckUnit>], now: Timestamp) -> Health {
    let components = units.iter().map(|unit| Component {
        name: Arc::clone(&unit.name),
        status: unit.status(now),
        impact: unit.settings.impact,
        category: unit.settings.category.clone(),
        depends_on: unit.settings.depends_on.clone(),
        at_risk_from: Vec::new(),
    });
    picture(components.collect())
}

fn picture(mut components: Vec<Component>) -> Health {
    let known: BTreeMap<Arc<str>, (Status, Vec<Arc<str>>)> =
        components.iter().map(|c| (Arc::clone(&c.name), (c.status, c.depends_on.clone()))).collect();
    for component in &mut components {
        component.at_risk_from = failing_dependencies(&component.name, &known);
    }
    let mut categories: BTreeMap<String, (Status, Counts)> = BTreeMap::new();
    for component in &components {
        let (status, counts) =
            categories.entry(component.category.clone()).or_insert((Status::Healthy, Counts::default()));
        counts.add(component.status);
        *status = worse(*status, effect(component));
    }
    let overall = components.iter().map(effect).fold(Status::Healthy, worse);
    let overall = if components.is_empty() { Status::Unknown } else { overall };
    Health { overall, components, categories }
}

/// What a component's status means for the whole, by its impact.
fn effect(component: &Component) -> Status {
    let at_risk = !component.at_risk_from.is_empty() && component.status == Status::Healthy;
    match (component.status, component.impact) {
        (_, Impact::Low) => Status::Healthy,
        (Status::Unhealthy, Impact::Critical) => Status::Unhealthy,
        (Status::Unhealthy, Impact::High | Impact::Medium) => Status::Degraded,
        (Status::Degraded, Impact::Critical | Impact::High) => Status::Degraded,
        (Status::Unknown, Impact::Critical | Impact::High) => Status::Unknown,
        (_, Impact::Critical) if at_risk => Status::Degraded,
        _ => Status::Healthy,
    }
}

fn worse(a: Status, b: Status) -> Status {
    let rank = |status| match status {
        Status::Healthy => 0,
        Status::Unknown => 1,
        Status::Degraded => 2,
        Status::Unhealthy => 3,
    };
    if rank(a) >= rank(b) { a } else { b }
}

/// Every failing check on the ways from `name` to its dependencies' dependencies, the deepest first: that one is
/// the likeliest root cause.
fn failing_dependencies(
    name: &Arc<str>,
    known: &BTreeMap<Arc<str>, (Status, Vec<Arc<str>>)>,
) -> Vec<Arc<str>> {
    let (mut seen, mut failing) = (BTreeSet::new(), Vec::new());
    let mut layer: Vec<Arc<str>> = known.get(name).map(|(_, deps)| deps.clone()).unwrap_or_default();
    while !layer.is_empty() {
        let mut next = Vec::new();
        for dependency in layer {
            let Some((status, deps)) = known.get(&dependency) else { continue };
            if seen.insert(Arc::clone(&dependency)) {
                if *status == Status::Unhealthy {
                    failing.push(dependency);
                }
                next.extend(deps.iter().cloned());
            }
        }
        layer = next;
    }
    failing.reverse();
    failing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(name: &str, status: Status, impact: Impact, depends_on: &[&str]) -> Component {
        Component {
            name: name.into(),
            status,
            impact,
            category: "all".to_owned(),
            depends_on: depends_on.iter().map(|d| Arc::from(*d)).collect(),
            at_risk_from: Vec::new(),
        }
    }

    #[test]
    fn the_whole_follows_from_impact() {
        use Impact::{Critical, High, Low, Medium};
        use Status::{Degraded, Healthy, Unhealthy, Unknown};
        for (status, impact, overall) in [
            (Unhealthy, Critical, Unhealthy),
            (Unhealthy, High, Degraded),
            (Unhealthy, Medium, Degraded),
            (Unhealthy, Low, Healthy),
            (Degraded, Critical, Degraded),
            (Degraded, High, Degraded),
            (Degraded, Medium, Healthy),
            (Unknown, High, Unknown),
            (Unknown, Medium, Healthy),
        ] {
            let health =
                picture(vec![component("a", status, impact, &[]), component("b", Healthy, High, &[])]);
            assert_eq!(health.overall, overall, "{status} {impact:?}");
        }
        assert_eq!(picture(Vec::new()).overall, Unknown);
    }

    #[test]
    fn a_failing_dependency_puts_dependants_at_risk_and_names_the_root() {
        let health = picture(vec![
            component("db", Status::Unhealthy, Impact::High, &[]),
            component("api", Status::Unhealthy, Impact::High, &["db"]),
            component("web", Status::Healthy, Impact::Critical, &["api"]),
        ]);
        let web = health.components.iter().find(|c| &*c.name == "web").unwrap();
        assert_eq!(web.at_risk_from, [Arc::from("db"), Arc::from("api")]);
        assert_eq!(web.status, Status::Healthy);
        assert_eq!(health.overall, Status::Degraded);
        assert_eq!(health.categories["all"].1.total(), 3);
    }
}
