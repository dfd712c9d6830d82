//! The scripted incident: real servers fail, each receiver is told once, and once again when they are repaired,
//! whatever happens to the daemon in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use breakwatch_sim::receiver::{Answer, Receiver, Recorded};
use breakwatch_sim::servers::{Nginx, Postgres};
use breakwatch_sim::smtp::{Mail, SmtpOptions, SmtpServer};
use common::{Bench, Daemon, PATIENCE};

const CHECKS: [&str; 4] = ["http/web", "database/main", "command/job", "memory"];

fn config(
    nginx: &str,
    dsn: &str,
    command: &str,
    slack: &str,
    pagerduty: &str,
    smtp: &str,
    memory: &str,
) -> String {
    format!(
        r##"
defaults: {{ interval: 1s, timeout: 800ms, retry_interval: 300ms, breaker: {{ open_for: 1s, open_for_max: 2s }} }}
checks:
  http/web: {{ url: "{nginx}", runbook_url: "https://runbooks.example/web" }}
  database/main: {{ dsn: "{dsn}", impact: critical }}
  command/job: {{ argv: ["{command}"] }}
  memory: {{ used: {{ unhealthy: "{memory}" }}, start_grace: 0s }}
store: {{ path: data }}
server: {{ enable_lifecycle: true }}
alerting:
  route: {{ receiver: everyone, group_by: [check], group_wait: 0s, group_interval: 1s, repeat_interval: 4h }}
  receivers:
    - name: everyone
      slack_configs: [{{ api_url: "{slack}/slack", channel: "#ops", send_resolved: true }}]
      pagerduty_configs: [{{ url: "{pagerduty}/v2/enqueue", routing_key: "0123456789abcdef0123456789abcdef", send_resolved: true }}]
      email_configs: [{{ to: "ops@example.org", from: "watch@example.org", smarthost: "{smtp}", require_tls: false, send_resolved: true }}]
"##
    )
}

/// The check a message is about, and whether it says firing.
fn told<'a>(texts: impl Iterator<Item = (String, bool)> + 'a) -> BTreeMap<(String, bool), usize> {
    let mut counts = BTreeMap::new();
    for (text, firing) in texts {
        for check in CHECKS.iter().filter(|check| text.contains(**check)) {
            *counts.entry(((*check).to_owned(), firing)).or_default() += 1;
        }
    }
    counts
}

fn pages(requests: &[Recorded]) -> BTreeMap<(String, bool), usize> {
    told(requests.iter().map(|request| {
        let body = request.json();
        (request.text(), body["event_action"] == "trigger")
    }))
}

fn slacks(requests: &[Recorded]) -> BTreeMap<(String, bool), usize> {
    told(requests.iter().map(|request| (request.text(), !request.text().contains("RESOLVED"))))
}

fn mails(mails: &[Mail]) -> BTreeMap<(String, bool), usize> {
    told(mails.iter().map(|mail| {
        let subject = mail.header("Subject").unwrap_or_default();
        (subject.clone() + &mail.text().replace("=\r\n", ""), !subject.contains("RESOLVED"))
    }))
}

fn once_each(firing: bool) -> BTreeMap<(String, bool), usize> {
    CHECKS.iter().map(|check| (((*check).to_owned(), firing), 1)).collect()
}

