//! The commands and their options.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use super::output::Format;

/// A monitoring daemon: checks, circuit breakers, Prometheus rules, alert routing, history, OTLP.
#[derive(Parser, Debug)]
#[command(name = "breakwatch", version = crate::shared::VERSION, max_term_width = 110)]
#[command(after_help = "Without a command breakwatch runs; without a configuration it watches this host.")]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    command: Option<Command>,
    /// `breakwatch` alone means `breakwatch run`.
    #[command(flatten)]
    run: Run,
}

/// The command line as it is acted on.
#[derive(Debug)]
pub struct Parsed {
    /// What to do.
    pub command: Command,
}

impl Args {
    /// Parses the process's arguments; ends the process on `--help` and on wrong usage (code 2).
    #[must_use]
    pub fn parse() -> Parsed {
        let args = <Self as Parser>::parse();
        Parsed { command: args.command.unwrap_or(Command::Run(args.run)) }
    }
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the daemon.
    Run(Run),
    /// Check a configuration and everything it names; print every mistake with its line and column.
    #[command(alias = "check-config")]
    Validate(ConfigFiles),
    /// Print the effective configuration, merged, with secrets hidden.
    PrintConfig(ConfigFiles),
    /// List the kinds of checks, notifiers, exporters and receivers with their settings.
    Components(Components),
    /// Show checks, breakers, firing alerts and the outbox of the running daemon at a glance.
    Status(Status),
    /// Run checks of the running daemon now (ends with the Nagios code of the worst), pause them; check rule files.
    Check(Check),
    /// List, reset, force or hold circuit breakers of the running daemon.
    Breaker(Breaker),
    /// Set, list and end silences of the running daemon.
    Silence(Silence),
    /// List and acknowledge alerts of the running daemon.
    Alert(Alert),
    /// Tell the whole way of an alert, and why somebody was not told of it.
    Explain(Explain),
    /// Show and try the routing tree of a configuration.
    Routes(Routes),
    /// Send a test message to a receiver.
    Notify(Notify),
    /// Ask the running daemon a PromQL question.
    Query(Query),
    /// List what happened, or count it per step.
    Events(super::events::Events),
    /// Report availability, failures and recovery times.
    Report(super::report::Report),
    /// Run unit tests.
    #[command(subcommand)]
    Test(TestCommand),
    /// Try rules out on stored history.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Copy state and history of the running daemon into a directory.
    Backup(Backup),
    /// Make a data directory of a backup.
    Restore(Restore),
    /// Look at, check or export the data directory.
    Store(Store),
    /// Print a completion script for a shell.
    Completions(Completions),
    /// Write man pages.
    Man(Man),
}

/// Which configuration files.
#[derive(ClapArgs, Debug, Clone, Default)]
pub struct ConfigFiles {
    /// A configuration file. May be given several times: later files are merged over earlier ones.
    #[arg(long, short, value_name = "FILE", env = "BREAKWATCH_CONFIG", value_delimiter = ':')]
    pub config: Vec<PathBuf>,
}

/// `run`.
#[derive(ClapArgs, Debug, Clone, Default)]
pub struct Run {
    /// Which configuration.
    #[command(flatten)]
    pub files: ConfigFiles,
    /// Log level or filter, such as `info` or `breakwatch=debug,warn`; wins over the configuration.
    #[arg(long, value_name = "LEVEL", env = "BREAKWATCH_LOG_LEVEL")]
    pub log_level: Option<String>,
    /// How log lines look on stderr.
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
    /// The address to listen on; wins over the configuration.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

/// See [`Run::log_format`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum LogFormat {
    /// Human on a terminal, logfmt otherwise, journal priorities under systemd.
    Auto,
    /// `key=value` pairs.
    Logfmt,
    /// One JSON object a line.
    Json,
    /// For people.
    Human,
}

