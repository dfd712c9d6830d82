//! The `command` check: runs a program and judges what it says.
//!
//! The program belongs to others, so nothing about it is trusted to end: it runs in a process group of its own that
//! is ended whatever happens to the run, its output is cut at a limit, and it gets an environment of our making.

mod capture;
mod environment;
mod group;
mod lookup;
mod nagios;
mod process;
mod recipe;
mod settings;
#[cfg(test)]
mod tests;
mod verdict;
mod words;

pub(crate) use capture::Capture;
pub(crate) use lookup::find as find_program;
pub(crate) use process::{Exit, Program, execute};

use async_trait::async_trait;
use breakwatch_model::{CheckFailure, Labels, MetricFamily};
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, Diagnostics, Field, Node, REDACTED, Recorder,
};

use crate::report::fact;
use crate::text::sanitize;
use settings::Settings;

/// The row in the table of checks.
pub(crate) const ENTRY: CheckEntry = CheckEntry {
    key: "command",
    summary: "Runs a program and judges its exit code, a number, its output, or a Nagios plugin's answer.",
    fields: FIELDS,
    local: false,
    parse,
};

const FIELDS: &[Field] = &[
    Field {
        name: "argv",
        kind: "list of texts",
        default: "",
        help: "The program and its arguments, handed over as they are, without a shell. A name without a slash is \
               looked up in fixed directories. While the program is missing the check is unknown.",
    },
    Field {
        name: "shell",
        kind: "`true` or `false`",
        default: "false",
        help: "Whether `command` is wanted: a line for `/bin/sh -c` instead of `argv`.",
    },
    Field {
        name: "command",
        kind: "text",
        default: "",
        help: "The line for the shell; needs `shell: true`.",
    },
    Field {
        name: "protocol",
        kind: "`exit_code`, `nagios`, `number` or `regex`",
        default: "exit_code",
        help: "`exit_code`: healthy if the code is accepted. `nagios`: 0 healthy, 1 degraded, 2 unhealthy, else \
               unknown, with performance data as series. `number`: the output is a number, judged by `value`. \
               `regex`: the output must match. A program that cannot be started, or is ended by a signal, has found \
               nothing out: unknown.",
    },
    Field {
        name: "exit_codes",
        kind: "list of whole numbers",
        default: "[0]",
        help: "Accepted exit codes; not for `nagios`.",
    },
    Field {
        name: "degraded_exit_codes",
        kind: "list of whole numbers",
        default: "[]",
        help: "Exit codes that mean degraded; not for `nagios`.",
    },
    Field {
        name: "regex",
        kind: "regular expression",
        default: "",
        help: "Must match the output. With `number`, its first group (or the whole match) is the number.",
    },
    Field { name: "not_regex", kind: "regular expression", default: "", help: "Must not match the output." },
    Field {
        name: "value",
        kind: "levels of a number",
        default: "",
        help: "Limits on the number of the `number` protocol.",
    },
    Field {
        name: "env",
        kind: "mapping of texts",
        default: "",
        help: "Environment variables, beside a short list of harmless ones (PATH, HOME, LANG, TZ, …).",
    },
    Field {
        name: "pass_env",
        kind: "list of texts",
        default: "",
        help: "Names of variables of the daemon's own environment that are handed on.",
    },
    Field { name: "cwd", kind: "path", default: "/", help: "The directory the program runs in." },
    Field {
        name: "user",
        kind: "text",
        default: "",
        help: "The user it runs as; only a daemon that runs as root can change it.",
    },
    Field {
        name: "output_limit",
        kind: "size",
        default: "64KiB",
        help: "How much of each of stdout and stderr is kept; the rest is read and counted.",
    },
    Field {
        name: "limits",
        kind: "mapping",
        default: "",
        help: "Limits of each process, set by prlimit(1): `memory` (address space), `cpu` (processor time), \
               `processes` (of the user, not enforced for root), `file_size`, `open_files`.",
    },
];

fn parse(node: &Node, context: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    crate::settings::read(node, diagnostics, |section| {
        Some(Command { settings: Settings::read(section, context)? })
    })
}

struct Command {
    settings: Settings,
}

#[async_trait]
impl Check for Command {
    async fn run(&self, _: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let mut report = Report::new(&self.settings, rec);
        let exit = execute(self.settings.recipe.program()?, &report.stdout, &report.stderr).await?;
        report.finish(&exit);
        let output = self.settings.hide_secrets(&sanitize(&report.stdout.look().kept));
        let error = self.settings.hide_secrets(&sanitize(&report.stderr.look().kept));
        self.settings.verdict.judge(&exit, &output, &error, report.rec)
    }

    fn target(&self) -> String {
        self.settings.shown.clone()
    }
}

/// Collects the output; a run that is cut off leaves what was said until then.
struct Report<'r> {
    settings: &'r Settings,
    rec: &'r mut Recorder,
    stdout: Capture,
    stderr: Capture,
    ended: bool,
}

impl<'r> Report<'r> {
    fn new(settings: &'r Settings, rec: &'r mut Recorder) -> Self {
        let (stdout, stderr) = (Capture::new(settings.output_limit), Capture::new(settings.output_limit));
        Self { settings, rec, stdout, stderr, ended: false }
    }

    fn finish(&mut self, exit: &Exit) {
        self.ended = true;
        let help = "Exit code of the program; -1 if a signal ended it.";
        self.rec.gauge("breakwatch_command_exit_code", "", help, f64::from(exit.code().unwrap_or(-1)));
        self.rec.fact("exit", exit.to_string());
        if exit.left_behind {
            self.rec.fact("left behind", "processes of its group were still running and have been ended");
        }
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        let help = "Bytes the program wrote, kept or not.";
        let mut family = MetricFamily::gauge("breakwatch_command_output_bytes", "bytes", help);
        for (stream, capture) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let captured = capture.look();
            family.push(Labels::from_pairs([("stream", stream)]), captured.total as f64);
            if !captured.kept.is_empty() {
                let text = self.settings.hide_secrets(&sanitize(&captured.kept));
                fact(self.rec, stream, text.replace('\n', " "));
            }
            if captured.is_cut() {
                let (kept, total) = (captured.kept.len(), captured.total);
                fact(
                    self.rec,
                    &format!("{stream} cut"),
                    format!("the first {kept} of {total} bytes were kept"),
                );
            }
        }
        self.rec.family(family);
        if !self.ended {
            fact(self.rec, "exit", "none: it has not ended by itself");
        }
    }
}

/// A text with every secret in it replaced.
fn hide(text: &str, secrets: &[breakwatch_plugin_api::Secret]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| text.contains(secret.expose())).collect::<Vec<_>>() {
        text = text.replace(secret.expose(), REDACTED);
    }
    text
}
