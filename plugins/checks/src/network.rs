//! The `network` check: what the interfaces of this host carry and lose, and whether they are up.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use breakwatch_model::{CheckFailure, FailureReason, Labels, MetricFamily};
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, Diagnostics, Field, Levels, Node, Recorder, Unit,
    format_bytes,
};

use crate::host::{internal, judge_named, read};
use crate::settings;

/// The row in the table of checks.
pub(crate) const ENTRY: CheckEntry = CheckEntry {
    key: "network",
    summary: "Measures the traffic, the errors and the state of this host's network interfaces.",
    fields: FIELDS,
    local: true,
    parse,
};

const FIELDS: &[Field] = &[
    Field {
        name: "interface",
        kind: "text",
        default: "",
        help: "One interface; the check fails if it is missing or down. Without it all but the loopback are measured.",
    },
    Field {
        name: "receive",
        kind: "levels of a size",
        default: "",
        help: "Limits on the bytes received per second since the run before, of the busiest interface.",
    },
    Field {
        name: "transmit",
        kind: "levels of a size",
        default: "",
        help: "Limits on the bytes sent per second since the run before, of the busiest interface.",
    },
];

/// The counters of one interface that are kept, in the order of [`COLUMNS`].
type Counters = [f64; COLUMNS.len()];

/// Columns of `/proc/net/dev` and node_exporter's names for them.
const COLUMNS: [(usize, &str, &str, &str); 8] = [
    (0, "node_network_receive_bytes_total", "bytes", "Bytes received."),
    (1, "node_network_receive_packets_total", "", "Packets received."),
    (2, "node_network_receive_errs_total", "", "Packets received damaged."),
    (3, "node_network_receive_drop_total", "", "Packets received and thrown away."),
    (8, "node_network_transmit_bytes_total", "bytes", "Bytes sent."),
    (9, "node_network_transmit_packets_total", "", "Packets sent."),
    (10, "node_network_transmit_errs_total", "", "Packets that could not be sent."),
    (11, "node_network_transmit_drop_total", "", "Packets thrown away instead of being sent."),
];
const RECEIVED: usize = 0;
const SENT: usize = 4;

fn parse(node: &Node, _: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    settings::read(node, diagnostics, |section| {
        let interface = section.string("interface");
        let (receive, transmit) =
            (section.levels("receive", Unit::Bytes), section.levels("transmit", Unit::Bytes));
        Some(Network { interface, receive, transmit, before: Mutex::default() })
    })
}

/// Counters by interface, and when they were read.
type Reading = (Instant, BTreeMap<String, Counters>);

struct Network {
    interface: Option<String>,
    receive: Option<Levels>,
    transmit: Option<Levels>,
    before: Mutex<Option<Reading>>,
}

fn parse_table(text: &str) -> BTreeMap<String, Counters> {
    let line = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let numbers: Vec<f64> =
            numbers.split_ascii_whitespace().map_while(|number| number.parse().ok()).collect();
        let mut counters = Counters::default();
        for (slot, (column, ..)) in counters.iter_mut().zip(COLUMNS) {
            *slot = *numbers.get(column)?;
        }
        Some((name.trim().to_owned(), counters))
    };
    text.lines().filter_map(line).collect()
}

#[async_trait]
impl Check for Network {
    async fn run(&self, ctx: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let mut table = parse_table(&read("/proc/net/dev")?);
        if table.is_empty() {
            return Err(internal("the system shows no network interfaces".to_owned()));
        }
        table.retain(|name, _| self.interface.as_ref().map_or(name != "lo", |wanted| wanted == name));
        let states: Vec<(&String, bool)> = table.keys().map(|name| (name, is_up(name))).collect();
        record(&table, &states, rec);
        let down = states.iter().find(|(_, up)| !up).map(|(name, _)| (*name).clone());
        let now = ctx.clock.monotonic();
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner).replace((now, table.clone()));
        if let Some((then, before)) = before {
            self.judge_rates(&before, &table, now.saturating_duration_since(then), rec);
        }
        let failed = |what: String| Err(CheckFailure::new(FailureReason::Assertion, what));
        match &self.interface {
            Some(name) if table.is_empty() => failed(format!("there is no interface {name}")),
            Some(_) if down.is_some() => failed(format!("{} is down", down.unwrap_or_default())),
            _ => Ok(()),
        }
    }

    fn target(&self) -> String {
        self.interface.clone().unwrap_or_else(|| "network".to_owned())
    }
}

/// Whether the interface can carry anything; what does not know its state (a tunnel, the loopback) is up.
fn is_up(name: &str) -> bool {
    let state = std::fs::read_to_string(format!("/sys/class/net/{name}/operstate")).unwrap_or_default();
    matches!(state.trim(), "up" | "unknown" | "")
}

