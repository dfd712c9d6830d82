//! What the host kinds share: reading the kernel's files, and judging the worst of several.

use std::io::Read;
use std::path::Path;

use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::{Levels, Recorder};

/// The kernel's statistics files are far smaller: a thousand processors fill about 100 KiB.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Reads one of the kernel's files. That it cannot be read is our trouble, not the host's.
pub(crate) fn read(path: &str) -> Result<String, CheckFailure> {
    let mut text = String::new();
    std::fs::File::open(Path::new(path))
        .and_then(|file| file.take(MAX_FILE).read_to_string(&mut text))
        .map_err(|error| internal(format!("reading {path}: {}", crate::net::failure::describe(&error))))?;
    Ok(text)
}

/// A failure of our own: the status becomes unknown.
pub(crate) fn internal(message: String) -> CheckFailure {
    CheckFailure::new(FailureReason::Internal, message)
}

/// Judges a number of one of several things, and lets the message name it.
pub(crate) fn judge_named(rec: &mut Recorder, name: &'static str, of: &str, value: f64, levels: &Levels) {
    rec.judge(name, FailureReason::Threshold, value, levels);
    if let Some(judged) = rec.judgements.last_mut().filter(|judged| !judged.message.is_empty()) {
        judged.message = format!("{of}: {}", judged.message);
    }
}
