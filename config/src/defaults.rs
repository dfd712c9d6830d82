//! What applies to every check that does not say otherwise.

use std::path::PathBuf;
use std::time::Duration;

use breakwatch_model::Labels;
use breakwatch_plugin_api::Section;

use crate::breaker::BreakerSettings;
use crate::probing::ProbeWhenOpen;
use crate::values;

/// Where a command without a slash is looked for: the usual directories and those of Nagios plugins. Fixed,
/// so that the daemon's own environment cannot change what is run.
const COMMAND_PATH: [&str; 8] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/lib/nagios/plugins",
    "/usr/lib/monitoring-plugins",
];

/// How often a check runs.
pub(crate) const INTERVAL: Duration = Duration::from_secs(30);

/// How long one run may take, where the interval is not shorter.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Settings under `defaults`.
#[derive(Clone, Debug, PartialEq)]
pub struct Defaults {
    /// How often a check runs.
    pub interval: Duration,
    /// How long one run may take; a check with a shorter interval gets its interval.
    pub timeout: Duration,
    /// Labels of every check's series and alerts; a check's own win.
    pub labels: Labels,
    /// How often a failing run is repeated before it counts.
    pub retries: u32,
    /// How long to wait before such a repetition; a check with a shorter interval gets its interval.
    pub retry_interval: Duration,
    /// How long after its first start a check may fail without counting.
    pub start_grace: Duration,
    /// How checks are probed while their breaker is open; `None` leaves it to the kind.
    pub probe_when_open: Option<ProbeWhenOpen>,
    /// Breaker settings every check starts from.
    pub breaker: BreakerSettings,
    /// Where commands without a slash are looked for.
    pub command_path: Vec<PathBuf>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            interval: INTERVAL,
            timeout: TIMEOUT,
            labels: Labels::empty(),
            retries: 0,
            retry_interval: TIMEOUT,
            start_grace: Duration::ZERO,
            probe_when_open: None,
            breaker: BreakerSettings::default(),
            command_path: COMMAND_PATH.iter().map(PathBuf::from).collect(),
        }
    }
}

impl Defaults {
    pub(crate) fn read(section: Option<Section<'_>>) -> Self {
        let mut read = Self::default();
        let Some(mut section) = section else { return read };
        read.interval = values::interval(&mut section, "interval").unwrap_or(read.interval);
        let timeout = values::timeout(&mut section, "timeout");
        if timeout.is_some_and(|timeout| timeout > read.interval) {
            section.error_at("timeout", values::timeout_too_long(read.interval));
        }
        read.timeout = timeout.unwrap_or(read.timeout.min(read.interval));
        read.labels = values::labels(&mut section, "labels");
        read.retries = values::retries(&mut section).unwrap_or(read.retries);
        read.retry_interval =
            values::retry_interval(&mut section).unwrap_or(read.retry_interval.min(read.interval));
        read.start_grace = values::start_grace(&mut section).unwrap_or(read.start_grace);
        read.probe_when_open = section.choice("probe_when_open", &ProbeWhenOpen::CHOICES);
        if let Some(breaker) = section.section("breaker") {
            read.breaker = BreakerSettings::read(breaker);
        }
        if let Some(path) = section.strings("command_path") {
            read.command_path = path.into_iter().map(PathBuf::from).collect();
            if read.command_path.iter().any(|dir| !dir.is_absolute()) {
                section.error_at("command_path", "expected absolute directories");
            }
        }
        section.finish();
        read
    }
}
