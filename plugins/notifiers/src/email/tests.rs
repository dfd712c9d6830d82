//! Mails as text, and as a real server takes them.

use std::collections::BTreeMap;
use std::time::Duration;

use breakwatch_sim::smtp::{SmtpOptions, SmtpServer};
use breakwatch_sim::smtp_script::{SmtpScript, Step};

use super::*;
use crate::testing::{TRANSITIONS, build, context, golden, hostile, map, poisoned, sample, text, texts};

const DEADLINE: Duration = Duration::from_secs(30);

fn plain(more: &[(&str, &str)]) -> Node {
    let mut all = vec![
        ("to", "Ops <ops@example.org>, night@example.org"),
        ("from", "Breakwatch <watch@example.org>"),
        ("smarthost", "localhost:25"),
    ];
    all.retain(|(key, _)| !more.iter().any(|(other, _)| other == key));
    all.extend_from_slice(more);
    texts(&all)
}

fn email(settings: &Node) -> Email {
    let diagnostics = Diagnostics::new();
    let email = settings::read(settings, &context(), &diagnostics);
    email.unwrap_or_else(|| panic!("{:?}", diagnostics.into_sorted()))
}

fn written(settings: &Node, notification: &Notification) -> String {
    let email = email(settings);
    let from = mailboxes(&email.from, notification, "from").unwrap();
    let to = mailboxes(&email.to, notification, "to").unwrap();
    let mail = message::build(&email.texts, notification, &from, &to).unwrap();
    String::from_utf8(mail.bytes).expect("a mail is ASCII")
}

fn head(mail: &str) -> Vec<String> {
    let block = mail.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ").replace("\r\n\t", " ");
    block.split("\r\n").map(str::to_owned).collect()
}

#[test]
fn every_transition_by_its_golden_file() {
    for (name, transition) in TRANSITIONS {
        let mut message = sample(Some(transition));
        if name != "opened" {
            let root = "<breakwatch.00112233445566778899aabbccddeeff@example.org>";
            message.first = Some(Receipt { reference: root.to_owned(), answer: String::new() });
        }
        let mail = written(&plain(&[]), &message);
        golden(&format!("email_{name}.eml"), &mail);
    }
}

#[test]
fn no_content_can_forge_a_header_or_leave_its_part() {
    let templated = plain(&[("to", "ops@example.org")]);
    let with_templates = map(vec![
        ("to", text("ops@example.org")),
        ("from", text("watch@example.org")),
        ("smarthost", text("localhost:25")),
        (
            "headers",
            texts(&[
                ("Subject", "{{ .CommonAnnotations.summary }}"),
                ("X-Check", "{{ .CommonLabels.check }}"),
            ]),
        ),
    ]);
    let wanted = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "X-Breakwatch-Status",
        "X-Breakwatch-Group",
        "X-Breakwatch-Check",
        "X-Breakwatch-Severity",
        "X-Breakwatch-Id",
        "X-Check",
        "MIME-Version",
        "Content-Type",
    ];
    for settings in [templated, with_templates] {
        for content in hostile() {
            let mail = written(&settings, &poisoned(&content));
            for line in head(&mail) {
                let name = line.split(':').next().unwrap();
                assert!(wanted.contains(&name), "a header nobody asked for: {line:?}");
            }
            assert!(mail.split("\r\n").all(|line| line.len() <= 998), "a line longer than RFC 5322 allows");
            assert!(!mail.replace("\r\n", "").contains(['\r', '\n', '\0']), "a bare line break or NUL");
            assert_eq!(mail.matches("--=_breakwatch_").count(), 3, "two parts and their end");
        }
    }
}

#[test]
fn html_carries_no_markup_of_strangers() {
    for content in hostile() {
        let html = body::html(&crate::layout::Message::new(
            &poisoned(&content),
            crate::layout::Room { alerts: 5, value: 500 },
        ));
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<h1"), "{html}");
        assert!(!html.contains("href=\"javascript:"), "{html}");
    }
}

#[test]
fn mails_about_one_group_form_a_thread() {
    let mut message = sample(None);
    let reference = |id: &str| Some(Receipt { reference: id.to_owned(), answer: String::new() });
    message.first = reference("<a@x>");
    message.previous = reference("<b@x>");
    let lines = head(&written(&plain(&[]), &message));
    assert!(lines.contains(&"In-Reply-To: <a@x>".to_owned()), "{lines:?}");
    assert!(lines.contains(&"References: <a@x> <b@x>".to_owned()), "{lines:?}");
    for odd in ["C024/15034.02", "<a@x>\r\nBcc: evil@x", "<>", "", "<a b@x>"] {
        message.first = reference(odd);
        message.previous = None;
        assert!(!head(&written(&plain(&[]), &message)).iter().any(|line| line.starts_with("Ref")), "{odd}");
    }
}

