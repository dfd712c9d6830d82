//! The plugins this build has, handed in from outside.

use breakwatch_plugin_api::{CheckEntry, ExporterEntry};

/// The kinds that exist. An argument, so that this crate knows no plugin.
#[derive(Clone, Copy)]
pub struct Tables<'t> {
    /// Check kinds.
    pub checks: &'t [CheckEntry],
    /// Exporter kinds.
    pub exporters: &'t [ExporterEntry],
    /// Receiver kinds.
    pub receivers: &'t [&'t str],
}
