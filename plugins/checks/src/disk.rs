//! The `disk` check: how full the file systems are, in bytes and in inodes.
//!
//! The kernel may block for ever on a dead network mount, so it is asked on a thread of its own, and never asked
//! again while an earlier question is still open: a hung mount costs one thread, not one per run.

mod mounts;
mod usage;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use breakwatch_model::{CheckFailure, FailureReason, Labels, MetricFamily};
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, Diagnostics, Field, Levels, Node, Recorder, Section, Unit,
    format_bytes,
};
use sysinfo::{DiskRefreshKind, Disks};

use crate::host::{internal, judge_named, read};
use crate::settings;
use mounts::Mount;
use usage::Usage;

/// The row in the table of checks.
pub(crate) const ENTRY: CheckEntry = CheckEntry {
    key: "disk",
    summary: "Measures how full the file systems of this host are.",
    fields: FIELDS,
    local: true,
    parse,
};

const FIELDS: &[Field] = &[
    Field {
        name: "mount",
        kind: "path",
        default: "",
        help: "A mount point; the check fails if nothing is mounted there. Without `mount` and `path` every real \
               file system of the host is measured and the fullest is judged.",
    },
    Field {
        name: "path",
        kind: "path",
        default: "",
        help: "Any path: the file system it lies in is measured.",
    },
    Field {
        name: "used",
        kind: "levels of a share",
        default: "",
        help: "Limits on the share of space in use, as df prints it: `{ degraded: 85%, unhealthy: 95% }`.",
    },
    Field {
        name: "inodes",
        kind: "levels of a share",
        default: "",
        help: "Limits on the share of inodes in use, where the file system has a limit.",
    },
    Field {
        name: "available",
        kind: "levels of a size",
        default: "",
        help: "Limits on the space everyone can have: `{ below: true, unhealthy: 5GB }`.",
    },
    Field {
        name: "writable",
        kind: "`true` or `false`",
        default: "false",
        help: "Whether a file system mounted read-only is a failure, as it is after a disk error.",
    },
];

fn parse(node: &Node, _: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    settings::read(node, diagnostics, |section| {
        let place = read_place(section);
        let (used, inodes) = (section.levels("used", Unit::Ratio), section.levels("inodes", Unit::Ratio));
        let available = section.levels("available", Unit::Bytes);
        if available.is_some_and(|levels| !levels.below) {
            section.error_at("available", "less is worse here: say `below: true`");
        }
        let writable = section.bool("writable").unwrap_or(false);
        Some(Disk { place, used, inodes, available, writable, asking: Arc::default() })
    })
}

fn read_place(section: &mut Section<'_>) -> Place {
    let absolute = |text: &str| match text.starts_with('/') {
        true => Ok(text.to_owned()),
        false => Err("an absolute path".to_owned()),
    };
    let mount = section.parse("mount", absolute);
    let path = section.parse("path", absolute);
    if mount.is_some() && path.is_some() {
        section.error_at("path", "either `mount` or `path`, not both");
    }
    match (mount, path) {
        (Some(mount), _) => Place::Mount(mount),
        (None, Some(path)) => Place::Path(path),
        (None, None) => Place::All,
    }
}

/// What is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    Mount(String),
    Path(String),
    All,
}

struct Disk {
    place: Place,
    used: Option<Levels>,
    inodes: Option<Levels>,
    available: Option<Levels>,
    writable: bool,
    /// Whether a question to the kernel is still open.
    asking: Arc<AtomicBool>,
}

