//! Where metrics leave: the text formats of `/metrics`, and OTLP. One file (with its folder) per kind, listed
//! in [`EXPORTERS`].

mod delivery;
mod otlp;
mod prometheus;
pub mod text;

use breakwatch_plugin_api::ExporterEntry;

pub use delivery::{BatchSettings, Delivery, RetrySettings};

/// Every kind that is built in.
pub static EXPORTERS: &[ExporterEntry] =
    &[otlp::ENTRY, otlp::HTTP_ENTRY, otlp::OLD_HTTP_ENTRY, prometheus::ENTRY];
