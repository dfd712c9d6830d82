//! From an I/O error to a reason and a sentence, and the line between the target's fault and our own.

use std::io;

use breakwatch_model::{CheckFailure, FailureReason};
use nix::errno::Errno;

/// Whether an error is the daemon's own trouble: no descriptors, no memory, no ports, or a permission it lacks.
/// Such a run says nothing about the target.
pub(crate) fn is_local(error: &io::Error) -> bool {
    const LOCAL: [Errno; 10] = [
        Errno::EMFILE,
        Errno::ENFILE,
        Errno::ENOMEM,
        Errno::ENOBUFS,
        // A local firewall or the service's sandbox; a remote one answers ECONNREFUSED or EHOSTUNREACH.
        Errno::EACCES,
        Errno::EPERM,
        Errno::EAFNOSUPPORT,
        // The range of local ports is used up.
        Errno::EADDRNOTAVAIL,
        Errno::EADDRINUSE,
        // Out of processes or threads.
        Errno::EAGAIN,
    ];
    error.raw_os_error().is_some_and(|code| LOCAL.contains(&Errno::from_raw(code)))
}

/// A failure with `reason`, or [`FailureReason::Internal`] when the error is our own. `doing` begins the sentence:
/// `connecting to 10.0.0.1:80`.
pub(crate) fn from_io(error: &io::Error, reason: FailureReason, doing: &str) -> CheckFailure {
    let reason = if is_local(error) { FailureReason::Internal } else { reason };
    CheckFailure::new(reason, format!("{doing}: {}", describe(error)))
}

/// The error in words, without the operating system's number.
pub(crate) fn describe(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => Errno::from_raw(code).desc().to_lowercase(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "the connection was closed early".to_owned(),
        None => error.to_string(),
    }
}

/// Whether the process has run out of file descriptors right now. The resolver hides that behind a temporary
/// failure of its own, so it is asked for directly.
pub(crate) fn out_of_descriptors() -> bool {
    match std::net::UdpSocket::bind(("127.0.0.1", 0)) {
        Ok(_) => false,
        Err(error) => matches!(
            error.raw_os_error().map(Errno::from_raw),
            Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_trouble_is_internal_and_the_target_is_not_charged() {
        let reason = |errno: Errno| {
            from_io(&io::Error::from_raw_os_error(errno as i32), FailureReason::Connect, "connecting to x")
                .reason
        };
        for own in [Errno::EMFILE, Errno::EACCES, Errno::EADDRNOTAVAIL] {
            assert_eq!(reason(own), FailureReason::Internal, "{own}");
        }
        for theirs in [Errno::ECONNREFUSED, Errno::ECONNRESET, Errno::EHOSTUNREACH, Errno::ETIMEDOUT] {
            assert_eq!(reason(theirs), FailureReason::Connect, "{theirs}");
        }
    }

    #[test]
    fn messages_are_plain() {
        let error = io::Error::from_raw_os_error(Errno::ECONNREFUSED as i32);
        let failure = from_io(&error, FailureReason::Connect, "connecting to 127.0.0.1:1");
        assert_eq!(failure.message, "connecting to 127.0.0.1:1: connection refused");
    }
}