#[test]
fn the_users_own_texts_are_kept() {
    let settings = map(vec![
        ("to", text("ops@example.org")),
        ("from", text("watch@example.org")),
        ("smarthost", text("localhost:25")),
        ("text", text("")),
        ("html", text("<b>{{ .CommonAnnotations.evidence }}</b>")),
        (
            "headers",
            texts(&[
                ("subject", "Größe: {{ .Status }}"),
                ("To", "Ops Team <team@example.org>"),
                ("X-Prio", "1"),
            ]),
        ),
    ]);
    let mail = written(&settings, &sample(None));
    let lines = head(&mail);
    assert!(lines.contains(&"Subject: =?utf-8?b?R3LDtsOfZTo=?= firing".to_owned()), "{lines:?}");
    assert!(lines.contains(&"To: \"Ops Team\" <team@example.org>".to_owned()), "{lines:?}");
    assert!(lines.contains(&"X-Prio: 1".to_owned()));
    assert!(lines.contains(&"Content-Type: text/html; charset=utf-8".to_owned()), "one part: {lines:?}");
    assert!(mail.contains("<b>status: 503\r\nbody: &lt;h1&gt;"), "{mail}");
}

#[test]
fn mistakes_in_the_settings_are_named() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("to", "not an address")], "expected mail addresses"),
        (&[("from", "a@b, c@d")], "expected one mail address"),
        (&[("smarthost", "localhost")], "expected host:port"),
        (&[("auth_username", "u")], "needs `auth_password`"),
        (&[("auth_username", "u"), ("auth_secret", "s")], "CRAM-MD5 is not built"),
        (&[("require_tls", "maybe")], "expected `true` or `false`"),
        (&[("smart_host", "x:1")], "did you mean `smarthost`?"),
    ];
    for (settings, wanted) in cases {
        let Err(found) = build(&ENTRY, &plain(settings), &context()) else { panic!("{wanted}: accepted") };
        assert!(found.contains(wanted), "wanted {wanted:?}, found:\n{found}");
    }
    let Err(found) = build(&ENTRY, &texts(&[]), &context()) else { panic!("accepted") };
    for wanted in ["missing required key `to`", "smtp_from", "smtp_smarthost"] {
        assert!(found.contains(wanted), "wanted {wanted:?}, found:\n{found}");
    }
}

#[test]
fn global_settings_are_defaults() {
    let mut context = context();
    context.global = Some(texts(&[
        ("smtp_smarthost", "mail.example.org:465"),
        ("smtp_from", "watch@example.org"),
        ("smtp_auth_username", "u"),
        ("smtp_auth_password", "p"),
    ]));
    let diagnostics = Diagnostics::new();
    let email = settings::read(&texts(&[("to", "a@b")]), &context, &diagnostics).unwrap();
    assert_eq!((email.server.host.as_str(), email.server.port), ("mail.example.org", 465));
    assert_eq!((email.server.security, email.send_resolved), (smtp::Security::Implicit, false));
    assert!(email.server.login.is_some());
}

/// A server and an integration that speaks with it; `None` if there is no server to be had.
async fn pair(
    options: SmtpOptions,
    more: &[(&str, &str)],
) -> Option<(SmtpServer, tempfile::NamedTempFile, Box<dyn Notifier>)> {
    let server = SmtpServer::start(options).await.unwrap()?;
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), &server.identity.ca_pem).unwrap();
    let trust = !more.contains(&("trust", "nobody"));
    let smarthost = format!("localhost:{}", server.port);
    let to = more.iter().find(|(key, _)| *key == "to").map_or("a@example.org, b@example.org", |(_, to)| to);
    let mut settings =
        vec![("to", text(to)), ("from", text("watch@example.org")), ("smarthost", text(&smarthost))];
    if trust {
        settings.push(("tls_config", texts(&[("ca_file", ca.path().to_str().unwrap())])));
    }
    settings.extend(
        more.iter().filter(|(key, _)| !["trust", "to"].contains(key)).map(|(key, value)| (*key, text(value))),
    );
    let email = build(&ENTRY, &map(settings), &context()).unwrap();
    Some((server, ca, email))
}

