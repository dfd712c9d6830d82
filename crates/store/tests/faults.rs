//! Disks that are full, read-only or somebody else's, for real: in a mount namespace of the test's own.
//!
//! Each test is this program called again: inside `unshare`, on a small tmpfs, or as another user. Where that
//! is not allowed the test says so and passes (on CI it fails: there it must be allowed).

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test program")]

mod common;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use breakwatch_model::{
    Appender, Batch, Labels, Metadata, Sample, StateStore, StorageError, Table, Timestamp,
};
use breakwatch_store::{DataDir, StateOptions};
use common::{START, SetClock, Store, samples};

const DIR: &str = "BREAKWATCH_FAULT_DIR";

fn dir_of_child() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

/// Whether namespaces and mounts are allowed here.
fn may_mount() -> bool {
    let tried = Command::new("unshare").args(["-m", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).output();
    let allowed = tried.is_ok_and(|output| output.status.success());
    if !allowed {
        assert!(std::env::var_os("CI").is_none(), "mounts are not allowed here, and this is CI");
        eprintln!(
            "LEFT OUT: mounting in a namespace is not allowed here; the test of this fault did not run"
        );
    }
    allowed
}

/// Runs one of this program's tests on a fresh tmpfs of `size`.
fn on_tmpfs(test: &str, size: &str) -> Output {
    let place = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size={size},mode=0700 tmpfs {dir} && exec {program} {test} --exact --nocapture",
        dir = place.path().display(),
        program = std::env::current_exe().unwrap().display(),
    );
    Command::new("unshare").args(["-m", "sh", "-c", &script]).env(DIR, place.path()).output().unwrap()
}

fn assert_passed(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "the child ran no test");
}

fn try_open(path: &Path, now: i64) -> Result<Store, StorageError> {
    common::try_open(path, now, StateOptions::default().reserve)
}

/// What a store goes through here.
trait Life {
    fn step(&self, step: i64) -> (bool, bool);
    fn samples(&self) -> usize;
}

impl Life for Store {
    /// A step of life: samples, a tick, a round of maintenance, a commit. Gives whether history and state
    /// took it.
    fn step(&self, step: i64) -> (bool, bool) {
        let t = START + step * 5_000;
        self.clock.set(t);
        for series in 0..20 {
            let labels = Labels::from_pairs([("__name__", format!("m{series}")), ("check", "a".to_owned())]);
            let reference = self.history.resolve(&labels, &Metadata::default());
            let value = (step * 31 + series) as f64 / 7.0;
            let _ = self.history.append(&[(reference, Sample::new(Timestamp(t), value))]);
        }
        let ticked = self.history.tick().is_ok();
        let _ = self.history.maintain();
        let mut batch = Batch::new();
        batch.put(Table::Outbox, (step % 20).to_string(), vec![b'x'; 800]);
        batch.append(Table::Ledger, Timestamp(t), vec![b'l'; 200]);
        (ticked, self.state.commit(batch).is_ok())
    }

    fn samples(&self) -> usize {
        samples(&self.history).len()
    }
}

#[test]
fn full_disk() {
    if may_mount() {
        assert_passed(&on_tmpfs("full_disk_child", "32m"));
    }
}

