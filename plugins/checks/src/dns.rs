//! The `dns` check: asks one server one question and judges the answer.
//!
//! The messages are our own (RFC 1035): a resolver library would retry, cache and choose among servers, and so hide
//! what this check is for.

mod message;
mod rdata;
#[cfg(test)]
mod tests;
mod wire;

use std::net::SocketAddr;

use async_trait::async_trait;
use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, Diagnostics, Field, Node, Recorder, Section,
};
use regex::Regex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

use crate::address::HostPort;
use crate::limits::{LATENCY_FIELDS, Limits};
use crate::net::resolve::{declare_address, record_address};
use crate::net::{self, IpFamily, from_io, resolve};
use crate::pattern;
use crate::phases::Phases;
use crate::report::{Gauge, clean, declare, fact, set, upsert};
use message::{Answer, Question, RCODES, TYPES};

const PHASES: &[&str] = &["resolve", "connect", "request"];

const GAUGES: [Gauge; 5] = [
    ("probe_dns_answer_rrs", "", "Records in the answer section."),
    ("probe_dns_authority_rrs", "", "Records in the authority section."),
    ("probe_dns_additional_rrs", "", "Records in the additional section."),
    ("probe_dns_query_succeeded", "", "Whether the server answered the question at all."),
    ("probe_failed_due_to_regex", "", "Whether the run failed because of a regular expression."),
];

const SERIAL: Gauge = ("probe_dns_serial", "", "Serial number of the zone, if its SOA record was asked for.");

/// The row in the table of checks.
pub(crate) const ENTRY: CheckEntry = CheckEntry {
    key: "dns",
    summary: "Asks a name server a question and judges the answer.",
    fields: FIELDS,
    local: false,
    parse,
};

const FIELDS: &[Field] = &[
    Field { name: "name", kind: "text", default: "", help: "The name that is asked for." },
    Field {
        name: "record",
        kind: "`A`, `AAAA`, `CAA`, `CNAME`, `MX`, `NS`, `PTR`, `SOA`, `SRV` or `TXT`",
        default: "A",
        help: "The kind of record that is asked for.",
    },
    Field {
        name: "server",
        kind: "host, or host:port",
        default: "the first of /etc/resolv.conf",
        help: "The server that is asked.",
    },
    Field {
        name: "transport",
        kind: "`udp` or `tcp`",
        default: "udp",
        help: "How it is asked. An answer cut short over UDP is asked for again over TCP.",
    },
    Field {
        name: "recursion",
        kind: "`true` or `false`",
        default: "true",
        help: "Whether the server is asked to ask others; off to see what it knows itself.",
    },
    Field {
        name: "expect",
        kind: "mapping",
        default: "{ rcode: NOERROR, answers_min: 1 }",
        help: "`rcode` (one or several), `answers_min`, `answer_regex` (some answer matches; it reads like \
               `example.org. 300 IN A 192.0.2.1`), `answer_not_regex` (none does), `authoritative`.",
    },
    LATENCY_FIELDS[0],
    LATENCY_FIELDS[1],
    IpFamily::FIELD,
];

struct Dns {
    question: Question,
    server: Option<HostPort>,
    tcp: bool,
    expect: Expect,
    limits: Limits,
    ip_family: IpFamily,
}

#[derive(Default)]
struct Expect {
    rcodes: Vec<u8>,
    answers_min: u64,
    answer_matches: Option<Regex>,
    answer_forbidden: Option<Regex>,
    authoritative: Option<bool>,
}

