//! The daemon's own process, in the names Prometheus' client libraries use (`process_*`).

use std::fs;

use breakwatch_model::{Labels, MetricFamily, Timestamp};

/// The size of a memory page and the length of a clock tick on every Linux this runs on; the kernel reports both
/// as constants of its user-space interface.
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_BYTES: f64 = 4096.0;

/// Reads `/proc/self` and gives the `process_*` families; what cannot be read is left out.
#[must_use]
pub fn families(started_at: Timestamp) -> Vec<MetricFamily> {
    let mut families = vec![
        MetricFamily::gauge(
            "process_start_time_seconds",
            "seconds",
            "Start time of the process since the Unix epoch.",
        )
        .with(Labels::empty(), started_at.as_secs_f64()),
    ];
    if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(parse_stat) {
        families.extend(stat);
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        let help = "Number of open file descriptors.";
        let family = MetricFamily::gauge("process_open_fds", "", help);
        families.push(family.with(Labels::empty(), entries.count() as f64));
    }
    if let Some(limit) = fs::read_to_string("/proc/self/limits").ok().as_deref().and_then(parse_max_fds) {
        let help = "Maximum number of open file descriptors.";
        families.push(MetricFamily::gauge("process_max_fds", "", help).with(Labels::empty(), limit));
    }
    families
}

/// CPU time, memory and threads from the text of `/proc/self/stat`.
fn parse_stat(text: &str) -> Option<Vec<MetricFamily>> {
    // The command name is in parentheses and may itself hold spaces and parentheses.
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    let (user, system) = (number(14)?, number(15)?);
    let (threads, virtual_bytes, resident_pages) = (number(20)?, number(23)?, number(24)?);
    let one = |family: MetricFamily, value| family.with(Labels::empty(), value);
    Some(vec![
        one(
            MetricFamily::counter(
                "process_cpu_seconds_total",
                "seconds",
                "Total user and system CPU time spent.",
            ),
            (user + system) / TICKS_PER_SECOND,
        ),
        one(
            MetricFamily::gauge("process_resident_memory_bytes", "bytes", "Resident memory size."),
            resident_pages * PAGE_BYTES,
        ),
        one(
            MetricFamily::gauge("process_virtual_memory_bytes", "bytes", "Virtual memory size."),
            virtual_bytes,
        ),
        one(MetricFamily::gauge("process_threads", "", "Number of operating system threads."), threads),
    ])
}

/// The soft limit of open files from the text of `/proc/self/limits`.
fn parse_max_fds(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_past_a_strange_command_name() {
        let text = "1 (a) b) S 1 1 1 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 7 0 1000 1048576 256 18446744073709551615";
        let families = parse_stat(text).unwrap();
        let value = |name: &str| families.iter().find(|f| &*f.name == name).unwrap().points[0].value;
        assert_eq!(value("process_cpu_seconds_total"), 3.0);
        assert_eq!(value("process_resident_memory_bytes"), 1_048_576.0);
        assert_eq!(value("process_threads"), 7.0);
    }

    #[test]
    fn this_process_has_files_and_memory() {
        let families = families(Timestamp::from_secs(1));
        let value = |name: &str| families.iter().find(|f| &*f.name == name).unwrap().points[0].value;
        assert!(value("process_open_fds") >= 1.0 && value("process_max_fds") >= 1.0);
        assert!(value("process_resident_memory_bytes") > 100_000.0);
    }
}
