//! `check rules`: rule files read as the daemon reads them, reported as promtool reports them, so that a pipeline that
//! ran `promtool check rules` goes on working with only the program's name changed.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use breakwatch_alerts::rules::{Duplicate, RuleFile, duplicates};
use breakwatch_plugin_api::{Diagnostics, Severity};
use breakwatch_promql::Engine;
use clap::Args as ClapArgs;

use super::exit::Exit;
use super::output::{note, say};

/// `check rules`.
#[derive(ClapArgs, Debug)]
pub struct CheckRules {
    /// The rule files; standard input if none is named.
    pub files: Vec<PathBuf>,
    /// What to look for besides mistakes.
    #[arg(long, value_enum, default_value = "duplicate-rules")]
    pub lint: Lint,
    /// End with code 3 if there are findings.
    #[arg(long)]
    pub lint_fatal: bool,
}

/// See [`CheckRules::lint`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Lint {
    /// Everything there is.
    All,
    /// Rules with the same name and labels.
    DuplicateRules,
    /// Nothing.
    None,
}

/// promtool's code for findings of its lint when they are fatal.
const LINT_EXIT: u8 = 3;

/// Checks rule files, or standard input if none is named.
///
/// # Errors
/// A file that is not there.
pub(super) fn check(args: &CheckRules) -> Result<ExitCode, Exit> {
    let (mut broken, mut lint) = (false, false);
    for (name, text) in texts(&args.files)? {
        say(&format!("Checking {name}"));
        match read(&name, &text) {
            Err(findings) => {
                broken = true;
                note(&format!("  FAILED:\n{}", findings.join("\n")));
            }
            Ok((file, warnings)) => {
                warnings.iter().for_each(|warning| note(warning));
                let found = if args.lint == Lint::None { Vec::new() } else { duplicates(&file) };
                if found.is_empty() {
                    let count: usize = file.groups.iter().map(|group| group.rules.len()).sum();
                    say(&format!("  SUCCESS: {count} rules found"));
                } else {
                    lint = true;
                    note(&format!("  FAILED:\n{}", describe(&found)));
                }
            }
        }
        say("");
    }
    Ok(match (broken, lint && args.lint_fatal) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(LINT_EXIT),
        (false, false) => ExitCode::SUCCESS,
    })
}

/// The files with their texts.
fn texts(files: &[PathBuf]) -> Result<Vec<(String, String)>, Exit> {
    if files.is_empty() {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(Exit::failed)?;
        return Ok(vec![("standard input".to_owned(), text)]);
    }
    let read = |path: &PathBuf| match std::fs::read_to_string(path) {
        Ok(text) => Ok((path.display().to_string(), text)),
        Err(error) => Err(Exit::Failed(format!("{}: {error}", path.display()))),
    };
    files.iter().map(read).collect()
}

/// A rule file and warnings about it.
///
/// # Errors
/// Every mistake in it, each with its place.
pub(super) fn read(name: &str, text: &str) -> Result<(RuleFile, Vec<String>), Vec<String>> {
    let diagnostics = Diagnostics::new();
    let node = breakwatch_config::load_text(name, text, &diagnostics);
    let file = node.and_then(|node| RuleFile::read(name, &node, &Engine::default(), &diagnostics));
    let findings = diagnostics.into_sorted();
    match file {
        Some(file) => Ok((file, findings.iter().map(ToString::to_string).collect())),
        None => {
            let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
            Err(errors.map(ToString::to_string).collect())
        }
    }
}

/// Reads a rule file from disk.
///
/// # Errors
/// That it cannot be read, or every mistake in it.
pub(super) fn read_file(path: &Path) -> Result<RuleFile, Exit> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| Exit::Failed(format!("{name}: {error}")))?;
    read(&name, &text).map(|(file, _)| file).map_err(|findings| Exit::Failed(findings.join("\n")))
}

/// Findings of the lint in promtool's words, with the places it leaves out.
fn describe(found: &[Duplicate]) -> String {
    let mut text = format!("lint error {} duplicate rule(s) found.\n", found.len());
    for duplicate in found {
        text.push_str(&format!("Metric: {}\nLabel(s):\n", duplicate.name));
        for (name, value) in duplicate.labels.iter() {
            text.push_str(&format!("\t{name}: {value}\n"));
        }
        for place in &duplicate.places {
            text.push_str(&format!("\tat {place}\n"));
        }
    }
    text.push_str("Might cause inconsistency while recording expressions");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_has_its_place_and_a_duplicate_both_of_its_places() {
        let wrong = "groups:\n- name: g\n  rules:\n  - { record: a, expr: 'sum(' }\n";
        let findings = read("r.yml", wrong).unwrap_err();
        assert!(findings.len() == 1 && findings[0].starts_with("r.yml:4:"), "{findings:?}");
        let twice = "groups:\n- name: g\n  rules:\n  - { record: a, expr: b }\n  - { record: a, expr: c }\n";
        let (file, warnings) = read("r.yml", twice).unwrap();
        assert!(warnings.is_empty());
        let text = describe(&duplicates(&file));
        assert!(
            text.contains("Metric: a\n") && text.contains("at r.yml:4") && text.contains("at r.yml:5"),
            "{text}"
        );
    }
}
