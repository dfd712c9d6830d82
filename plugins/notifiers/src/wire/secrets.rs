//! A canary in every secret: it must be in the request, and in nothing we say.

use std::io::Write as _;
use std::sync::Arc;

use breakwatch_plugin_api::Diagnostics;
use breakwatch_sim::receiver::{Answer, Receiver};
use parking_lot::Mutex;

use super::{CANARY, CASES, NOTIFIERS};
use crate::testing::{build, context, map, sample, text, texts};

/// An answer that repeats everything it was sent: what a careless proxy's error page does.
fn echo(receiver: &Receiver) -> String {
    let mut all = String::new();
    for request in receiver.requests() {
        all.push_str(&format!(
            "{} {}\n{:?}\n{}",
            request.method,
            request.path,
            request.headers,
            request.text()
        ));
    }
    all
}

#[tokio::test]
async fn an_answer_that_echoes_the_request_does_not_carry_secrets_on() {
    for case in &CASES {
        if case.kind == "alertmanager" {
            continue; // It has no secret of its own.
        }
        let receiver = Receiver::start().await.unwrap();
        receiver.always((case.taken)());
        let notifier = case.build(&receiver, Vec::new());
        notifier.notify(&sample(None)).await.unwrap();
        let request = echo(&receiver);
        assert!(request.contains(CANARY) || case.kind == "webhook", "{}: the secret is used", case.kind);
        for status in [200, 400, 401, 404, 500] {
            receiver.always(Answer::text(status, &request));
            let shown = match notifier.notify(&sample(None)).await {
                Ok(receipt) => format!("{receipt:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(!shown.contains(CANARY), "{} {status}: {shown}", case.kind);
        }
    }
}

/// What is logged, whatever the level.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Logged {
    /// Collects what the current thread logs until the guard is dropped.
    fn start(&self) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock()).into_owned()
    }
}

#[tokio::test]
async fn nothing_secret_is_logged() {
    let logged = Logged::default();
    let _guard = logged.start();
    for case in &CASES {
        let receiver = Receiver::start().await.unwrap();
        receiver.then((case.taken)()).then(Answer::status(500)).always(Answer::ResetAfterRequest);
        // A template that fails is what we log about most.
        let failing = match case.kind {
            "slack" => vec![("title", text("{{ index .Alerts 7 }}"))],
            "pagerduty" => vec![("description", text("{{ index .Alerts 7 }}"))],
            "webhook" => vec![("body", text("{{ index .Alerts 7 }}"))],
            _ => Vec::new(),
        };
        let notifier = case.build(&receiver, failing);
        for _ in 0..3 {
            let _ = notifier.notify(&sample(None)).await;
        }
    }
    let text = logged.text();
    assert!(text.contains("a template of the receiver failed"), "the test sees the log: {text}");
    assert!(!text.contains(CANARY), "{text}");
}

#[tokio::test]
async fn a_label_cannot_forge_a_line_of_the_log() {
    let log =
        build(NOTIFIERS.iter().find(|entry| entry.key == "log").unwrap(), &texts(&[]), &context()).unwrap();
    for content in crate::testing::hostile() {
        let logged = Logged::default();
        let guard = logged.start();
        log.notify(&crate::testing::poisoned(&content)).await.unwrap();
        drop(guard);
        let text = logged.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.chars().all(|c| !c.is_control() || c == '\n') && text.len() < 10_000, "{text}");
    }
}

#[test]
fn mistakes_next_to_a_secret_do_not_show_it() {
    for entry in NOTIFIERS {
        let mut settings = Vec::new();
        for field in entry.fields.iter().filter(|field| field.kind.contains("secret")) {
            settings.push((field.name, text(&format!("not a url {CANARY}"))));
        }
        settings.push(("no_such_key", text("x")));
        let diagnostics = Diagnostics::new();
        assert!((entry.parse)(&map(settings), &context(), &diagnostics).is_none(), "{}", entry.key);
        for finding in diagnostics.into_sorted() {
            assert!(!finding.to_string().contains(CANARY), "{}: {finding}", entry.key);
        }
    }
}

#[tokio::test]
async fn a_secret_in_a_file_is_read_again_for_each_message() {
    let receiver = Receiver::start().await.unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "  {}\n", receiver.url("/first")).unwrap();
    let entry = NOTIFIERS.iter().find(|entry| entry.key == "webhook").unwrap();
    let settings = texts(&[("url_file", file.path().to_str().unwrap())]);
    let webhook = build(entry, &settings, &context()).unwrap();
    webhook.notify(&sample(None)).await.unwrap();
    std::fs::write(file.path(), receiver.url("/second")).unwrap();
    webhook.notify(&sample(None)).await.unwrap();
    let paths: Vec<String> = receiver.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/first", "/second"]);
    std::fs::write(file.path(), "").unwrap();
    let error = webhook.notify(&sample(None)).await.unwrap_err();
    assert!(error.to_string().contains("is empty"), "{error}");
}
