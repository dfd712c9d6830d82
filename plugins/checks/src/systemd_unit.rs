//! The `systemd_unit` check: the state of a unit, as `systemctl show` tells it.
//!
//! systemctl is asked rather than the bus: its output is a stable interface, and it is there wherever systemd is.

use std::ffi::OsString;
use std::path::PathBuf;

use async_trait::async_trait;
use breakwatch_model::{CheckFailure, FailureReason, Labels, MetricFamily};
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, Diagnostics, Field, Node, Recorder,
};

use crate::command::{Capture, Program, execute, find_program};
use crate::host::internal;
use crate::report::clean;
use crate::text::sanitize;

/// The row in the table of checks.
pub(crate) const ENTRY: CheckEntry = CheckEntry {
    key: "systemd_unit",
    summary: "Asks systemd for the state of a unit.",
    fields: FIELDS,
    local: true,
    parse,
};

const FIELDS: &[Field] = &[
    Field {
        name: "unit",
        kind: "text",
        default: "",
        help: "The unit; without a suffix it is a service: `nginx`, `backup.timer`.",
    },
    Field {
        name: "user_manager",
        kind: "`true` or `false`",
        default: "false",
        help: "Whether the manager of the daemon's user is asked instead of the system's.",
    },
    Field {
        name: "accept",
        kind: "list of states",
        default: "[active, reloading]",
        help: "States that are healthy: `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`, \
               `maintenance`.",
    },
];

/// The states of a unit (systemd's `UnitActiveState`).
const STATES: [&str; 7] =
    ["active", "reloading", "inactive", "failed", "activating", "deactivating", "maintenance"];

/// What is asked for; systemctl answers `Name=value`, one a line.
const PROPERTIES: &str = "LoadState,ActiveState,SubState,Result,NRestarts,MainPID,StateChangeTimestamp";

/// The answer is a few hundred bytes.
const OUTPUT: usize = 16 * 1024;

fn parse(node: &Node, context: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    crate::settings::read(node, diagnostics, |section| {
        section.required("unit");
        let unit = section.parse("unit", |text| match is_unit_name(text) {
            true => Ok(if text.contains('.') { text.to_owned() } else { format!("{text}.service") }),
            false => Err("the name of a unit, such as `nginx.service`".to_owned()),
        });
        let user = section.bool("user_manager").unwrap_or(false);
        let accept = section.strings("accept").unwrap_or_else(|| vec!["active".into(), "reloading".into()]);
        if let Some(wrong) = accept.iter().find(|state| !STATES.contains(&state.as_str())) {
            section.error_at("accept", format!("expected states such as `active`, found {wrong:?}"));
        }
        let path = find_program("systemctl", context);
        let path =
            path.map_err(|why| section.error_at("unit", format!("{why}: is this host run by systemd?"))).ok();
        let unit = unit?;
        Some(Unit { program: program(path?, &unit, user), unit, accept })
    })
}

/// Letters, digits and what systemd.unit(5) allows; a leading dash would be an option.
fn is_unit_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    !text.is_empty() && text.len() <= 255 && !text.starts_with('-') && text.chars().all(allowed)
}

