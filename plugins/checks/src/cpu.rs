//! The `cpu` check: how busy the processors were since the run before.

mod stat;

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use breakwatch_model::{CheckFailure, FailureReason, Labels, MetricFamily};
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, Diagnostics, Field, Levels, Node, Recorder, Unit,
};
use sysinfo::{MINIMUM_CPU_UPDATE_INTERVAL, System};

use crate::host::{internal, read};
use crate::settings;

/// The row in the table of checks.
pub(crate) const ENTRY: CheckEntry = CheckEntry {
    key: "cpu",
    summary: "Measures how busy the processors of this host are, from one run to the next.",
    fields: FIELDS,
    local: true,
    parse,
};

const FIELDS: &[Field] = &[Field {
    name: "used",
    kind: "levels of a share",
    default: "",
    help: "Limits on the share of time the processors were busy, all together: `{ degraded: 80%, unhealthy: \
           95% }`. Waiting for disks is not busy.",
}];

fn parse(node: &Node, _: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    settings::read(node, diagnostics, |section| {
        Some(Cpu { used: section.levels("used", Unit::Ratio), system: Mutex::default() })
    })
}

struct Cpu {
    used: Option<Levels>,
    /// Remembers the counters of the run before; nothing before the first run.
    system: Mutex<Option<System>>,
}

#[async_trait]
impl Check for Cpu {
    async fn run(&self, _: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        record_times(&stat::parse(&read("/proc/stat")?), rec);
        if self.begin()? {
            // There is no run before the first: it measures over a short time of its own.
            tokio::time::sleep(MINIMUM_CPU_UPDATE_INTERVAL * 2).await;
        }
        let (busy, count) = self.measure()?;
        rec.gauge("breakwatch_cpu_used_ratio", "ratio", "Share of time the processors were busy.", busy);
        rec.gauge("breakwatch_cpus", "", "Processors of the host.", count as f64);
        rec.fact("cpu", format!("{:.1}% busy on {count} processors", busy * 100.0));
        if let Some(levels) = &self.used {
            rec.judge("used", FailureReason::Threshold, busy, levels);
        }
        Ok(())
    }

    fn target(&self) -> String {
        "cpu".to_owned()
    }
}

impl Cpu {
    /// Takes the first reading; says whether this was it.
    fn begin(&self) -> Result<bool, CheckFailure> {
        let mut slot = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_some() {
            return Ok(false);
        }
        let mut system =
            System::new().map_err(|error| internal(format!("reading the processors: {error:?}")))?;
        system.refresh_cpu_usage();
        *slot = Some(system);
        Ok(true)
    }

    /// The busy share since the last reading, and how many processors there are.
    fn measure(&self) -> Result<(f64, usize), CheckFailure> {
        let mut slot = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        let system = slot.as_mut().ok_or_else(|| internal("no reading of the processors".to_owned()))?;
        system.refresh_cpu_usage();
        let count = system.cpus().len();
        if count == 0 {
            return Err(internal("the system does not show its processors".to_owned()));
        }
        let busy = f64::from(system.global_cpu_usage()) / 100.0;
        Ok((busy.clamp(0.0, 1.0), count))
    }
}

fn record_times(times: &[stat::Times], rec: &mut Recorder) {
    let help = "Seconds each processor has spent in each mode since boot.";
    let mut family = MetricFamily::counter("node_cpu_seconds_total", "seconds", help);
    for processor in times {
        for (mode, seconds) in stat::MODES.iter().zip(processor.seconds) {
            let labels = Labels::from_pairs([("cpu", processor.cpu.as_str()), ("mode", *mode)]);
            family.push(labels, seconds);
        }
    }
    rec.family(family);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{build, run};

    #[tokio::test]
    async fn two_runs_measure_what_lies_between_them() {
        let check = build(&ENTRY, &json!({ "used": { "unhealthy": "100%" } })).unwrap();
        let first = run(&*check).await;
        first.succeeded();
        // Something to measure: keep one processor busy.
        let spin = std::thread::spawn(|| (0..200_000_000u64).fold(0, |sum: u64, i| sum.wrapping_add(i * i)));
        spin.join().unwrap();
        let second = run(&*check).await;
        second.succeeded();
        let busy = second.value("breakwatch_cpu_used_ratio", "").unwrap();
        assert!(busy > 0.0 && busy <= 1.0, "{busy}");
        let idle = |run: &crate::testing::Run| {
            run.value("node_cpu_seconds_total", r#"{cpu="0", mode="idle"}"#).unwrap()
        };
        assert!(idle(&second) >= idle(&first) && idle(&first) > 0.0);
        assert!(second.value("breakwatch_cpus", "").unwrap() >= 1.0);
    }
}