#[test]
fn full_disk_child() {
    let Some(path) = dir_of_child() else { return };
    let store = try_open(&path.join("data"), START).unwrap();
    for step in 0..500 {
        assert_eq!(store.step(step), (true, true), "step {step}");
    }
    // Somebody fills the disk to the last byte.
    let filler = path.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    let block = vec![1_u8; 64 << 10];
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
    while std::io::Write::write_all(&mut file, &[1]).is_ok() {}
    let mut refused = 0;
    for step in 500..3000 {
        let (ticked, committed) = store.step(step);
        assert!(committed, "state must go on, step {step}");
        refused += usize::from(!ticked);
    }
    assert!(refused > 100 && store.history.is_degraded(), "{refused} ticks refused");
    assert_eq!(store.samples(), 3000 * 20, "queries go on from memory");
    assert!(store.state.stats().commits >= 3000);
    // The disk is freed; nothing is restarted.
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    for step in 3000..3100 {
        assert_eq!(store.step(step), (true, true), "step {step}");
    }
    assert!(!store.history.is_degraded());
    let incidents = store.dir.incidents().since(0);
    assert!((1..10).contains(&incidents.len()), "{incidents:?}");
    store.history.close().unwrap();
    store.state.close().unwrap();
    drop(store);
    let store = try_open(&path.join("data"), START + 3100 * 5_000).unwrap();
    assert_eq!(store.samples(), 3100 * 20, "nothing was lost");
    assert_eq!(store.state.table(Table::Outbox).len(), 20);
    assert_eq!(store.dir.incidents().since(0), []);
}

#[test]
fn no_inodes_left() {
    if may_mount() {
        assert_passed(&on_tmpfs("no_inodes_child", "32m,nr_inodes=200"));
    }
}

/// There is space, but no new file can be made.
#[test]
fn no_inodes_child() {
    let Some(path) = dir_of_child() else { return };
    let store = try_open(&path.join("data"), START).unwrap();
    for step in 0..500 {
        assert_eq!(store.step(step), (true, true), "step {step}");
    }
    let filler = path.join("filler");
    std::fs::create_dir(&filler).unwrap();
    let mut files = 0;
    while std::fs::File::create(filler.join(files.to_string())).is_ok() {
        files += 1;
    }
    let mut refused = 0;
    for step in 500..1500 {
        let (ticked, committed) = store.step(step);
        assert!(committed, "state must go on in the files it has, step {step}");
        refused += usize::from(!ticked);
    }
    assert!(files > 10 && refused > 100 && store.history.is_degraded(), "{refused} ticks refused");
    assert_eq!(store.samples(), 1500 * 20, "queries go on from memory");
    std::fs::remove_dir_all(&filler).unwrap();
    for step in 1500..1600 {
        assert_eq!(store.step(step), (true, true), "step {step}");
    }
    assert!(!store.history.is_degraded());
    store.history.close().unwrap();
    drop(store);
    let store = try_open(&path.join("data"), START + 1600 * 5_000).unwrap();
    assert_eq!(store.samples(), 1600 * 20, "nothing was lost");
}

#[test]
fn read_only_file_system() {
    if may_mount() {
        assert_passed(&on_tmpfs("read_only_child", "32m"));
    }
}

fn run(program: &str, args: &[&str], path: &Path) {
    let status = Command::new(program).args(args).arg(path).status().unwrap();
    assert!(status.success(), "{program} {args:?} {}", path.display());
}

/// Lays a read-only view over a directory. Files that are open stay writable, as they do when the kernel
/// turns a failing disk read-only under pages that are in memory; nothing can be opened or made any more.
fn make_read_only(path: &Path) {
    let text = path.to_str().unwrap();
    run("mount", &["--bind", text], path);
    run("mount", &["-o", "remount,bind,ro"], path);
}

#[test]
fn read_only_child() {
    let Some(root) = dir_of_child() else { return };
    let path = root.join("data");
    let store = try_open(&path, START).unwrap();
    for step in 0..700 {
        assert_eq!(store.step(step), (true, true), "step {step}");
    }
    make_read_only(&path);
    let mut refused = 0;
    for step in 700..2000 {
        let (ticked, committed) = store.step(step);
        assert!(committed, "state must go on in the files it has, step {step}");
        refused += usize::from(!ticked);
    }
    assert!(refused > 100, "{refused} ticks refused");
    assert_eq!(store.samples(), 2000 * 20);
    run("umount", &[], &path);
    for step in 2000..2100 {
        assert_eq!(store.step(step), (true, true), "step {step}");
    }
    assert!(!store.history.is_degraded());
    store.history.close().unwrap();
    drop(store);
    let store = try_open(&path, START + 2100 * 5_000).unwrap();
    assert_eq!(store.samples(), 2100 * 20, "nothing was lost");
    drop(store);
    make_read_only(&path);
    let refused = try_open(&path, START).err().unwrap().to_string();
    assert!(refused.contains("Read-only file system") && refused.contains("data"), "{refused}");
}

