//! Made-up kinds with the keys of the real ones, so that this crate's files can be read without any plugin.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use breakwatch_config::{Config, Tables};
use breakwatch_model::CheckFailure;
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, Diagnostics, Exporter, ExporterContext, ExporterEntry,
    Node, Recorder, Section, Unit,
};

/// The directory of this crate.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The kinds the tests know.
pub(crate) const TABLES: Tables<'static> =
    Tables { checks: &CHECKS, exporters: &EXPORTERS, receivers: &["otlp"] };

const CHECKS: [CheckEntry; 7] = [
    entry("http", false, http),
    entry("command", false, command),
    entry("database", false, database),
    entry("memory", true, host),
    entry("cpu", true, host),
    entry("load", true, host),
    entry("disk", true, host),
];

type Parse = fn(&Node, &BuildContext, &Diagnostics) -> Option<Box<dyn Check>>;

const fn entry(key: &'static str, local: bool, parse: Parse) -> CheckEntry {
    CheckEntry { key, summary: "made up", fields: &[], local, parse }
}

/// A check that is never run.
struct Idle(String);

#[async_trait]
impl Check for Idle {
    async fn run(&self, _: &CheckContext, _: &mut Recorder) -> Result<(), CheckFailure> {
        Ok(())
    }

    fn target(&self) -> String {
        self.0.clone()
    }
}

fn done(section: Section<'_>, target: Option<String>, before: usize) -> Option<Box<dyn Check>> {
    let diagnostics = section.diagnostics();
    section.finish();
    if diagnostics.error_count() > before {
        return None;
    }
    Some(Box::new(Idle(target?)))
}

fn http(node: &Node, _: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    let before = diagnostics.error_count();
    let mut section = Section::open(node, diagnostics)?;
    let url = section.required_string("url");
    section.string("method");
    section.string_map("headers");
    section.allow(["expect", "degraded", "tls", "body", "follow_redirects", "basic_auth"]);
    done(section, url, before)
}

fn command(node: &Node, context: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    let before = diagnostics.error_count();
    assert!(context.timeout > Duration::ZERO && !context.command_path.is_empty());
    let mut section = Section::open(node, diagnostics)?;
    section.required("argv");
    let argv = section.strings("argv");
    section.choice("protocol", &[("exit_code", ()), ("nagios", ())]);
    section.allow(["env", "working_directory", "expect"]);
    done(section, argv.and_then(|argv| argv.into_iter().next()), before)
}

fn database(node: &Node, _: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    let before = diagnostics.error_count();
    let mut section = Section::open(node, diagnostics)?;
    let dsn = section.required_string("dsn");
    section.string("query");
    section.allow(["expect", "result", "degraded"]);
    done(section, dsn, before)
}

fn host(node: &Node, _: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    let before = diagnostics.error_count();
    let mut section = Section::open(node, diagnostics)?;
    for share in ["used", "swap", "inodes"] {
        section.levels(share, Unit::Ratio);
    }
    for load in ["load1", "load5", "load15"] {
        section.levels(load, Unit::Number);
    }
    section.levels("available", Unit::Bytes);
    section.string("mount");
    done(section, Some("host".to_owned()), before)
}

const EXPORTERS: [ExporterEntry; 2] = [
    ExporterEntry { key: "otlp", summary: "made up", fields: &[], parse: otlp },
    ExporterEntry { key: "prometheus", summary: "made up", fields: &[], parse: nothing },
];

fn otlp(node: &Node, _: &ExporterContext, diagnostics: &Diagnostics) -> Option<Box<dyn Exporter>> {
    let mut section = Section::open(node, diagnostics)?;
    section.required_string("endpoint");
    section.string_map("headers");
    section.allow(["protocol", "compression", "tls", "timeout", "retry_on_failure", "sending_queue"]);
    section.finish();
    None
}

fn nothing(node: &Node, _: &ExporterContext, diagnostics: &Diagnostics) -> Option<Box<dyn Exporter>> {
    Section::open(node, diagnostics)?.finish();
    None
}

/// The environment of the tests.
pub(crate) fn environment(name: &str) -> Option<String> {
    match name {
        "DB_PASSWORD" => Some("s3cr3t-c4n4ry".to_owned()),
        "INTERVAL" => Some("45s".to_owned()),
        _ => None,
    }
}

/// Loads files; findings come one a line, with paths relative to `dir`.
pub(crate) fn load(dir: &Path, files: &[PathBuf]) -> (Option<Config>, String) {
    let diagnostics = Diagnostics::new();
    let config = Config::load(files, &TABLES, &environment, &diagnostics);
    let prefix = format!("{}/", dir.display());
    let found = diagnostics.into_sorted();
    // The mode of a checked-out file is not ours to expect.
    let found =
        found.iter().map(ToString::to_string).filter(|d| !d.contains("everybody on this machine can read"));
    let found: String = found.map(|d| format!("{d}\n").replace(&prefix, "")).collect();
    (config, found)
}

/// The `.yml` files of a directory, sorted.
pub(crate) fn yaml_files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
    files.sort();
    files
}
