//! The `load` check: the load averages, judged per processor.

use async_trait::async_trait;
use breakwatch_model::{CheckFailure, FailureReason, Labels, MetricFamily};
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, Diagnostics, Field, Levels, Node, Recorder, Unit,
};
use sysinfo::{CpuRefreshKind, RefreshKind, System};

use crate::host::internal;
use crate::settings;

/// The row in the table of checks.
pub(crate) const ENTRY: CheckEntry = CheckEntry {
    key: "load",
    summary: "Reads the load averages of this host.",
    fields: FIELDS,
    local: true,
    parse,
};

const FIELDS: &[Field] = &[
    Field {
        name: "load1",
        kind: "levels of a number",
        default: "",
        help: "Limits on the average over one minute: `{ degraded: 1.5, unhealthy: 4 }`.",
    },
    Field {
        name: "load5",
        kind: "levels of a number",
        default: "",
        help: "Limits on the average over five minutes.",
    },
    Field {
        name: "load15",
        kind: "levels of a number",
        default: "",
        help: "Limits on the average over fifteen minutes.",
    },
    Field {
        name: "per_cpu",
        kind: "`true` or `false`",
        default: "true",
        help: "Whether the limits are for the load divided by the number of processors, so that the same limits \
               fit small and large hosts.",
    },
];

fn parse(node: &Node, _: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    settings::read(node, diagnostics, |section| {
        let levels = ["load1", "load5", "load15"].map(|key| section.levels(key, Unit::Number));
        Some(Load { levels, per_cpu: section.bool("per_cpu").unwrap_or(true) })
    })
}

struct Load {
    levels: [Option<Levels>; 3],
    per_cpu: bool,
}

#[async_trait]
impl Check for Load {
    async fn run(&self, _: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let average =
            System::load_average().map_err(|error| internal(format!("reading the load: {error:?}")))?;
        let refresh = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
        let system = System::new_with_specifics(refresh)
            .map_err(|error| internal(format!("counting processors: {error:?}")))?;
        self.record([average.one, average.five, average.fifteen], system.cpus().len(), rec);
        Ok(())
    }

    fn target(&self) -> String {
        "load".to_owned()
    }
}

impl Load {
    fn record(&self, [one, five, fifteen]: [f64; 3], cpus: usize, rec: &mut Recorder) {
        rec.gauge("node_load1", "", "Load average over one minute.", one);
        rec.gauge("node_load5", "", "Load average over five minutes.", five);
        rec.gauge("node_load15", "", "Load average over fifteen minutes.", fifteen);
        let cpus = cpus.max(1) as f64;
        let help = "Load average divided by the number of processors.";
        let mut family = MetricFamily::gauge("breakwatch_load_per_cpu", "", help);
        for (window, load) in [("1m", one), ("5m", five), ("15m", fifteen)] {
            family.push(Labels::from_pairs([("window", window)]), load / cpus);
        }
        rec.family(family);
        rec.fact("load", format!("{one:.2} {five:.2} {fifteen:.2} on {cpus} processors"));
        let divisor = if self.per_cpu { cpus } else { 1.0 };
        let names = if self.per_cpu {
            ["load1_per_cpu", "load5_per_cpu", "load15_per_cpu"]
        } else {
            ["load1", "load5", "load15"]
        };
        for ((levels, load), name) in self.levels.iter().zip([one, five, fifteen]).zip(names) {
            if let Some(levels) = levels {
                // Two digits are what the kernel gives; more would only make the message long.
                let value = (load / divisor * 100.0).round() / 100.0;
                rec.judge(name, FailureReason::Threshold, value, levels);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use breakwatch_plugin_api::Level;
    use serde_json::json;

    use super::*;
    use crate::testing::run_with;

    fn judged(per_cpu: bool) -> Vec<String> {
        let levels = Levels {
            unit: Unit::Number,
            degraded: Some(1.5),
            unhealthy: Some(4.0),
            below: false,
            recover: 0.0,
        };
        let check = Load { levels: [Some(levels), None, Some(levels)], per_cpu };
        let mut rec = Recorder::default();
        check.record([8.0, 4.0, 2.0], 4, &mut rec);
        assert_eq!(rec.families[3].points[0].value, 2.0);
        rec.judgements
            .iter()
            .map(|judged| format!("{} {:?} {}", judged.name, judged.level, judged.message))
            .collect()
    }

    #[test]
    fn limits_are_per_processor_unless_told_otherwise() {
        assert_eq!(
            judged(true),
            [
                "load1_per_cpu Degraded load1 per cpu is 2, at or over the limit of 1.5",
                "load15_per_cpu Fine ",
            ]
        );
        assert_eq!(
            judged(false),
            [
                "load1 Unhealthy load1 is 8, at or over the limit of 4",
                "load15 Degraded load15 is 2, at or over the limit of 1.5",
            ]
        );
    }

    #[tokio::test]
    async fn this_host_has_a_load() {
        let run = run_with(&ENTRY, &json!({ "load1": { "unhealthy": 1e9 } })).await;
        run.succeeded();
        assert!(run.value("node_load15", "").unwrap() >= 0.0);
        assert_eq!(run.level("load1_per_cpu"), Some(Level::Fine));
    }
}
