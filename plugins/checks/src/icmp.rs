//! The `icmp` check: a few echo requests, how many come back and how fast.
//!
//! Linux lets ordinary users ping when `net.ipv4.ping_group_range` says so; otherwise a raw socket is tried, which
//! needs CAP_NET_RAW. The kernel's ping socket is an ordinary datagram socket, so tokio waits for it like for any.

mod packet;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use breakwatch_model::{CheckFailure, Clock, FailureReason};
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, Diagnostics, Field, Levels, Node, Recorder, Section, Unit,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};

use crate::net::resolve::{declare_address, record_address};
use crate::net::{IpFamily, from_io, is_local, resolve};
use crate::phases::Phases;
use crate::report::{Gauge, fact, upsert};
use packet::Echo;

const PHASES: &[&str] = &["resolve", "setup", "rtt"];

const LOSS: Gauge = ("breakwatch_icmp_loss_ratio", "ratio", "Share of echo requests without a reply.");
const RTT: Gauge = ("breakwatch_icmp_rtt_seconds", "seconds", "Mean time until the reply.");
const JITTER: Gauge = (
    "breakwatch_icmp_jitter_seconds",
    "seconds",
    "Mean difference between the times of neighbouring replies.",
);

/// The row in the table of checks.
pub(crate) const ENTRY: CheckEntry = CheckEntry {
    key: "icmp",
    summary: "Sends echo requests and judges loss, delay and jitter.",
    fields: FIELDS,
    local: false,
    parse,
};

const FIELDS: &[Field] = &[
    Field { name: "host", kind: "text", default: "", help: "The name or address to ping." },
    Field {
        name: "count",
        kind: "whole number",
        default: "3",
        help: "How many requests are sent, one after the other.",
    },
    Field { name: "size", kind: "whole number", default: "56", help: "Bytes of payload in each request." },
    Field { name: "wait", kind: "duration", default: "1s", help: "How long each reply is waited for." },
    Field {
        name: "spacing",
        kind: "duration",
        default: "200ms",
        help: "The time between a reply and the next request.",
    },
    Field {
        name: "loss",
        kind: "levels of a share",
        default: "{ unhealthy: 100% }",
        help: "Limits on the share of requests without a reply.",
    },
    Field {
        name: "rtt",
        kind: "levels of a duration",
        default: "",
        help: "Limits on the mean time until the reply.",
    },
    Field {
        name: "jitter",
        kind: "levels of a duration",
        default: "",
        help: "Limits on the mean difference between neighbouring replies.",
    },
    IpFamily::FIELD,
];

fn parse(node: &Node, context: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    crate::settings::read(node, diagnostics, |section| Ping::read(section, context))
}

struct Ping {
    host: String,
    count: u64,
    size: usize,
    wait: Duration,
    spacing: Duration,
    loss: Levels,
    rtt: Option<Levels>,
    jitter: Option<Levels>,
    ip_family: IpFamily,
}

impl Ping {
    fn read(section: &mut Section<'_>, context: &BuildContext) -> Option<Self> {
        let host = section.required_string("host");
        let count = section.integer("count", 1..=100).unwrap_or(3);
        // The token takes eight bytes; the rest must fit one unfragmented-or-not IP packet.
        let size = section.integer("size", 8..=65_000).unwrap_or(56);
        let wait = section.duration("wait").unwrap_or(Duration::from_secs(1));
        let spacing = section.duration_or_zero("spacing").unwrap_or(Duration::from_millis(200));
        let longest = (wait + spacing) * u32::try_from(count).unwrap_or(u32::MAX);
        if longest > context.timeout {
            let timeout = breakwatch_plugin_api::format_duration(context.timeout);
            section.error_at(
                "count",
                format!("waiting for every reply would take longer than the time-out of {timeout}"),
            );
        }
        let all_lost =
            Levels { unit: Unit::Ratio, degraded: None, unhealthy: Some(1.0), below: false, recover: 0.0 };
        let loss = section.levels("loss", Unit::Ratio).unwrap_or(all_lost);
        let (rtt, jitter) = (section.levels("rtt", Unit::Seconds), section.levels("jitter", Unit::Seconds));
        let ip_family = IpFamily::read(section);
        Some(Self { host: host?, count, size: size as usize, wait, spacing, loss, rtt, jitter, ip_family })
    }

