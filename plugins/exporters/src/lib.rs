//! Where metrics leave: the text formats of `/metrics`, and OTLP. One file (with its folder) per kind, listed
//! in [`EXPORTERS`].

mod prometheus;
pub mod text;

use breakwatch_plugin_api::ExporterEntry;

/// Every kind that is built in.
pub static EXPORTERS: &[ExporterEntry] = &[prometheus::ENTRY];
