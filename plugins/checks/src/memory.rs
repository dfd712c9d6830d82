//! The `memory` check: how much of the host's memory and swap is in use.
//!
//! "Used" is what cannot be had without swapping: total less available. The page cache is not in it, so a host
//! that reads many files does not look full.

use async_trait::async_trait;
use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, Diagnostics, Field, Levels, Node, Recorder, Unit,
    format_bytes,
};
use sysinfo::System;

use crate::host::internal;
use crate::report::Gauge;
use crate::settings;

/// The row in the table of checks.
pub(crate) const ENTRY: CheckEntry = CheckEntry {
    key: "memory",
    summary: "Measures the memory and the swap of this host.",
    fields: FIELDS,
    local: true,
    parse,
};

const FIELDS: &[Field] = &[
    Field {
        name: "used",
        kind: "levels of a share",
        default: "",
        help: "Limits on the share of memory in use: `{ degraded: 85%, unhealthy: 95% }`.",
    },
    Field {
        name: "available",
        kind: "levels of a size",
        default: "",
        help: "Limits on the memory that can still be had: `{ below: true, unhealthy: 512MiB }`.",
    },
    Field {
        name: "swap",
        kind: "levels of a share",
        default: "",
        help: "Limits on the share of swap in use; not judged on a host without swap.",
    },
];

fn parse(node: &Node, _: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    settings::read(node, diagnostics, |section| {
        let used = section.levels("used", Unit::Ratio);
        let available = section.levels("available", Unit::Bytes);
        if available.is_some_and(|levels| !levels.below) {
            section.error_at("available", "less is worse here: say `below: true`");
        }
        let swap = section.levels("swap", Unit::Ratio);
        Some(Memory { used, available, swap })
    })
}

struct Memory {
    used: Option<Levels>,
    available: Option<Levels>,
    swap: Option<Levels>,
}

/// What was read, in bytes.
#[derive(Clone, Copy, Debug)]
struct Reading {
    total: u64,
    free: u64,
    available: u64,
    swap_total: u64,
    swap_free: u64,
}

impl Reading {
    fn take() -> Result<Self, CheckFailure> {
        let mut system = System::new().map_err(|error| internal(format!("reading the memory: {error:?}")))?;
        system.refresh_memory();
        let reading = Self {
            total: system.total_memory(),
            free: system.free_memory(),
            available: system.available_memory(),
            swap_total: system.total_swap(),
            swap_free: system.free_swap(),
        };
        if reading.total == 0 {
            return Err(internal("the system does not say how much memory it has".to_owned()));
        }
        Ok(reading)
    }

    /// The share of memory in use.
    fn used_ratio(&self) -> f64 {
        1.0 - self.available as f64 / self.total as f64
    }

    /// The share of swap in use, 0 without swap.
    fn swap_ratio(&self) -> f64 {
        if self.swap_total == 0 {
            return 0.0;
        }
        1.0 - self.swap_free as f64 / self.swap_total as f64
    }

    /// Each size under our own name and under node_exporter's, which promtool's lint refuses for its capitals: those
    /// are stored for the rules and dashboards people have, and left out of `/metrics`.
    fn gauges(&self) -> [(Gauge, f64); 12] {
        let available = "Memory that can be had without swapping.";
        [
            (("breakwatch_memory_total_bytes", "bytes", "Memory of the host."), self.total as f64),
            (("breakwatch_memory_free_bytes", "bytes", "Memory used for nothing."), self.free as f64),
            (("breakwatch_memory_available_bytes", "bytes", available), self.available as f64),
            (("breakwatch_swap_total_bytes", "bytes", "Swap of the host."), self.swap_total as f64),
            (("breakwatch_swap_free_bytes", "bytes", "Swap used for nothing."), self.swap_free as f64),
            (("node_memory_MemTotal_bytes", "bytes", "Memory of the host."), self.total as f64),
            (("node_memory_MemFree_bytes", "bytes", "Memory used for nothing."), self.free as f64),
            (("node_memory_MemAvailable_bytes", "bytes", available), self.available as f64),
            (("node_memory_SwapTotal_bytes", "bytes", "Swap of the host."), self.swap_total as f64),
            (("node_memory_SwapFree_bytes", "bytes", "Swap used for nothing."), self.swap_free as f64),
            (
                ("breakwatch_memory_used_ratio", "ratio", "Share of memory that is not available."),
                self.used_ratio(),
            ),
            (("breakwatch_swap_used_ratio", "ratio", "Share of swap in use."), self.swap_ratio()),
        ]
    }
}

