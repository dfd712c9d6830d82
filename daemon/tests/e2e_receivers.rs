//! Receivers on their bad days, with real sockets and a real mail server, through the whole daemon: what passes is tried
//! again under the same name, what does not is said and handed over, and nobody waits for anybody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use breakwatch_model::{Clock as _, SystemClock, Timestamp};
use breakwatch_sim::receiver::{Answer, Receiver, Recorded};
use breakwatch_sim::smtp::{SmtpOptions, SmtpServer};
use common::{Bench, Daemon, PATIENCE};
use serde_json::{Value, json};

/// A daemon without checks: alerts come by the API.
fn config(receivers: &str) -> String {
    format!(
        "
checks: {{ memory: {{ interval: 1h }} }}
rules: {{ shipped: false }}
store: {{ path: data }}
alerting:
  route: {{ receiver: all, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 4h }}
  receivers:
{receivers}"
    )
}

/// Raises an alert, all the same in every way but its name.
fn raise(daemon: &Daemon, name: &str) {
    let alert =
        json!([{ "labels": { "alertname": name, "service": "shop" }, "annotations": { "summary": "down" } }]);
    let (status, body) = daemon.post("/api/v2/alerts", &alert.to_string());
    assert_eq!(status, 200, "{body}");
}

/// What waits, by integration.
fn outbox(daemon: &Daemon) -> BTreeMap<String, Value> {
    let body = daemon.json("/api/v1/outbox");
    let entries = body["data"]["entries"].as_array().cloned().unwrap_or_default();
    entries.into_iter().map(|entry| (entry["integration"].as_str().unwrap().to_owned(), entry)).collect()
}

/// When a message is tried next, in milliseconds.
fn next_attempt(entry: &Value) -> i64 {
    Timestamp::parse_rfc3339(entry["next_attempt_at"].as_str().unwrap()).unwrap().0
}