#[tokio::test]
async fn starttls_and_login_by_default() {
    let options = SmtpOptions {
        starttls: true,
        require_starttls: true,
        user: Some(("watch".to_owned(), "s3cret".to_owned())),
        ..SmtpOptions::default()
    };
    let login = [("auth_username", "watch"), ("auth_password", "s3cret")];
    let Some((server, _ca, email)) = pair(options, &login).await else { return };
    let receipt = email.notify(&sample(Some(TRANSITIONS[0].1))).await.unwrap();
    let mails = server.wait_for(1, DEADLINE).await.unwrap();
    let mail = &mails[0];
    assert!(mail.tls);
    assert_eq!((mail.user.as_deref(), mail.from.as_str()), (Some("watch"), "watch@example.org"));
    assert_eq!(mail.to, ["a@example.org", "b@example.org"]);
    assert_eq!(mail.header("message-id"), Some(receipt.reference));
    assert_eq!(mail.header("subject").as_deref(), Some("[FIRING:1] http/website: website answers 503"));
    assert_eq!(receipt.answer, "250 OK queued");
}

#[tokio::test]
async fn login_where_plain_is_not_offered() {
    let options = SmtpOptions {
        starttls: true,
        user: Some(("watch".to_owned(), "s3cret".to_owned())),
        auth_exclude: vec!["PLAIN".to_owned()],
        ..SmtpOptions::default()
    };
    let login = [("auth_username", "watch"), ("auth_password", "s3cret")];
    let Some((server, _ca, email)) = pair(options, &login).await else { return };
    email.notify(&sample(None)).await.unwrap();
    assert_eq!(server.wait_for(1, DEADLINE).await.unwrap()[0].user.as_deref(), Some("watch"));
}

#[tokio::test]
async fn addresses_beyond_ascii_need_a_server_that_takes_them() {
    let to = [("to", "jörg@example.org")];
    let Some((_server, _ca, email)) = pair(starttls_with(&[]), &to).await else { return };
    let error = email.notify(&sample(None)).await.unwrap_err();
    assert!(matches!(&error, NotifyError::Misconfigured(m) if m.contains("SMTPUTF8")), "{error}");
    let options = SmtpOptions { smtputf8: true, ..starttls_with(&[]) };
    let Some((server, _ca, email)) = pair(options, &to).await else { return };
    email.notify(&sample(None)).await.unwrap();
    assert_eq!(server.wait_for(1, DEADLINE).await.unwrap()[0].to, ["jörg@example.org"]);
}

#[tokio::test]
async fn implicit_tls() {
    let options = SmtpOptions { implicit_tls: true, ..SmtpOptions::default() };
    let Some((server, _ca, email)) = pair(options, &[("force_implicit_tls", "true")]).await else { return };
    email.notify(&sample(None)).await.unwrap();
    assert!(server.wait_for(1, DEADLINE).await.unwrap()[0].tls);
}

#[tokio::test]
async fn clear_text_only_when_told() {
    let Some((server, _ca, email)) = pair(SmtpOptions::default(), &[]).await else { return };
    let error = email.notify(&sample(None)).await.unwrap_err();
    assert!(
        matches!(&error, NotifyError::Misconfigured(m) if m.contains("does not offer STARTTLS")),
        "{error}"
    );
    assert_eq!(server.mails(), [], "nothing went out in clear text");
    let Some((server, _ca, email)) = pair(SmtpOptions::default(), &[("require_tls", "false")]).await else {
        return;
    };
    email.notify(&sample(None)).await.unwrap();
    assert!(!server.wait_for(1, DEADLINE).await.unwrap()[0].tls);
}

