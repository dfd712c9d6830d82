//! Bulkheads: how many runs of one kind of check, and against one host, may be under way at once.
//!
//! The keys are the names the bulkheads have in metrics and in the API: `kind` and `host` say what holds for all of
//! them, `kind/http` and `host/db.example.org` what differs for one.

use std::collections::BTreeMap;
use std::time::Duration;

use breakwatch_plugin_api::{CheckEntry, Diagnostics, Node, Section, nearest};

use crate::check::group;
use crate::values::duration_within;

/// More runs at once than a process has ports for.
const MAX_CONCURRENT: u64 = 65_536;

/// A longer queue is never worked off before what waits in it gives up.
const MAX_QUEUED: u64 = 1_000_000;

/// Longer than the longest time-out of a run.
const MAX_QUEUE_TIMEOUT: Duration = Duration::from_secs(3600);

/// A kind's runs: room for a thousand that hang and as many that do not, and far from the file descriptors of the
/// shipped service.
const KIND: BulkheadLimits = BulkheadLimits { max_concurrent: 2048, max_queued: 10_000, queue_timeout: None };

/// A host's runs: more at once than this would be felt by the host.
const HOST: BulkheadLimits = BulkheadLimits { max_concurrent: 32, max_queued: 1000, queue_timeout: None };

/// The kind whose every run is a process of its own, and how many of those a host can bear.
const PROCESSES: (&str, usize) = ("command", 256);

/// How much a bulkhead lets through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BulkheadLimits {
    /// Runs under way at once.
    pub max_concurrent: usize,
    /// Runs that wait for a slot; 0 turns a run away at once when no slot is free.
    pub max_queued: usize,
    /// How long a run waits for a slot; `None`, and anything longer, is the run's own time-out.
    pub queue_timeout: Option<Duration>,
}

/// Settings under `bulkheads`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BulkheadsConfig {
    /// What holds for every kind.
    pub kind: BulkheadLimits,
    /// What holds for every host.
    pub host: BulkheadLimits,
    /// What differs, by name (`kind/http`, `host/db.example.org`).
    pub own: BTreeMap<String, BulkheadLimits>,
}

impl Default for BulkheadsConfig {
    fn default() -> Self {
        let (kind, max_concurrent) = PROCESSES;
        let processes = BulkheadLimits { max_concurrent, ..KIND };
        Self { kind: KIND, host: HOST, own: BTreeMap::from([(format!("kind/{kind}"), processes)]) }
    }
}

impl BulkheadsConfig {
    /// The limits of the bulkhead with this name.
    #[must_use]
    pub fn limits(&self, name: &str) -> BulkheadLimits {
        let general = if name.starts_with("host/") { self.host } else { self.kind };
        self.own.get(name).copied().unwrap_or(general)
    }

    /// Reads the section. `table` is the kinds there are.
    pub(crate) fn read(node: Option<&Node>, table: &[CheckEntry], diagnostics: &Diagnostics) -> Self {
        let mut read = Self::default();
        let Some(node) = node else { return read };
        let Some(entries) = node.as_map() else {
            diagnostics.error(&node.place, format!("expected a mapping, found {}", node.describe()));
            return read;
        };
        let kinds = || table.iter().map(|entry| entry.key).chain([group::KIND]);
        if let Some(node) = node.get("kind") {
            read.kind = read_limits(node, KIND, diagnostics);
            // What is said of every kind holds for processes too.
            read.own.clear();
            let processes = node.get("max_concurrent").map_or(PROCESSES.1, |_| read.kind.max_concurrent);
            let limits = BulkheadLimits { max_concurrent: processes, ..read.kind };
            read.own.insert(format!("kind/{}", PROCESSES.0), limits);
        }
        if let Some(node) = node.get("host") {
            read.host = read_limits(node, HOST, diagnostics);
        }
        for (key, value) in entries {
            match key.name.split_once('/') {
                None if matches!(&*key.name, "kind" | "host") => {}
                Some(("kind", kind)) if !kinds().any(|known| known == kind) => {
                    let message = format!("unknown kind of check `{kind}`");
                    match nearest(kind, kinds()) {
                        Some(word) => {
                            diagnostics.error_with_help(
                                &key.place,
                                message,
                                format!("did you mean `{word}`?"),
                            );
                        }
                        None => diagnostics.error(&key.place, message),
                    }
                }
                Some(("host", host)) if !is_host(host) => {
                    let message = format!("{host:?} is not a host as checks name it");
                    let help = "write it without port and in lower case, an IPv6 address in brackets";
                    diagnostics.error_with_help(&key.place, message, help);
                }
                Some(("kind" | "host", _)) => {
                    let limits = read_limits(value, read.limits(&key.name), diagnostics);
                    read.own.insert(key.name.to_string(), limits);
                }
                _ => {
                    let message = format!("unknown key `{}`", key.name);
                    let help = "write `kind`, `host`, `kind/` and a kind of check, or `host/` and a host";
                    diagnostics.error_with_help(&key.place, message, help);
                }
            }
        }
        read
    }
}

/// Reads one bulkhead's limits over those it would have otherwise.
fn read_limits(node: &Node, general: BulkheadLimits, diagnostics: &Diagnostics) -> BulkheadLimits {
    let Some(mut section) = Section::open(node, diagnostics) else { return general };
    let mut number = |key, range| section.integer(key, range).and_then(|number| usize::try_from(number).ok());
    let max_concurrent = number("max_concurrent", 1..=MAX_CONCURRENT);
    let max_queued = number("max_queued", 0..=MAX_QUEUED);
    let queue_timeout = duration_within(&mut section, "queue_timeout", Duration::ZERO, MAX_QUEUE_TIMEOUT);
    section.finish();
    BulkheadLimits {
        max_concurrent: max_concurrent.unwrap_or(general.max_concurrent),
        max_queued: max_queued.unwrap_or(general.max_queued),
        queue_timeout: queue_timeout.or(general.queue_timeout),
    }
}

/// Whether this is how a target's host is written: a name or address in lower case, without a port.
fn is_host(text: &str) -> bool {
    let address = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let allowed =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
            !text.is_empty() && text.chars().all(allowed)
        }
    }
}