fn parse(node: &Node, _: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    crate::settings::read(node, diagnostics, |section| {
        section.required("name");
        let name = section.parse("name", |text| match message::encode_name(text) {
            Some(_) => Ok(text.to_owned()),
            None => Err("a domain name".to_owned()),
        });
        let record = section.choice("record", &TYPES).unwrap_or(1);
        let server =
            section.get("server").is_some().then(|| HostPort::read(section, "server", Some(53))).flatten();
        let tcp = section.choice("transport", &[("udp", false), ("tcp", true)]).unwrap_or(false);
        let recursion = section.bool("recursion").unwrap_or(true);
        let expect = Expect::read(section.section("expect"));
        let limits = Limits::read(section, false);
        let ip_family = IpFamily::read(section);
        let question = Question { name: name?, record, recursion };
        Some(Dns { question, server, tcp, expect, limits, ip_family })
    })
}

impl Expect {
    fn read(section: Option<Section<'_>>) -> Self {
        let mut expect = Self { rcodes: vec![0], answers_min: 1, ..Self::default() };
        let Some(mut section) = section else { return expect };
        let words = section.strings("rcode").unwrap_or_default();
        let known = |word: &String| RCODES.iter().find(|(name, _)| name == word).map(|(_, code)| *code);
        if let Some(wrong) = words.iter().find(|word| known(word).is_none()) {
            section
                .error_at("rcode", format!("expected a response code such as `NXDOMAIN`, found {wrong:?}"));
        }
        if !words.is_empty() {
            expect.rcodes = words.iter().filter_map(known).collect();
            // Whoever expects a failure expects no answers with it.
            expect.answers_min = u64::from(expect.rcodes == [0]);
        }
        expect.answers_min = section.integer("answers_min", 0..=1000).unwrap_or(expect.answers_min);
        expect.answer_matches = section.parse("answer_regex", pattern::text);
        expect.answer_forbidden = section.parse("answer_not_regex", pattern::text);
        expect.authoritative = section.bool("authoritative");
        section.finish();
        expect
    }

    fn judge(&self, answer: &Answer, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let failed = |message: String| Err(CheckFailure::new(FailureReason::Assertion, message));
        if !self.rcodes.contains(&answer.rcode) {
            let wanted: Vec<String> = self.rcodes.iter().map(|code| message::rcode_text(*code)).collect();
            let message = format!(
                "the answer is {}, expected {}",
                message::rcode_text(answer.rcode),
                wanted.join(" or ")
            );
            return Err(CheckFailure::new(FailureReason::Status, message));
        }
        let found = answer.records.len();
        if (found as u64) < self.answers_min {
            return failed(format!("{found} records in the answer, expected at least {}", self.answers_min));
        }
        match self.authoritative {
            Some(true) if !answer.authoritative => {
                return failed("the answer is not authoritative".to_owned());
            }
            Some(false) if answer.authoritative => return failed("the answer is authoritative".to_owned()),
            _ => {}
        }
        let matches = |regex: &&Regex| answer.records.iter().any(|record| regex.is_match(record));
        if let Some(regex) = self.answer_matches.as_ref().filter(|regex| !matches(regex)) {
            set(rec, "probe_failed_due_to_regex", 1.0);
            return failed(format!("no record matches /{regex}/"));
        }
        if let Some(regex) = self.answer_forbidden.as_ref().filter(matches) {
            set(rec, "probe_failed_due_to_regex", 1.0);
            return failed(format!("a record matches /{regex}/"));
        }
        Ok(())
    }
}

#[async_trait]
impl Check for Dns {
    async fn run(&self, ctx: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let help = "How long each phase took.";
        let mut phases = Phases::start(rec, &ctx.clock, "probe_dns_duration_seconds", help, PHASES);
        declare_address(&mut phases);
        declare(&mut phases, &GAUGES);
        let answer = self.ask(&mut phases).await?;
        phases.leave();
        record(&answer, &mut phases);
        let took = phases.total();
        self.limits.judge_latency(&mut phases, took);
        self.expect.judge(&answer, &mut phases)
    }

    fn target(&self) -> String {
        let server = self.server.as_ref().map(|server| format!(" @{server}"));
        format!(
            "{} {}{}",
            self.question.name,
            message::type_text(self.question.record),
            server.unwrap_or_default()
        )
    }
}

