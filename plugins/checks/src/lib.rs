//! The check kinds: what can be looked at, one file (with its folder) per kind and one table for all.
//!
//! A new kind is one new file with its `ENTRY` and two lines here: the module and the row.

mod command;
mod cpu;
mod disk;
mod http;
mod load;
mod memory;
mod psi;

mod host;
mod limits;
mod net;
mod pattern;
mod phases;
mod report;
mod settings;
#[cfg(test)]
mod testing;
mod text;

use breakwatch_plugin_api::CheckEntry;

/// Every kind, in the order in which `components` shows them.
pub static CHECKS: &[CheckEntry] =
    &[http::ENTRY, memory::ENTRY, cpu::ENTRY, load::ENTRY, disk::ENTRY, psi::ENTRY];
