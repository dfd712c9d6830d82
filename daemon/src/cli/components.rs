//! `components`: the kinds this binary was built with, from the same tables that read the configuration.

use std::process::ExitCode;

use breakwatch_checks::CHECKS;
use breakwatch_config::COMMON_FIELDS;
use breakwatch_exporters::EXPORTERS;
use breakwatch_notifiers::NOTIFIERS;
use breakwatch_plugin_api::Field;
use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::exit::Exit;
use super::output::{say, table};

/// `components`.
#[derive(ClapArgs, Debug)]
pub struct Components {
    /// Show only this kind, with its settings.
    pub kind: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Format,
}

/// How kinds are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for people.
    #[default]
    Table,
    /// JSON for programs.
    Json,
    /// A document: every kind with every setting.
    Markdown,
}

/// A kind of any table.
struct Kind {
    class: &'static str,
    key: &'static str,
    summary: &'static str,
    fields: &'static [Field],
}

/// Lists kinds, or one kind with its settings.
///
/// # Errors
/// When there is no such kind.
pub fn run(args: &Components) -> Result<ExitCode, Exit> {
    let mut kinds = kinds();
    if let Some(wanted) = &args.kind {
        kinds.retain(|kind| kind.key == wanted);
        if kinds.is_empty() {
            return Err(Exit::Failed(format!(
                "there is no kind {wanted:?}; `breakwatch components` lists them"
            )));
        }
    }
    let text = match (args.output, &args.kind) {
        (Format::Json, _) => format!("{:#}", Value::Array(kinds.iter().map(as_json).collect())),
        (Format::Markdown, _) => markdown(&kinds),
        (Format::Table, None) => overview(&kinds),
        (Format::Table, Some(_)) => kinds.iter().map(detail).collect::<Vec<_>>().join("\n\n"),
    };
    say(&text);
    Ok(ExitCode::SUCCESS)
}

fn kinds() -> Vec<Kind> {
    let checks =
        CHECKS.iter().map(|e| Kind { class: "check", key: e.key, summary: e.summary, fields: e.fields });
    let notifiers = NOTIFIERS.iter().map(|e| Kind {
        class: "notifier",
        key: e.key,
        summary: e.summary,
        fields: e.fields,
    });
    let exporters = EXPORTERS.iter().map(|e| Kind {
        class: "exporter",
        key: e.key,
        summary: e.summary,
        fields: e.fields,
    });
    checks.chain(notifiers).chain(exporters).collect()
}

fn overview(kinds: &[Kind]) -> String {
    let mut rows = vec![["CLASS", "KIND", "WHAT IT IS"].map(str::to_owned).to_vec()];
    rows.extend(kinds.iter().map(|kind| [kind.class, kind.key, kind.summary].map(str::to_owned).to_vec()));
    table(&rows)
}

fn detail(kind: &Kind) -> String {
    let mut rows = vec![["SETTING", "TYPE", "DEFAULT", "WHAT IT DOES"].map(str::to_owned).to_vec()];
    let row = |field: &Field| [field.name, field.kind, field.default, field.help].map(str::to_owned).to_vec();
    rows.extend(kind.fields.iter().map(row));
    let mut text = format!("{} {}: {}\n\n{}", kind.class, kind.key, kind.summary, table(&rows));
    if kind.class == "check" {
        let mut common = vec![["SETTING", "TYPE", "DEFAULT", "WHAT IT DOES"].map(str::to_owned).to_vec()];
        common.extend(COMMON_FIELDS.iter().map(row));
        text.push_str(&format!("\n\nSettings of every check:\n\n{}", table(&common)));
    }
    text
}

fn as_json(kind: &Kind) -> Value {
    let fields: Vec<Value> = kind
        .fields
        .iter()
        .map(|f| json!({ "name": f.name, "type": f.kind, "default": f.default, "help": f.help }))
        .collect();
    json!({ "class": kind.class, "kind": kind.key, "summary": kind.summary, "fields": fields })
}

/// The reference of all kinds: `docs/reference/components.md`.
fn markdown(kinds: &[Kind]) -> String {
    let mut text = String::from(
        "# Components\n\nEvery kind of check, notifier and exporter of this release with its settings, as \
         `breakwatch components --output markdown` prints them.\n\n## Settings of every check\n\n",
    );
    text.push_str(&rows(&COMMON_FIELDS));
    for class in ["check", "notifier", "exporter"] {
        for kind in kinds.iter().filter(|kind| kind.class == class) {
            text.push_str(&format!("\n## {class} `{}`\n\n{}\n\n", kind.key, kind.summary));
            text.push_str(&rows(kind.fields));
        }
    }
    text.trim_end().to_owned()
}

fn rows(fields: &[Field]) -> String {
    if fields.is_empty() {
        return "No settings of its own.\n".to_owned();
    }
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let row = |field: &Field| {
        let [kind, default, help] = [field.kind, field.default, field.help].map(cell);
        format!("| `{}` | {kind} | {default} | {help} |\n", field.name)
    };
    let head = "| setting | type | default | what it does |\n| --- | --- | --- | --- |\n";
    head.to_owned() + &fields.iter().map(row).collect::<String>()
}