    /// Sends the requests one by one; gives the times of those that were answered.
    async fn ping(
        &self,
        socket: &UdpSocket,
        echo: Echo,
        clock: &dyn Clock,
    ) -> Result<Vec<Duration>, CheckFailure> {
        let mut times = Vec::new();
        let mut buffer = vec![0; 65_535];
        for sequence in 1..=self.count as u16 {
            let sent_at = clock.monotonic();
            let sent = socket.send(&echo.request(sequence, self.size)).await;
            let answered = async {
                sent?;
                loop {
                    let read = socket.recv(&mut buffer).await?;
                    if echo.is_reply(buffer.get(..read).unwrap_or_default(), sequence) {
                        return Ok(());
                    }
                }
            };
            match timeout(self.wait, answered).await {
                Ok(Ok(())) => times.push(clock.monotonic().saturating_duration_since(sent_at)),
                Ok(Err(error)) if is_local(&error) => {
                    return Err(from_io(&error, FailureReason::Internal, "sending an echo request"));
                }
                // Told unreachable, or nothing heard: both are a lost request.
                Ok(Err(_)) | Err(_) => {}
            }
            if u64::from(sequence) < self.count {
                sleep(self.spacing).await;
            }
        }
        Ok(times)
    }

    fn record(&self, times: &[Duration], phases: &mut Phases<'_>) {
        let (sent, received) = (self.count as f64, times.len() as f64);
        let loss = 1.0 - received / sent;
        upsert(phases, LOSS, loss);
        fact(phases, "replies", format!("{} of {}", times.len(), self.count));
        phases.judge("loss", FailureReason::Timeout, loss, &self.loss);
        let Some(mean) = mean(times.iter().map(Duration::as_secs_f64)) else { return };
        upsert(phases, RTT, mean);
        fact(phases, "round trip", format!("{:.2} ms", mean * 1000.0));
        if let Some(levels) = &self.rtt {
            phases.judge("rtt", FailureReason::Latency, mean, levels);
        }
        let neighbours = times.iter().zip(times.iter().skip(1));
        let Some(jitter) = self::mean(neighbours.map(|(a, b)| a.abs_diff(*b).as_secs_f64())) else { return };
        upsert(phases, JITTER, jitter);
        if let Some(levels) = &self.jitter {
            phases.judge("jitter", FailureReason::Latency, jitter, levels);
        }
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let count = values.len();
    (count > 0).then(|| values.sum::<f64>() / count as f64)
}

#[async_trait]
impl Check for Ping {
    async fn run(&self, ctx: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let help = "How long each phase took; `rtt` is all requests together, pauses included.";
        let mut phases = Phases::start(rec, &ctx.clock, "probe_icmp_duration_seconds", help, PHASES);
        declare_address(&mut phases);
        phases.enter("resolve");
        let address = resolve(&self.host, 0, self.ip_family).await?;
        phases.leave();
        let lookup = phases.spent("resolve").as_secs_f64();
        record_address(&mut phases, address.ip(), lookup);
        phases.enter("setup");
        let (socket, raw) = open(address)?;
        socket.connect(address).await.map_err(|error| {
            from_io(&error, FailureReason::Connect, &format!("reaching {}", address.ip()))
        })?;
        phases.enter("rtt");
        let times = self.ping(&socket, Echo::new(address.ip(), raw), &*ctx.clock).await?;
        phases.leave();
        self.record(&times, &mut phases);
        Ok(())
    }

