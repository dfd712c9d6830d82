//! Every kind without a file descriptor left: the trouble is ours, and no target may be charged with it.

use std::fs::File;

use breakwatch_model::FailureReason;
use breakwatch_plugin_api::Check;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::CHECKS;
use crate::testing::{build, run, server};

/// Set in the process that starves.
const STARVING: &str = "BREAKWATCH_TEST_STARVING";

/// The limit is one of the whole process, so the test runs in a process of its own.
#[test]
fn without_descriptors_every_kind_says_it_could_not_look() {
    if std::env::var_os(STARVING).is_some() {
        starve();
        return;
    }
    let this = "starved::without_descriptors_every_kind_says_it_could_not_look";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this, "--nocapture"])
        .env(STARVING, "1")
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("starved and recovered"), "{said}");
}

fn starve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let target = server::http(|_| server::ok("ok")).await;
        let checks = checks(&target.address.to_string());
        let hungry = Hungry::new();
        for (name, check) in &checks {
            let run = run(&**check).await;
            assert_eq!(run.failure().reason, FailureReason::Internal, "{name}: {}", run.failure());
        }
        drop(hungry);
        for (name, check) in checks.iter().filter(|(name, _)| !name.starts_with("database")) {
            let run = run(&**check).await;
            assert_eq!(run.result, Some(Ok(())), "{name}");
        }
        println!("starved and recovered");
    });
}

/// Checks of targets that answer, by address and by name.
fn checks(address: &str) -> Vec<(&'static str, Box<dyn Check>)> {
    let port = address.rsplit(':').next().unwrap();
    let settings: [(&str, Value); 10] = [
        ("http", json!({ "url": format!("http://{address}/") })),
        ("http", json!({ "url": format!("http://localhost:{port}/"), "ip_family": "ipv4" })),
        ("command", json!({ "argv": ["true"] })),
        ("database", json!({ "dsn": format!("postgres://u@{address}/x") })),
        ("database", json!({ "dsn": format!("mysql://u@localhost:{port}/x") })),
        ("database", json!({ "dsn": "sqlite:///proc/self/stat" })),
        ("memory", json!({})),
        ("cpu", json!({})),
        ("disk", json!({ "mount": "/" })),
        ("load", json!({})),
    ];
    let build = |(key, settings): (&'static str, Value)| {
        let entry = CHECKS.iter().find(|entry| entry.key == key).unwrap();
        (key, build(entry, &settings).unwrap_or_else(|found| panic!("{found:?}")))
    };
    settings.map(build).into_iter().collect()
}

/// Holds every descriptor the process may have.
struct Hungry {
    _files: Vec<File>,
    limits: (u64, u64),
}

impl Hungry {
    fn new() -> Self {
        let limits = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 256.min(limits.1), limits.1).unwrap();
        let files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        assert!(!files.is_empty() && crate::net::failure::out_of_descriptors());
        Self { _files: files, limits }
    }
}

impl Drop for Hungry {
    fn drop(&mut self) {
        setrlimit(Resource::RLIMIT_NOFILE, self.limits.0, self.limits.1).unwrap();
    }
}
