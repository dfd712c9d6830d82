//! The `http` check: one request over a fresh connection, each phase timed by itself.
//!
//! A connector of our own on hyper, because a pooled client can neither time the phases apart nor show the
//! certificate of a handshake that failed. The deadline covers everything from the lookup of the name to the last
//! byte of the body; what was measured before it is kept.

mod answer;
mod body;
mod exchange;
mod expect;
mod failure;
mod json;
mod redirect;
mod request;
mod settings;
mod status;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use breakwatch_model::CheckFailure;
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, Diagnostics, Field, Node, Recorder, redact_url,
};

use crate::limits;
use crate::net::IpFamily;
use crate::net::resolve::declare_address;
use crate::net::tls::{TlsSettings, days_until};
use crate::phases::Phases;
use crate::report::{Gauge, declare};
use settings::Settings;

/// The phases of blackbox_exporter, in the order in which they happen.
const PHASES: &[&str] = &["resolve", "connect", "tls", "processing", "transfer"];

/// Series that are there in every run, 0 until known.
const GAUGES: [Gauge; 7] = [
    ("probe_http_status_code", "", "Status code of the last answer; 0 if there was none."),
    ("probe_http_content_length", "bytes", "Content-Length of the last answer; -1 if it gave none."),
    ("probe_http_uncompressed_body_length", "bytes", "Bytes of the decoded body that were read."),
    ("probe_http_redirects", "", "Redirects followed."),
    ("probe_http_ssl", "", "Whether the last answer came over TLS."),
    ("probe_http_version", "", "HTTP version of the last answer: 1.1, 2."),
    ("probe_failed_due_to_regex", "", "Whether the run failed because of a regular expression."),
];

/// The row in the table of checks.
pub(crate) const ENTRY: CheckEntry = CheckEntry {
    key: "http",
    summary: "Asks a URL and judges status, headers, body, latency and certificate.",
    fields: FIELDS,
    local: false,
    parse,
};

const FIELDS: &[Field] = &[
    Field { name: "url", kind: "URL", default: "", help: "What to ask; `http` or `https`." },
    Field { name: "method", kind: "text", default: "GET", help: "The request's method." },
    Field { name: "headers", kind: "mapping of texts", default: "", help: "Request headers, in order." },
    Field { name: "body", kind: "text", default: "", help: "The request's body." },
    Field {
        name: "auth",
        kind: "mapping",
        default: "",
        help: "`basic: { username, password }` or `bearer: TOKEN`. Never sent to another host than the URL's.",
    },
    Field {
        name: "expect",
        kind: "mapping",
        default: "{ status: [2xx] }",
        help: "`status` (list of codes, ranges `200-204` and classes `2xx`), `body_regex` and `body_not_regex` \
               (one or several), `json` (path to value, or to `equals`, `not_equals`, `regex`, `at_least`, \
               `at_most`, `exists`), `header_regex` and `header_not_regex` (header to expression), `version` (list \
               of `1.0`, `1.1`, `2`), `tls` (whether the last answer must have come over TLS), `body_min` and \
               `body_max` (sizes).",
    },
    Field {
        name: "follow_redirects",
        kind: "`true` or `false`",
        default: "true",
        help: "Whether to follow redirects; if not, the redirect itself is judged.",
    },
    Field { name: "max_redirects", kind: "whole number", default: "10", help: "More than this many fail." },
    TlsSettings::FIELD,
    limits::FIELDS[0],
    limits::FIELDS[1],
    Field {
        name: "deny_networks",
        kind: "list of networks",
        default: "[169.254.0.0/16, fe80::/10]",
        help: "Addresses that are never asked, wherever a name or a redirect leads: by default the link-local ones, \
               where clouds keep their secrets.",
    },
    Field {
        name: "max_body",
        kind: "size",
        default: "1MiB",
        help: "How much of the decoded body is read and judged; the rest is not fetched.",
    },
    IpFamily::FIELD,
    Field {
        name: "http_version",
        kind: "`auto`, `1.1` or `2`",
        default: "auto",
        help: "`auto` offers 2 and 1.1 over TLS and speaks 1.1 without; `2` without TLS means prior knowledge.",
    },
];

fn parse(node: &Node, context: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    crate::settings::read(node, diagnostics, |section| {
        Some(HttpCheck { settings: Settings::read(section, context)? })
    })
}

/// A configured `http` check.
struct HttpCheck {
    settings: Settings,
}

#[async_trait]
impl Check for HttpCheck {
    async fn run(&self, ctx: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let outcome = self.ask(ctx, rec).await;
        let scrubber = &self.settings.scrubber;
        for (_, value) in &mut rec.evidence.0 {
            *value = scrubber.clean(value);
        }
        outcome.map_err(|failure| CheckFailure { message: scrubber.clean(&failure.message), ..failure })
    }

    fn target(&self) -> String {
        redact_url(self.settings.url.as_str())
    }
}

impl HttpCheck {
    async fn ask(&self, ctx: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let help = "How long each phase took, summed over redirects.";
        let mut phases = Phases::start(rec, &ctx.clock, "probe_http_duration_seconds", help, PHASES);
        declare(&mut phases, &GAUGES);
        declare_address(&mut phases);
        let answer = exchange::follow(&self.settings, ctx, &mut phases).await?;
        phases.leave();
        let limits = &self.settings.limits;
        let took = phases.total();
        limits.judge_latency(&mut phases, took);
        if let Some(certificate) = &answer.certificate {
            let days = days_until(certificate.not_after, ctx.started_at);
            limits.judge_certificate(&mut phases, days);
        }
        let verdict = self.settings.expect.judge(&answer, &mut phases);
        if verdict.is_err() {
            phases.fact("body", answer.body.excerpt());
        }
        verdict
    }
}