fn record(answer: &Answer, rec: &mut Recorder) {
    set(rec, "probe_dns_query_succeeded", 1.0);
    set(rec, "probe_dns_answer_rrs", answer.records.len() as f64);
    set(rec, "probe_dns_authority_rrs", f64::from(answer.authority));
    set(rec, "probe_dns_additional_rrs", f64::from(answer.additional));
    if let Some(serial) = answer.serial {
        upsert(rec, SERIAL, f64::from(serial));
    }
    fact(rec, "rcode", message::rcode_text(answer.rcode));
    if !answer.records.is_empty() {
        fact(rec, "answer", clean(&answer.records.join("; "), 500));
    }
}

impl Dns {
    async fn ask(&self, phases: &mut Phases<'_>) -> Result<Answer, CheckFailure> {
        phases.enter("resolve");
        let server = match &self.server {
            Some(server) => server.clone(),
            None => system_server()?,
        };
        let address = resolve(&server.host, server.port, self.ip_family).await?;
        phases.leave();
        let lookup = phases.spent("resolve").as_secs_f64();
        record_address(phases, address.ip(), lookup);
        phases.enter("connect");
        let id = fastrand::u16(..);
        let query = self.question.encode(id).ok_or_else(|| broken("the name cannot be asked for"))?;
        if !self.tcp {
            let answer = self.over_udp(address, id, &query, phases).await?;
            if !answer.truncated {
                return Ok(answer);
            }
            fact(phases, "truncated", "asked again over TCP");
            phases.enter("connect");
        }
        self.over_tcp(address, id, &query, phases).await
    }

    async fn over_udp(
        &self,
        address: SocketAddr,
        id: u16,
        query: &[u8],
        phases: &mut Phases<'_>,
    ) -> Result<Answer, CheckFailure> {
        let failed =
            |error: std::io::Error| from_io(&error, FailureReason::Connect, &format!("asking {address}"));
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).await.map_err(failed)?;
        // A connected socket takes datagrams of this server only, and hears that nobody listens.
        socket.connect(address).await.map_err(failed)?;
        phases.enter("request");
        socket.send(query).await.map_err(failed)?;
        let mut buffer = vec![0; 65_535];
        loop {
            let read = socket.recv(&mut buffer).await.map_err(failed)?;
            // What does not belong to our question is someone else's, perhaps a forger's: wait on.
            if let Some(answer) = self.question.decode(id, buffer.get(..read).unwrap_or_default()) {
                return Ok(answer);
            }
        }
    }

    async fn over_tcp(
        &self,
        address: SocketAddr,
        id: u16,
        query: &[u8],
        phases: &mut Phases<'_>,
    ) -> Result<Answer, CheckFailure> {
        let failed =
            |error: std::io::Error| from_io(&error, FailureReason::Protocol, &format!("asking {address}"));
        let mut stream = net::connect(address).await?;
        phases.enter("request");
        let length = u16::try_from(query.len()).map_err(|_| broken("the question is too long"))?;
        stream.write_all(&[&length.to_be_bytes(), query].concat()).await.map_err(failed)?;
        let length = stream.read_u16().await.map_err(failed)?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await.map_err(failed)?;
        self.question.decode(id, &answer).ok_or_else(|| broken("the answer does not belong to the question"))
    }
}

fn broken(message: &str) -> CheckFailure {
    CheckFailure::new(FailureReason::Protocol, message)
}

/// The first server of the system, read anew each time: it changes with the network.
fn system_server() -> Result<HostPort, CheckFailure> {
    let text = crate::host::read("/etc/resolv.conf")?;
    let words = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let first = words.map(str::trim).find(|address| !address.is_empty());
    first
        .and_then(|address| HostPort::parse(address, Some(53)))
        .ok_or_else(|| crate::host::internal("/etc/resolv.conf names no server".to_owned()))
}