#[tokio::test]
async fn an_unknown_authority_is_refused() {
    for options in [
        SmtpOptions { starttls: true, ..SmtpOptions::default() },
        SmtpOptions { implicit_tls: true, ..SmtpOptions::default() },
    ] {
        let implicit = if options.implicit_tls { "true" } else { "false" };
        let more = [("trust", "nobody"), ("force_implicit_tls", implicit)];
        let Some((server, _ca, email)) = pair(options, &more).await else { return };
        let error = email.notify(&sample(None)).await.unwrap_err();
        assert!(
            matches!(&error, NotifyError::Misconfigured(m) if m.contains("TLS with localhost")),
            "{error}"
        );
        assert_eq!(server.mails(), []);
    }
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_repeated() {
    let options = SmtpOptions {
        starttls: true,
        user: Some(("watch".to_owned(), "right".to_owned())),
        ..SmtpOptions::default()
    };
    let login = [("auth_username", "watch"), ("auth_password", "canary-password")];
    let Some((_server, _ca, email)) = pair(options, &login).await else { return };
    let error = email.notify(&sample(None)).await.unwrap_err();
    assert!(matches!(&error, NotifyError::Misconfigured(m) if m.contains("535")), "{error}");
    let shown = format!("{error} {error:?}");
    let encoded = crate::http::base64(b"\0watch\0canary-password");
    assert!(!shown.contains("canary") && !shown.contains(&encoded), "{shown}");
}

fn starttls_with(rcpt: &[(&str, &str)]) -> SmtpOptions {
    let replies = rcpt.iter().map(|(to, reply)| ((*to).to_owned(), (*reply).to_owned()));
    SmtpOptions {
        starttls: true,
        rcpt_replies: replies.collect::<BTreeMap<_, _>>(),
        ..SmtpOptions::default()
    }
}

#[tokio::test]
async fn one_refused_recipient_does_not_harm_the_others() {
    let options = starttls_with(&[("a@example.org", "550 5.1.1 no such user")]);
    let Some((server, _ca, email)) = pair(options, &[]).await else { return };
    let receipt = email.notify(&sample(None)).await.unwrap();
    assert_eq!(server.wait_for(1, DEADLINE).await.unwrap()[0].to, ["b@example.org"]);
    assert!(receipt.answer.contains("refused: a@example.org") && receipt.answer.contains("no such user"));
}

#[tokio::test]
async fn a_recipient_who_is_put_off_is_offered_the_mail_again() {
    let options = starttls_with(&[("a@example.org", "451 4.7.1 greylisted, come back")]);
    let Some((server, _ca, email)) = pair(options, &[]).await else { return };
    for _ in 1..OFFERS {
        let error = email.notify(&sample(None)).await.unwrap_err();
        assert!(matches!(&error, NotifyError::Retryable { message, .. } if message.contains("greylisted")));
    }
    let receipt = email.notify(&sample(None)).await.unwrap();
    assert!(receipt.answer.contains("put off: a@example.org"), "{}", receipt.answer);
    let to: Vec<String> =
        server.wait_for(1, DEADLINE).await.unwrap().into_iter().flat_map(|mail| mail.to).collect();
    assert_eq!(to, ["b@example.org"], "who has the mail does not get it again");
}

#[tokio::test]
async fn refusals_by_their_kind() {
    let everybody = starttls_with(&[("a@example.org", "550 no"), ("b@example.org", "551 no")]);
    let Some((_server, _ca, email)) = pair(everybody, &[]).await else { return };
    assert!(matches!(email.notify(&sample(None)).await, Err(NotifyError::Rejected(_))));
    let later = SmtpOptions {
        mail_replies: vec!["421 4.3.2 shutting down".to_owned(), "530 5.7.0 log in first".to_owned()],
        data_replies: vec!["452 4.3.1 disk full".to_owned(), "554 5.7.1 looks like spam".to_owned()],
        ..starttls_with(&[])
    };
    let Some((server, _ca, email)) = pair(later, &[]).await else { return };
    let mut kinds = Vec::new();
    for _ in 0..5 {
        kinds.push(match email.notify(&sample(None)).await {
            Err(NotifyError::Retryable { .. }) => "retryable",
            Err(NotifyError::Misconfigured(_)) => "misconfigured",
            Err(NotifyError::Rejected(_)) => "rejected",
            Ok(_) => "ok",
        });
    }
    assert_eq!(kinds, ["retryable", "misconfigured", "retryable", "rejected", "ok"]);
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn a_mail_that_is_too_big_goes_out_shorter() {
    let options =
        SmtpOptions { data_replies: vec!["552 5.3.4 message too big".to_owned()], ..starttls_with(&[]) };
    let Some((server, _ca, email)) = pair(options, &[]).await else { return };
    email.notify(&sample(None)).await.unwrap();
    assert!(server.wait_for(1, DEADLINE).await.unwrap()[0].text().contains("shortened"));
}

#[tokio::test]
async fn hostile_content_arrives_as_one_mail_each() {
    let Some((server, _ca, email)) = pair(starttls_with(&[]), &[]).await else { return };
    let all = hostile();
    for (at, content) in all.iter().enumerate() {
        let mut message = poisoned(content);
        message.id = format!("hostile-{at}");
        email.notify(&message).await.unwrap();
    }
    let mails = server.wait_for(all.len(), DEADLINE).await.unwrap();
    assert_eq!(mails.len(), all.len());
    for mail in mails {
        assert_eq!((mail.from.as_str(), mail.to.len()), ("watch@example.org", 2));
        assert_eq!(mail.header("bcc"), None);
        assert_eq!(mail.header("x-injected"), None);
    }
}

async fn against(steps: Vec<Step>, more: &[(&str, &str)]) -> (SmtpScript, Result<Receipt, NotifyError>) {
    let script = SmtpScript::start(steps).await.unwrap();
    let smarthost = format!("127.0.0.1:{}", script.port);
    let mut settings = vec![("smarthost", smarthost.as_str()), ("to", "a@example.org")];
    settings.extend_from_slice(more);
    let email = build(&ENTRY, &plain(&settings), &context()).unwrap();
    let result = email.notify(&sample(None)).await;
    (script, result)
}

fn say(text: &str) -> Step {
    Step::Say(text.to_owned())
}

#[tokio::test]
async fn a_server_that_misbehaves_costs_one_timeout_and_no_memory() {
    let slow = Step::SaySlowly("220 ready\r\n".repeat(100), Duration::from_millis(100));
    let greeting = || vec![say("220 hi\r\n"), Step::Hear];
    let cases: Vec<(&str, Vec<Step>)> = vec![
        ("says nothing", vec![Step::Hang]),
        ("byte by byte", vec![slow]),
        ("a line without end", vec![Step::SayForEver("220-x".to_owned())]),
        ("lines without end", vec![Step::SayForEver("220-x\r\n".to_owned())]),
        ("a reset", vec![Step::Reset]),
        ("not SMTP", vec![say("HTTP/1.1 400 Bad Request\r\n\r\n")]),
        ("a blank extension", [greeting(), vec![say("250-hi\r\n250-  \r\n250 STARTTLS\r\n")]].concat()),
        ("a refusal at the door", vec![say("554 go away\r\n")]),
        ("busy", vec![say("421 busy\r\n")]),
    ];
    for (name, steps) in cases {
        let (_script, result) = against(steps, &[("timeout", "1s")]).await;
        assert!(matches!(result, Err(NotifyError::Retryable { .. })), "{name}: {result:?}");
    }
}

#[tokio::test]
async fn answers_slipped_in_before_tls_are_not_believed() {
    let steps = vec![
        say("220 hi\r\n"),
        Step::Hear,
        say("250-hi\r\n250 STARTTLS\r\n"),
        Step::Hear,
        // What follows the answer to STARTTLS is in clear text and comes from somebody in between.
        say(
            "220 go ahead\r\n250 injected\r\n250 injected\r\n250 injected\r\n354 injected\r\n250 injected\r\n",
        ),
        Step::Hang,
    ];
    let (script, result) = against(steps, &[]).await;
    assert!(result.is_err(), "{result:?}");
    let heard = script.heard();
    assert_eq!(&heard[..2], ["EHLO localhost", "STARTTLS"]);
    assert!(!heard.iter().any(|line| line.starts_with("MAIL")), "{heard:?}");
}

#[tokio::test]
async fn a_refused_starttls_sends_nothing() {
    for (reply, lasting) in [("454 4.7.0 TLS not available\r\n", false), ("502 no\r\n", true)] {
        let steps = vec![
            say("220 hi\r\n"),
            Step::Hear,
            say("250-hi\r\n250 STARTTLS\r\n"),
            Step::Hear,
            say(reply),
            Step::Hear,
            say("221 bye\r\n"),
        ];
        let (script, result) = against(steps, &[]).await;
        match (result, lasting) {
            (Err(NotifyError::Misconfigured(_)), true) | (Err(NotifyError::Retryable { .. }), false) => {}
            (other, _) => panic!("{reply}: {other:?}"),
        }
        assert!(!script.heard().iter().any(|line| line.starts_with("MAIL")));
    }
}

#[tokio::test]
async fn a_connection_lost_after_the_mail_is_tried_again_with_the_same_id() {
    let session = vec![
        say("220 hi\r\n"),
        Step::Hear,
        say("250 hi\r\n"),
        Step::Hear,
        say("250 ok\r\n"),
        Step::Hear,
        say("250 ok\r\n"),
        Step::Hear,
        say("354 go\r\n"),
        Step::HearData,
        Step::Reset,
    ];
    let (script, result) = against(session, &[("require_tls", "false")]).await;
    assert!(matches!(result, Err(NotifyError::Retryable { .. })), "{result:?}");
    let ids = |script: &SmtpScript| -> Vec<String> {
        script.heard().into_iter().filter(|line| line.starts_with("Message-ID")).collect()
    };
    let first = ids(&script);
    assert_eq!(first.len(), 1);
    let wanted = head(&written(&plain(&[]), &sample(None))).into_iter().find(|l| l.starts_with("Message-ID"));
    assert_eq!(Some(first[0].clone()), wanted);
}
