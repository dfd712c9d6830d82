//! The `psi` check: pressure stall information, the share of time in which work waited for a resource.
//!
//! Pressure says what load and usage cannot: whether being busy hurts. The kernel gives it per resource as averages
//! over 10, 60 and 300 seconds and as a running total (Documentation/accounting/psi.rst).

use async_trait::async_trait;
use breakwatch_model::{CheckFailure, FailureReason, Labels, MetricFamily};
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, Diagnostics, Field, Levels, Node, Recorder, Unit,
};

use crate::host::{internal, read};
use crate::settings;

/// The row in the table of checks.
pub(crate) const ENTRY: CheckEntry = CheckEntry {
    key: "psi",
    summary: "Measures how long work on this host waits for processor, memory and disk.",
    fields: FIELDS,
    local: true,
    parse,
};

const FIELDS: &[Field] = &[
    Field {
        name: "cpu",
        kind: "levels of a share",
        default: "",
        help: "Limits on the share of time in which some work waited for a processor.",
    },
    Field {
        name: "memory",
        kind: "levels of a share",
        default: "",
        help: "Limits on the share of time in which some work waited for memory.",
    },
    Field {
        name: "io",
        kind: "levels of a share",
        default: "",
        help: "Limits on the share of time in which some work waited for a disk.",
    },
    Field {
        name: "window",
        kind: "`10s`, `1m` or `5m`",
        default: "1m",
        help: "Over which time the judged share is averaged.",
    },
];

const RESOURCES: [&str; 3] = ["cpu", "memory", "io"];

fn parse(node: &Node, _: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    settings::read(node, diagnostics, |section| {
        let levels = RESOURCES.map(|key| section.levels(key, Unit::Ratio));
        let window = section.choice("window", &[("10s", 0), ("1m", 1), ("5m", 2)]).unwrap_or(1);
        Some(Psi { levels, window })
    })
}

struct Psi {
    levels: [Option<Levels>; 3],
    window: usize,
}

/// One line of a pressure file.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Line {
    /// Shares over 10, 60 and 300 seconds, 0 to 1.
    averages: [f64; 3],
    /// Seconds in all.
    total: f64,
}

/// A pressure file: `some` work waited, and (not for every resource) `full`: all of it did.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Pressure {
    some: Line,
    full: Option<Line>,
}

fn parse_pressure(text: &str) -> Option<Pressure> {
    let line = |word: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' '))?;
        let field = |name: &str| -> Option<f64> {
            let value = line
                .split_ascii_whitespace()
                .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))?;
            value.parse().ok()
        };
        let averages = [field("avg10")? / 100.0, field("avg60")? / 100.0, field("avg300")? / 100.0];
        Some(Line { averages, total: field("total")? / 1e6 })
    };
    Some(Pressure { some: line("some")?, full: line("full") })
}

#[async_trait]
impl Check for Psi {
    async fn run(&self, _: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let mut pressures = Vec::with_capacity(RESOURCES.len());
        for resource in RESOURCES {
            let path = format!("/proc/pressure/{resource}");
            let unreadable = || internal(format!("{path} is not in the form the kernel documents"));
            // Reading opens, and a kernel booted without pressure accounting fails only there.
            let text = read(&path).map_err(|failure| {
                internal(format!("{} (is the kernel booted with psi=1?)", failure.message))
            })?;
            pressures.push(parse_pressure(&text).ok_or_else(unreadable)?);
        }
        self.record(&pressures, rec);
        Ok(())
    }

    fn target(&self) -> String {
        "pressure".to_owned()
    }
}

impl Psi {
    fn record(&self, pressures: &[Pressure], rec: &mut Recorder) {
        let windows = ["10s", "1m", "5m"];
        let help = "Share of time in which some work waited for the resource, averaged over the window.";
        let mut shares = MetricFamily::gauge("breakwatch_pressure_some_ratio", "ratio", help);
        for ((resource, pressure), levels) in RESOURCES.iter().zip(pressures).zip(&self.levels) {
            for (window, share) in windows.iter().zip(pressure.some.averages) {
                shares.push(Labels::from_pairs([("resource", *resource), ("window", *window)]), share);
            }
            record_totals(resource, pressure, rec);
            let share = pressure.some.averages.get(self.window).copied().unwrap_or_default();
            rec.fact(format!("{resource} pressure"), format!("{:.1}% of the time", share * 100.0));
            if let Some(levels) = levels {
                rec.judge(resource, FailureReason::Threshold, share, levels);
            }
        }
        rec.family(shares);
    }
}

/// The running totals under node_exporter's names; it has no stalled total for processors.
fn record_totals(resource: &str, pressure: &Pressure, rec: &mut Recorder) {
    let name = format!("node_pressure_{resource}_waiting_seconds_total");
    let help = format!("Seconds in which some work waited for {resource}.");
    rec.family(MetricFamily::counter(name, "seconds", &help).with(Labels::empty(), pressure.some.total));
    if let Some(full) = pressure.full.filter(|_| resource != "cpu") {
        let name = format!("node_pressure_{resource}_stalled_seconds_total");
        let help = format!("Seconds in which all work waited for {resource}.");
        rec.family(MetricFamily::counter(name, "seconds", &help).with(Labels::empty(), full.total));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::run_with;

    const IO: &str = "some avg10=1.50 avg60=20.00 avg300=3.00 total=2500000\n\
                      full avg10=0.50 avg60=0.25 avg300=0.00 total=1000000\n";

    #[test]
    fn the_kernels_lines_are_read() {
        let pressure = parse_pressure(IO).unwrap();
        assert_eq!(pressure.some, Line { averages: [0.015, 0.2, 0.03], total: 2.5 });
        assert_eq!(pressure.full.unwrap().total, 1.0);
        assert_eq!(parse_pressure("some avg10=1 avg60=1 avg300=1 total=1\n").unwrap().full, None);
        for bad in ["", "some avg10=1.50", "full avg10=0 avg60=0 avg300=0 total=0\n", "some avg10=x"] {
            assert_eq!(parse_pressure(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_chosen_window_is_judged() {
        let levels = Levels {
            unit: Unit::Ratio,
            degraded: Some(0.1),
            unhealthy: Some(0.5),
            below: false,
            recover: 0.0,
        };
        let check = Psi { levels: [None, None, Some(levels)], window: 1 };
        let mut rec = Recorder::default();
        check.record(&[parse_pressure(IO).unwrap(); 3], &mut rec);
        assert_eq!(rec.judgements.len(), 1);
        assert_eq!(rec.judgements[0].message, "io is 20.0%, at or over the limit of 10.0%");
        let names: Vec<&str> = rec.families.iter().map(|family| &*family.name).collect();
        assert_eq!(
            names,
            [
                "node_pressure_cpu_waiting_seconds_total",
                "node_pressure_memory_waiting_seconds_total",
                "node_pressure_memory_stalled_seconds_total",
                "node_pressure_io_waiting_seconds_total",
                "node_pressure_io_stalled_seconds_total",
                "breakwatch_pressure_some_ratio",
            ]
        );
    }

    #[tokio::test]
    async fn this_kernel_is_asked() {
        let run = run_with(&ENTRY, &json!({ "memory": "100%" })).await;
        match std::fs::read_to_string("/proc/pressure/io") {
            Ok(_) => {
                run.succeeded();
                assert!(run.value("node_pressure_io_waiting_seconds_total", "").is_some());
            }
            Err(_) => assert_eq!(run.failure().reason, FailureReason::Internal),
        }
    }
}