    fn target(&self) -> String {
        self.host.clone()
    }
}

/// A ping socket, or a raw one; says whether it is raw.
fn open(address: SocketAddr) -> Result<(UdpSocket, bool), CheckFailure> {
    let (domain, protocol) = match address.ip() {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let make = |kind| {
        let socket = Socket::new(domain, kind, Some(protocol))?;
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket.into())
    };
    match make(Type::DGRAM) {
        Ok(socket) => Ok((socket, false)),
        Err(denied) if matches!(denied.kind(), std::io::ErrorKind::PermissionDenied) => {
            make(Type::RAW).map(|socket| (socket, true)).map_err(|_| {
                let message = "pinging is not allowed: widen the sysctl net.ipv4.ping_group_range to the daemon's \
                               group, or give the daemon CAP_NET_RAW (drop-in icmp.conf)";
                CheckFailure::new(FailureReason::Internal, message)
            })
        }
        Err(error) => Err(from_io(&error, FailureReason::Internal, "opening a ping socket")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{mistakes, run_with};

    #[tokio::test]
    async fn loopback_answers_every_request() {
        for host in ["127.0.0.1", "::1"] {
            let address: IpAddr = host.parse().unwrap();
            if std::net::UdpSocket::bind((address, 0)).is_err() {
                breakwatch_sim::left_out("this machine has no IPv6");
                continue;
            }
            let settings =
                json!({ "host": host, "spacing": "0s", "wait": "10s", "size": 1000, "jitter": "1h" });
            let run = run_with(&ENTRY, &settings).await;
            if matches!(&run.result, Some(Err(failure)) if failure.message.contains("ping_group_range")) {
                breakwatch_sim::left_out("this user may not ping");
                return;
            }
            run.succeeded();
            assert_eq!(run.fact("replies"), Some("3 of 3"));
            assert_eq!(run.value("breakwatch_icmp_loss_ratio", ""), Some(0.0));
            assert!(run.value("breakwatch_icmp_rtt_seconds", "").unwrap() > 0.0);
            assert!(run.value("breakwatch_icmp_jitter_seconds", "").is_some());
            assert!(run.value("probe_icmp_duration_seconds", r#"{phase="rtt"}"#).unwrap() > 0.0);
        }
    }

    #[test]
    fn loss_delay_and_jitter_are_judged() {
        let levels = |unit, degraded, unhealthy| Levels {
            unit,
            degraded: Some(degraded),
            unhealthy: Some(unhealthy),
            below: false,
            recover: 0.0,
        };
        let ping = Ping {
            host: "x".to_owned(),
            count: 4,
            size: 56,
            wait: Duration::from_secs(1),
            spacing: Duration::ZERO,
            loss: levels(Unit::Ratio, 0.25, 1.0),
            rtt: Some(levels(Unit::Seconds, 0.02, 0.5)),
            jitter: Some(levels(Unit::Seconds, 0.01, 0.5)),
            ip_family: IpFamily::Any,
        };
        let judged = |millis: &[u64]| -> Vec<String> {
            let mut rec = Recorder::default();
            let clock: std::sync::Arc<dyn Clock> = std::sync::Arc::new(breakwatch_model::SystemClock);
            let times: Vec<Duration> = millis.iter().map(|millis| Duration::from_millis(*millis)).collect();
            ping.record(&times, &mut Phases::start(&mut rec, &clock, "x", "X.", PHASES));
            rec.judgements
                .iter()
                .map(|judged| format!("{} {:?} {:.3}", judged.name, judged.level, judged.value))
                .collect()
        };
        assert_eq!(
            judged(&[10, 30, 20]),
            ["loss Degraded 0.250", "rtt Degraded 0.020", "jitter Degraded 0.015"]
        );
        assert_eq!(judged(&[10]), ["loss Degraded 0.750", "rtt Fine 0.010"], "one reply has no jitter");
        assert_eq!(judged(&[]), ["loss Unhealthy 1.000"]);
    }

    #[test]
    fn mistakes_in_the_settings() {
        assert_eq!(mistakes(&ENTRY, &json!({ "count": 0 })).len(), 2);
        let slow = json!({ "host": "a", "count": 100, "wait": "1s" });
        let expected = "count: waiting for every reply would take longer than the time-out of 1m";
        assert_eq!(mistakes(&ENTRY, &slow), [expected]);
    }
}
