//! Rules that say the same thing twice: legal, and probably a mistake.

use std::collections::BTreeMap;

use breakwatch_model::Labels;
use breakwatch_plugin_api::Place;

use super::RuleFile;

/// A name and label set that more than one rule gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Duplicate {
    /// The metric or alert.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Where the rules stand.
    pub places: Vec<Place>,
}

/// Rules of one file with the same name and labels, as `promtool check rules` finds them.
#[must_use]
pub fn duplicates(file: &RuleFile) -> Vec<Duplicate> {
    let mut seen: BTreeMap<(String, Labels), Vec<Place>> = BTreeMap::new();
    for rule in file.groups.iter().flat_map(|group| &group.rules) {
        let key = (rule.name().to_string(), rule.labels());
        seen.entry(key).or_default().push(rule.place().clone());
    }
    let several = seen.into_iter().filter(|(_, places)| places.len() > 1);
    several.map(|((name, labels), places)| Duplicate { name, labels, places }).collect()
}
