//! Options that several commands share.

use std::path::PathBuf;

use clap::Args as ClapArgs;

/// Which configuration files.
#[derive(ClapArgs, Debug, Clone, Default)]
pub struct ConfigFiles {
    /// A configuration file. May be given several times: later files are merged over earlier ones.
    #[arg(long, short, value_name = "FILE", env = "BREAKWATCH_CONFIG", value_delimiter = ':')]
    pub config: Vec<PathBuf>,
}

/// How to reach the running daemon.
#[derive(ClapArgs, Debug, Clone)]
pub struct Daemon {
    /// Where the daemon listens.
    #[arg(long, value_name = "URL", env = "BREAKWATCH_URL", default_value = "http://127.0.0.1:9475")]
    pub url: String,
    /// The file with the daemon's token; by default looked for in the usual data directories.
    #[arg(long, value_name = "FILE", env = "BREAKWATCH_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}
