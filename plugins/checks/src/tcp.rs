//! The `tcp` and `tls` checks: a connection, perhaps a conversation, perhaps TLS.
//!
//! Both are one machine: a conversation is a list of steps, and a TLS check of a mail server is the conversation that
//! ends in STARTTLS. `tls` is there so that nobody has to write that list.

mod dialogue;
mod line;
mod starttls;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, Diagnostics, Field, Node, Recorder, Section,
};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::address::HostPort;
use crate::limits::{self, Limits};
use crate::net::resolve::{declare_address, record_address};
use crate::net::tls::{Certificate, Handshake, TlsSettings, days_until, shake};
use crate::net::{self, IpFamily, resolve};
use crate::phases::Phases;
use crate::report::{Gauge, declare, fact};
use dialogue::{Step, speak};
use line::Lines;

const PHASES: &[&str] = &["resolve", "connect", "tls", "dialogue"];

const GAUGES: [Gauge; 1] =
    [("probe_failed_due_to_regex", "", "Whether the run failed because an expected line did not come.")];

/// The row of `tcp` in the table of checks.
pub(crate) const ENTRY: CheckEntry = CheckEntry {
    key: "tcp",
    summary: "Connects to a port and, if wanted, holds a conversation, with or without TLS.",
    fields: FIELDS,
    local: false,
    parse: parse_tcp,
};

/// The row of `tls` in the table of checks.
pub(crate) const TLS_ENTRY: CheckEntry = CheckEntry {
    key: "tls",
    summary: "Shakes hands with any TLS service, also by STARTTLS, and judges its certificate.",
    fields: TLS_FIELDS,
    local: false,
    parse: parse_tls,
};

const FIELDS: &[Field] = &[
    Field { name: "address", kind: "host:port", default: "", help: "Where to connect to." },
    Field {
        name: "use_tls",
        kind: "`true` or `false`",
        default: "false",
        help: "Whether TLS begins with the connection.",
    },
    TlsSettings::FIELD,
    Field {
        name: "dialogue",
        kind: "list of steps",
        default: "",
        help: "Steps in order: `expect: REGEX` reads lines until one matches, `send: TEXT` sends a line (`${1}` is a \
               group of the expression before), `starttls: true` begins TLS.",
    },
    limits::FIELDS[0],
    limits::FIELDS[1],
    IpFamily::FIELD,
];

const TLS_FIELDS: &[Field] = &[
    Field {
        name: "address",
        kind: "host, or host:port",
        default: "",
        help: "Where to connect to; the port is 443, or that of the protocol in `starttls`.",
    },
    Field {
        name: "starttls",
        kind: "`smtp`, `imap`, `pop3`, `ftp`, `ldap` or `postgres`",
        default: "",
        help: "The protocol in which TLS is asked for after connecting.",
    },
    TlsSettings::FIELD,
    limits::FIELDS[0],
    limits::FIELDS[1],
    IpFamily::FIELD,
];

fn parse_tcp(node: &Node, context: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    crate::settings::read(node, diagnostics, |section| {
        let mut steps = Vec::new();
        if section.bool("use_tls").unwrap_or(false) {
            steps.push(Step::StartTls);
        }
        steps.extend(dialogue::read(section));
        if steps.iter().filter(|step| matches!(step, Step::StartTls)).count() > 1 {
            section.error_at("dialogue", "TLS can begin only once");
        }
        Tcp::read(section, context, steps, None)
    })
}

fn parse_tls(node: &Node, context: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    crate::settings::read(node, diagnostics, |section| {
        let protocol = section.choice("starttls", &starttls::PROTOCOLS);
        let (port, steps) =
            protocol.map_or_else(|| (443, vec![Step::StartTls]), starttls::Protocol::conversation);
        Tcp::read(section, context, steps, Some(port))
    })
}

struct Tcp {
    address: HostPort,
    steps: Vec<Step>,
    tls: TlsSettings,
    limits: Limits,
    ip_family: IpFamily,
}

impl Tcp {
    fn read(
        section: &mut Section<'_>,
        context: &BuildContext,
        steps: Vec<Step>,
        default_port: Option<u16>,
    ) -> Option<Self> {
        let address = HostPort::read(section, "address", default_port);
        let tls = TlsSettings::read(section.section("tls"), &context.base_dir);
        let limits = Limits::read(section, true);
        let ip_family = IpFamily::read(section);
        let encrypted = steps.iter().any(|step| matches!(step, Step::StartTls));
        if limits.wants_certificate() && !encrypted {
            section.error_at("address", "`certificate_days` needs `use_tls: true` or a `starttls` step");
        }
        Some(Self { address: address?, steps, tls, limits, ip_family })
    }

    /// Connects and goes through the steps; gives the certificate if there was one.
    async fn talk(
        &self,
        ctx: &CheckContext,
        phases: &mut Phases<'_>,
    ) -> Result<Option<Certificate>, CheckFailure> {
        phases.enter("resolve");
        let address = resolve(&self.address.host, self.address.port, self.ip_family).await?;
        phases.leave();
        let lookup = phases.spent("resolve").as_secs_f64();
        record_address(phases, address.ip(), lookup);
        phases.enter("connect");
        let stream = net::connect(address).await?;
        let at = self.steps.iter().position(|step| matches!(step, Step::StartTls));
        let (before, after) = self.steps.split_at(at.unwrap_or(self.steps.len()));
        let mut group = None;
        let stream = self.converse(Lines::new(stream), before, &mut group, phases).await?;
        if at.is_none() {
            return Ok(None);
        }
        let stream = stream.into_inner().ok_or_else(|| {
            // Whatever came before TLS in the clear could have come from anyone.
            CheckFailure::new(FailureReason::Protocol, "the target sent more before TLS began")
        })?;
        phases.enter("tls");
        let handshake = Handshake {
            tls: &self.tls,
            host: &self.address.host,
            alpn: &[],
            trusted: true,
            now: ctx.started_at,
        };
        let (stream, certificate) = shake(&handshake, stream, phases).await?;
        let after = after.get(1..).unwrap_or_default();
        self.converse(Lines::new(stream), after, &mut group, phases).await?;
        Ok(certificate)
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send>(
        &self,
        mut lines: Lines<S>,
        steps: &[Step],
        group: &mut Option<dialogue::Groups>,
        phases: &mut Phases<'_>,
    ) -> Result<Lines<S>, CheckFailure> {
        if !steps.is_empty() {
            phases.enter("dialogue");
        }
        let result = speak(&mut lines, steps, group, phases).await;
        if let Some(last) = lines.last() {
            fact(phases, "last line", last);
        }
        result.map(|()| lines)
    }
}

#[async_trait]
impl Check for Tcp {
    async fn run(&self, ctx: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let help = "How long each phase took.";
        let mut phases = Phases::start(rec, &ctx.clock, "breakwatch_tcp_duration_seconds", help, PHASES);
        declare_address(&mut phases);
        declare(&mut phases, &GAUGES);
        let certificate = self.talk(ctx, &mut phases).await?;
        phases.leave();
        let took = phases.total();
        self.limits.judge_latency(&mut phases, took);
        if let Some(certificate) = certificate {
            self.limits.judge_certificate(&mut phases, days_until(certificate.not_after, ctx.started_at));
        }
        Ok(())
    }

    fn target(&self) -> String {
        self.address.to_string()
    }
}