#[async_trait]
impl Check for Memory {
    async fn run(&self, _: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        self.record(&Reading::take()?, rec);
        Ok(())
    }

    fn target(&self) -> String {
        "memory".to_owned()
    }
}

impl Memory {
    fn record(&self, reading: &Reading, rec: &mut Recorder) {
        for ((name, unit, help), value) in reading.gauges() {
            rec.gauge(name, unit, help, value);
        }
        let used = format_bytes(reading.total as f64 - reading.available as f64);
        rec.fact("memory", format!("{used} of {} used", format_bytes(reading.total as f64)));
        if reading.swap_total > 0 {
            let used = format_bytes(reading.swap_total as f64 - reading.swap_free as f64);
            rec.fact("swap", format!("{used} of {} used", format_bytes(reading.swap_total as f64)));
        }
        if let Some(levels) = &self.used {
            rec.judge("used", FailureReason::Threshold, reading.used_ratio(), levels);
        }
        if let Some(levels) = &self.available {
            rec.judge("available", FailureReason::Threshold, reading.available as f64, levels);
        }
        if let Some(levels) = self.swap.as_ref().filter(|_| reading.swap_total > 0) {
            rec.judge("swap", FailureReason::Threshold, reading.swap_ratio(), levels);
        }
    }
}

#[cfg(test)]
mod tests {
    use breakwatch_plugin_api::Level;
    use serde_json::json;

    use super::*;
    use crate::testing::{mistakes, run_with};

    const GIB: u64 = 1 << 30;

    fn recorded(check: &Memory, reading: &Reading) -> Recorder {
        let mut rec = Recorder::default();
        check.record(reading, &mut rec);
        rec
    }

    fn levels(unit: Unit, degraded: f64, unhealthy: f64, below: bool) -> Option<Levels> {
        Some(Levels { unit, degraded: Some(degraded), unhealthy: Some(unhealthy), below, recover: 0.0 })
    }

    #[test]
    fn what_is_available_is_not_used() {
        let check = Memory {
            used: levels(Unit::Ratio, 0.5, 0.75, false),
            available: levels(Unit::Bytes, 8e9, 1e9, true),
            swap: levels(Unit::Ratio, 0.1, 0.9, false),
        };
        let reading = Reading { total: 8 * GIB, free: GIB, available: 2 * GIB, swap_total: 0, swap_free: 0 };
        let rec = recorded(&check, &reading);
        let judged: Vec<(&str, f64, Level)> =
            rec.judgements.iter().map(|judged| (judged.name, judged.value, judged.level)).collect();
        assert_eq!(
            judged,
            [("used", 0.75, Level::Unhealthy), ("available", 2.0 * GIB as f64, Level::Degraded)],
            "no swap, no judgement of it"
        );
        assert_eq!(rec.judgements[0].message, "used is 75.0%, at or over the limit of 75.0%");
        assert_eq!(rec.evidence.to_string(), "memory=6.0 GiB of 8.0 GiB used");
        let reading = Reading { swap_total: 4 * GIB, swap_free: GIB, ..reading };
        let rec = recorded(&check, &reading);
        assert_eq!(rec.judgements[2].value, 0.75);
    }

    #[tokio::test]
    async fn this_host_has_the_memory_its_kernel_says() {
        let run = run_with(&ENTRY, &json!({ "used": { "unhealthy": "100%" } })).await;
        run.succeeded();
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
        let line = meminfo.lines().find(|line| line.starts_with("MemTotal:")).unwrap();
        let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert_eq!(run.value("node_memory_MemTotal_bytes", ""), Some(kib * 1024.0));
        let used = run.value("breakwatch_memory_used_ratio", "").unwrap();
        assert!(used > 0.0 && used < 1.0, "{used}");
    }

    #[test]
    fn mistakes_in_the_settings() {
        assert_eq!(
            mistakes(&ENTRY, &json!({ "available": "1GB", "used": { "degraded": "x" }, "usd": 1 })),
            [
                "used.degraded: expected a share such as `85%` or `0.85`, found \"x\"",
                "available: less is worse here: say `below: true`",
                "usd: unknown key `usd` (did you mean `used`?)",
            ]
        );
    }
}
