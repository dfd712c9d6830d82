//! What the answer must look like, in the order in which it is held against it: transport, status, headers, body.

use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::{Node, Recorder, Section};
use http::HeaderName;
use regex::bytes::Regex;

use super::answer::{Answer, version_text};
use super::json::Assertion;
use super::status::StatusSet;
use crate::pattern;
use crate::report::{clean, set};

/// The `expect:` section.
#[derive(Debug, Default)]
pub(super) struct Expect {
    status: StatusSet,
    versions: Vec<String>,
    tls: Option<bool>,
    header_matches: Vec<(HeaderName, Regex)>,
    header_forbidden: Vec<(HeaderName, Regex)>,
    body_matches: Vec<Regex>,
    body_forbidden: Vec<Regex>,
    body_min: Option<u64>,
    body_max: Option<u64>,
    json: Vec<Assertion>,
}

impl Expect {
    /// Reads the section.
    pub(super) fn read(section: Option<Section<'_>>) -> Self {
        let mut expect = Self::default();
        let Some(mut section) = section else { return expect };
        expect.status = read_status(&mut section);
        expect.versions = read_versions(&mut section);
        expect.tls = section.bool("tls");
        expect.header_matches = read_headers(&mut section, "header_regex");
        expect.header_forbidden = read_headers(&mut section, "header_not_regex");
        expect.body_matches = read_patterns(&mut section, "body_regex");
        expect.body_forbidden = read_patterns(&mut section, "body_not_regex");
        expect.body_min = section.bytes("body_min");
        expect.body_max = section.bytes("body_max");
        if let Some(node) = section.get("json") {
            expect.json = read_json(&section, node);
        }
        section.finish();
        expect
    }

    /// The largest body that can still satisfy `body_max`.
    pub(super) fn body_max(&self) -> Option<u64> {
        self.body_max
    }

    /// Holds the answer against every expectation; the first that fails is the failure.
    pub(super) fn judge(&self, answer: &Answer, rec: &mut Recorder) -> Result<(), CheckFailure> {
        self.transport(answer)?;
        let code = answer.status.as_u16();
        if !self.status.contains(code) {
            let message = format!("status is {}, expected {}", answer.status, self.status.describe());
            return Err(CheckFailure::new(FailureReason::Status, message));
        }
        self.headers(answer, rec)?;
        self.body_size(answer)?;
        self.body(answer, rec)?;
        self.json(answer)
    }

    fn transport(&self, answer: &Answer) -> Result<(), CheckFailure> {
        let version = version_text(answer.version);
        if !self.versions.is_empty() && !self.versions.iter().any(|wanted| wanted == version) {
            let wanted = self.versions.join(" or ");
            return Err(failed(format!("HTTP version is {version}, expected {wanted}")));
        }
        match self.tls {
            Some(true) if !answer.secure => Err(failed("the answer did not come over TLS".to_owned())),
            Some(false) if answer.secure => Err(failed("the answer came over TLS".to_owned())),
            _ => Ok(()),
        }
    }

    fn headers(&self, answer: &Answer, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let matches = |name: &HeaderName, regex: &Regex| {
            answer.headers.get_all(name).iter().any(|value| regex.is_match(value.as_bytes()))
        };
        if let Some((name, regex)) = self.header_matches.iter().find(|(name, regex)| !matches(name, regex)) {
            set(rec, "probe_failed_due_to_regex", 1.0);
            let found = answer
                .headers
                .get(name)
                .map(|value| format!("is {:?}", clean(&String::from_utf8_lossy(value.as_bytes()), 100)));
            let found = found.unwrap_or_else(|| "is missing".to_owned());
            return Err(failed(format!("header {name} {found}, expected a match of /{regex}/")));
        }
        if let Some((name, regex)) = self.header_forbidden.iter().find(|(name, regex)| matches(name, regex)) {
            set(rec, "probe_failed_due_to_regex", 1.0);
            return Err(failed(format!("header {name} matches /{regex}/")));
        }
        Ok(())
    }

    fn body_size(&self, answer: &Answer) -> Result<(), CheckFailure> {
        let length = answer.body.bytes.len() as u64;
        let more = if answer.body.truncated { "more than " } else { "" };
        if self.body_min.is_some_and(|min| length < min && !answer.body.truncated) {
            let min = self.body_min.unwrap_or_default();
            return Err(failed(format!("the body has {length} bytes, expected at least {min}")));
        }
        match self.body_max {
            Some(max) if length > max || (answer.body.truncated && length >= max) => {
                Err(failed(format!("the body has {more}{length} bytes, expected at most {max}")))
            }
            _ => Ok(()),
        }
    }

