//! The plugins this binary was built with.

use breakwatch_config::Tables;

/// Every kind of component.
#[must_use]
pub fn tables() -> Tables<'static> {
    Tables {
        checks: breakwatch_checks::CHECKS,
        exporters: breakwatch_exporters::EXPORTERS,
        // Receivers of foreign data are refused by name until one is built.
        receivers: &[],
    }
}
