//! The language of Prometheus' test scripts.

use std::time::Duration;

use breakwatch_model::{Labels, METRIC_NAME, Timestamp};

use crate::duration::parse_duration;
use crate::number::parse_number;
use crate::quote::unquote;
use crate::series::{SequenceValue, parse_series};

/// One command and the line it starts at.
#[derive(Debug)]
pub(super) enum Command {
    Load(Load),
    Clear,
    Eval(Box<Case>),
}

/// Samples to add.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) step: Duration,
    pub(super) series: Vec<(Labels, Vec<SequenceValue>)>,
    /// Series with native histograms or start timestamps, which the engine cannot hold.
    pub(super) unsupported: Vec<Labels>,
}

/// When a case is evaluated.
#[derive(Debug, Clone, Copy)]
pub(super) enum Times {
    Instant(Timestamp),
    Range { start: Timestamp, end: Timestamp, step: Duration },
}

/// A query and what it must give.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) line: usize,
    pub(super) query: String,
    pub(super) times: Times,
    pub(super) expected: Expected,
    pub(super) ordered: bool,
    pub(super) warn: Wanted,
    pub(super) info: Wanted,
    /// Why the case cannot be run at all.
    pub(super) unsupported: Option<String>,
}

/// What the value must be.
#[derive(Debug)]
pub(super) enum Expected {
    Fail(Option<Text>),
    Scalar(f64),
    String(String),
    Series(Vec<(Labels, Vec<SequenceValue>)>),
    /// An instant query that gives a range vector, with the times of its values.
    Matrix {
        start: Timestamp,
        step: Duration,
        series: Vec<(Labels, Vec<SequenceValue>)>,
    },
}

/// What is wanted of annotations.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) any: bool,
    pub(super) none: bool,
    pub(super) texts: Vec<Text>,
}

/// A message, exact or by pattern.
#[derive(Debug)]
pub(super) enum Text {
    Exact(String),
    Pattern(regex::Regex),
}

impl Text {
    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == text,
            Self::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

type Parsed<T> = Result<T, (usize, String)>;

/// Reads a whole script.
pub(super) fn parse(text: &str) -> Parsed<Vec<Command>> {
    let cleaned = text.lines().map(str::trim).map(|line| if line.starts_with('#') { "" } else { line });
    let lines: Vec<&str> = cleaned.collect();
    let mut commands = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let number = at + 1;
        at += 1;
        let word = line.split_whitespace().next().unwrap_or_default();
        if word.is_empty() {
            continue;
        }
        if word == "clear" {
            commands.push(Command::Clear);
            continue;
        }
        let following = lines.iter().enumerate().skip(at).map(|(at, line)| (at + 1, *line));
        let body: Vec<(usize, &str)> = following.take_while(|(_, line)| !line.is_empty()).collect();
        at += body.len();
        commands.push(match word {
            "load" => Command::Load(load(number, line, &body, false)?),
            // Also loads the classic histograms of the block as native ones.
            "load_with_nhcb" => Command::Load(load(number, line, &body, true)?),
            word if word.starts_with("eval") => Command::Eval(Box::new(case(number, line, &body)?)),
            other => return Err((number, format!("unknown command {other:?}"))),
        });
    }
    Ok(commands)
}

fn load(number: usize, line: &str, body: &[(usize, &str)], as_native: bool) -> Parsed<Load> {
    let step = line.split_whitespace().nth(1).unwrap_or_default();
    let step = parse_duration(step).map_err(|error| (number, error.to_string()))?;
    let mut load = Load { step, ..Load::default() };
    for (number, line) in body {
        match parse_series(line) {
            // Of a series described twice in one block the last description counts.
            Ok((labels, values)) => {
                if let (true, Some(name)) = (as_native, labels.metric_name().strip_suffix("_bucket")) {
                    load.unsupported.push(labels.with(METRIC_NAME, name).without("le"));
                }
                load.series.retain(|(known, _)| *known != labels);
                load.series.push((labels, values));
            }
            Err(error) => {
                let (labels, _) =
                    crate::parser::parse_metric_prefix(line).map_err(|_| (*number, error.to_string()))?;
                load.unsupported.push(labels);
            }
        }
    }
    Ok(load)
}

/// A time or a duration: `5m`, `1m40s`, `100`.
fn time(number: usize, text: &str) -> Parsed<Duration> {
    if let Ok(duration) = parse_duration(text) {
        return Ok(duration);
    }
    let seconds = parse_number(text).map_err(|error| (number, error.to_string()))?;
    Ok(Duration::from_secs_f64(seconds.max(0.0)))
}

fn timestamp(number: usize, text: &str) -> Parsed<Timestamp> {
    if let Some(before) = text.strip_prefix('-') {
        return Ok(Timestamp(0) - time(number, before)?);
    }
    Ok(Timestamp(0) + time(number, text)?)
}