    fn body(&self, answer: &Answer, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let bytes = &answer.body.bytes;
        if let Some(regex) = self.body_matches.iter().find(|regex| !regex.is_match(bytes)) {
            set(rec, "probe_failed_due_to_regex", 1.0);
            let part = if answer.body.truncated { "the part of the body that was read" } else { "the body" };
            return Err(failed(format!("{part} does not match /{regex}/")));
        }
        if let Some(regex) = self.body_forbidden.iter().find(|regex| regex.is_match(bytes)) {
            set(rec, "probe_failed_due_to_regex", 1.0);
            return Err(failed(format!("the body matches /{regex}/")));
        }
        Ok(())
    }

    fn json(&self, answer: &Answer) -> Result<(), CheckFailure> {
        if self.json.is_empty() {
            return Ok(());
        }
        if answer.body.truncated {
            let read = answer.body.bytes.len();
            return Err(failed(format!(
                "the body is longer than the {read} bytes read: its JSON is not whole"
            )));
        }
        let root = serde_json::from_slice(&answer.body.bytes)
            .map_err(|error| failed(format!("the body is not JSON: {error}")))?;
        self.json.iter().try_for_each(|assertion| assertion.check(&root)).map_err(failed)
    }
}

fn failed(message: String) -> CheckFailure {
    CheckFailure::new(FailureReason::Assertion, message)
}

fn read_status(section: &mut Section<'_>) -> StatusSet {
    let Some(entries) = section.strings("status") else { return StatusSet::default() };
    if entries.is_empty() {
        section.error_at("status", "an empty list accepts no answer at all");
        return StatusSet::default();
    }
    StatusSet::read(&entries).unwrap_or_else(|(index, expected)| {
        let node = section.node().get("status");
        let node = node.map(|node| node.as_list().and_then(|items| items.get(index)).unwrap_or(node));
        if let Some(node) = node {
            section
                .diagnostics()
                .error(&node.place, format!("expected {expected}, found {}", node.describe()));
        }
        StatusSet::default()
    })
}

fn read_versions(section: &mut Section<'_>) -> Vec<String> {
    let versions = section.strings("version").unwrap_or_default();
    if let Some(wrong) = versions.iter().find(|version| !matches!(version.as_str(), "1.0" | "1.1" | "2")) {
        section.error_at("version", format!("expected `1.0`, `1.1` or `2`, found {wrong:?}"));
    }
    versions
}

fn read_headers(section: &mut Section<'_>, key: &'static str) -> Vec<(HeaderName, Regex)> {
    let Some(node) = section.get(key) else { return Vec::new() };
    let Some(entries) = node.as_map() else {
        section.error_at(key, format!("expected a mapping of headers, found {}", node.describe()));
        return Vec::new();
    };
    let mut read = Vec::new();
    for (name, node) in entries {
        let Ok(header) = HeaderName::from_bytes(name.name.as_bytes()) else {
            section.diagnostics().error(&name.place, format!("{:?} is not a header name", name.name));
            continue;
        };
        read.extend(read_pattern(section, node).map(|regex| (header, regex)));
    }
    read
}

fn read_patterns(section: &mut Section<'_>, key: &'static str) -> Vec<Regex> {
    let Some(node) = section.get(key) else { return Vec::new() };
    match node.as_list() {
        Some(items) => items.iter().filter_map(|item| read_pattern(section, item)).collect(),
        None => read_pattern(section, node).into_iter().collect(),
    }
}

fn read_pattern(section: &Section<'_>, node: &Node) -> Option<Regex> {
    let result = node.as_str().ok_or_else(|| "a regular expression".to_owned()).and_then(pattern::bytes);
    match result {
        Ok(regex) => Some(regex),
        Err(expected) => {
            let message = format!("expected {expected}, found {}", node.describe());
            section.diagnostics().error(&node.place, message);
            None
        }
    }
}

fn read_json(section: &Section<'_>, node: &Node) -> Vec<Assertion> {
    let Some(entries) = node.as_map() else {
        let message = format!("expected a mapping of paths to values, found {}", node.describe());
        section.error_at("json", message);
        return Vec::new();
    };
    let read = |(key, node): &_| Assertion::read(key, node, section.diagnostics());
    entries.iter().filter_map(read).collect()
}
