//! What hyper could not do, as reason and sentence, and the limits behind some of it.

use std::error::Error as _;
use std::io;

use breakwatch_model::{CheckFailure, FailureReason};

use crate::net;

/// The largest answer head taken, as Apache and nginx limit theirs.
pub(super) const MAX_HEAD: usize = 64 * 1024;
/// The most header lines taken.
pub(super) const MAX_HEADERS: usize = 256;

/// A hyper error as reason and sentence.
pub(super) fn describe_hyper(error: &hyper::Error, doing: &str) -> CheckFailure {
    if let Some(io) = source::<io::Error>(error) {
        let reset = matches!(io.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
        let reason = if reset { FailureReason::Connect } else { FailureReason::Protocol };
        return net::from_io(io, reason, doing);
    }
    let message = if error.is_parse_too_large() {
        format!("{doing}: the answer's head is larger than {} KiB or {MAX_HEADERS} lines", MAX_HEAD / 1024)
    } else if error.is_parse() {
        format!("{doing}: the answer is not HTTP ({error})")
    } else if error.is_incomplete_message() {
        format!("{doing}: the connection was closed early")
    } else {
        format!("{doing}: {}", error.source().map_or_else(|| error.to_string(), ToString::to_string))
    };
    CheckFailure::new(FailureReason::Protocol, message)
}

/// The first cause of type `T`.
fn source<T: std::error::Error + 'static>(error: &hyper::Error) -> Option<&T> {
    let mut cause = error.source();
    while let Some(current) = cause {
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        cause = current.source();
    }
    None
}