/// `components`.
#[derive(ClapArgs, Debug)]
pub struct Components {
    /// Show only this kind, with its settings.
    pub kind: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Format,
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

/// `status`.
#[derive(ClapArgs, Debug)]
pub struct Status {
    /// The daemon.
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Format,
}

/// `check`.
#[derive(ClapArgs, Debug)]
pub struct Check {
    /// What to do with checks.
    #[command(subcommand)]
    pub command: CheckCommand,
}

/// `check …`.
#[derive(Subcommand, Debug)]
pub enum CheckCommand {
    /// Run a check now and print what it found; 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
    Run {
        /// The check, such as `http/website`.
        #[arg(required_unless_present = "all")]
        name: Option<String>,
        /// Run every check.
        #[arg(long)]
        all: bool,
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Suspend a check; kept across restarts.
    Pause {
        /// The check.
        name: String,
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Check rule files as the daemon would read them; 0 good, 1 mistakes, 3 findings with `--lint-fatal`.
    Rules(CheckRules),
    /// Let a suspended check run again.
    Resume {
        /// The check.
        name: String,
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
}

/// `check rules`.
#[derive(ClapArgs, Debug)]
pub struct CheckRules {
    /// The rule files; standard input if none is named.
    pub files: Vec<PathBuf>,
    /// What to look for besides mistakes.
    #[arg(long, value_enum, default_value = "duplicate-rules")]
    pub lint: Lint,
    /// End with code 3 if there are findings.
    #[arg(long)]
    pub lint_fatal: bool,
}

/// See [`CheckRules::lint`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Lint {
    /// Everything there is.
    All,
    /// Rules with the same name and labels.
    DuplicateRules,
    /// Nothing.
    None,
}

/// `test …`.
#[derive(Subcommand, Debug)]
pub enum TestCommand {
    /// Run unit tests of rules, in the file format of promtool; 0 if all pass.
    Rules(TestRules),
}

/// `test rules`.
#[derive(ClapArgs, Debug)]
pub struct TestRules {
    /// The files with tests.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Only tests whose name matches this pattern.
    #[arg(long, value_name = "PATTERN")]
    pub run: Option<String>,
}

/// `rules …`.
#[derive(Subcommand, Debug)]
pub enum RulesCommand {
    /// Say when each alert would have fired on stored history.
    Backtest(Backtest),
}

/// `rules backtest`.
#[derive(ClapArgs, Debug)]
pub struct Backtest {
    /// The rule files.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// How far to look back, such as `30d`.
    #[arg(long, value_name = "DURATION")]
    pub since: String,
    /// Look up to this time instead of now: seconds since the epoch or RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// How often groups without an interval of their own are evaluated; 15s if not said.
    #[arg(long, value_name = "DURATION")]
    pub interval: Option<String>,
    /// Read this data directory, which no daemon may have open, instead of asking the daemon.
    #[arg(long, value_name = "DIRECTORY")]
    pub data: Option<PathBuf>,
    /// The daemon.
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Format,
}

/// `breaker`.
#[derive(ClapArgs, Debug)]
pub struct Breaker {
    /// What to do with breakers.
    #[command(subcommand)]
    pub command: BreakerCommand,
}

/// `breaker …`.
#[derive(Subcommand, Debug)]
pub enum BreakerCommand {
    /// List breakers with their states.
    List {
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// Close a breaker and forget its window.
    Reset(BreakerTarget),
    /// Open a breaker; it probes again after its open time.
    Open(BreakerTarget),
    /// Close a breaker.
    Close(BreakerTarget),
    /// Open a breaker and keep it open until it is released.
    Hold(BreakerTarget),
    /// End a hold.
    Release(BreakerTarget),
}

/// Which breaker, and why.
#[derive(ClapArgs, Debug)]
pub struct BreakerTarget {
    /// The breaker, such as `http/website`.
    pub name: String,
    /// Why, for the audit log.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// The daemon.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// `notify`.
#[derive(ClapArgs, Debug)]
pub struct Notify {
    /// What to do.
    #[command(subcommand)]
    pub command: NotifyCommand,
}

/// `notify …`.
#[derive(Subcommand, Debug)]
pub enum NotifyCommand {
    /// Send a firing and a resolved test message to every integration of a receiver.
    Test {
        /// The receiver's name.
        receiver: String,
        /// Which configuration; the running daemon is not needed.
        #[command(flatten)]
        files: ConfigFiles,
    },
}

/// `silence`.
#[derive(ClapArgs, Debug)]
pub struct Silence {
    /// What to do.
    #[command(subcommand)]
    pub command: SilenceCommand,
}

/// `silence …`.
#[derive(Subcommand, Debug)]
pub enum SilenceCommand {
    /// Silence alerts: all matchers must hold; prints the silence's id.
    Add(SilenceAdd),
    /// List silences in force and to come.
    List {
        /// Those that are over too.
        #[arg(long)]
        expired: bool,
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// End silences now.
    Expire {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
}

/// `silence add`.
#[derive(ClapArgs, Debug)]
pub struct SilenceAdd {
    /// Matchers such as `check=http/web` or `alertname=~"Disk.*"`.
    #[arg(required = true)]
    pub matchers: Vec<String>,
    /// How long it holds from its start.
    #[arg(long, short, default_value = "1h")]
    pub duration: String,
    /// When it begins, as RFC 3339; by default now.
    #[arg(long)]
    pub start: Option<String>,
    /// When it ends, as RFC 3339; wins over `--duration`.
    #[arg(long)]
    pub end: Option<String>,
    /// Why.
    #[arg(long, short)]
    pub comment: String,
    /// Who; by default the user's name.
    #[arg(long, env = "USER", default_value = "")]
    pub author: String,
    /// Hold only inside windows that open by this schedule (`0 2 * * sun`) until the end.
    #[arg(long, value_name = "CRON", requires = "window")]
    pub schedule: Option<String>,
    /// How long each window stays open.
    #[arg(long, value_name = "DURATION", requires = "schedule")]
    pub window: Option<String>,
    /// The time zone of the schedule.
    #[arg(long, value_name = "ZONE", requires = "schedule", default_value = "UTC")]
    pub zone: String,
    /// The daemon.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// `alert`.
#[derive(ClapArgs, Debug)]
pub struct Alert {
    /// What to do.
    #[command(subcommand)]
    pub command: AlertCommand,
}

/// `alert …`.
#[derive(Subcommand, Debug)]
pub enum AlertCommand {
    /// List firing alerts, those that are kept quiet too.
    List {
        /// Matchers that must hold.
        matchers: Vec<String>,
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// Acknowledge an alert: it is not repeated and does not escalate until it ends.
    Ack {
        /// Its fingerprint, as `alert list` shows it.
        fingerprint: String,
        /// What to say.
        #[arg(long, short, default_value = "")]
        comment: String,
        /// Who; by default the user's name.
        #[arg(long, env = "USER", default_value = "")]
        author: String,
        /// Take the acknowledgement back.
        #[arg(long)]
        undo: bool,
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
}

/// `explain`.
#[derive(ClapArgs, Debug)]
pub struct Explain {
    /// Which alert: matchers such as `check=http/web` or `alertname=DiskFull`.
    #[arg(required = true)]
    pub labels: Vec<String>,
    /// From when on the ledger is read, as RFC 3339; by default the last 24 hours.
    #[arg(long)]
    pub since: Option<String>,
    /// The daemon.
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Format,
}

/// `routes`.
#[derive(ClapArgs, Debug)]
pub struct Routes {
    /// What to do.
    #[command(subcommand)]
    pub command: RoutesCommand,
}

/// `routes …`.
#[derive(Subcommand, Debug)]
pub enum RoutesCommand {
    /// Draw the routing tree of a configuration; the running daemon is not needed.
    Show {
        /// Which configuration.
        #[command(flatten)]
        files: ConfigFiles,
    },
    /// Say who would be told of an alert with these labels, and when; the running daemon is not needed.
    Test {
        /// `label=value` pairs.
        #[arg(required = true)]
        labels: Vec<String>,
        /// End with code 1 unless exactly these receivers would be told, comma-separated, in order.
        #[arg(long, value_name = "RECEIVERS", value_delimiter = ',')]
        verify: Vec<String>,
        /// Which configuration.
        #[command(flatten)]
        files: ConfigFiles,
    },
}

/// `query`.
#[derive(ClapArgs, Debug)]
pub struct Query {
    /// The expression.
    pub expr: String,
    /// At this time instead of now: seconds since the epoch or RFC 3339.
    #[arg(long)]
    pub time: Option<String>,
    /// Over this span up to now (or `--time`), such as `1h`.
    #[arg(long, value_name = "DURATION")]
    pub range: Option<String>,
    /// The step of a range; by default a sixtieth of it.
    #[arg(long, value_name = "DURATION", requires = "range")]
    pub step: Option<String>,
    /// The daemon.
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Format,
}

/// `completions`.
#[derive(ClapArgs, Debug)]
pub struct Completions {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(ClapArgs, Debug)]
pub struct Man {
    /// The directory to write to.
    pub directory: PathBuf,
}

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
