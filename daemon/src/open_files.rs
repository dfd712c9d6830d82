//! How many files may be open: a daemon that looks at thousands of targets needs more than the 1024 a shell gives,
//! and the hard limit lets it take them.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// As many as the shipped systemd unit asks for. No more: commands that the daemon starts inherit the limit, and old
/// ones close every descriptor up to it before they begin.
const WANTED: u64 = 65_536;

/// Raises the soft limit as far as it is wanted and allowed.
pub fn raise() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let wanted = WANTED.min(hard);
        if soft >= wanted { Ok(()) } else { setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) }
    });
    if let Err(error) = raised {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