fn record(table: &BTreeMap<String, Counters>, states: &[(&String, bool)], rec: &mut Recorder) {
    for (slot, (_, name, unit, help)) in COLUMNS.iter().enumerate() {
        let mut family = MetricFamily::counter(*name, unit, help);
        for (device, counters) in table {
            let value = counters.get(slot).copied().unwrap_or_default();
            family.push(Labels::from_pairs([("device", device.as_str())]), value);
        }
        rec.family(family);
    }
    let mut family = MetricFamily::gauge("node_network_up", "", "Whether the interface is up.");
    for (device, up) in states {
        family.push(Labels::from_pairs([("device", device.as_str())]), f64::from(u8::from(*up)));
    }
    rec.family(family);
}

impl Network {
    fn judge_rates(
        &self,
        before: &BTreeMap<String, Counters>,
        after: &BTreeMap<String, Counters>,
        passed: Duration,
        rec: &mut Recorder,
    ) {
        let seconds = passed.as_secs_f64();
        let directions = [("receive", RECEIVED, &self.receive), ("transmit", SENT, &self.transmit)];
        for (name, slot, levels) in directions.into_iter().filter(|_| seconds > 0.0) {
            // A counter that fell began anew: that interface has no rate this time.
            let rate = |(device, after): (&String, &Counters)| {
                let grown = after.get(slot)? - before.get(device)?.get(slot)?;
                (grown >= 0.0).then(|| (device.clone(), grown / seconds))
            };
            let busiest = after.iter().filter_map(rate).max_by(|a, b| a.1.total_cmp(&b.1));
            let Some((device, rate)) = busiest else { continue };
            rec.fact(name, format!("{}/s on {device}", format_bytes(rate)));
            if let Some(levels) = levels {
                judge_named(rec, name, &device, rate, levels);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{build, run, run_with};

    const TABLE: &str = "Inter-|   Receive                                                |  Transmit\n\
         \x20face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls\n\
         \x20   lo: 100 2 0 0 0 0 0 0 100 2 0 0 0 0 0 0\n\
         \x20 eth0:1000 10 1 2 0 0 0 0 3000 30 3 4 0 0 0 0\n\
         \x20bad0: 1 2 x\n";

    #[test]
    fn the_kernels_table_is_read() {
        let table = parse_table(TABLE);
        assert_eq!(table.keys().collect::<Vec<_>>(), ["eth0", "lo"]);
        assert_eq!(table["eth0"], [1000.0, 10.0, 1.0, 2.0, 3000.0, 30.0, 3.0, 4.0]);
    }

    #[test]
    fn rates_are_those_between_two_runs() {
        let levels = Levels {
            unit: Unit::Bytes,
            degraded: Some(1e3),
            unhealthy: Some(1e6),
            below: false,
            recover: 0.0,
        };
        let check = Network {
            interface: None,
            receive: Some(levels),
            transmit: Some(levels),
            before: Mutex::default(),
        };
        let before = parse_table(TABLE);
        let mut after = before.clone();
        after.insert("eth0".to_owned(), [31_000.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0]);
        after.insert("new0".to_owned(), [1e9; 8]);
        let mut rec = Recorder::default();
        check.judge_rates(&before, &after, Duration::from_secs(10), &mut rec);
        let messages: Vec<&str> = rec.judgements.iter().map(|judged| judged.message.as_str()).collect();
        assert_eq!(messages, ["eth0: receive is 2.9 KiB, at or over the limit of 1000 B", ""]);
        assert_eq!(rec.evidence.to_string(), "receive=2.9 KiB/s on eth0, transmit=0 B/s on lo");
    }

    #[tokio::test]
    async fn the_loopback_of_this_host_carries_what_is_sent() {
        let check = build(&ENTRY, &json!({ "interface": "lo" })).unwrap();
        let first = run(&*check).await;
        first.succeeded();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..10 {
            sender.send_to(&[0; 1000], sender.local_addr().unwrap()).unwrap();
        }
        let second = run(&*check).await;
        let labels = r#"{device="lo"}"#;
        let received =
            |run: &crate::testing::Run| run.value("node_network_receive_bytes_total", labels).unwrap();
        assert!(received(&second) - received(&first) >= 10_000.0);
        assert_eq!(second.succeeded().value("node_network_up", labels), Some(1.0));
        assert!(second.fact("receive").is_some());
        let missing = run_with(&ENTRY, &json!({ "interface": "nic7" })).await;
        assert_eq!(missing.failure().to_string(), "there is no interface nic7 (assertion)");
    }
}
