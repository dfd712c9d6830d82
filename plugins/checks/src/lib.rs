//! The check kinds: what can be looked at, one file (with its folder) per kind and one table for all.
//!
//! A new kind is one new file with its `ENTRY` and two adjacent lines here: the module and the row.

mod http;

mod limits;
mod net;
mod pattern;
mod phases;
mod report;
#[cfg(test)]
mod testing;

use breakwatch_plugin_api::CheckEntry;

/// Every kind, in the order in which `components` shows them.
pub static CHECKS: &[CheckEntry] = &[
    http::ENTRY, //
];
