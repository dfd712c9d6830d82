//! The check kinds: what can be looked at, one file (with its folder) per kind and one table for all.
//!
//! A new kind is one new file with its `ENTRY` and two lines here: the module and the row.

mod command;
mod cpu;
mod database;
mod disk;
mod dns;
mod http;
mod icmp;
mod load;
mod memory;
mod network;
mod process;
mod psi;
mod systemd_unit;
mod tcp;

mod address;
mod host;
mod limits;
#[cfg(test)]
mod memory_flat;
mod net;
mod pattern;
mod phases;
mod report;
mod settings;
#[cfg(test)]
mod starved;
#[cfg(test)]
mod testing;
mod text;

use breakwatch_plugin_api::CheckEntry;

/// Every kind, in the order in which `components` shows them.
#[rustfmt::skip] // One row a line, so that adding a kind changes one line.
pub static CHECKS: &[CheckEntry] = &[
    http::ENTRY,
    tcp::ENTRY,
    tcp::TLS_ENTRY,
    dns::ENTRY,
    icmp::ENTRY,
    command::ENTRY,
    database::ENTRY,
    memory::ENTRY,
    cpu::ENTRY,
    load::ENTRY,
    disk::ENTRY,
    psi::ENTRY,
    network::ENTRY,
    process::ENTRY,
    systemd_unit::ENTRY,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_documented_and_has_a_key_of_its_own() {
        let mut keys = std::collections::HashSet::new();
        for entry in CHECKS {
            assert!(keys.insert(entry.key), "{} is there twice", entry.key);
            assert!(entry.summary.ends_with('.'), "{}: {}", entry.key, entry.summary);
            for field in entry.fields {
                let documented = !field.kind.is_empty() && field.help.ends_with('.');
                assert!(documented, "{}.{}: {}", entry.key, field.name, field.help);
            }
        }
    }
}
