//! A conversation: what is sent, and what must come back.

use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::{Node, Recorder, Section};
use regex::Regex;
use tokio::io::{AsyncRead, AsyncWrite};

use super::line::Lines;
use crate::net::from_io;
use crate::pattern;
use crate::report::set;

/// Lines read for one expectation: a greeting may be long, but it ends.
const MAX_LINES: usize = 1000;

/// One step of a conversation.
#[derive(Debug)]
pub(super) enum Step {
    /// Reads lines until one matches.
    Expect(Regex),
    /// Reads lines until one agrees to TLS, or one refuses it.
    Agree { yes: Regex, no: Regex },
    /// Sends a line; groups of the last match may stand in it.
    Send(String),
    /// Sends bytes as they are.
    SendBytes(&'static [u8]),
    /// Reads one byte that must be this.
    ExpectByte(u8),
    /// Begins TLS; done by the caller.
    StartTls,
}

/// The last line that matched, with its expression.
pub(super) struct Groups {
    regex: Regex,
    line: String,
}

impl Groups {
    /// Puts the groups into a template: `${1}`, `${name}`.
    fn expand(&self, template: &str) -> String {
        let mut text = String::new();
        if let Some(found) = self.regex.captures(&self.line) {
            found.expand(template, &mut text);
        }
        text
    }
}

/// Goes through the steps.
pub(super) async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    lines: &mut Lines<S>,
    steps: &[Step],
    groups: &mut Option<Groups>,
    rec: &mut Recorder,
) -> Result<(), CheckFailure> {
    let broken = |error: &std::io::Error| from_io(error, FailureReason::Protocol, "the conversation");
    for step in steps {
        match step {
            Step::Expect(regex) => *groups = Some(expect(lines, regex, None, rec).await?),
            Step::Agree { yes, no } => *groups = Some(expect(lines, yes, Some(no), rec).await?),
            Step::Send(template) => {
                let text = groups.as_ref().map_or_else(|| template.clone(), |groups| groups.expand(template));
                lines.send(format!("{text}\r\n").as_bytes()).await.map_err(|error| broken(&error))?;
            }
            Step::SendBytes(bytes) => lines.send(bytes).await.map_err(|error| broken(&error))?,
            Step::ExpectByte(wanted) => {
                let byte = lines.byte().await.map_err(|error| broken(&error))?;
                if byte != *wanted {
                    return Err(CheckFailure::new(FailureReason::Tls, "the target does not offer TLS"));
                }
            }
            Step::StartTls => {}
        }
    }
    Ok(())
}

async fn expect<S: AsyncRead + AsyncWrite + Unpin>(
    lines: &mut Lines<S>,
    regex: &Regex,
    refusal: Option<&Regex>,
    rec: &mut Recorder,
) -> Result<Groups, CheckFailure> {
    for _ in 0..MAX_LINES {
        let next = lines.next().await;
        let next = next.map_err(|error| from_io(&error, FailureReason::Protocol, "the conversation"))?;
        let Some(line) = next else { break };
        if regex.is_match(&line) {
            return Ok(Groups { regex: regex.clone(), line });
        }
        if refusal.is_some_and(|refusal| refusal.is_match(&line)) {
            let said = lines.last().unwrap_or_default();
            return Err(CheckFailure::new(
                FailureReason::Tls,
                format!("the target does not offer TLS: {said}"),
            ));
        }
    }
    set(rec, "probe_failed_due_to_regex", 1.0);
    let last =
        lines.last().map_or_else(|| "nothing came".to_owned(), |last| format!("the last line was {last:?}"));
    Err(CheckFailure::new(FailureReason::Assertion, format!("no line matches /{regex}/; {last}")))
}

/// Reads the `dialogue` list.
pub(super) fn read(section: &mut Section<'_>) -> Vec<Step> {
    let Some(node) = section.get("dialogue") else { return Vec::new() };
    let Some(items) = node.as_list() else {
        section.error_at("dialogue", format!("expected a list of steps, found {}", node.describe()));
        return Vec::new();
    };
    items.iter().filter_map(|item| read_step(section, item)).collect()
}

fn read_step(section: &Section<'_>, node: &Node) -> Option<Step> {
    let mut step = Section::open(node, section.diagnostics())?;
    let expect = step.parse("expect", pattern::text).map(Step::Expect);
    let send = step.parse("send", |text| match text.contains(['\r', '\n']) {
        true => Err("one line of text".to_owned()),
        false => Ok(Step::Send(text.to_owned())),
    });
    let starttls = step.bool("starttls").filter(|wanted| *wanted).map(|_| Step::StartTls);
    let written = node.as_map().map_or(0, <[_]>::len);
    if written != 1 {
        let message = "a step is one of `expect`, `send` and `starttls`";
        section.diagnostics().error(&node.place, message);
    }
    step.finish();
    expect.or(send).or(starttls)
}