/// Takes the next word off a line.
fn word<'l>(line: &mut &'l str) -> &'l str {
    let trimmed = line.trim_start();
    let end = trimmed.find(char::is_whitespace).unwrap_or(trimmed.len());
    let (word, rest) = trimmed.split_at(end);
    *line = rest;
    word
}

fn case(number: usize, line: &str, body: &[(usize, &str)]) -> Parsed<Case> {
    let mut rest = line;
    let command = word(&mut rest);
    let times = match word(&mut rest) {
        "instant" => {
            expect_word(number, &mut rest, "at")?;
            Times::Instant(timestamp(number, word(&mut rest))?)
        }
        "range" => {
            expect_word(number, &mut rest, "from")?;
            let start = timestamp(number, word(&mut rest))?;
            expect_word(number, &mut rest, "to")?;
            let end = timestamp(number, word(&mut rest))?;
            expect_word(number, &mut rest, "step")?;
            Times::Range { start, end, step: time(number, word(&mut rest))? }
        }
        other => return Err((number, format!("expected instant or range, got {other:?}"))),
    };
    let mut case = Case {
        line: number,
        query: rest.trim().to_owned(),
        times,
        expected: Expected::Series(Vec::new()),
        ordered: command == "eval_ordered",
        warn: Wanted { any: command == "eval_warn", ..Wanted::default() },
        info: Wanted { any: command == "eval_info", ..Wanted::default() },
        unsupported: None,
    };
    if command == "eval_fail" {
        case.expected = Expected::Fail(None);
    }
    for (number, line) in body {
        expectation(&mut case, *number, line)?;
    }
    Ok(case)
}

fn expect_word(number: usize, line: &mut &str, wanted: &str) -> Parsed<()> {
    let found = word(line);
    if found == wanted { Ok(()) } else { Err((number, format!("expected {wanted:?}, got {found:?}"))) }
}

fn expectation(case: &mut Case, number: usize, line: &str) -> Parsed<()> {
    if let Some(rest) = line.strip_prefix("expect ") {
        return directive(case, number, rest);
    }
    if let Some(message) = line.strip_prefix("expected_fail_message") {
        case.expected = Expected::Fail(Some(Text::Exact(message.trim().to_owned())));
        return Ok(());
    }
    if let Some(pattern) = line.strip_prefix("expected_fail_regexp") {
        case.expected = Expected::Fail(Some(pattern_text(number, pattern)?));
        return Ok(());
    }
    if let Ok(value) = parse_number(line) {
        case.expected = Expected::Scalar(value);
        return Ok(());
    }
    let parsed = match parse_series(line) {
        Ok(parsed) => parsed,
        Err(_) if line.contains("{{") => {
            case.unsupported = Some("native histograms".to_owned());
            return Ok(());
        }
        Err(error) => return Err((number, error.to_string())),
    };
    match &mut case.expected {
        Expected::Series(series) | Expected::Matrix { series, .. } => series.push(parsed),
        _ => return Err((number, "a series where no vector is expected".to_owned())),
    }
    Ok(())
}

fn directive(case: &mut Case, number: usize, rest: &str) -> Parsed<()> {
    let mut rest = rest;
    let kind = word(&mut rest);
    let text = match_text(number, rest.trim())?;
    match kind {
        "fail" => case.expected = Expected::Fail(text),
        "ordered" => case.ordered = true,
        "no_warn" => case.warn.none = true,
        "no_info" => case.info.none = true,
        "warn" => {
            case.warn.any = true;
            case.warn.texts.extend(text);
        }
        "info" => {
            case.info.any = true;
            case.info.texts.extend(text);
        }
        "string" => {
            let text = unquote(rest.trim()).map_err(|error| (number, error.to_string()))?;
            case.expected = Expected::String(text);
        }
        "range" => {
            expect_word(number, &mut rest, "vector")?;
            expect_word(number, &mut rest, "from")?;
            let start = timestamp(number, word(&mut rest))?;
            expect_word(number, &mut rest, "to")?;
            word(&mut rest);
            expect_word(number, &mut rest, "step")?;
            let step = time(number, word(&mut rest))?;
            case.expected = Expected::Matrix { start, step, series: Vec::new() };
        }
        other => return Err((number, format!("unknown expectation {other:?}"))),
    }
    Ok(())
}

fn match_text(number: usize, text: &str) -> Parsed<Option<Text>> {
    if let Some(exact) = text.strip_prefix("msg:") {
        return Ok(Some(Text::Exact(exact.trim().to_owned())));
    }
    if let Some(pattern) = text.strip_prefix("regex:") {
        return pattern_text(number, pattern).map(Some);
    }
    Ok(None)
}

fn pattern_text(number: usize, pattern: &str) -> Parsed<Text> {
    let pattern = regex::Regex::new(pattern.trim()).map_err(|error| (number, error.to_string()))?;
    Ok(Text::Pattern(pattern))
}
