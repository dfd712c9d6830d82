//! What an exit code and an output mean.

use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::{Levels, Recorder, Section, Unit};
use regex::Regex;

use super::nagios;
use super::process::{Ending, Exit};
use super::words::{SHOWN, with_words};
use crate::pattern;
use crate::report::clean;

/// What a shell (and `env`, `nice`, `prlimit`) says of a program that it could not execute or not find. Source: POSIX
/// XCU 2.8.2.
const NEVER_RAN: [i32; 2] = [126, 127];

/// How a program is judged.
pub(super) enum Verdict {
    /// As a Nagios plugin.
    Nagios,
    /// By its exit code, and perhaps its output.
    Plain(Plain),
    /// By the number it prints.
    Number(Plain, Option<Levels>),
}

/// Accepted exit codes and expressions over the output.
pub(super) struct Plain {
    accepted: Vec<i32>,
    degraded: Vec<i32>,
    matches: Option<Regex>,
    forbidden: Option<Regex>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    ExitCode,
    Nagios,
    Number,
    Regex,
}

impl Verdict {
    /// Reads `protocol` and what belongs to it.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let words = [
            ("exit_code", Protocol::ExitCode),
            ("nagios", Protocol::Nagios),
            ("number", Protocol::Number),
            ("regex", Protocol::Regex),
        ];
        let protocol = section.choice("protocol", &words).unwrap_or(Protocol::ExitCode);
        let plain = Plain {
            accepted: read_codes(section, "exit_codes").unwrap_or_else(|| vec![0]),
            degraded: read_codes(section, "degraded_exit_codes").unwrap_or_default(),
            matches: section.parse("regex", pattern::text),
            forbidden: section.parse("not_regex", pattern::text),
        };
        let value = section.levels("value", Unit::Number);
        let unused: &[&str] = match protocol {
            Protocol::Nagios => &["exit_codes", "degraded_exit_codes", "regex", "not_regex", "value"],
            Protocol::ExitCode | Protocol::Regex => &["value"],
            Protocol::Number => &[],
        };
        for key in unused.iter().filter(|key| section.node().get(key).is_some_and(|node| !node.is_null())) {
            section.error_at(key, format!("`{key}` has no meaning with this protocol"));
        }
        if protocol == Protocol::Regex && section.node().get("regex").is_none() && plain.forbidden.is_none() {
            section.error_at("protocol", "the `regex` protocol needs `regex` or `not_regex`");
        }
        Some(match protocol {
            Protocol::Nagios => Self::Nagios,
            Protocol::Number => Self::Number(plain, value),
            Protocol::ExitCode | Protocol::Regex => Self::Plain(plain),
        })
    }

    /// Judges how a program ended and what it said, both already fit to be shown.
    pub(super) fn judge(
        &self,
        exit: &Exit,
        output: &str,
        error: &str,
        rec: &mut Recorder,
    ) -> Result<(), CheckFailure> {
        let said = if output.trim().is_empty() { error } else { output };
        // As in a shell's `$(…)`, the last line end is not part of what was said: `$` then means its end.
        let output = output.trim_end_matches('\n');
        let code = match &exit.ending {
            Ending::Code(code) => *code,
            Ending::Signal { name, .. } => {
                let message = with_words(format!("ended by signal {name}"), said);
                return Err(CheckFailure::new(FailureReason::Signal, message));
            }
        };
        match self {
            Self::Nagios => nagios::judge(code, output, error, rec),
            Self::Plain(plain) => {
                plain.judge_code(code, said, rec)?;
                plain.judge_output(output)
            }
            Self::Number(plain, levels) => {
                plain.judge_code(code, said, rec)?;
                judge_number(plain, levels.as_ref(), output, rec)
            }
        }
    }
}

impl Plain {
    fn judge_code(&self, code: i32, said: &str, rec: &mut Recorder) -> Result<(), CheckFailure> {
        if self.accepted.contains(&code) {
            return Ok(());
        }
        let reason = if NEVER_RAN.contains(&code) { FailureReason::Spawn } else { FailureReason::Status };
        let failure = CheckFailure::new(reason, with_words(format!("exit code {code}"), said));
        if self.degraded.contains(&code) {
            rec.degrade(failure);
            return Ok(());
        }
        Err(failure)
    }

    fn judge_output(&self, output: &str) -> Result<(), CheckFailure> {
        let failed = |message: String| Err(CheckFailure::new(FailureReason::Assertion, message));
        if let Some(regex) = self.matches.as_ref().filter(|regex| !regex.is_match(output)) {
            return failed(with_words(format!("the output does not match /{regex}/"), output));
        }
        match self.forbidden.as_ref().filter(|regex| regex.is_match(output)) {
            Some(regex) => failed(with_words(format!("the output matches /{regex}/"), output)),
            None => Ok(()),
        }
    }
}

fn judge_number(
    plain: &Plain,
    levels: Option<&Levels>,
    output: &str,
    rec: &mut Recorder,
) -> Result<(), CheckFailure> {
    plain.judge_output(output)?;
    let text = match plain.matches.as_ref().and_then(|regex| regex.captures(output)) {
        Some(found) => found.get(1).or_else(|| found.get(0)).map_or("", |group| group.as_str()),
        None => output,
    };
    let Some(value) = text.trim().parse::<f64>().ok().filter(|value| value.is_finite()) else {
        let message = format!("expected a number, the output is {:?}", clean(text, SHOWN));
        return Err(CheckFailure::new(FailureReason::Assertion, message));
    };
    rec.gauge("breakwatch_command_value", "", "The number the program printed.", value);
    if let Some(levels) = levels {
        rec.judge("value", FailureReason::Threshold, value, levels);
    }
    Ok(())
}

fn read_codes(section: &mut Section<'_>, key: &'static str) -> Option<Vec<i32>> {
    let entries = section.strings(key)?;
    let mut codes = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry.parse::<u8>() {
            Ok(code) => codes.push(i32::from(code)),
            Err(_) => {
                section.error_at(key, format!("expected exit codes from 0 to 255, found {entry:?}"));
                return None;
            }
        }
    }
    Some(codes)
}
