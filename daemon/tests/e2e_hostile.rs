//! Content made to break out of wherever it is put, on its whole way: by the API and by a check's output, through routing
//! and the outbox, to every integration. It arrives once, as data, within each service's limits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;
mod desk;

use std::os::unix::fs::PermissionsExt as _;

use breakwatch_sim::receiver::Recorded;
use breakwatch_sim::smtp::{Mail, SmtpOptions, SmtpServer};
use common::{Bench, Daemon};
use desk::Desk;
use serde_json::{Value, json};

/// What strangers write into labels and annotations.
fn contents() -> Vec<String> {
    let mut all: Vec<String> = [
        "<script>alert('x')</script>",
        "\"><img src=x onerror=alert(1)>",
        "<!channel> <!here> <@U123> <https://evil.example|click> @everyone @here",
        "a\r\nBcc: victim@example.org\r\n\r\nbody",
        "a\nX-Injected: yes",
        "nul\0and\u{1b}[31mescape\u{7f}\u{9b}",
        "\u{202e}gnp.exe\u{202c}\u{2066}x\u{2069}\u{200f}",
        "{{ template \"x\" }} ${env:HOME} %s %n $(id) `id`",
        "```\n*bold* [a](javascript:alert(1)) ||spoiler||",
        "\r\n.\r\nMAIL FROM:<evil@example.org>\r\n",
        "javascript:alert(1)",
    ]
    .map(str::to_owned)
    .into();
    all.push("MB ".repeat(300_000));
    all.push("🙂é".repeat(40_000));
    all
}

/// The name under which a content goes; found in whatever is made of it.
fn name(number: usize) -> String {
    format!("hostile{number:03}x")
}

fn config(desk: &str, smtp: u16, command: &str, check: &str) -> String {
    format!(
        r#"
checks:
  command/raw: {{ argv: ["{check}"], interval: 1s, breaker: {{ failure_threshold: 1, failure_rate: off }} }}
rules: {{ shipped: false }}
store: {{ path: data }}
alerting:
  route: {{ receiver: all, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 4h }}
  receivers:
    - name: all
{desk}      email_configs:
        - {{ to: "ops@example.org", from: "w@example.org", smarthost: "127.0.0.1:{smtp}", require_tls: false }}
      command_configs: [{{ argv: ["{command}"] }}]
      log_configs: [{{}}]
"#
    )
}