/// Clears the flag when the thread that asks is done, however it ends.
struct Asking(Arc<AtomicBool>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[async_trait]
impl Check for Disk {
    async fn run(&self, _: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        if self.asking.swap(true, Ordering::AcqRel) {
            let message = format!("{} has not answered since an earlier run", self.target());
            return Err(CheckFailure::new(FailureReason::Timeout, message));
        }
        let asking = Asking(Arc::clone(&self.asking));
        let place = self.place.clone();
        let question = tokio::task::spawn_blocking(move || {
            let _asking = asking;
            measure(&place)
        });
        let found = question.await.map_err(|_| internal("the measuring thread ended early".to_owned()))??;
        self.record(&found, rec)
    }

    fn target(&self) -> String {
        match &self.place {
            Place::Mount(place) | Place::Path(place) => place.clone(),
            Place::All => "disks".to_owned(),
        }
    }
}

/// Asks the kernel about every file system meant.
fn measure(place: &Place) -> Result<Vec<(Mount, Usage)>, CheckFailure> {
    let table = mounts::parse(&read("/proc/self/mounts")?);
    let meant: Vec<Mount> = match place {
        Place::Mount(point) => {
            let point = if point == "/" { point } else { point.trim_end_matches('/') };
            let found = table.into_iter().find(|mount| mount.point == *point);
            let not_mounted = || failed(format!("nothing is mounted on {point}"));
            vec![found.ok_or_else(not_mounted)?]
        }
        Place::Path(path) => {
            let real = Path::new(path).canonicalize().map_err(|error| unusable(path, &error))?;
            let found = mounts::holding(&table, &real.to_string_lossy()).cloned();
            vec![found.ok_or_else(|| internal(format!("{path} lies in no mount of the table")))?]
        }
        Place::All => real_file_systems(&table)?,
    };
    let several = meant.len() > 1;
    let mut found = Vec::with_capacity(meant.len());
    for mount in meant {
        match Usage::of(&mount.point) {
            Ok(usage) => found.push((mount, usage)),
            // Another user's mount may be closed to us; it does not spoil the others.
            Err(_) if several => {}
            Err(errno) => return Err(unusable(&mount.point, &errno.into())),
        }
    }
    Ok(found)
}

/// The file systems sysinfo counts as disks, each device once, at its shortest mount point.
fn real_file_systems(table: &[Mount]) -> Result<Vec<Mount>, CheckFailure> {
    let disks = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing())
        .map_err(|error| internal(format!("listing the disks: {error:?}")))?;
    let mut found: Vec<Mount> = Vec::new();
    for disk in disks.iter() {
        let point = disk.mount_point().to_string_lossy();
        let Some(mount) = table.iter().find(|mount| mount.point == point) else { continue };
        match found.iter_mut().find(|known| known.device == mount.device) {
            Some(known) if known.point.len() > mount.point.len() => *known = mount.clone(),
            Some(_) => {}
            None => found.push(mount.clone()),
        }
    }
    if found.is_empty() {
        return Err(internal("the system shows no disks".to_owned()));
    }
    Ok(found)
}

fn failed(message: String) -> CheckFailure {
    CheckFailure::new(FailureReason::Assertion, message)
}

fn unusable(path: &str, error: &std::io::Error) -> CheckFailure {
    crate::net::from_io(error, FailureReason::Assertion, path)
}

impl Disk {
    fn record(&self, found: &[(Mount, Usage)], rec: &mut Recorder) -> Result<(), CheckFailure> {
        record_families(found, rec);
        let worst = |ratio: fn(&Usage) -> Option<f64>| {
            let measured = found.iter().filter_map(|(mount, usage)| Some((mount, usage, ratio(usage)?)));
            measured.max_by(|a, b| a.2.total_cmp(&b.2))
        };
        if let Some((mount, usage, ratio)) = worst(|usage| Some(usage.used_ratio())) {
            rec.fact("fullest", describe(mount, usage));
            if let Some(levels) = &self.used {
                judge_named(rec, "used", &mount.point, ratio, levels);
            }
        }
        if let (Some(levels), Some((mount, _, ratio))) = (&self.inodes, worst(Usage::inodes_ratio)) {
            judge_named(rec, "inodes", &mount.point, ratio, levels);
        }
        let least = found.iter().min_by(|a, b| a.1.available.total_cmp(&b.1.available));
        if let (Some(levels), Some((mount, usage))) = (&self.available, least) {
            judge_named(rec, "available", &mount.point, usage.available, levels);
        }
        match found.iter().find(|(_, usage)| self.writable && usage.read_only) {
            Some((mount, _)) => Err(failed(format!("{} is mounted read-only", mount.point))),
            None => Ok(()),
        }
    }
}

fn describe(mount: &Mount, usage: &Usage) -> String {
    let inodes =
        usage.inodes_ratio().map_or_else(String::new, |ratio| format!(", {:.1}% of inodes", ratio * 100.0));
    format!(
        "{} ({} on {}): {:.1}% of {}{inodes}, {} available",
        mount.point,
        mount.fstype,
        mount.device,
        usage.used_ratio() * 100.0,
        format_bytes(usage.size),
        format_bytes(usage.available)
    )
}

