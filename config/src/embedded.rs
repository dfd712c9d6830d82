//! The configuration the daemon runs with when it is given none: this host, and itself.

use std::path::Path;

use breakwatch_plugin_api::{Diagnostics, Node, NodeKind};

use crate::substitute::substitute;
use crate::tables::Tables;
use crate::yaml::load_text;

/// Its text, for `print-config` and as a first file to start from.
pub const EMBEDDED: &str = include_str!("../default.yml");

/// What stands in place of a file name in findings.
const NAME: &str = "(built-in)";

/// Reads the embedded configuration. Kinds this build leaves out are left out.
pub(crate) fn load(tables: &Tables<'_>, diagnostics: &Diagnostics) -> Option<Node> {
    let node = load_text(NAME, EMBEDDED, diagnostics)?;
    let mut node = substitute(node, Path::new("."), &|_| None, diagnostics);
    let NodeKind::Map(sections) = &mut node.kind else { return Some(node) };
    for (key, value) in sections {
        if let NodeKind::Map(checks) = &mut value.kind
            && &*key.name == "checks"
        {
            checks.retain(|(id, _)| {
                let kind = id.name.split('/').next().unwrap_or("");
                tables.checks.iter().any(|entry| entry.key == kind)
            });
        }
    }
    Some(node)
}
