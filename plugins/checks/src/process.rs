//! The `process` check: whether a program runs, how many times, and how much memory it holds.

use async_trait::async_trait;
use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, Diagnostics, Field, Levels, Node, Recorder, Section, Unit,
    format_bytes,
};
use nix::unistd::User;
use regex::Regex;
use sysinfo::{Process, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use crate::host::internal;
use crate::pattern;

/// The row in the table of checks.
pub(crate) const ENTRY: CheckEntry = CheckEntry {
    key: "process",
    summary: "Counts the processes of this host that match, and adds up what they hold.",
    fields: FIELDS,
    local: true,
    parse,
};

const FIELDS: &[Field] = &[
    Field {
        name: "name",
        kind: "text",
        default: "",
        help: "The program's name as the kernel has it (at most 15 characters count), such as `nginx`.",
    },
    Field {
        name: "cmdline_regex",
        kind: "regular expression",
        default: "",
        help: "Must match the command line, its words joined by spaces.",
    },
    Field { name: "user", kind: "text", default: "", help: "Only processes of this user count." },
    Field { name: "min", kind: "whole number", default: "1", help: "Fewer than this many is a failure." },
    Field { name: "max", kind: "whole number", default: "", help: "More than this many is a failure." },
    Field {
        name: "memory",
        kind: "levels of a size",
        default: "",
        help: "Limits on the resident memory of all that match, together.",
    },
];

/// The kernel keeps this much of a name (`TASK_COMM_LEN` less its end).
const NAME_LENGTH: usize = 15;

fn parse(node: &Node, _: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    crate::settings::read(node, diagnostics, |section| {
        let (name, cmdline) = (section.string("name"), section.parse("cmdline_regex", pattern::text));
        if section.node().get("name").is_none() && section.node().get("cmdline_regex").is_none() {
            section.error_at("name", "which processes? Give `name` or `cmdline_regex`");
        }
        let user = section.string("user");
        let user_id = user.as_ref().and_then(|name| read_user(section, name));
        let min = section.integer("min", 0..=1_000_000).unwrap_or(1);
        let max = section.integer("max", 0..=1_000_000);
        if max.is_some_and(|max| max < min) {
            section.error_at("max", "`max` is less than `min`: nothing could satisfy both");
        }
        let memory = section.levels("memory", Unit::Bytes);
        Some(Processes { filter: Filter { name, cmdline, user_id }, min, max, memory })
    })
}

fn read_user(section: &Section<'_>, name: &str) -> Option<u32> {
    let user = User::from_name(name).ok().flatten();
    if user.is_none() {
        section.error_at("user", format!("there is no user {name:?}"));
    }
    user.map(|user| user.uid.as_raw())
}

#[derive(Clone)]
struct Filter {
    name: Option<String>,
    cmdline: Option<Regex>,
    user_id: Option<u32>,
}

impl Filter {
    fn takes(&self, process: &Process) -> bool {
        let same = |wanted: &String| {
            let wanted: Vec<u8> = wanted.bytes().take(NAME_LENGTH).collect();
            process.name().as_encoded_bytes() == wanted
        };
        let matches = |regex: &Regex| {
            let words: Vec<_> = process.cmd().iter().map(|word| word.to_string_lossy()).collect();
            !words.is_empty() && regex.is_match(&words.join(" "))
        };
        self.name.as_ref().is_none_or(same)
            && self.cmdline.as_ref().is_none_or(matches)
            && self.user_id.is_none_or(|id| process.effective_user_id().is_some_and(|user| **user == id))
    }
}

struct Processes {
    filter: Filter,
    min: u64,
    max: Option<u64>,
    memory: Option<Levels>,
}

/// What the matching processes have in common.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Sum {
    count: u64,
    memory: u64,
    cpu_seconds: f64,
    /// Unix time; 0 without any.
    oldest_start: u64,
}

fn sum(filter: &Filter) -> Result<Sum, CheckFailure> {
    let mut system = System::new().map_err(|error| internal(format!("reading the processes: {error:?}")))?;
    let kind = ProcessRefreshKind::nothing()
        .without_tasks()
        .with_memory()
        .with_cpu()
        .with_cmd(UpdateKind::Always)
        .with_user(UpdateKind::Always);
    if system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind) == 0 {
        return Err(internal("the system does not show its processes".to_owned()));
    }
    let own = sysinfo::get_current_pid().ok();
    let mut sum = Sum::default();
    // The daemon's own command line may hold the expression it looks for.
    for process in
        system.processes().values().filter(|process| Some(process.pid()) != own && filter.takes(process))
    {
        sum.count += 1;
        sum.memory += process.memory();
        sum.cpu_seconds += process.accumulated_cpu_time() as f64 / 1000.0;
        let start = process.start_time();
        sum.oldest_start = if sum.oldest_start == 0 { start } else { sum.oldest_start.min(start) };
    }
    Ok(sum)
}

