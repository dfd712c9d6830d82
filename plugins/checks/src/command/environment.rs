//! The environment a program gets: a short list, what the settings add, and never the daemon's own secrets.

use std::ffi::OsString;
use std::path::PathBuf;

use breakwatch_plugin_api::{BuildContext, Secret, Section};

/// Variables that say where and in which language the program runs, and nothing else.
const HARMLESS: [&str; 15] = [
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "TZ",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "LC_NUMERIC",
    "LC_TIME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Variables by which a child could speak to systemd in the daemon's name or read its credentials.
const FORBIDDEN: [&str; 5] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY", "FDSTORE"];

/// The variables of a program, and those values among them that came from outside and must not be shown.
pub(super) fn read(
    section: &mut Section<'_>,
    context: &BuildContext,
) -> (Vec<(OsString, OsString)>, Vec<Secret>) {
    let mut variables: Vec<(OsString, OsString)> = vec![("PATH".into(), search_path(&context.command_path))];
    let passed = section.strings("pass_env").unwrap_or_default();
    for name in HARMLESS.iter().copied().chain(passed.iter().map(String::as_str)) {
        if let Some(value) = std::env::var_os(name) {
            set(&mut variables, name, value);
        }
    }
    if let Some(name) = passed.iter().find(|name| is_forbidden(name)) {
        section.error_at("pass_env", format!("`{name}` belongs to the daemon alone"));
    }
    let mut secrets = Vec::new();
    for (key, node) in section.get("env").and_then(|node| node.as_map()).unwrap_or_default() {
        let name = &*key.name;
        let good = !name.is_empty() && !name.contains(['=', '\0']);
        match node.as_str().filter(|value| good && !value.contains('\0')) {
            Some(_) if is_forbidden(name) => {
                section.diagnostics().error(&key.place, format!("`{name}` belongs to the daemon alone"));
            }
            Some(value) => {
                if node.sensitive {
                    secrets.push(Secret::new(value));
                }
                set(&mut variables, name, value.into());
            }
            None => section.diagnostics().error(&key.place, "is not an environment variable"),
        }
    }
    if section.node().get("env").is_some_and(|node| node.as_map().is_none() && !node.is_null()) {
        section.error_at("env", "expected a mapping of names to texts");
    }
    (variables, secrets)
}

fn is_forbidden(name: &str) -> bool {
    FORBIDDEN.contains(&name) || name.starts_with("LISTEN_")
}

fn set(variables: &mut Vec<(OsString, OsString)>, name: &str, value: OsString) {
    variables.retain(|(known, _)| known != name);
    variables.push((name.into(), value));
}

fn search_path(directories: &[PathBuf]) -> OsString {
    // A directory with a colon in its name cannot be searched at all.
    std::env::join_paths(directories.iter().filter(|dir| !dir.to_string_lossy().contains(':')))
        .unwrap_or_else(|_| "/usr/bin:/bin".into())
}
