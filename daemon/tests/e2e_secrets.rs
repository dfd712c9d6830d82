//! Secrets stay secret: every integration, check and exporter gets a canary for each of its secrets, everything fails in
//! every way at debug level, and then everything the daemon has said or written is searched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;
mod desk;

use std::time::Duration;

use breakwatch_sim::receiver::{Answer, Receiver};
use breakwatch_sim::servers::free_port;
use breakwatch_sim::smtp::{SmtpOptions, SmtpServer};
use common::{Bench, CANARY, Daemon, leaks};
use desk::Desk;

/// Every path that can be read. Those with a name in them are about things of this configuration.
const PATHS: &[&str] = &[
    "/",
    "/ui/overview",
    "/-/healthy",
    "/-/ready",
    "/health",
    "/health/circuit-breakers",
    "/metrics",
    "/api/v1/checks",
    "/api/v1/checks/http/url",
    "/api/v1/checks/database/postgres",
    "/api/v1/events",
    "/api/v1/recovery",
    "/api/v1/explain?alert=BreakerOpen",
    "/api/v1/outbox",
    "/api/v1/ledger",
    "/api/v1/rules",
    "/api/v1/alerts",
    "/api/v1/query?query=%7B__name__%3D~%22.%2B%22%7D",
    "/api/v1/query_range?query=up&start=0&end=1&step=1",
    "/api/v1/series?match[]=%7B__name__%3D~%22.%2B%22%7D",
    "/api/v1/labels",
    "/api/v1/label/target/values",
    "/api/v1/metadata",
    "/api/v1/targets",
    "/api/v1/targets/metadata",
    "/api/v1/scrape_pools",
    "/api/v1/alertmanagers",
    "/api/v1/status/config",
    "/api/v1/status/flags",
    "/api/v1/status/runtimeinfo",
    "/api/v1/status/buildinfo",
    "/api/v1/status/tsdb",
    "/api/v1/status/walreplay",
    "/api/v2/status",
    "/api/v2/receivers",
    "/api/v2/alerts",
    "/api/v2/alerts/groups",
    "/api/v2/silences",
    "/api/resilience/circuit-breakers",
    "/api/resilience/circuit-breakers/http/url",
    "/api/resilience/bulkheads",
    "/api/resilience/dashboard/summary",
];

