//! The programs under measurement, each on loopback with an empty store.

use std::path::Path;
use std::process::Command;

use breakwatch_sim::servers::free_port;
use tempfile::TempDir;

use super::super::servers::{READY, Server, directory, put};

/// How the daemon is set up for a single check: every second, tripping on the first failure, recovering on the first
/// success.
const PROMPT: &str = "defaults:
  interval: 1s
  timeout: 1s
  probe_when_open: normal
  breaker: { failure_threshold: 1, failure_rate: off, success_threshold: 1, open_for: 500ms, open_for_max: 500ms }
";

/// Checks: the name, the URL, and the labels as YAML.
pub(super) type Check = (String, String, String);

/// Settings of the daemon under measurement.
pub(super) struct Daemon {
    /// Settings that stand before the checks.
    pub(super) defaults: String,
    /// The checks.
    pub(super) checks: Vec<Check>,
    /// The route, as YAML, without its receiver.
    pub(super) route: String,
    /// Where messages go.
    pub(super) hook: String,
}

impl Daemon {
    /// Checks that are to be told of at once.
    pub(super) fn prompt(checks: Vec<Check>, hook: String) -> Self {
        let route = "group_by: [check], group_wait: 0s, group_interval: 1s, repeat_interval: 1h".to_owned();
        Self { defaults: PROMPT.to_owned(), checks, route, hook }
    }

    /// Starts it.
    pub(super) fn start(&self, binary: &Path) -> Result<Server, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        put(dir.path(), "breakwatch.yml", &self.config())?;
        let port = free_port();
        let mut command = Command::new(binary);
        command.args(["run", "--config", "breakwatch.yml", "--listen", &format!("127.0.0.1:{port}")]);
        Server::start(command, port, dir, READY)
    }

    fn config(&self) -> String {
        let check = |(name, url, labels): &Check| {
            format!("  http/{name}: {{ url: \"{url}\", labels: {{ {labels} }} }}\n")
        };
        let checks: String = self.checks.iter().map(check).collect();
        let (defaults, route, hook) = (&self.defaults, &self.route, &self.hook);
        format!(
            "{defaults}checks:\n{checks}rules: {{ shipped: false }}\nstore: {{ path: data }}\nalerting:\n  \
             route: {{ receiver: hook, {route} }}\n  receivers: [{{ name: hook, webhook_configs: [{{ url: \
             \"{hook}\" }}] }}]\n"
        )
    }
}

/// Debian's Prometheus, blackbox_exporter and Alertmanager, as a team.
pub(super) struct Team {
    _members: [Server; 3],
}

impl Team {
    /// Starts them on these targets, every interval a second, nothing held back.
    pub(super) fn start(targets: &[String], hook: &str) -> Result<Self, String> {
        let [prober, manager, prometheus] = [free_port(), free_port(), free_port()];
        let dir = directory("groups: []\n")?;
        put(dir.path(), "prober.yml", "modules: { http_2xx: { prober: http, timeout: 1s } }\n")?;
        let mut command = Command::new("prometheus-blackbox-exporter");
        command.args(["--config.file=prober.yml", &format!("--web.listen-address=127.0.0.1:{prober}")]);
        let prober_server = Server::start(command, prober, dir, "/-/healthy")?;

        let dir = directory("groups: []\n")?;
        let config = format!(
            "route: {{ receiver: hook, group_by: [instance], group_wait: 0s, group_interval: 1s, \
             repeat_interval: 1h }}\nreceivers: [{{ name: hook, webhook_configs: [{{ url: \"{hook}\", \
             send_resolved: true }}] }}]\n"
        );
        put(dir.path(), "alertmanager.yml", &config)?;
        let mut command = Command::new("prometheus-alertmanager");
        command.args(["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address="]);
        command.arg(format!("--web.listen-address=127.0.0.1:{manager}"));
        let manager_server = Server::start(command, manager, dir, READY)?;

        let rules =
            "groups: [{ name: g, interval: 1s, rules: [{ alert: Down, expr: probe_success == 0 }] }]\n";
        let dir = directory(rules)?;
        put(dir.path(), "prometheus.yml", &scrapes(targets, prober, manager))?;
        let mut command = Command::new("prometheus");
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error"]);
        command.arg(format!("--web.listen-address=127.0.0.1:{prometheus}"));
        let prometheus_server = Server::start(command, prometheus, dir, READY)?;
        Ok(Self { _members: [prometheus_server, manager_server, prober_server] })
    }
}

/// Prometheus' configuration.
fn scrapes(targets: &[String], prober: u16, manager: u16) -> String {
    format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}
rule_files: [rules.yml]
alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ['127.0.0.1:{manager}'] }}] }}] }}
scrape_configs:
  - job_name: probe
    metrics_path: /probe
    params: {{ module: [http_2xx] }}
    static_configs: [{{ targets: {targets:?} }}]
    relabel_configs:
      - {{ source_labels: [__address__], target_label: __param_target }}
      - {{ source_labels: [__param_target], target_label: instance }}
      - {{ target_label: __address__, replacement: '127.0.0.1:{prober}' }}
"
    )
}
