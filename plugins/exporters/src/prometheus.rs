//! The `prometheus` exporter: `/metrics`, which is pulled from and so sends nothing.
//!
//! The daemon serves `/metrics` in any case; the entry is there so that a configuration may say so, as it does
//! for the OpenTelemetry Collector.

use breakwatch_plugin_api::{Diagnostics, Exporter, ExporterContext, ExporterEntry, Node, Section};

/// The row in the table.
pub(crate) const ENTRY: ExporterEntry = ExporterEntry {
    key: "prometheus",
    summary: "Serves every metric under /metrics in Prometheus' text format and OpenMetrics.",
    fields: &[],
    parse,
};

fn parse(node: &Node, _: &ExporterContext, diagnostics: &Diagnostics) -> Option<Box<dyn Exporter>> {
    Section::open(node, diagnostics)?.finish();
    None
}