fn script(bench: &Bench, name: &str, text: &str) -> String {
    let path = bench.path(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// Sends each content in every place a stranger can write to.
fn raise_all(daemon: &Daemon) {
    for (number, content) in contents().iter().enumerate() {
        // Labels are part of the identity and held short; annotations are where the megabytes come.
        let label: String = content.chars().take(200).collect();
        let alert = json!([{
            "labels": { "alertname": name(number), "service": label, "severity": label, "check": label },
            "annotations": { "summary": content, "runbook_url": label, "dashboard_url": label, "description": label },
            "generatorURL": "http://127.0.0.1/",
        }]);
        let (status, body) = daemon.post("/api/v2/alerts", &alert.to_string());
        assert_eq!(status, 200, "{number}: {body}");
    }
}

/// How many of the contents a text speaks of.
fn spoken_of(texts: &[String]) -> usize {
    (0..contents().len()).filter(|number| texts.iter().any(|text| text.contains(&name(*number)))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_integration_tells_of_hostile_content_and_none_obeys_it() {
    let Some(smtp) = SmtpServer::start(SmtpOptions::default()).await.unwrap() else { return };
    let desk = Desk::start().await;
    let bench = Bench::new("");
    // The message as it is given to a program, one a line.
    let command =
        script(&bench, "tell.sh", &format!("#!/bin/sh\ncat >> {}\necho\n", bench.path("told").display()));
    let raw = "#!/bin/sh\nprintf 'DOWN \\377\\376 \\000 <script>x</script> <!channel>\\r\\nBcc: v@example.org\\n'\nexit 2\n";
    let check = script(&bench, "raw.sh", raw);
    bench.write("breakwatch.yml", &config(&desk.sections(), smtp.port, &command, &check));
    let daemon = bench.start();
    // What is no text is refused whole, and harms nothing that comes after it.
    let invalid = b"[{\"labels\":{\"alertname\":\"x\xff\xfe\"}}]";
    let invalid = String::from_utf8_lossy(invalid).into_owned().replace('\u{fffd}', "\\ud800");
    assert_eq!(daemon.post("/api/v2/alerts", &invalid).0, 400);
    raise_all(&daemon);

    let all = contents().len();
    let told = || std::fs::read_to_string(bench.path("told")).unwrap_or_default();
    let bodies = |requests: &[Recorded]| requests.iter().map(Recorded::text).collect::<Vec<_>>();
    daemon.wait("word of everything at everybody", |daemon| {
        let everybody = desk.receivers().all(|(_, receiver)| spoken_of(&bodies(&receiver.requests())) == all);
        let mails: Vec<String> = smtp.mails().iter().map(plain).collect();
        everybody
            && spoken_of(&mails) == all
            && spoken_of(&[told()]) == all
            && spoken_of(&[daemon.log()]) == all
    });
    daemon.wait("word of the check's own output", |_| {
        desk.receivers()
            .all(|(_, receiver)| bodies(&receiver.requests()).iter().any(|text| text.contains("command/raw")))
    });
    for (integration, receiver) in desk.receivers() {
        for request in receiver.requests() {
            assert!(
                request.header("x-injected").is_none() && request.header("bcc").is_none(),
                "{integration}"
            );
            let body = request.json();
            assert!(!body.is_null(), "{integration}: no JSON: {:.300}", request.text());
            harmless(integration, &body);
        }
    }
    for mail in smtp.mails() {
        check_mail(&mail);
    }
    for line in told().lines().filter(|line| !line.is_empty()) {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "a program is given JSON: {line:.300}");
    }
    let log = daemon.log();
    assert!(
        log.lines().all(|line| line.starts_with("ts=") || line.starts_with("time=")),
        "a forged line in the log"
    );
    assert!(!log.chars().any(|c| c.is_control() && c != '\n'), "a control character in the log");
    daemon.wait("an empty outbox", |daemon| daemon.metric("breakwatch_outbox_entries") == Some(0.0));
    let (status, page) = daemon.get("/");
    assert!(
        status == 200 && !page.contains("<script>alert") && !page.contains("<img src=x"),
        "the page is safe"
    );
}

/// Every text in a body.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| texts(field, found)),
        _ => {}
    }
}

/// What each service would act on must not be in what it is sent.
fn harmless(integration: &str, body: &Value) {
    let mut all = Vec::new();
    texts(body, &mut all);
    let has = |what: &str| all.iter().any(|text| text.contains(what));
    match integration {
        "slack" | "bot" => {
            for command in ["<!channel", "<!here", "<@U123", "<https://evil", "<script", "<javascript"] {
                assert!(!has(command), "{integration}: {command} in {body:.2000}");
            }
        }
        "discord" => {
            assert_eq!(body["allowed_mentions"], json!({ "parse": [] }), "{body:.2000}");
            assert!(!has("](javascript"), "{body:.2000}");
        }
        "telegram" => assert!(!has("<script") && !has("<img") && !has("href=\"javascript"), "{body:.2000}"),
        // The runs of a rich text block are shown as they are; text blocks are Markdown.
        "msteamsv2" => {
            let blocks = body["attachments"][0]["content"]["body"].as_array().unwrap();
            let marked = blocks.iter().filter_map(|block| block["text"].as_str());
            assert!(!marked.into_iter().any(|text| text.contains("](javascript")), "{body:.2000}");
        }
        _ => {}
    }
    // Machines get the text as it is; people's clients get no link but to the web.
    let mut links = Vec::new();
    links_of(body, &mut links);
    let machine = matches!(integration, "webhook" | "alertmanager");
    assert!(machine || links.iter().all(|link| !link.starts_with("javascript")), "{integration}: {links:?}");
    let limit = match integration {
        "pagerduty" => 512_000,
        "slack" | "bot" => 40_000,
        "discord" => 20_000,
        "telegram" | "ntfy" => 20_000,
        "msteamsv2" => 80_000,
        _ => usize::MAX,
    };
    assert!(body.to_string().chars().count() <= limit, "{integration}: {}", body.to_string().len());
}

/// What stands under the keys that services make links of.
fn links_of(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| links_of(item, found)),
        Value::Object(fields) => {
            for (key, field) in fields {
                if matches!(key.as_str(), "url" | "href" | "click" | "title_link" | "client_url") {
                    found.extend(field.as_str().map(str::to_owned));
                }
                links_of(field, found);
            }
        }
        _ => {}
    }
}

/// A mail with the soft line breaks of its quoted-printable parts undone.
fn plain(mail: &Mail) -> String {
    mail.text().replace("=\r\n", "")
}

fn check_mail(mail: &Mail) {
    assert_eq!(mail.to, ["ops@example.org"], "nobody else is written to");
    assert_eq!(mail.from, "w@example.org");
    for header in ["Bcc", "X-Injected"] {
        assert!(mail.header(header).is_none(), "{header}: {}", mail.text());
    }
    let text = plain(mail);
    let html = text.split("text/html").nth(1).unwrap_or_default();
    assert!(
        !html.contains("<script") && !html.contains("<img src") && !html.contains("href=3D\"javascript"),
        "{html:.3000}"
    );
}
