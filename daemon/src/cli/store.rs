//! `backup`, `restore` and `store info|verify|export`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{CancelToken, Clock, SystemClock, TimeRange, Timestamp};
use breakwatch_plugin_api::{format_bytes, parse_duration};
use breakwatch_store::{DataDir, DirLock, History, HistoryOptions, admin};
use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::client::{ApiClient, block_on};
use super::exit::Exit;
use super::options::Daemon;
use super::output::{Format, say, table};

/// `backup`.
#[derive(ClapArgs, Debug)]
pub struct Backup {
    /// A directory of the daemon's host that does not exist yet or is empty.
    pub directory: PathBuf,
    /// The daemon.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// `restore`.
#[derive(ClapArgs, Debug)]
pub struct Restore {
    /// The backup.
    pub backup: PathBuf,
    /// The data directory to make; it must not exist yet or be empty.
    pub target: PathBuf,
}

/// `store`.
#[derive(ClapArgs, Debug)]
pub struct Store {
    /// What to do.
    #[command(subcommand)]
    pub command: StoreCommand,
}

/// `store …`.
#[derive(Subcommand, Debug)]
pub enum StoreCommand {
    /// Show what lies in a data directory, in use or not.
    Info {
        /// The data directory.
        path: PathBuf,
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// Read everything and compute every checksum.
    Verify {
        /// The data directory.
        path: PathBuf,
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// Write samples as OpenMetrics text, which `promtool tsdb create-blocks-from openmetrics` reads.
    Export {
        /// The data directory; no daemon may be running on it.
        path: PathBuf,
        /// Which series.
        #[arg(long, default_value = "{__name__=~\".+\"}")]
        selector: String,
        /// How far back.
        #[arg(long, default_value = "30d")]
        since: String,
        /// Where to; stdout if it is not given.
        #[arg(long, short)]
        file: Option<PathBuf>,
    },
}

/// Makes a backup of the running daemon, by the daemon.
///
/// # Errors
/// When the daemon cannot be reached or the directory cannot be used.
pub(super) fn backup(args: &Backup) -> Result<ExitCode, Exit> {
    let directory = std::path::absolute(&args.directory).map_err(Exit::failed)?;
    let client = ApiClient::new(&args.daemon)?;
    let answer = block_on(client.post("/api/v1/admin/backup", &json!({ "directory": directory })))?;
    let (files, bytes) = (&answer["data"]["files"], answer["data"]["bytes"].as_f64().unwrap_or(0.0));
    say(&format!("{}: {files} files, {}", directory.display(), format_bytes(bytes)));
    Ok(ExitCode::SUCCESS)
}

/// Makes a data directory of a backup.
///
/// # Errors
/// When the backup is incomplete or damaged, or the target is not empty.
pub(super) fn restore(args: &Restore) -> Result<ExitCode, Exit> {
    let summary = admin::restore(&args.backup, &args.target).map_err(Exit::failed)?;
    let size = format_bytes(summary.bytes() as f64);
    say(&format!("{}: {} files, {size}", args.target.display(), summary.files.len()));
    Ok(ExitCode::SUCCESS)
}

/// Looks at a data directory.
///
/// # Errors
/// When it cannot be read; for `verify`, when something is wrong with it.
pub(super) fn run(args: &Store) -> Result<ExitCode, Exit> {
    match &args.command {
        StoreCommand::Info { path, output } => info(path, *output),
        StoreCommand::Verify { path, output } => verify(path, *output),
        StoreCommand::Export { path, selector, since, file } => {
            export(path, selector, since, file.as_deref())
        }
    }
}

fn as_json(value: &impl serde::Serialize) -> Result<String, Exit> {
    serde_json::to_string_pretty(value).map_err(Exit::failed)
}

fn info(path: &Path, output: Format) -> Result<ExitCode, Exit> {
    let info = admin::info(path).map_err(Exit::failed)?;
    if output == Format::Json {
        say(&as_json(&info)?);
        return Ok(ExitCode::SUCCESS);
    }
    let size = |bytes: u64| format_bytes(bytes as f64);
    let mut rows =
        vec![["BLOCK", "KIND", "FROM", "TO", "SERIES", "SAMPLES", "SIZE"].map(str::to_owned).to_vec()];
    for block in &info.blocks {
        rows.push(vec![
            block.name.clone(),
            block.kind.to_owned(),
            block.from.to_rfc3339(),
            block.to.to_rfc3339(),
            block.series.to_string(),
            block.samples.to_string(),
            size(block.bytes),
        ]);
    }
    if info.blocks.is_empty() {
        say("no blocks of finished days yet");
    } else {
        say(&table(&rows));
    }
    let hot: u64 = info.hot_days.iter().map(|(_, bytes)| bytes).sum();
    say(&format!(
        "format {}, total {}: hot tier {} in {} days, log {} in {} segments, registry {}, state {}",
        info.format,
        size(info.total_bytes),
        size(hot),
        info.hot_days.len(),
        size(info.wal_bytes),
        info.wal_segments,
        size(info.registry_bytes),
        size(info.state_bytes),
    ));
    for name in &info.quarantine {
        say(&format!("set aside as damaged: {name}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(path: &Path, output: Format) -> Result<ExitCode, Exit> {
    admin::info(path).map_err(Exit::failed)?;
    // While a daemon has the directory open, what it is writing right now is left out.
    let lock = DirLock::take(path).ok();
    let report = admin::verify(path, lock.is_some()).map_err(Exit::failed)?;
    if output == Format::Json {
        say(&as_json(&report)?);
    } else {
        let read = format_bytes(report.bytes as f64);
        say(&format!("{} files, {read} and {} chunks read", report.files, report.chunks));
        for left_out in &report.skipped {
            say(&format!("left out: {left_out}"));
        }
        for problem in &report.problems {
            say(&format!("{}: {}", problem.file, problem.what));
        }
    }
    if report.problems.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Exit::Failed(format!("{} problems found", report.problems.len())))
}

fn export(path: &Path, selector: &str, since: &str, file: Option<&Path>) -> Result<ExitCode, Exit> {
    let matchers = breakwatch_promql::parse_selector(selector).map_err(Exit::failed)?;
    let span =
        parse_duration(since).ok_or_else(|| Exit::Failed(format!("{since:?} is no duration such as 30d")))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let range = TimeRange::new(clock.now() - span, Timestamp::MAX);
    admin::info(path).map_err(Exit::failed)?;
    let directory = DataDir::open(path, clock).map_err(|error| {
        Exit::Failed(format!("{error}; export from a backup while the daemon is running"))
    })?;
    let options =
        HistoryOptions { background: false, tick: Duration::from_secs(1), ..HistoryOptions::default() };
    let history = History::open(&directory, options).map_err(Exit::failed)?;
    let cancel = CancelToken::new();
    let count = match file {
        Some(file) => {
            let mut out = std::io::BufWriter::new(std::fs::File::create(file).map_err(Exit::failed)?);
            let count =
                history.export_openmetrics(&matchers, range, &cancel, &mut out).map_err(Exit::failed)?;
            out.flush().map_err(Exit::failed)?;
            count
        }
        None => {
            let mut out = std::io::stdout().lock();
            history.export_openmetrics(&matchers, range, &cancel, &mut out).map_err(Exit::failed)?
        }
    };
    history.close().map_err(Exit::failed)?;
    super::output::complain(&format!("{count} samples exported"));
    Ok(ExitCode::SUCCESS)
}