fn record_families(found: &[(Mount, Usage)], rec: &mut Recorder) {
    type Figure = fn(&Usage) -> Option<f64>;
    let figures: [(&'static str, &str, &str, Figure); 8] = [
        ("node_filesystem_size_bytes", "bytes", "Size of the file system.", |u| Some(u.size)),
        ("node_filesystem_free_bytes", "bytes", "Free space, that reserved for root included.", |u| {
            Some(u.free)
        }),
        ("node_filesystem_avail_bytes", "bytes", "Space everyone can have.", |u| Some(u.available)),
        ("node_filesystem_files", "", "Inodes of the file system.", |u| Some(u.files)),
        ("node_filesystem_files_free", "", "Free inodes.", |u| Some(u.files_free)),
        ("node_filesystem_readonly", "", "Whether it is mounted read-only.", |u| {
            Some(f64::from(u8::from(u.read_only)))
        }),
        ("breakwatch_filesystem_used_ratio", "ratio", "Share of space in use, as df prints it.", |u| {
            Some(u.used_ratio())
        }),
        ("breakwatch_filesystem_inodes_used_ratio", "ratio", "Share of inodes in use.", Usage::inodes_ratio),
    ];
    for (name, unit, help, figure) in figures {
        let mut family = MetricFamily::gauge(name, unit, help);
        for (mount, usage) in found {
            let labels = Labels::from_pairs([
                ("device", mount.device.as_str()),
                ("fstype", mount.fstype.as_str()),
                ("mountpoint", mount.point.as_str()),
            ]);
            if let Some(value) = figure(usage) {
                family.push(labels, value);
            }
        }
        rec.family(family);
    }
}

#[cfg(test)]
mod tests {
    use breakwatch_plugin_api::Level;
    use serde_json::json;

    use super::*;
    use crate::testing::{build, mistakes, run, run_with};

    fn mount(point: &str) -> Mount {
        Mount { device: format!("/dev/{}", point.len()), point: point.to_owned(), fstype: "ext4".to_owned() }
    }

    const HALF: Usage =
        Usage { size: 100e9, free: 50e9, available: 50e9, files: 100.0, files_free: 5.0, read_only: false };

    fn disk(writable: bool) -> Disk {
        let levels = Levels {
            unit: Unit::Ratio,
            degraded: Some(0.6),
            unhealthy: Some(0.9),
            below: false,
            recover: 0.0,
        };
        Disk {
            place: Place::All,
            used: Some(levels),
            inodes: Some(levels),
            available: None,
            writable,
            asking: Arc::default(),
        }
    }

    #[test]
    fn the_fullest_is_judged_and_named() {
        let fuller = Usage { free: 20e9, available: 20e9, files_free: 90.0, read_only: true, ..HALF };
        let found = [(mount("/"), HALF), (mount("/srv"), fuller)];
        let mut rec = Recorder::default();
        disk(false).record(&found, &mut rec).unwrap();
        let messages: Vec<&str> = rec.judgements.iter().map(|judged| judged.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "/srv: used is 80.0%, at or over the limit of 60.0%",
                "/: inodes is 95.0%, at or over the limit of 90.0%",
            ]
        );
        assert_eq!(rec.judgements[0].level, Level::Degraded);
        let mut rec = Recorder::default();
        let failure = disk(true).record(&found, &mut rec).unwrap_err();
        assert_eq!(failure.to_string(), "/srv is mounted read-only (assertion)");
    }

    #[tokio::test]
    async fn the_root_of_this_host_is_measured_as_df_does() {
        let run = run_with(&ENTRY, &json!({ "mount": "/", "used": { "unhealthy": "100%" } })).await;
        run.succeeded();
        let used = run.rec.families.iter().find(|family| &*family.name == "breakwatch_filesystem_used_ratio");
        let point = &used.unwrap().points[0];
        assert_eq!(point.labels.value("mountpoint"), "/");
        let df = std::process::Command::new("df").args(["--output=pcent", "/"]).output().unwrap();
        let text = String::from_utf8_lossy(&df.stdout);
        let percent: f64 = text.lines().nth(1).unwrap().trim().trim_end_matches('%').parse().unwrap();
        assert!((point.value * 100.0 - percent).abs() <= 2.0, "{} against df's {percent}", point.value);
    }

    #[tokio::test]
    async fn all_disks_and_any_path() {
        let all = run_with(&ENTRY, &json!({})).await;
        all.succeeded();
        assert!(all.fact("fullest").is_some());
        let dir = tempfile::tempdir().unwrap();
        run_with(&ENTRY, &json!({ "path": dir.path() })).await.succeeded();
        let missing = run_with(&ENTRY, &json!({ "path": dir.path().join("missing") })).await;
        assert_eq!(missing.failure().reason, FailureReason::Assertion);
        let unmounted = run_with(&ENTRY, &json!({ "mount": dir.path() })).await;
        let message = format!("nothing is mounted on {}", dir.path().display());
        assert_eq!(unmounted.failure().message, message);
    }

    #[tokio::test]
    async fn a_question_that_is_still_open_is_not_asked_again() {
        let check = disk(false);
        check.asking.store(true, Ordering::Release);
        let hung = run(&check).await;
        assert_eq!(hung.failure().to_string(), "disks has not answered since an earlier run (timeout)");
        check.asking.store(false, Ordering::Release);
        run(&check).await.succeeded();
        assert!(!check.asking.load(Ordering::Acquire), "the flag is cleared after a run");
    }

    #[test]
    fn mistakes_in_the_settings() {
        assert_eq!(
            mistakes(&ENTRY, &json!({ "mount": "srv", "path": "/x", "writable": "maybe" })),
            [
                "mount: expected an absolute path, found \"srv\"",
                "writable: expected `true` or `false`, found \"maybe\""
            ]
        );
        assert_eq!(
            mistakes(&ENTRY, &json!({ "mount": "/", "path": "/x" })),
            ["path: either `mount` or `path`, not both"]
        );
        assert!(build(&ENTRY, &json!({ "mount": "/", "path": null })).is_ok());
    }
}
