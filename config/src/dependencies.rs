//! Circles among `depends_on` and group members: each would wait for itself.

use std::collections::{BTreeMap, BTreeSet};

use breakwatch_plugin_api::{ComponentId, Diagnostics, Place};

use crate::check::{CheckConfig, CheckKind};

/// Where a search stands with a check.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// On the way from the search's start to here.
    Path,
    /// Everything behind it is known to have no new circle.
    Done,
}

/// Reports every circle once, named from its first member in name order, at the link that closes it.
pub(crate) fn check(checks: &BTreeMap<ComponentId, CheckConfig>, diagnostics: &Diagnostics) {
    let mut marks = BTreeMap::new();
    let mut reported = BTreeSet::new();
    for start in checks.keys() {
        walk(start, checks, &mut marks, &mut |circle, place| {
            if reported.insert(rotated(&circle)) {
                diagnostics.error(place, format!("dependencies go in a circle: {}", shown(&circle)));
            }
        });
    }
}

/// Takes links to checks that are switched off out, so that every link that is left leads somewhere.
/// Every other missing check was reported when the link was read.
pub(crate) fn leave_out_disabled(checks: &mut BTreeMap<ComponentId, CheckConfig>, diagnostics: &Diagnostics) {
    let present: BTreeSet<ComponentId> = checks.keys().cloned().collect();
    let keep = |(id, place): &(ComponentId, Place)| {
        if !present.contains(id) {
            diagnostics.warning(place, format!("`{id}` is disabled and left out here"));
        }
        present.contains(id)
    };
    for config in checks.values_mut() {
        config.depends_on.retain(keep);
        if let CheckKind::Group(group) = &mut config.kind {
            group.members.retain(keep);
        }
    }
}

/// What a check waits for: its dependencies, and the members of a group.
fn links(config: &CheckConfig) -> Vec<&(ComponentId, Place)> {
    let members = config.group().map(|group| group.members.as_slice()).unwrap_or_default();
    config.depends_on.iter().chain(members).collect()
}

/// Depth-first search with its own stack: a chain of a thousand checks must not use ours.
fn walk<'c>(
    start: &'c ComponentId,
    checks: &'c BTreeMap<ComponentId, CheckConfig>,
    marks: &mut BTreeMap<&'c ComponentId, Mark>,
    report: &mut dyn FnMut(Vec<&'c ComponentId>, &Place),
) {
    if marks.contains_key(start) {
        return;
    }
    let links_of = |id: &ComponentId| checks.get(id).map(links).unwrap_or_default();
    let mut path: Vec<(&ComponentId, std::vec::IntoIter<&(ComponentId, Place)>)> = Vec::new();
    marks.insert(start, Mark::Path);
    path.push((start, links_of(start).into_iter()));
    while let Some((id, rest)) = path.last_mut() {
        let Some((next, place)) = rest.next() else {
            marks.insert(*id, Mark::Done);
            path.pop();
            continue;
        };
        match marks.get(next) {
            Some(Mark::Done) => {}
            Some(Mark::Path) => {
                let ids = path.iter().map(|(id, _)| *id);
                report(ids.skip_while(|id| *id != next).collect(), place);
            }
            None => {
                marks.insert(next, Mark::Path);
                path.push((next, links_of(next).into_iter()));
            }
        }
    }
}

/// The same circle from its smallest member, so that it is recognised wherever it was entered.
fn rotated(circle: &[&ComponentId]) -> Vec<ComponentId> {
    let smallest = circle.iter().enumerate().min_by_key(|(_, id)| **id).map_or(0, |(at, _)| at);
    let (behind, ahead) = circle.split_at(smallest);
    ahead.iter().chain(behind).map(|id| (*id).clone()).collect()
}

fn shown(circle: &[&ComponentId]) -> String {
    let ids = circle.iter().chain(circle.first()).map(ToString::to_string);
    ids.collect::<Vec<_>>().join(" -> ")
}
