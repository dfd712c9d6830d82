//! Exporters and receivers: ids and kinds are checked here, their settings belong to their owners.

use std::collections::BTreeMap;
use std::path::PathBuf;

use breakwatch_plugin_api::{
    ComponentId, Diagnostics, ExporterContext, ExporterEntry, Key, Node, NodeKind, Place,
};

use crate::breaker::BreakerSettings;
use crate::files::base_dir;
use crate::values;

/// Keys every exporter may have besides those of its kind.
const EXPORTER_COMMON: [&str; 2] = ["enabled", "breaker"];

/// Keys every receiver may have besides those of its kind.
const RECEIVER_COMMON: [&str; 1] = ["enabled"];

/// A configured exporter. One that is switched off is not in the configuration.
#[derive(Clone, Debug)]
pub struct ExporterConfig {
    /// `type` or `type/name`.
    pub id: ComponentId,
    /// Its own settings, already found good by its kind's reader.
    pub settings: Node,
    /// The directory relative paths in the settings are relative to.
    pub base_dir: PathBuf,
    /// Its breaker.
    pub breaker: BreakerSettings,
    /// Where it stands.
    pub place: Place,
}

impl ExporterConfig {
    /// Whether two configurations mean the same.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.id == other.id
            && self.base_dir == other.base_dir
            && self.breaker.same_as(&other.breaker)
            && same_value(&self.settings, &other.settings)
    }
}

/// A configured receiver of foreign data.
#[derive(Clone, Debug)]
pub struct ReceiverConfig {
    /// `type` or `type/name`.
    pub id: ComponentId,
    /// Its own settings.
    pub settings: Node,
    /// Where it stands.
    pub place: Place,
}

/// Reads the `exporters` section; each exporter's settings are read by its kind, so that every mistake shows.
pub(crate) fn read_exporters(
    node: Option<&Node>,
    table: &[ExporterEntry],
    diagnostics: &Diagnostics,
) -> BTreeMap<ComponentId, ExporterConfig> {
    let kinds: Vec<&str> = table.iter().map(|entry| entry.key).collect();
    let mut exporters = BTreeMap::new();
    for component in components(node, "exporter", &kinds, &EXPORTER_COMMON, diagnostics) {
        let Some(entry) = table.iter().find(|entry| entry.key == &*component.id.kind) else { continue };
        let breaker = component.common.get("breaker").filter(|node| !node.is_null());
        let breaker = breaker.and_then(|node| breakwatch_plugin_api::Section::open(node, diagnostics));
        let context = ExporterContext {
            id: component.id.clone(),
            base_dir: base_dir(&component.key.place),
            resource: Vec::new(),
        };
        // Built to find its mistakes; the daemon builds it again with the real resource.
        drop((entry.parse)(&component.settings, &context, diagnostics));
        let config = ExporterConfig {
            id: component.id.clone(),
            settings: component.settings,
            base_dir: context.base_dir,
            breaker: breaker.map(BreakerSettings::read).unwrap_or_default(),
            place: component.key.place.clone(),
        };
        exporters.insert(component.id, config);
    }
    exporters
}

/// Reads the `receivers` section.
pub(crate) fn read_receivers(
    node: Option<&Node>,
    kinds: &[&str],
    diagnostics: &Diagnostics,
) -> BTreeMap<ComponentId, ReceiverConfig> {
    components(node, "receiver", kinds, &RECEIVER_COMMON, diagnostics)
        .into_iter()
        .map(|component| {
            let place = component.key.place.clone();
            (component.id.clone(), ReceiverConfig { id: component.id, settings: component.settings, place })
        })
        .collect()
}

/// A component of a known kind that is switched on.
struct Component<'n> {
    id: ComponentId,
    key: &'n Key,
    common: Node,
    settings: Node,
}

fn components<'n>(
    node: Option<&'n Node>,
    what: &str,
    kinds: &[&str],
    common_keys: &[&str],
    diagnostics: &Diagnostics,
) -> Vec<Component<'n>> {
    let Some(node) = node else { return Vec::new() };
    let Some(entries) = node.as_map() else {
        diagnostics.error(&node.place, format!("expected a mapping of {what}s, found {}", node.describe()));
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, value) in entries {
        let id = match ComponentId::parse(&key.name) {
            Ok(id) => id,
            Err(message) => {
                diagnostics.error(&key.place, message);
                continue;
            }
        };
        if !kinds.contains(&&*id.kind) {
            let at = Node::empty_map(key.place.clone());
            let message = format!("unknown kind of {what} `{}`", id.kind);
            values::unknown(&at, message, &id.kind, kinds.iter().copied(), diagnostics);
            continue;
        }
        if value.as_map().is_none() && !value.is_null() {
            diagnostics.error(&value.place, format!("expected a mapping, found {}", value.describe()));
            continue;
        }
        let (common, mut settings) = split(value, common_keys);
        settings.place = key.place.clone();
        if is_enabled(&common, diagnostics) {
            found.push(Component { id, key, common, settings });
        }
    }
    found
}

fn is_enabled(common: &Node, diagnostics: &Diagnostics) -> bool {
    let Some(node) = common.get("enabled").filter(|node| !node.is_null()) else { return true };
    node.as_bool().unwrap_or_else(|| {
        diagnostics.error(&node.place, format!("expected `true` or `false`, found {}", node.describe()));
        true
    })
}

/// Parts a mapping into the entries whose keys are in `common_keys` and the others.
pub(crate) fn split(node: &Node, common_keys: &[&str]) -> (Node, Node) {
    let entries = node.as_map().unwrap_or_default();
    let (common, own) = entries.iter().partition::<Vec<_>, _>(|(key, _)| common_keys.contains(&&*key.name));
    let part = |entries: Vec<&(Key, Node)>| {
        let kind = NodeKind::Map(entries.into_iter().cloned().collect());
        Node { place: node.place.clone(), kind, sensitive: false }
    };
    (part(common), part(own))
}

/// Whether two trees hold the same values, wherever they stand.
fn same_value(a: &Node, b: &Node) -> bool {
    match (&a.kind, &b.kind) {
        (NodeKind::List(a), NodeKind::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b))
        }
        (NodeKind::Map(entries), NodeKind::Map(others)) => {
            let same =
                |(key, value): &(Key, Node)| b.get(&key.name).is_some_and(|other| same_value(value, other));
            entries.len() == others.len() && entries.iter().all(same)
        }
        (a, b) => a == b,
    }
}
