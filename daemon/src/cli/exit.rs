//! How a command ends, by the exit codes the field uses.

use std::process::ExitCode;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum Exit {
    /// Something failed: 1.
    Failed(String),
    /// The configuration cannot be used: 78 (`EX_CONFIG`), which the systemd unit does not restart on.
    BadConfig(String),
    /// Findings that were asked to be fatal: 3, as promtool does.
    Findings(String),
}

impl Exit {
    /// Wraps anything that can be printed.
    pub fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// Says on stderr why, and gives the code.
    #[must_use]
    pub fn report(self) -> ExitCode {
        let (text, code) = match self {
            Self::Failed(text) => (text, 1),
            Self::BadConfig(text) => (text, 78),
            Self::Findings(text) => (text, 3),
        };
        super::output::complain(&text);
        ExitCode::from(code)
    }
}