fn keys(requests: &[Recorded]) -> Vec<&str> {
    requests.iter().map(|request| request.header("idempotency-key").unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_that_passes_delays_one_message_and_nobody_elses() {
    // The fault of the first attempt, and how many requests are read in all: a connection that is reset at once carries
    // none, and a status without the end of its body is an answer.
    let slow = Answer::ByteByByte { body: b"ok".to_vec(), pause: Duration::from_millis(300) };
    let faults = [
        (Answer::ResetOnAccept, 1),
        (Answer::ResetAfterRequest, 2),
        (Answer::HalfClose, 2),
        (Answer::EndlessHeaders, 2),
        (Answer::EndlessBody { status: 500 }, 2),
        (Answer::EndlessBody { status: 200 }, 1),
        (Answer::Hang, 2),
        (slow, 2),
        (Answer::status(500), 2),
        (Answer::status(502), 2),
        (Answer::status(503), 2),
    ];
    let healthy = Receiver::start().await.unwrap();
    let mut receivers = Vec::new();
    let mut webhooks = format!("        - {{ url: \"{}\" }}\n", healthy.url("/"));
    for (fault, requests) in faults {
        let receiver = Receiver::start().await.unwrap();
        receiver.then(fault.clone());
        webhooks.push_str(&format!("        - {{ url: \"{}\", timeout: 1s }}\n", receiver.url("/")));
        receivers.push((fault, requests, receiver));
    }
    let bench = Bench::new(&config(&format!("    - name: all\n      webhook_configs:\n{webhooks}")));
    let daemon = bench.start();
    raise(&daemon, "First");
    let told = healthy.wait_for(1, PATIENCE).await.expect("the healthy one is told");
    assert_eq!(told[0].json()["alerts"][0]["labels"]["alertname"], "First");
    assert!(!outbox(&daemon).is_empty(), "the others take longer, and nobody waited for them");
    daemon.wait("an empty outbox", |daemon| outbox(daemon).is_empty());
    for (fault, wanted, receiver) in &receivers {
        let requests = receiver.requests();
        assert_eq!(requests.len(), *wanted, "{fault:?}: {requests:?}");
        let keys = keys(&requests);
        assert!(keys.iter().all(|key| *key == keys[0]), "{fault:?}: one message, one name: {keys:?}");
        assert!(requests.iter().all(|request| request.body == requests[0].body), "{fault:?}");
    }
    assert_eq!(healthy.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_names_a_time_is_given_it_but_no_more_than_a_quarter_of_an_hour() {
    let date = |seconds: i64| {
        let at = jiff::Timestamp::from_millisecond(SystemClock.now().0 + seconds * 1000).unwrap();
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap()
    };
    let cases = [
        (429, "120".to_owned(), 120),
        (503, "300".to_owned(), 300),
        (429, date(600), 600),
        (503, date(86_400), 900),
        (503, "86400".to_owned(), 900),
    ];
    let mut webhooks = String::new();
    let mut receivers = Vec::new();
    for (status, asked, _) in &cases {
        let receiver = Receiver::start().await.unwrap();
        receiver.always(Answer::status(*status).header("Retry-After", asked));
        webhooks.push_str(&format!("        - {{ url: \"{}\" }}\n", receiver.url("/")));
        receivers.push(receiver);
    }
    let bench = Bench::new(&config(&format!("    - name: all\n      webhook_configs:\n{webhooks}")));
    let daemon = bench.start();
    let before = SystemClock.now();
    raise(&daemon, "Limited");
    let failed = |entry: &Value| entry["last_error"].is_string();
    daemon.wait("five answers", |daemon| outbox(daemon).values().filter(|entry| failed(entry)).count() == 5);
    let after = SystemClock.now();
    let waiting = outbox(&daemon);
    for (number, (status, asked, seconds)) in cases.iter().enumerate() {
        let entry = &waiting[&format!("all/webhook[{number}]")];
        let next = next_attempt(entry);
        // A date has whole seconds and may have been made a while before it was read.
        let earliest = before.0 + (seconds - 60) * 1000;
        let latest = after.0 + seconds * 1000 + 1000;
        assert!((earliest..=latest).contains(&next), "{status} {asked}: {entry}");
    }
    assert!(receivers.iter().all(|receiver| receiver.requests().len() == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_said_handed_over_and_not_repeated() {
    let fallback = Receiver::start().await.unwrap();
    let statuses = [400, 401, 403, 404, 413];
    let mut receivers = Vec::new();
    let mut sections =
        format!("    - {{ name: fallback, webhook_configs: [{{ url: \"{}\" }}] }}\n", fallback.url("/"));
    let mut routes = String::new();
    for status in statuses {
        let receiver = Receiver::start().await.unwrap();
        receiver.always(Answer::text(status, "no such luck"));
        let url = receiver.url("/");
        sections.push_str(&format!(
            "    - {{ name: r{status}, fallback: fallback, fallback_after: 1h, webhook_configs: [{{ url: \"{url}\" }}] }}\n"
        ));
        routes.push_str(&format!("{{ receiver: r{status}, matchers: [alertname=A{status}] }}, "));
        receivers.push((status, receiver));
    }
    let large = Receiver::start().await.unwrap();
    large.then(Answer::status(413));
    sections
        .push_str(&format!("    - {{ name: all, webhook_configs: [{{ url: \"{}\" }}] }}\n", large.url("/")));
    let text = config(&sections).replace("receiver: all,", &format!("receiver: all, routes: [{routes}],"));
    let bench = Bench::new(&text);
    let daemon = bench.start();
    for status in statuses {
        raise(&daemon, &format!("A{status}"));
    }
    raise(&daemon, "Large");
    let told =
        fallback.wait_for(statuses.len(), PATIENCE).await.expect("the fallback receiver is told of each");
    let mut names: Vec<String> = told
        .iter()
        .map(|r| r.json()["alerts"][0]["labels"]["alertname"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["A400", "A401", "A403", "A404", "A413"]);
    let waiting = outbox(&daemon);
    for (status, receiver) in &receivers {
        // Too large may be cured by a shorter message, once; nothing else is by trying.
        let attempts = if *status == 413 { 2 } else { 1 };
        assert_eq!(receiver.requests().len(), attempts, "{status}");
        let entry = &waiting[&format!("r{status}/webhook[0]")];
        let error = entry["last_error"].as_str().unwrap();
        assert!(error.contains(&format!("answered {status}")) && entry["handed_over"] == true, "{entry}");
        assert!(next_attempt(entry) > SystemClock.now().0 + 100_000, "not in a tight loop: {entry}");
    }
    let failed = |reason: &str| {
        let series =
            format!(r#"breakwatch_notifications_failed_total{{integration="webhook",reason="{reason}"}}"#);
        daemon.metric(&series)
    };
    assert_eq!((failed("clientError"), failed("authError")), (Some(3.0), Some(2.0)));
    let requests = large.wait_for(2, PATIENCE).await.expect("a shorter message");
    assert!(requests[1].text().contains("shortened") || requests[1].body.len() <= requests[0].body.len());
    daemon.wait("only the refused ones wait", |daemon| outbox(daemon).len() == statuses.len());
}

/// A mail server, what is set beside its address, and what must come of it.
struct MailCase {
    name: &'static str,
    options: SmtpOptions,
    settings: &'static str,
    /// Recipients of the mail in the end; none if it must never arrive.
    arrives: &'static [&'static str],
    /// What the last error says.
    error: &'static str,
}

fn mail_cases() -> Vec<MailCase> {
    let plain = SmtpOptions::default();
    let tls = SmtpOptions { starttls: true, ..SmtpOptions::default() };
    vec![
        MailCase {
            name: "put off",
            options: SmtpOptions { mail_replies: vec!["451 4.3.0 later".to_owned()], ..plain.clone() },
            settings: "require_tls: false",
            arrives: &["a@example.org", "b@example.org"],
            error: "",
        },
        MailCase {
            name: "refused",
            options: SmtpOptions { data_replies: vec!["554 5.7.1 never".to_owned()], ..plain.clone() },
            settings: "require_tls: false",
            arrives: &[],
            error: "554",
        },
        MailCase {
            name: "one recipient refused",
            options: SmtpOptions {
                rcpt_replies: BTreeMap::from([("b@example.org".to_owned(), "550 5.1.1 nobody".to_owned())]),
                ..plain.clone()
            },
            settings: "require_tls: false",
            arrives: &["a@example.org"],
            error: "",
        },
        MailCase { name: "no STARTTLS", options: plain, settings: "", arrives: &[], error: "STARTTLS" },
        MailCase {
            name: "unknown authority",
            options: tls.clone(),
            settings: "",
            arrives: &[],
            error: "certificate",
        },
        MailCase {
            name: "wrong password",
            options: SmtpOptions {
                user: Some(("me".to_owned(), "right".to_owned())),
                require_starttls: true,
                ..tls
            },
            settings: r#"auth_username: me, auth_password: "cAnArY-wrong", tls_config: { insecure_skip_verify: true }"#,
            arrives: &[],
            error: "535",
        },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_goes_to_whom_it_can_and_never_in_the_clear() {
    let mut emails = String::new();
    let mut servers = Vec::new();
    for case in mail_cases() {
        let Some(server) = SmtpServer::start(case.options.clone()).await.unwrap() else { return };
        let comma = if case.settings.is_empty() { "" } else { ", " };
        emails.push_str(&format!(
            "        - {{ to: \"a@example.org, b@example.org\", from: \"w@example.org\", smarthost: \"127.0.0.1:{}\"{comma}{} }}\n",
            server.port, case.settings
        ));
        servers.push((case, server));
    }
    let bench = Bench::new(&config(&format!("    - name: all\n      email_configs:\n{emails}")));
    let daemon = bench.start();
    raise(&daemon, "Mail");
    let stuck = servers.iter().filter(|(case, _)| case.arrives.is_empty()).count();
    daemon.wait("what can arrive", |daemon| {
        let waiting = outbox(daemon);
        waiting.len() == stuck && waiting.values().all(|entry| entry["last_error"].is_string())
    });
    let waiting = outbox(&daemon);
    for (number, (case, server)) in servers.iter().enumerate() {
        let mails = server.mails();
        let arrived: Vec<&str> = mails.iter().flat_map(|mail| mail.to.iter().map(String::as_str)).collect();
        assert_eq!(arrived, case.arrives, "{}", case.name);
        if case.arrives.is_empty() {
            let entry = &waiting[&format!("all/email[{number}]")];
            assert!(entry["last_error"].as_str().unwrap().contains(case.error), "{}: {entry}", case.name);
        }
    }
}