/// Checks that ask over HTTP: the name, and their settings for a target's address with a secret (`S`).
const TARGETS: [(&str, &str); 4] = [
    ("url", r#"url: "http://me:S@TARGET/a""#),
    ("basic", r#"url: "http://TARGET/b", auth: { basic: { username: me, password: "S" } }"#),
    ("bearer", r#"url: "http://TARGET/c", auth: { bearer: "S" }"#),
    ("header", r#"url: "http://TARGET/d", headers: { X-Api-Key: "S" }"#),
];

struct World {
    targets: Vec<Receiver>,
    collector: Receiver,
    desk: Desk,
    smtp: u16,
}

impl World {
    fn config(&self, logs: &str) -> String {
        let targets = TARGETS.iter().zip(&self.targets).map(|((name, settings), target)| {
            let settings = settings.replace("TARGET", &target.address().to_string());
            format!("  http/{name}: {{ {} }}\n", settings.replace('S', &format!("{CANARY}{name}")))
        });
        let targets: String = targets.collect();
        let collector = self.collector.address();
        let (closed, smtp, desk) = (free_port(), self.smtp, self.desk.sections());
        format!(
            r#"
defaults:
  interval: 1s
  timeout: 900ms
  breaker: {{ failure_threshold: 1, failure_rate: off, open_for: 1s, open_for_max: 1s }}
checks:
{targets}  http/closed: {{ url: "http://me:{CANARY}closed@127.0.0.1:{closed}/" }}
  database/postgres: {{ dsn: "postgres://me:{CANARY}postgres@127.0.0.1:{closed}/x" }}
  database/mysql: {{ dsn: "mysql://me:{CANARY}mysql@127.0.0.1:{closed}/x" }}
  command/env: {{ argv: [sh, -c, "exit 2"], env: {{ TOKEN: "${{env:SECRET}}" }} }}
store: {{ path: data }}
server:
  enable_lifecycle: true
  auth:
    anonymous_read: true
    tokens: [{{ name: ci, token: "{CANARY}token-of-the-api", role: read }}]
    users: {{ ops: {{ password: "{CANARY}user", role: read }} }}
telemetry:
  logs: {{ level: {logs} }}
  otlp:
    endpoint: "http://{collector}"
    protocol: http/protobuf
    headers: {{ Authorization: "Bearer {CANARY}telemetry" }}
    interval: 1s
    metrics: true
exporters:
  otlp_http/main: {{ endpoint: "http://{collector}", compression: none, headers: {{ X-Token: "{CANARY}export" }} }}
alerting:
  route: {{ receiver: all, group_by: [check], group_wait: 0s, group_interval: 1s, repeat_interval: 1h }}
  receivers:
    - name: all
{desk}      email_configs:
        - {{ to: "ops@example.org", from: "w@example.org", smarthost: "127.0.0.1:{smtp}", auth_username: me, auth_password: "{CANARY}smtp", tls_config: {{ insecure_skip_verify: true }}, send_resolved: true }}
        - {{ to: "ops@example.org", from: "w@example.org", smarthost: "127.0.0.1:{closed}", auth_username: me, auth_password: "{CANARY}closed", send_resolved: true }}
      command_configs: [{{ argv: [sh, -c, "echo no >&2; exit 1"], env: {{ TOKEN: "${{env:SECRET}}" }} }}]
      log_configs: [{{}}]
"#
        )
    }
}

impl World {
    /// Targets and receivers answer alike: as careless servers do, with what they were sent.
    fn all_answer(&self, answer: impl Fn(&str) -> Answer) {
        self.desk.answer(&answer);
        for ((name, _), target) in TARGETS.iter().zip(&self.targets) {
            target.always(answer(&format!("{CANARY}{name}")));
        }
    }
}

/// Everything that can be read.
fn read(daemon: &Daemon) -> Vec<(String, String)> {
    let mut texts: Vec<(String, String)> = Vec::new();
    for path in PATHS {
        let (status, body) = daemon.get(path);
        assert!(matches!(status, 200 | 400 | 404 | 503), "{path}: {status} {body}");
        texts.push(((*path).to_owned(), body));
    }
    texts
}

/// What the command line says.
fn commands(bench: &Bench, daemon: &Daemon) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let url = daemon.url.clone();
    for args in [
        &["validate", "--config", "breakwatch.yml"][..],
        &["print-config", "--config", "breakwatch.yml"],
        &["routes", "show", "--config", "breakwatch.yml"],
        &["notify", "test", "all", "--config", "breakwatch.yml"],
        &["explain", "BreakerOpen", "--url", &url],
        &["status", "--url", &url],
    ] {
        let (_, stdout, stderr) = bench.run(args);
        texts.push((args.join(" "), stdout + &stderr));
    }
    texts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_canary_comes_out_anywhere() {
    let options = SmtpOptions {
        starttls: true,
        require_starttls: true,
        user: Some(("me".to_owned(), "another password".to_owned())),
        ..SmtpOptions::default()
    };
    let smtp = SmtpServer::start(options).await.unwrap();
    let mut targets = Vec::new();
    for _ in TARGETS {
        targets.push(Receiver::start().await.unwrap());
    }
    let world = World {
        targets,
        collector: Receiver::start().await.unwrap(),
        desk: Desk::start().await,
        smtp: smtp.as_ref().map_or_else(free_port, |smtp| smtp.port),
    };
    let mut bench = Bench::new("");
    bench.environment.push(("SECRET".to_owned(), format!("{CANARY}environment")));
    bench.write("breakwatch.yml", &world.config("trace"));
    world.all_answer(|secrets| Answer::text(401, &format!("you sent: {secrets}")));
    let daemon = bench.start();
    let mut texts = Vec::new();
    for round in 0..5 {
        let last_error = |daemon: &Daemon| {
            let body = daemon.json("/api/v1/outbox");
            let entries = body["data"]["entries"].as_array().cloned().unwrap_or_default();
            entries.iter().filter(|entry| entry["last_error"].is_string()).count()
        };
        daemon.wait("failed attempts", |daemon| last_error(daemon) >= 30);
        world.all_answer(|secrets| match round {
            0 => Answer::text(400, &format!("too long: {secrets}")),
            1 => Answer::text(404, &format!("not found: {secrets}")),
            2 => Answer::json(500, &format!("{{\"trace\":\"{secrets}\"}}")),
            3 => Answer::ResetAfterRequest,
            _ => Answer::HalfClose,
        });
        // Refused messages wait for minutes; a reload gives them another try, and reads every secret anew.
        assert_eq!(daemon.post("/-/reload", "").0, 200);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        texts = read(&daemon);
        if round % 4 == 0 {
            texts.extend(commands(&bench, &daemon));
        }
        let found = leaks(&bench.path("data"), &texts);
        assert!(found.is_empty(), "{found:#?}");
    }
    assert!(texts.iter().any(|(path, body)| path == "/api/v1/status/config" && body.contains("<secret>")));
    // The secrets were used: the receivers have them.
    for (name, receiver) in world.desk.receivers() {
        let requests = receiver.requests();
        assert!(!requests.is_empty(), "{name} was told");
        let all = requests
            .iter()
            .map(|request| format!("{} {:?} {}", request.path, request.headers, request.text()));
        let all = all.collect::<Vec<_>>().join("\n");
        // Two of them send a digest and base64.
        assert!(all.contains(CANARY) || name == "alertmanager", "{name}: {all:.2000}");
    }
    // The collector gets its own token in a header, and nothing in a body.
    let exported = world.collector.requests();
    assert!(exported.len() > 3, "the collector was told");
    let bodies: Vec<_> = exported.iter().map(|request| (request.path.clone(), request.text())).collect();
    assert_eq!(leaks(&bench.path("data"), &bodies), Vec::<String>::new());
    assert!(daemon.log().len() > 10_000, "the log is one of debug level");
    daemon.kill();
}