fn breakers(daemon: &Daemon, state: &str) -> usize {
    let all = daemon.json("/health/circuit-breakers");
    let checks = CHECKS.iter().filter(|check| all["circuit_breakers"][**check]["state"] == state);
    checks.count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_is_told_once_and_once_more_when_it_is_over() {
    let (Some(mut nginx), Some(mut postgres)) = (Nginx::start(), Postgres::start()) else { return };
    let Some(smtp) = SmtpServer::start(SmtpOptions::default()).await.unwrap() else { return };
    let (slack, pagerduty) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    slack.always(Answer::text(200, "ok"));
    pagerduty
        .always(Answer::text(202, r#"{"status":"success","message":"Event processed","dedup_key":"x"}"#));
    nginx.answer(200, "fine");

    let bench = Bench::new("");
    let job = bench.path("job.sh");
    let write_job = |text: &str| {
        let new = bench.path("job.new");
        std::fs::write(&new, text).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(&new, &job).unwrap();
    };
    let (web, dsn) = (nginx.url(), postgres.dsn());
    let write_config = |memory: &str| {
        let smarthost = format!("127.0.0.1:{}", smtp.port);
        let (slack, pagerduty) = (slack.url(""), pagerduty.url(""));
        let (slack, pagerduty) = (slack.trim_end_matches('/'), pagerduty.trim_end_matches('/'));
        let job = job.display().to_string();
        bench.write("breakwatch.yml", &config(&web, &dsn, &job, slack, pagerduty, &smarthost, memory));
    };
    write_job("#!/bin/sh\nexit 0\n");
    write_config("99.9%");
    let daemon = bench.start();
    daemon.wait("everything healthy", |daemon| daemon.json("/health")["overall"] == "healthy");

    // The incident: 500s, a dead database, a command that hangs, memory over its threshold.
    nginx.answer(500, "out of order");
    postgres.stop();
    write_job("#!/bin/sh\nsleep 60\n");
    write_config("0.1%");
    assert_eq!(daemon.post("/-/reload", "").0, 200);
    daemon.wait("four open breakers", |daemon| breakers(daemon, "closed") == 0);

    let firing_pages = pagerduty.wait_for(4, PATIENCE).await.expect("four pages");
    let firing_slacks = slack.wait_for(4, PATIENCE).await.expect("four slack messages");
    let firing_mails = smtp.wait_for(4, PATIENCE).await.expect("four mails");
    assert_eq!(pages(&firing_pages), once_each(true));
    assert_eq!(slacks(&firing_slacks), once_each(true));
    assert_eq!(mails(&firing_mails), once_each(true));
    let about_web = firing_slacks.iter().map(Recorded::text).find(|text| text.contains("http/web")).unwrap();
    for fact in ["status", "500", "https://runbooks.example/web"] {
        assert!(about_web.contains(fact), "{fact}: {about_web}");
    }
    let about_job =
        firing_pages.iter().map(Recorded::text).find(|text| text.contains("command/job")).unwrap();
    assert!(about_job.contains("timeout"), "{about_job}");
    let opened = r#"breakwatch_breaker_transitions_total{from_state="closed",kind="check",name="http/web",to_state="open"}"#;
    assert_eq!(daemon.metric(opened), Some(1.0));

    // Nothing that happens to the daemon now may repeat or lose a message.
    daemon.kill();
    let daemon = bench.start();
    daemon.wait("the breakers as they were", |daemon| breakers(daemon, "closed") == 0);

    // Repair.
    nginx.answer(200, "fine");
    postgres.restart();
    write_job("#!/bin/sh\nexit 0\n");
    write_config("99.9%");
    assert_eq!(daemon.post("/-/reload", "").0, 200);
    daemon.wait("everything healthy again", |daemon| daemon.json("/health")["overall"] == "healthy");

    let all_pages = pagerduty.wait_for(8, PATIENCE).await.expect("eight pages");
    let all_slacks = slack.wait_for(8, PATIENCE).await.expect("eight slack messages");
    let all_mails = smtp.wait_for(8, PATIENCE).await.expect("eight mails");
    // A repeat would come within a group interval or two: give it the chance.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(pagerduty.requests().len(), 8, "a page too many");
    assert_eq!(slack.requests().len(), 8, "a slack message too many");
    assert_eq!(smtp.mails().len(), 8, "a mail too many");
    assert_eq!(pages(&all_pages[4..]), once_each(false));
    assert_eq!(slacks(&all_slacks[4..]), once_each(false));
    assert_eq!(mails(&all_mails[4..]), once_each(false));
    let keys = |requests: &[Recorded]| {
        let mut keys: Vec<String> = requests.iter().map(|r| r.json()["dedup_key"].to_string()).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&firing_pages), keys(&all_pages[4..]), "a resolve must carry the key of its trigger");
    daemon.wait("an empty outbox", |daemon| {
        daemon.json("/api/v1/outbox")["data"]["entries"] == serde_json::json!([])
    });
}
