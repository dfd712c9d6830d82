//! Rule files and how they are evaluated.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use breakwatch_model::{Labels, is_valid_label_name};
use breakwatch_plugin_api::{Diagnostics, Node, Place, Section};

use crate::files::resolve;
use crate::values;

/// How often rules are evaluated, where a group says nothing. Half of Prometheus' minute times four: the
/// daemon's checks come every 30 s, and an alert should not wait longer for its rule than for its check.
const EVALUATION_INTERVAL: Duration = Duration::from_secs(15);

/// Settings under `rules`.
#[derive(Clone, Debug, PartialEq)]
pub struct RulesConfig {
    /// Patterns of rule files; only the last component may hold `*` and `?`, as in Prometheus.
    pub files: Vec<(PathBuf, Place)>,
    /// Whether the rules shipped with the daemon are evaluated too.
    pub shipped: bool,
    /// How often groups without an interval of their own are evaluated.
    pub evaluation_interval: Duration,
    /// Labels added to every alert that leaves, and to what is written to other stores.
    pub external_labels: Labels,
}

impl Default for RulesConfig {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            shipped: true,
            evaluation_interval: EVALUATION_INTERVAL,
            external_labels: Labels::empty(),
        }
    }
}

impl RulesConfig {
    pub(crate) fn read(section: Option<Section<'_>>) -> Self {
        let mut read = Self::default();
        let Some(mut section) = section else { return read };
        read.files = read_patterns(&mut section);
        read.shipped = section.bool("shipped").unwrap_or(read.shipped);
        read.evaluation_interval =
            values::interval(&mut section, "evaluation_interval").unwrap_or(read.evaluation_interval);
        read.external_labels = read_external_labels(&mut section);
        section.finish();
        read
    }

    /// The files the patterns stand for, each once, in the order of the patterns and by name within one. A
    /// pattern without a match is fine, a plain path without a file is an error.
    #[must_use]
    pub fn expand(&self, diagnostics: &Diagnostics) -> Vec<PathBuf> {
        expand_patterns(&self.files, diagnostics)
    }
}

/// The files some patterns stand for, each once, in the order of the patterns and by name within one. A pattern
/// without a match is fine, a plain path without a file is an error.
#[must_use]
pub fn expand_patterns(patterns: &[(PathBuf, Place)], diagnostics: &Diagnostics) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (pattern, place) in patterns {
        for file in expand(pattern, place, diagnostics) {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    files
}

fn read_patterns(section: &mut Section<'_>) -> Vec<(PathBuf, Place)> {
    let Some(node) = section.get("files") else { return Vec::new() };
    let single = std::slice::from_ref(node);
    let items: &[Node] = node.as_list().unwrap_or(single);
    let mut patterns = Vec::new();
    for item in items {
        let Some(text) = item.as_str() else {
            section
                .diagnostics()
                .error(&item.place, format!("expected a path or pattern, found {}", item.describe()));
            continue;
        };
        let path = resolve(text, &item.place);
        if path.parent().is_some_and(|parent| is_pattern(&parent.to_string_lossy())) {
            let message = "only the last part of a path may hold `*` or `?`";
            section.diagnostics().error(&item.place, message);
            continue;
        }
        patterns.push((path, item.place.clone()));
    }
    patterns
}

fn read_external_labels(section: &mut Section<'_>) -> Labels {
    let Some(node) = section.get("external_labels") else { return Labels::empty() };
    for (key, _) in node.as_map().unwrap_or_default() {
        if !is_valid_label_name(&key.name) {
            section.diagnostics().error(&key.place, format!("{:?} is not a label name", &*key.name));
        }
    }
    Labels::from_pairs(section.string_map("external_labels").unwrap_or_default())
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

fn expand(pattern: &Path, place: &Place, diagnostics: &Diagnostics) -> Vec<PathBuf> {
    let name = pattern.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !is_pattern(&name) {
        if pattern.is_file() {
            return vec![pattern.to_owned()];
        }
        diagnostics.error(place, format!("there is no rule file {}", pattern.display()));
        return Vec::new();
    }
    let Some(dir) = pattern.parent() else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let matches = |path: &PathBuf| {
        path.file_name().and_then(|n| n.to_str()).is_some_and(|n| glob(&name, n)) && path.is_file()
    };
    let mut files: Vec<PathBuf> =
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(matches).collect();
    files.sort();
    files
}

/// Whether a name matches a pattern of `*` (any characters) and `?` (one). A leading dot must be written.
fn glob(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last `*` stands and how much of the name it has taken: on a mismatch it takes one more.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
