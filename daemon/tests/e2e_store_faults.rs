//! A data directory whose disk is full, read-only or somebody else's, and one with damage in it: history degrades,
//! pages go on, and the daemon recovers without a restart.
//!
//! What needs a mount is this program called again in a mount namespace of its own; where that is not allowed the
//! test says what was left out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test in real time, with figures to show"
)]

mod common;
mod remote;

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use breakwatch_sim::{left_out, receiver::Receiver, remote_write};
use common::{Bench, Daemon};
use serde_json::json;

/// Set for the program inside the namespace.
const INSIDE: &str = "BREAKWATCH_TEST_NAMESPACE";

/// Space is back: the daemon should be well again within 10 s; a slow machine gets more.
const RECOVERY: Duration = Duration::from_secs(30);

fn config(hook: &Receiver) -> String {
    format!(
        "
defaults: {{ interval: 500ms, timeout: 400ms }}
checks: {{ memory: {{}}, load: {{}} }}
store: {{ path: data, tick: 200ms }}
rules: {{ evaluation_interval: 1s }}
alerting:
  route: {{ receiver: ops, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 4h }}
  receivers: [{{ name: ops, webhook_configs: [{{ url: \"{}\", send_resolved: true }}] }}]
",
        hook.url("/")
    )
}

/// Runs a test of this program in a mount namespace.
fn in_namespace(test: &str) {
    let allowed = Command::new("unshare").args(["-m", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        return left_out("mounts in a namespace (unshare -m, as root)");
    }
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.arg("-m").arg(program).args([test, "--exact", "--nocapture"]).env(INSIDE, "1");
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "the child ran no test");
    print!("{}", text(&output.stdout));
}

fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

fn run(program: &str, args: &[&str], path: &Path) {
    let status = Command::new(program).args(args).arg(path).status().unwrap();
    assert!(status.success(), "{program} {args:?} {}", path.display());
}

/// Puts a tmpfs where the data go.
fn mount(bench: &Bench, options: &str) {
    std::fs::create_dir(bench.path("data")).unwrap();
    run("mount", &["-t", "tmpfs", "-o", &format!("mode=0700,{options}"), "tmpfs"], &bench.path("data"));
}

/// Raises an alert and waits until the receiver was told.
fn page(daemon: &Daemon, hook: &Receiver, name: &str) {
    let alert = json!([{ "labels": { "alertname": name } }]).to_string();
    assert_eq!(daemon.post("/api/v2/alerts", &alert).0, 200, "{}", daemon.log());
    daemon.wait(name, |_| told(hook, name));
}

fn told(hook: &Receiver, name: &str) -> bool {
    hook.requests().iter().any(|request| request.json()["alerts"][0]["labels"]["alertname"] == name)
}

fn degraded(daemon: &Daemon) -> bool {
    daemon.metric("breakwatch_store_degraded") == Some(1.0)
}

fn some_history(daemon: &Daemon) {
    daemon.wait("some history", |daemon| count(daemon) >= 4.0);
}

fn count(daemon: &Daemon) -> f64 {
    daemon.query("count_over_time(probe_success{check=\"memory\"}[10m])").unwrap_or(0.0)
}

/// Waits until history is durable again; prints how long that took.
fn recover(daemon: &Daemon, what: &str) {
    let start = Instant::now();
    daemon.wait("recovery", |daemon| !degraded(daemon));
    let took = start.elapsed();
    println!("{what}: durable again after {:.1} s", took.as_secs_f64());
    assert!(took < RECOVERY, "{took:?}");
}

/// What happened to the store since the daemon started.
fn incidents(daemon: &Daemon) -> f64 {
    let units = ["state", "journal", "wal", "series", "hot", "chunk", "block", "disk"];
    let of = |unit| daemon.metric(&format!("breakwatch_store_incidents_total{{unit=\"{unit}\"}}"));
    units.into_iter().filter_map(of).sum()
}

#[test]
fn full_disk() {
    in_namespace("full_disk_inside");
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_inside() {
    if !inside() {
        return;
    }
    let hook = Receiver::start().await.unwrap();
    let bench = Bench::new(&config(&hook));
    mount(&bench, "size=32m");
    let daemon = bench.start();
    some_history(&daemon);
    // Somebody fills the disk to the last byte.
    let filler = bench.path("data/filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    for block in [vec![1_u8; 64 << 10], vec![1]] {
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
    }
    daemon.wait("history to degrade", degraded);
    let before = count(&daemon);
    page(&daemon, &hook, "WhileFull");
    daemon.wait("checks and queries to go on", |daemon| count(daemon) >= before + 4.0);
    daemon.wait("the daemon's own alert", |daemon| {
        daemon.get("/api/v1/alerts").1.contains("\"alertname\":\"StoreDegraded\"")
    });
    assert_eq!(daemon.metric("breakwatch_state_durable"), Some(1.0), "state has its reserve");
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    recover(&daemon, "disk full");
    page(&daemon, &hook, "Afterwards");
    let all = count(&daemon);
    let (status, _) = daemon.stop();
    assert!(status.success());
    let daemon = bench.start();
    assert!(count(&daemon) >= all, "what was sampled on the full disk is there");
    assert!(incidents(&daemon).abs() < 0.5, "{}", daemon.log());
}

#[test]
fn read_only_while_running() {
    in_namespace("read_only_while_running_inside");
}

/// A view that is read-only laid over the directory: what is open stays writable, nothing new can be made.
#[tokio::test(flavor = "multi_thread")]
async fn read_only_while_running_inside() {
    if !inside() {
        return;
    }
    let hook = Receiver::start().await.unwrap();
    let bench = Bench::new(&config(&hook));
    mount(&bench, "size=64m");
    let data = bench.path("data");
    let daemon = bench.start();
    some_history(&daemon);
    let token = remote::token(&bench);
    run("mount", &["--bind", data.to_str().unwrap()], &data);
    run("mount", &["-o", "remount,bind,ro"], &data);
    // Enough for chunks to be due: two hours of 130 checks.
    let end = remote::now() * 1000;
    for check in 0..130 {
        let name = format!("c{check}");
        let labels = [("__name__", "m"), ("check", name.as_str())];
        let samples = (0..481).map(|n| (end - (480 - n) * 15_000, n as f64));
        let request = remote_write::encode(&[remote_write::Series::new(labels, samples)], &[]);
        let send = || remote::write(&daemon.url, Some(&token), &request).0;
        assert_eq!(std::thread::scope(|scope| scope.spawn(send).join()).unwrap(), 204);
    }
    daemon.wait("history to degrade", degraded);
    page(&daemon, &hook, "WhileReadOnly");
    let sum = "sum(count_over_time(m[3h]))";
    assert_eq!(daemon.query(sum), Some(130.0 * 481.0), "queries are answered from memory");
    run("umount", &[], &data);
    recover(&daemon, "read-only file system");
    let (status, _) = daemon.stop();
    assert!(status.success());
    let daemon = bench.start();
    assert_eq!(daemon.query(sum), Some(130.0 * 481.0), "nothing was lost");
    assert!(incidents(&daemon).abs() < 0.5, "{}", daemon.log());
}

#[test]
fn a_file_system_that_failed() {
    in_namespace("a_file_system_that_failed_inside");
}

/// The kernel turns a failing ext4 read-only under files that are open. Nothing can be written any more, state
/// included; a page must still go out.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_that_failed_inside() {
    if !inside() {
        return;
    }
    let hook = Receiver::start().await.unwrap();
    let door = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let check = format!("tcp/door: {{ address: '{}' }}", door.local_addr().unwrap());
    let bench = Bench::new(&config(&hook).replace("load: {}", &check));
    let (data, image) = (bench.path("data"), bench.path("image"));
    std::fs::create_dir(&data).unwrap();
    std::fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    run("mkfs.ext4", &["-q", "-F"], &image);
    let loop_mount =
        || Command::new("mount").args(["-o", "loop,errors=remount-ro"]).arg(&image).arg(&data).output();
    if !loop_mount().is_ok_and(|output| output.status.success()) {
        println!("LEFT OUT: no loop devices here; the test of a failing file system did not run");
        return;
    }
    let daemon = bench.start();
    some_history(&daemon);
    let source = Command::new("findmnt").args(["-n", "-o", "SOURCE"]).arg(&data).output().unwrap();
    let device = String::from_utf8(source.stdout).unwrap().trim().trim_start_matches("/dev/").to_owned();
    std::fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "1").unwrap();
    daemon.wait("history to degrade", degraded);
    // A check fails, and somebody must be told whatever the disk says.
    drop(door);
    daemon.wait("the page", |_| hook.requests().iter().any(|request| request.text().contains("tcp/door")));
    daemon.wait("the missing durability to show", |daemon| {
        daemon.metric("breakwatch_state_durable") == Some(0.0)
    });
    assert!(count(&daemon) >= 4.0, "queries are answered from memory");
    daemon.kill();
    run("umount", &[], &data);
    let _ = Command::new("e2fsck").args(["-f", "-y"]).arg(&image).output().unwrap();
    assert!(loop_mount().unwrap().status.success());
    let daemon = bench.start();
    assert!(count(&daemon) >= 4.0, "what was durable is there: {}", daemon.log());
    let (status, _) = daemon.stop();
    assert!(status.success());
    run("umount", &[], &data);
}

#[test]
fn read_only_at_start() {
    in_namespace("read_only_at_start_inside");
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_at_start_inside() {
    if !inside() {
        return;
    }
    let hook = Receiver::start().await.unwrap();
    let bench = Bench::new(&config(&hook));
    mount(&bench, "size=32m");
    let daemon = bench.start();
    some_history(&daemon);
    daemon.stop();
    run("mount", &["-o", "remount,ro"], &bench.path("data"));
    let start = Instant::now();
    let (code, _, stderr) = bench.run(&["run", "--config", "breakwatch.yml", "--listen", "127.0.0.1:0"]);
    assert!(code != 0 && stderr.contains("Read-only file system"), "{code}: {stderr}");
    println!("refused a read-only directory in {:.1} s", start.elapsed().as_secs_f64());
    run("mount", &["-o", "remount,rw"], &bench.path("data"));
    let daemon = bench.start();
    assert!(count(&daemon) >= 4.0, "nothing was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_somebody_else() {
    if Command::new("id").arg("-u").output().unwrap().stdout != b"0\n" {
        return left_out("a foreign directory: only root can become another user");
    }
    let hook = Receiver::start().await.unwrap();
    let bench = Bench::new(&config(&hook));
    let data = bench.path("data");
    std::fs::create_dir(&data).unwrap();
    run("chmod", &["755"], bench.dir.path());
    // The program must be somewhere that user can read.
    let program = bench.path("breakwatch");
    let built = env!("CARGO_BIN_EXE_breakwatch");
    if std::fs::hard_link(built, &program).is_err() {
        std::fs::copy(built, &program).unwrap();
    }
    for mode in ["700", "777"] {
        run("chmod", &[mode], &data);
        let mut command = Command::new(&program);
        command.args(["run", "--config", "breakwatch.yml", "--listen", "127.0.0.1:0"]);
        command.current_dir(bench.dir.path()).env_remove("BREAKWATCH_CONFIG").uid(65534).gid(65534);
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{stderr}");
        assert!(stderr.contains("belongs to user 0") || stderr.contains("Permission denied"), "{stderr}");
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0, "nothing was written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_is_refused() {
    let hook = Receiver::start().await.unwrap();
    let bench = Bench::new(&config(&hook));
    let daemon = bench.start();
    let (code, _, stderr) = bench.run(&["run", "--config", "breakwatch.yml", "--listen", "127.0.0.1:0"]);
    let holder = format!("(process {})", daemon.pid());
    assert!(
        code != 0 && stderr.contains("in use by another process") && stderr.contains(&holder),
        "{stderr}"
    );
    some_history(&daemon);
    assert!(incidents(&daemon).abs() < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_set_aside_and_raises_an_alert() {
    let hook = Receiver::start().await.unwrap();
    let bench = Bench::new(&config(&hook));
    let daemon = bench.start();
    some_history(&daemon);
    let before = count(&daemon);
    daemon.kill();
    // A flipped bit early in the log.
    let mut logs: Vec<_> =
        std::fs::read_dir(bench.path("data/wal")).unwrap().map(|e| e.unwrap().path()).collect();
    logs.retain(|path| path.extension().is_some_and(|end| end == "wal"));
    logs.sort();
    let mut bytes = std::fs::read(&logs[0]).unwrap();
    bytes[40] ^= 4;
    std::fs::write(&logs[0], bytes).unwrap();
    let daemon = bench.start();
    assert!(incidents(&daemon) > 0.5, "{}", daemon.log());
    assert!(daemon.log().contains("store_damage"), "{}", daemon.log());
    assert!(count(&daemon) + 2.0 >= before, "one frame is lost at most: {before}");
    daemon.wait("the alert of the damage", |_| told(&hook, "StoreDamageSetAside"));
    let (code, stdout, _) = bench.run(&["store", "info", "data"]);
    assert!(code == 0 && stdout.contains("set aside as damaged"), "{stdout}");
}
