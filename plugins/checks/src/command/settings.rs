//! From the `command` section of the configuration to a program and a way to judge it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

use breakwatch_plugin_api::{BuildContext, Node, Place, Secret, Section};
use nix::unistd::{Uid, User};

use super::lookup::{self, Unusable};
use super::recipe::Recipe;
use super::verdict::Verdict;
use super::{environment, hide};

/// How much of each output is kept: a Nagios plugin writes a few KiB, and a thousand checks hold this at once.
const DEFAULT_OUTPUT: u64 = 64 * 1024;
/// More is not an answer any more but a file.
const LARGEST_OUTPUT: u64 = 16 * 1024 * 1024;

/// Secrets shorter than this are not hidden in outputs: they would tear holes into ordinary words.
const SHORTEST_SECRET: usize = 4;

/// Everything a run needs.
pub(super) struct Settings {
    pub(super) recipe: Recipe,
    pub(super) verdict: Verdict,
    pub(super) output_limit: usize,
    /// What is shown as the target: the program, never its arguments.
    pub(super) shown: String,
    secrets: Vec<Secret>,
}

impl Settings {
    /// Reads the section; nothing without a program.
    pub(super) fn read(section: &mut Section<'_>, context: &BuildContext) -> Option<Self> {
        let mut secrets = Vec::new();
        let words = read_words(section, &mut secrets);
        let (environment, more) = environment::read(section, context);
        secrets.extend(more);
        secrets.retain(|secret| secret.expose().len() >= SHORTEST_SECRET);
        let directory = read_directory(section, context);
        let identity = section.get("user").and_then(|node| read_user(section, node));
        let output_limit = read_output_limit(section);
        let verdict = Verdict::read(section);
        let limits = read_limits(section);
        let Words { name, place, arguments } = words?;
        let prlimit = if limits.is_empty() { None } else { Some((find_prlimit(section, context)?, limits)) };
        let shown = match lookup::find(&name, context) {
            Ok(path) => path.display().to_string(),
            Err(Unusable::Missing(why)) => {
                let why = format!("{why}; the check is unknown until it is there");
                section.diagnostics().warning(&place, why);
                name.clone()
            }
            Err(Unusable::Refused(why)) => {
                section.diagnostics().error(&place, why);
                return None;
            }
        };
        let (context, found) = (context.clone(), OnceLock::new());
        let recipe = Recipe { name, arguments, prlimit, environment, directory, identity, context, found };
        Some(Self { recipe, verdict: verdict?, output_limit, shown, secrets })
    }

    /// Output without the secrets the program was given.
    pub(super) fn hide_secrets(&self, text: &str) -> String {
        hide(text, &self.secrets)
    }
}

/// What is written of a program.
struct Words {
    name: String,
    /// Where the name stands.
    place: Place,
    arguments: Vec<OsString>,
}

/// The program and its arguments, from `argv` or from `command`.
fn read_words(section: &mut Section<'_>, secrets: &mut Vec<Secret>) -> Option<Words> {
    let shell = section.bool("shell").unwrap_or(false);
    let (argv, command) = (section.get("argv"), section.get("command"));
    let complain = |key: &str, what: &str| {
        section.error_at(key, what);
        None
    };
    match (argv, command, shell) {
        (Some(_), Some(_), _) => complain("command", "either `argv` or `command`, not both"),
        (Some(argv), None, false) => read_argv(section, argv, secrets),
        (None, Some(command), true) => read_line(section, command, secrets),
        (Some(_), None, true) => {
            complain("argv", "with `shell: true` write `command`, one line, instead of `argv`")
        }
        (None, Some(_), false) => {
            complain("command", "a line for the shell needs `shell: true`; otherwise write `argv`, a list")
        }
        (None, None, _) => {
            let missing = if shell { "command" } else { "argv" };
            complain("", &format!("missing required key `{missing}`"))
        }
    }
}