fn program(path: PathBuf, unit: &str, user: bool) -> Program {
    let mut arguments: Vec<OsString> = vec!["show".into(), "--no-pager".into()];
    if user {
        arguments.push("--user".into());
    }
    arguments.extend([format!("--property={PROPERTIES}").into(), "--".into(), unit.into()]);
    let keep = ["DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "DBUS_SYSTEM_BUS_ADDRESS", "PATH"];
    let environment = keep.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
    let environment = environment.chain([("LC_ALL".into(), "C".into())]).collect();
    Program { path, arguments, environment, directory: PathBuf::from("/"), identity: None }
}

struct Unit {
    program: Program,
    unit: String,
    accept: Vec<String>,
}

/// The answer as pairs.
struct Properties(String);

impl Properties {
    fn get(&self, name: &str) -> &str {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
    }
}

#[async_trait]
impl Check for Unit {
    async fn run(&self, _: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let (stdout, stderr) = (Capture::new(OUTPUT), Capture::new(OUTPUT));
        let exit = execute(&self.program, &stdout, &stderr).await?;
        let properties = Properties(sanitize(&stdout.look().kept));
        if exit.code() != Some(0) || properties.get("ActiveState").is_empty() {
            let said = clean(&sanitize(&stderr.look().kept), 200);
            return Err(internal(format!("systemctl could not tell ({exit}): {said}")));
        }
        self.judge(&properties, rec)
    }

    fn target(&self) -> String {
        self.unit.clone()
    }
}

impl Unit {
    fn judge(&self, properties: &Properties, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let (state, sub) = (properties.get("ActiveState"), properties.get("SubState"));
        record(&self.unit, state, properties, rec);
        let failed = |message: String| Err(CheckFailure::new(FailureReason::Assertion, message));
        if properties.get("LoadState") == "not-found" {
            return failed(format!("there is no unit {}", self.unit));
        }
        if self.accept.iter().any(|accepted| accepted == state) {
            return Ok(());
        }
        let result = Some(properties.get("Result")).filter(|result| !matches!(*result, "" | "success"));
        let result = result.map_or_else(String::new, |result| format!(", result {result}"));
        failed(format!("{} is {state} ({sub}{result})", self.unit))
    }
}

fn record(unit: &str, state: &str, properties: &Properties, rec: &mut Recorder) {
    let mut family =
        MetricFamily::gauge("node_systemd_unit_state", "", "The state of a unit: 1 for the present one.");
    for known in STATES {
        let labels = Labels::from_pairs([("name", unit), ("state", known)]);
        family.push(labels, f64::from(u8::from(known == state)));
    }
    rec.family(family);
    if let Ok(restarts) = properties.get("NRestarts").parse::<f64>() {
        let labels = Labels::from_pairs([("name", unit)]);
        let help = "Times systemd has restarted the service by itself.";
        rec.family(
            MetricFamily::counter("node_systemd_service_restart_total", "", help).with(labels, restarts),
        );
    }
    rec.fact("state", format!("{state} ({})", properties.get("SubState")));
    for (name, fact) in [("StateChangeTimestamp", "since"), ("Result", "result")] {
        let value = properties.get(name);
        if !value.is_empty() {
            rec.fact(fact, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;
    use crate::testing::{context, mistakes, node, run};

    /// A systemctl that gives a fixed answer.
    async fn asked(answer: &str, code: i32, accept: serde_json::Value) -> crate::testing::Run {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("systemctl");
        let script = format!(
            "#!/bin/sh\necho \"$@\" | grep -q 'LoadState.* -- web.service$' || exit 9\nprintf '{answer}'\n\
             [ {code} = 0 ] || echo 'Failed to connect to bus' >&2\nexit {code}\n"
        );
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut context = context();
        context.command_path.insert(0, dir.path().to_owned());
        let diagnostics = Diagnostics::new();
        let settings = node(&json!({ "unit": "web", "accept": accept }));
        let check = (ENTRY.parse)(&settings, &context, &diagnostics);
        run(&*check.unwrap_or_else(|| panic!("{diagnostics:?}"))).await
    }

    #[tokio::test]
    async fn states_are_judged_and_recorded() {
        let active =
            "LoadState=loaded\\nActiveState=active\\nSubState=running\\nResult=success\\nNRestarts=3\\n";
        let run = asked(active, 0, json!(null)).await;
        run.succeeded();
        let state = |state: &str| format!("{{name=\"web.service\", state=\"{state}\"}}");
        assert_eq!(run.value("node_systemd_unit_state", &state("active")), Some(1.0));
        assert_eq!(run.value("node_systemd_unit_state", &state("failed")), Some(0.0));
        assert_eq!(run.value("node_systemd_service_restart_total", r#"{name="web.service"}"#), Some(3.0));
        assert_eq!(run.fact("state"), Some("active (running)"));
        let failed = "LoadState=loaded\\nActiveState=failed\\nSubState=failed\\nResult=exit-code\\n";
        let run = asked(failed, 0, json!(null)).await;
        assert_eq!(run.failure().to_string(), "web.service is failed (failed, result exit-code) (assertion)");
        asked(failed, 0, json!(["failed"])).await.succeeded();
        let missing = "LoadState=not-found\\nActiveState=inactive\\nSubState=dead\\n";
        let run = asked(missing, 0, json!(["inactive"])).await;
        assert_eq!(run.failure().message, "there is no unit web.service");
    }

    #[tokio::test]
    async fn a_bus_that_is_not_there_is_our_trouble() {
        let run = asked("", 1, json!(null)).await;
        assert_eq!(
            run.failure().to_string(),
            "systemctl could not tell (code 1): Failed to connect to bus (internal)"
        );
    }

    #[test]
    fn mistakes_in_the_settings() {
        for unit in ["--force", "a b", "a;b", "", "ä"] {
            assert!(
                mistakes(&ENTRY, &json!({ "unit": unit }))[0]
                    .starts_with("unit: expected the name of a unit")
            );
        }
    }
}
