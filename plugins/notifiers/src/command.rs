//! `command`: runs a program with the message as JSON on its standard input.
//!
//! The program's arguments and environment never hold what comes from alerts; there is no shell. Its exit code
//! says what became of the message, in the words of sysexits.h.

mod run;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use breakwatch_plugin_api::{
    Diagnostics, Field, Node, Notification, Notifier, NotifierContext, NotifierEntry, NotifyError, Receipt,
};

use self::run::{Ended, Job};
use crate::alertmanager_json;
use crate::http::excerpt;
use crate::ids::idempotency_key;
use crate::settings::{SENDS_RESOLVED, Settings, checked, field};

/// A program may itself wait for a network. With the grace it is given to end, less than the 30 s after which the
/// sender gives an attempt up.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(25);
/// Where a program named without a slash is looked for, once, at load.
const SEARCH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Exit codes of sysexits.h that say more than "it failed".
const EX_USAGE: i32 = 64;
const EX_DATAERR: i32 = 65;
const EX_NOPERM: i32 = 77;
const EX_CONFIG: i32 = 78;

const FIELDS: &[Field] = &[
    field("argv", "list of texts", "", "The program and its arguments. No shell, no templates."),
    field("env", "mapping of texts", "", "Environment variables beside PATH, HOME, LANG and BREAKWATCH_*."),
    field("max_alerts", "number", "0", "At most this many alerts in a message; 0 means all."),
    field("timeout", "duration", "25s", "After this the program and all its children are ended."),
    SENDS_RESOLVED,
];

/// The row in the table.
pub(crate) const ENTRY: NotifierEntry = NotifierEntry {
    key: "command",
    section: "command_configs",
    summary: "Runs a program with the message as JSON on its standard input.",
    fields: FIELDS,
    parse,
};

struct Command {
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    max_alerts: usize,
    timeout: Duration,
    send_resolved: bool,
}

fn parse(node: &Node, context: &NotifierContext, diagnostics: &Diagnostics) -> Option<Box<dyn Notifier>> {
    let command = checked(diagnostics, |diagnostics| read(node, context, diagnostics))?;
    Some(Box::new(command))
}

fn read(node: &Node, context: &NotifierContext, diagnostics: &Diagnostics) -> Option<Command> {
    let mut settings = Settings::open(node, context, diagnostics)?;
    let argv_node = settings.section.required("argv");
    let mut argv = settings.section.strings("argv").unwrap_or_default().into_iter();
    let program = argv.next().unwrap_or_default();
    let environment = settings.section.string_map("env").unwrap_or_default();
    let max_alerts = settings.section.integer("max_alerts", 0..=1_000_000).unwrap_or(0);
    let timeout = settings.section.duration("timeout").unwrap_or(DEFAULT_TIMEOUT);
    let send_resolved = settings.send_resolved(true);
    if environment
        .iter()
        .any(|(name, value)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0'))
    {
        settings.section.error_at("env", "a variable's name is empty or holds `=`, or a value holds NUL");
    }
    let found = argv_node.and_then(|node| match find(&program, &context.base_dir) {
        Ok(path) => Some(path),
        Err(mistake) => {
            settings.error(node, &mistake);
            None
        }
    });
    settings.finish();
    Some(Command {
        program: found?,
        arguments: argv.collect(),
        environment,
        max_alerts: usize::try_from(max_alerts).unwrap_or(usize::MAX),
        timeout,
        send_resolved,
    })
}

/// The program's path, if it is one that may be run.
fn find(program: &str, base_dir: &Path) -> Result<PathBuf, String> {
    if program.is_empty() {
        return Err("`argv` must begin with a program".to_owned());
    }
    if program.contains('/') {
        let path = base_dir.join(program);
        return usable(&path).map(|()| path);
    }
    let candidates = SEARCH.map(|dir| Path::new(dir).join(program));
    let found = candidates.into_iter().find(|path| path.is_file());
    let path = found.ok_or_else(|| format!("{program:?} is in none of {}", SEARCH.join(", ")))?;
    usable(&path).map(|()| path)
}

#[cfg(unix)]
fn usable(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let meta = std::fs::metadata(path).map_err(|error| format!("cannot run {}: {error}", path.display()))?;
    let mode = meta.permissions().mode();
    if !meta.is_file() || mode & 0o111 == 0 {
        return Err(format!("{} is not an executable file", path.display()));
    }
    if mode & 0o002 != 0 {
        return Err(format!("{} can be changed by every user of this machine: not run", path.display()));
    }
    Ok(())
}

#[cfg(not(unix))]
fn usable(path: &Path) -> Result<(), String> {
    if path.is_file() { Ok(()) } else { Err(format!("{} is not a file", path.display())) }
}

impl Command {
    fn job(&self, notification: &Notification) -> Job<'_> {
        let own = [
            ("BREAKWATCH_ID", idempotency_key(&notification.id)),
            ("BREAKWATCH_STATUS", notification.status.as_str().to_owned()),
            ("BREAKWATCH_TRANSITION", notification.transition.map_or("", |it| it.as_str()).to_owned()),
        ];
        let mut environment: Vec<(String, String)> =
            own.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        environment.extend(self.environment.iter().cloned());
        Job {
            program: &self.program,
            arguments: &self.arguments,
            environment,
            input: alertmanager_json::webhook(notification, self.max_alerts),
            timeout: self.timeout,
        }
    }
}

#[async_trait]
impl Notifier for Command {
    fn integration(&self) -> &'static str {
        ENTRY.key
    }

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    async fn notify(&self, notification: &Notification) -> Result<Receipt, NotifyError> {
        let job = self.job(notification);
        crate::preview::instead_of_sending(|| String::from_utf8_lossy(&job.input).into_owned())?;
        let ended = run::run(job).await;
        judge(&ended, &self.program)
    }
}

/// What the program's end means for the message.
fn judge(ended: &Ended, program: &Path) -> Result<Receipt, NotifyError> {
    let name = program.display();
    let retry = |message: String| Err(NotifyError::Retryable { message, retry_after: None });
    match ended {
        Ended::NotStarted(error) => Err(NotifyError::Misconfigured(format!("cannot run {name}: {error}"))),
        Ended::TimedOut => retry(format!("{name} did not end in time and was ended")),
        Ended::Signal(signal) => retry(format!("{name} was ended by signal {signal}")),
        Ended::Exit { code: 0, output } => Ok(Receipt { reference: String::new(), answer: excerpt(output) }),
        Ended::Exit { code, output } => {
            let message = format!("{name} ended with {code}: {}", excerpt(output));
            match *code {
                EX_USAGE | EX_NOPERM | EX_CONFIG => Err(NotifyError::Misconfigured(message)),
                EX_DATAERR => Err(NotifyError::Rejected(message)),
                _ => retry(message),
            }
        }
    }
}

#[cfg(test)]
mod tests;