/// A line for the shell.
fn read_line(section: &Section<'_>, node: &Node, secrets: &mut Vec<Secret>) -> Option<Words> {
    let Some(line) = node.as_str().filter(|line| !line.contains('\0')) else {
        section.error_at("command", format!("expected text, found {}", node.describe()));
        return None;
    };
    if node.sensitive {
        secrets.push(Secret::new(line));
    }
    Some(Words {
        name: "/bin/sh".to_owned(),
        place: node.place.clone(),
        arguments: vec!["-c".into(), line.into()],
    })
}

fn read_argv(section: &Section<'_>, node: &Node, secrets: &mut Vec<Secret>) -> Option<Words> {
    let diagnostics = section.diagnostics();
    let Some(items) = node.as_list().filter(|items| !items.is_empty()) else {
        let message = format!("expected a list of the program and its arguments, found {}", node.describe());
        diagnostics.error(&node.place, message);
        return None;
    };
    let mut words = Vec::with_capacity(items.len());
    for item in items {
        match item.as_str().filter(|text| !text.contains('\0')) {
            Some(text) => {
                if item.sensitive {
                    secrets.push(Secret::new(text));
                }
                words.push(text);
            }
            None => diagnostics.error(&item.place, format!("expected text, found {}", item.describe())),
        }
    }
    let (name, rest) = words.split_first().filter(|_| words.len() == items.len())?;
    let place = items.first().map_or(&node.place, |item| &item.place).clone();
    Some(Words { name: (*name).to_owned(), place, arguments: rest.iter().map(OsString::from).collect() })
}

fn read_directory(section: &mut Section<'_>, context: &BuildContext) -> PathBuf {
    let Some(text) = section.string("cwd") else { return PathBuf::from("/") };
    let path = context.base_dir.join(text);
    if !path.is_dir() {
        section.error_at("cwd", format!("{} is not a directory", path.display()));
    }
    path
}

fn read_user(section: &Section<'_>, node: &Node) -> Option<(u32, u32)> {
    let complain = |what: String| section.diagnostics().error(&node.place, what);
    let name = node.as_str()?;
    match User::from_name(name) {
        Ok(Some(user)) => {
            if user.uid != Uid::effective() && !Uid::effective().is_root() {
                complain(format!("only a daemon that runs as root can run a program as {name}"));
            }
            // Staying who we are needs no change, and changing needs privileges even then.
            (user.uid != Uid::effective()).then(|| (user.uid.as_raw(), user.gid.as_raw()))
        }
        _ => {
            complain(format!("there is no user {name:?}"));
            None
        }
    }
}

fn read_output_limit(section: &mut Section<'_>) -> usize {
    let limit = section.bytes("output_limit").unwrap_or(DEFAULT_OUTPUT);
    if limit > LARGEST_OUTPUT {
        section.error_at("output_limit", "at most 16MiB of an output are kept");
    }
    usize::try_from(limit.min(LARGEST_OUTPUT)).unwrap_or(usize::MAX)
}

/// The options of prlimit(1) that the settings ask for.
fn read_limits(section: &mut Section<'_>) -> Vec<OsString> {
    let Some(mut limits) = section.section("limits") else { return Vec::new() };
    let mut options = Vec::new();
    let mut add = |name: &str, value: Option<u64>| {
        options.extend(value.map(|value| OsString::from(format!("--{name}={value}:{value}"))));
    };
    add("as", limits.bytes("memory"));
    add("cpu", limits.duration("cpu").map(|cpu| cpu.as_secs().max(1)));
    add("nproc", limits.integer("processes", 1..=1_000_000));
    add("fsize", limits.bytes("file_size"));
    // Fewer than the three standard streams would not start anything.
    add("nofile", limits.integer("open_files", 3..=1_000_000));
    limits.finish();
    options
}

fn find_prlimit(section: &Section<'_>, context: &BuildContext) -> Option<PathBuf> {
    let complain = |why| section.error_at("limits", format!("{why} (it comes with util-linux)"));
    lookup::find("prlimit", context).map_err(complain).ok()
}
