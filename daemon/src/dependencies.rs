//! Which checks fail only because of what they depend on, and which failure is the root.
//!
//! A failing dependency silences its dependants' alerts, never their measurement and never their ends. A dependency
//! counts as failing from its first counted failure until its breaker has closed again. A dependant whose own breaker
//! is still open then stays quiet until it has been looked at again: nothing that was found before the end of the
//! root cause says anything about the time after it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use breakwatch_breaker::State;
use breakwatch_model::{Status, Timestamp};

use crate::checks::unit::CheckUnit;

/// How long after the end of its root cause a failing run of a dependant still says nothing of its own: pools
/// reconnect, queues drain, caches fill.
const SETTLE: Duration = Duration::from_secs(60);

/// A check that still fails though its root cause is over.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Aftermath {
    root: String,
    over_at: Timestamp,
}

/// Whose alerts have a cause elsewhere, as alerting was last told.
#[derive(Default, Debug)]
pub struct Causes {
    told: Arc<HashMap<String, String>>,
    aftermath: HashMap<String, Aftermath>,
}

impl Causes {
    /// Takes in the root causes of this moment; gives what alerting is to be told, if that has changed. `suffers` says
    /// whether something still fails of a root cause that was over at a time.
    pub fn update(
        &mut self,
        mut causes: HashMap<String, String>,
        suffers: impl Fn(&str, Timestamp) -> bool,
        now: Timestamp,
    ) -> Option<Arc<HashMap<String, String>>> {
        let mut aftermath = HashMap::new();
        for (check, root) in self.told.iter().filter(|(check, _)| !causes.contains_key(*check)) {
            let known = self.aftermath.remove(check);
            let after = known.unwrap_or_else(|| Aftermath { root: root.clone(), over_at: now });
            if suffers(check, after.over_at) {
                aftermath.insert(check.clone(), after);
            }
        }
        causes.extend(aftermath.iter().map(|(check, after)| (check.clone(), after.root.clone())));
        self.aftermath = aftermath;
        if *self.told == causes {
            return None;
        }
        self.told = Arc::new(causes);
        Some(Arc::clone(&self.told))
    }

    /// The root cause of every check that has one.
    #[must_use]
    pub fn told(&self) -> Arc<HashMap<String, String>> {
        Arc::clone(&self.told)
    }

    /// Whether a check is kept quiet though its root cause is over.
    #[must_use]
    pub fn is_aftermath(&self, check: &str) -> bool {
        self.aftermath.contains_key(check)
    }
}

/// Whether a check that fails has not been found failing anew since its root cause was over.
#[must_use]
pub fn suffers_still(unit: &CheckUnit, over_at: Timestamp, now: Timestamp) -> bool {
    let failed_anew = unit
        .state
        .lock()
        .last
        .as_ref()
        .is_some_and(|last| last.status == Status::Unhealthy && last.started_at >= over_at + SETTLE);
    is_failing(unit, now) && !failed_anew
}

/// One check as the question sees it.
struct Node<'a> {
    failing: bool,
    depends_on: &'a [Arc<str>],
}

/// For every check with a failing dependency, near or far, the one at the root.
#[must_use]
pub fn root_causes(units: &BTreeMap<Arc<str>, Arc<CheckUnit>>, now: Timestamp) -> HashMap<String, String> {
    let node = |unit: &'_ Arc<CheckUnit>| is_failing(unit, now);
    let nodes = units
        .iter()
        .map(|(name, unit)| (&**name, Node { failing: node(unit), depends_on: &unit.settings.depends_on }));
    roots(&nodes.collect())
}

/// The other way round: for every root cause the checks that suffer from it, by name.
#[must_use]
pub fn affected(causes: &HashMap<String, String>) -> BTreeMap<&str, Vec<&str>> {
    let mut affected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (check, root) in causes {
        affected.entry(root).or_default().push(check);
    }
    affected.values_mut().for_each(|checks| checks.sort_unstable());
    affected
}

fn is_failing(unit: &CheckUnit, now: Timestamp) -> bool {
    let breaker = &unit.guard.breaker;
    let open = breaker.state() != State::Closed && !breaker.is_held();
    !unit.is_paused() && (open || unit.status(now) == Status::Unhealthy)
}

fn roots(nodes: &BTreeMap<&str, Node<'_>>) -> HashMap<String, String> {
    let mut known: HashMap<&str, Option<&str>> = HashMap::new();
    for name in nodes.keys() {
        root(name, nodes, &mut known);
    }
    known.into_iter().filter_map(|(name, root)| Some((name.to_owned(), root?.to_owned()))).collect()
}

/// The failing check farthest down the first failing way from `name`. Cycles are refused when a configuration is
/// loaded; should there be one, its second visit finds nothing.
fn root<'a>(
    name: &'a str,
    nodes: &BTreeMap<&'a str, Node<'a>>,
    known: &mut HashMap<&'a str, Option<&'a str>>,
) -> Option<&'a str> {
    if let Some(root) = known.get(name) {
        return *root;
    }
    known.insert(name, None);
    let dependencies = nodes.get(name).map_or(&[][..], |node| node.depends_on);
    let found = dependencies.iter().find_map(|dependency| {
        let deeper = root(dependency, nodes, known);
        deeper.or_else(|| nodes.get(&**dependency).is_some_and(|node| node.failing).then_some(&**dependency))
    });
    known.insert(name, found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn causes(edges: &[(&str, bool, &[&str])]) -> Vec<(String, String)> {
        let owned: Vec<(&str, bool, Vec<Arc<str>>)> =
            edges.iter().map(|(n, f, d)| (*n, *f, d.iter().map(|d| Arc::from(*d)).collect())).collect();
        let nodes =
            owned.iter().map(|(name, failing, depends_on)| (*name, Node { failing: *failing, depends_on }));
        let mut causes: Vec<_> = roots(&nodes.collect()).into_iter().collect();
        causes.sort();
        causes
    }

    #[test]
    fn the_deepest_failure_is_the_root() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let estate: &[(&str, bool, &[&str])] =
            &[("db", true, &[]), ("api", true, &["db"]), ("web", false, &["api"]), ("mail", true, &[])];
        assert_eq!(causes(estate), [pair("api", "db"), pair("web", "db")]);
        let between: &[(&str, bool, &[&str])] =
            &[("db", true, &[]), ("api", false, &["db"]), ("web", true, &["api"])];
        assert_eq!(causes(between), [pair("api", "db"), pair("web", "db")], "through a check that works");
        let second: &[(&str, bool, &[&str])] =
            &[("db", false, &[]), ("dns", true, &[]), ("web", true, &["db", "dns"])];
        assert_eq!(causes(second), [pair("web", "dns")]);
        let map = [pair("web", "db"), pair("api", "db"), pair("mail", "dns")].into_iter().collect();
        let expected = BTreeMap::from([("db", vec!["api", "web"]), ("dns", vec!["mail"])]);
        assert_eq!(affected(&map), expected);
    }

    #[test]
    fn a_cycle_ends() {
        assert_eq!(causes(&[("a", true, &["b"]), ("b", true, &["a"])]).len(), 2);
    }
}