#[async_trait]
impl Check for Processes {
    async fn run(&self, _: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let filter = self.filter.clone();
        // Several files for each process of the host: too long for a worker of the runtime.
        let summed = tokio::task::spawn_blocking(move || sum(&filter)).await;
        let found = summed.map_err(|_| internal("the measuring thread ended early".to_owned()))??;
        self.judge(found, rec)
    }

    fn target(&self) -> String {
        let Filter { name, cmdline, .. } = &self.filter;
        name.clone().or_else(|| cmdline.as_ref().map(|regex| format!("/{regex}/"))).unwrap_or_default()
    }
}

impl Processes {
    fn judge(&self, found: Sum, rec: &mut Recorder) -> Result<(), CheckFailure> {
        rec.gauge("breakwatch_processes", "", "Processes that match.", found.count as f64);
        let help = "Resident memory of the processes that match.";
        rec.gauge("breakwatch_process_resident_memory_bytes", "bytes", help, found.memory as f64);
        // A sum over processes that come and go may fall: not a counter.
        let help = "Processor time of the processes that match and still run.";
        rec.gauge("breakwatch_process_cpu_seconds", "seconds", help, found.cpu_seconds);
        if found.count > 0 {
            let help = "Unix time at which the oldest process that matches was started.";
            let start = found.oldest_start as f64;
            rec.gauge("breakwatch_process_oldest_start_timestamp_seconds", "seconds", help, start);
        }
        rec.fact("processes", format!("{}, {} of memory", found.count, format_bytes(found.memory as f64)));
        if let Some(levels) = &self.memory {
            rec.judge("memory", FailureReason::Threshold, found.memory as f64, levels);
        }
        let failed = |message: String| Err(CheckFailure::new(FailureReason::Assertion, message));
        match self.max {
            _ if found.count == 0 && self.min > 0 => failed("no such process runs".to_owned()),
            _ if found.count < self.min => {
                failed(format!("{} run, expected at least {}", found.count, self.min))
            }
            Some(max) if found.count > max => failed(format!("{} run, expected at most {max}", found.count)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use serde_json::json;

    use super::*;
    use crate::testing::{mistakes, run_with};

    struct Sleeper(Child);

    impl Sleeper {
        fn start(argument: &str) -> Self {
            Self(Command::new("sleep").arg("1000").env("MARK", "x").arg(argument).spawn().unwrap())
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[tokio::test]
    async fn processes_are_found_by_name_and_command_line() {
        // An argument no other process has: this test's own process number, as seconds to sleep on top.
        let unique = format!("0.{}7", std::process::id());
        let settings =
            json!({ "name": "sleep", "cmdline_regex": format!("^sleep 1000 {}$", regex::escape(&unique)) });
        let none = run_with(&ENTRY, &settings).await;
        assert_eq!(none.failure().to_string(), "no such process runs (assertion)");
        let _sleepers = [Sleeper::start(&unique), Sleeper::start(&unique)];
        let two = run_with(&ENTRY, &settings).await;
        two.succeeded();
        assert_eq!(two.value("breakwatch_processes", ""), Some(2.0));
        assert!(two.value("breakwatch_process_resident_memory_bytes", "").unwrap() > 0.0);
        assert!(two.value("breakwatch_process_oldest_start_timestamp_seconds", "").unwrap() > 1e9);
        for (key, value, message) in
            [("min", 3, "2 run, expected at least 3"), ("max", 1, "2 run, expected at most 1")]
        {
            let mut settings = settings.clone();
            settings[key] = json!(value);
            assert_eq!(run_with(&ENTRY, &settings).await.failure().message, message);
        }
        let mut other_user = settings;
        other_user["user"] = json!(if nix::unistd::Uid::effective().is_root() { "nobody" } else { "root" });
        assert!(matches!(run_with(&ENTRY, &other_user).await.result, Some(Err(_))));
    }

    #[test]
    fn mistakes_in_the_settings() {
        assert_eq!(
            mistakes(&ENTRY, &json!({ "user": "nobody-at-all", "min": 2, "max": 1 })),
            [
                "which processes? Give `name` or `cmdline_regex`",
                "user: there is no user \"nobody-at-all\"",
                "max: `max` is less than `min`: nothing could satisfy both",
            ]
        );
    }
}