/// Calls one of this program's tests as the user `nobody`, who owns nothing.
fn as_nobody(test: &str, path: &Path) -> Option<Output> {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "changing the user is not allowed here, and this is CI");
        eprintln!("LEFT OUT: only root can become another user; the test of a foreign directory did not run");
        return None;
    }
    // The program must be somewhere that user can read.
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for open in [place.path(), &program] {
        Command::new("chmod").arg("755").arg(open).status().unwrap();
    }
    let mut command = Command::new(&program);
    command.args([test, "--exact", "--nocapture"]).env(DIR, path).current_dir("/").uid(65534).gid(65534);
    Some(command.output().unwrap())
}

#[test]
fn a_directory_of_somebody_else() {
    for mode in ["700", "777"] {
        let place = tempfile::tempdir().unwrap();
        Command::new("chmod").arg("755").arg(place.path()).status().unwrap();
        let data = place.path().join("data");
        std::fs::create_dir(&data).unwrap();
        Command::new("chmod").arg(mode).arg(&data).status().unwrap();
        if let Some(output) = as_nobody("foreign_child", &data) {
            assert_passed(&output);
            assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0, "nothing was written");
        }
    }
}

#[test]
fn foreign_child() {
    let Some(path) = dir_of_child() else { return };
    let refused = DataDir::open(&path, SetClock::at(START)).unwrap_err().to_string();
    assert!(refused.contains("belongs to user 0") || refused.contains("Permission denied"), "{refused}");
    assert!(refused.contains("data"), "{refused}");
}

#[test]
fn a_second_process_is_refused_and_touches_nothing() {
    let place = tempfile::tempdir().unwrap();
    let store = try_open(place.path(), START).unwrap();
    store.step(0);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["second_child", "--exact", "--nocapture"])
        .env(DIR, place.path())
        .output()
        .unwrap();
    assert_passed(&output);
    assert_eq!(store.step(1), (true, true));
}

#[test]
fn second_child() {
    let Some(path) = dir_of_child() else { return };
    match DataDir::open(&path, SetClock::at(START)) {
        Err(StorageError::Locked(message)) => {
            assert!(message.contains("in use by another process (process "), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_are_private() {
    use std::os::unix::fs::MetadataExt;
    fn walk(path: &Path, each: &mut dyn FnMut(&Path, u32)) {
        for entry in std::fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            each(&entry.path(), entry.metadata().unwrap().mode() & 0o777);
            if entry.metadata().unwrap().is_dir() {
                walk(&entry.path(), each);
            }
        }
    }
    let place = tempfile::tempdir().unwrap();
    let store = try_open(&place.path().join("data"), START).unwrap();
    for step in 0..1000 {
        store.step(step);
    }
    assert!(store.history.stats().hot_chunks > 0);
    let mut seen = 0;
    walk(place.path(), &mut |path, mode| {
        seen += 1;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    });
    assert!(seen > 10);
}

#[test]
fn a_planted_link_is_not_followed() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    drop(try_open(&data, START).unwrap());
    let target = place.path().join("precious");
    std::fs::write(&target, "precious").unwrap();
    std::fs::remove_file(data.join("series.log")).unwrap();
    std::os::unix::fs::symlink(&target, data.join("series.log")).unwrap();
    assert!(try_open(&data, START).is_err());
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
}

#[test]
fn a_newer_format_is_refused_untouched() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("FORMAT"), "breakwatch-store 99\n").unwrap();
    let refused = try_open(place.path(), START).err().unwrap().to_string();
    assert!(refused.contains("newer release (format 99"), "{refused}");
    assert_eq!(std::fs::read_to_string(place.path().join("FORMAT")).unwrap(), "breakwatch-store 99\n");
}
