//! What the tests of this crate share: texts to nodes, label sets, and times counted from a fixed start.

use std::time::Duration;

use breakwatch_model::{Labels, Timestamp};
use breakwatch_plugin_api::{Diagnostics, Node};

/// 2024-01-01T00:00:00Z, a Monday.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_704_067_200);

/// `START` plus seconds.
pub(crate) fn at(seconds: f64) -> Timestamp {
    START + Duration::from_secs_f64(seconds)
}

/// A YAML text as a node.
pub(crate) fn node(text: &str) -> Node {
    let diagnostics = Diagnostics::new();
    let node = breakwatch_config::load_text("test.yml", text, &diagnostics);
    node.unwrap_or_else(|| panic!("{:?}", diagnostics.into_sorted()))
}

/// The findings as lines.
pub(crate) fn findings(diagnostics: Diagnostics) -> Vec<String> {
    diagnostics.into_sorted().iter().map(ToString::to_string).collect()
}

/// `a=1 b=2` as labels.
pub(crate) fn labels(text: &str) -> Labels {
    Labels::from_pairs(text.split_whitespace().filter_map(|pair| pair.split_once('=')))
}
