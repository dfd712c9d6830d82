//! `http_config`: what a user writes there is what goes over the wire.

use breakwatch_plugin_api::{Node, NotifyError};
use breakwatch_sim::TestIdentity;
use breakwatch_sim::receiver::{Answer, Receiver};

use super::NOTIFIERS;
use crate::testing::{build, context, list, map, sample, text, texts};

fn webhook(
    receiver: &Receiver,
    http_config: Node,
) -> Result<Box<dyn breakwatch_plugin_api::Notifier>, String> {
    let entry = NOTIFIERS.iter().find(|entry| entry.key == "webhook").unwrap();
    let settings = map(vec![("url", text(&receiver.url("/"))), ("http_config", http_config)]);
    build(entry, &settings, &context())
}

#[tokio::test]
async fn authorization_and_headers() {
    let cases = [
        (map(vec![("authorization", texts(&[("credentials", "tok")]))]), "authorization", "Bearer tok"),
        (
            map(vec![("authorization", texts(&[("type", "GenieKey"), ("credentials", "tok")]))]),
            "authorization",
            "GenieKey tok",
        ),
        (
            map(vec![("basic_auth", texts(&[("username", "Aladdin"), ("password", "open sesame")]))]),
            "authorization",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        (map(vec![("basic_auth", texts(&[("username", "me")]))]), "authorization", "Basic bWU6"),
        (texts(&[("bearer_token", "old")]), "authorization", "Bearer old"),
        (
            map(vec![("http_headers", map(vec![("X-Scope", map(vec![("values", list(vec![text("a")]))]))]))]),
            "x-scope",
            "a",
        ),
    ];
    for (config, header, value) in cases {
        let receiver = Receiver::start().await.unwrap();
        webhook(&receiver, config).unwrap().notify(&sample(None)).await.unwrap();
        assert_eq!(receiver.requests()[0].header(header), Some(value));
    }
}

#[tokio::test]
async fn a_token_is_fetched_kept_and_renewed_when_refused() {
    let (receiver, giver) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    giver.then(Answer::json(200, r#"{"access_token":"first","token_type":"bearer","expires_in":3600}"#));
    giver.then(Answer::json(200, r#"{"access_token":"second","expires_in":3600}"#));
    giver.always(Answer::text(400, r#"{"error":"invalid_client"} canary-secret"#));
    let token_url = giver.url("/token");
    let oauth2 = map(vec![
        ("client_id", text("watch")),
        ("client_secret", text("canary-secret")),
        ("token_url", text(&token_url)),
        ("scopes", list(vec![text("a"), text("b")])),
        ("endpoint_params", texts(&[("audience", "ops")])),
    ]);
    let webhook = webhook(&receiver, map(vec![("oauth2", oauth2)])).unwrap();
    receiver.then(Answer::status(200)).then(Answer::status(401));
    webhook.notify(&sample(None)).await.unwrap();
    assert!(matches!(webhook.notify(&sample(None)).await, Err(NotifyError::Misconfigured(_))));
    webhook.notify(&sample(None)).await.unwrap();
    let sent: Vec<_> =
        receiver.requests().iter().map(|r| r.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(sent, ["Bearer first", "Bearer first", "Bearer second"]);
    let request = &giver.requests()[0];
    assert_eq!(request.text(), "grant_type=client_credentials&scope=a+b&audience=ops");
    assert_eq!(request.header("authorization"), Some("Basic d2F0Y2g6Y2FuYXJ5LXNlY3JldA=="));
    receiver.then(Answer::status(401));
    let _ = webhook.notify(&sample(None)).await;
    let error = webhook.notify(&sample(None)).await.unwrap_err();
    assert!(matches!(&error, NotifyError::Misconfigured(m) if m.contains("invalid_client")), "{error}");
    assert!(!error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn the_global_http_config_is_the_default() {
    let receiver = Receiver::start().await.unwrap();
    let mut context = context();
    let auth = map(vec![("authorization", texts(&[("credentials", "all")]))]);
    context.global = Some(map(vec![("http_config", auth)]));
    let entry = NOTIFIERS.iter().find(|entry| entry.key == "webhook").unwrap();
    let notifier = build(entry, &texts(&[("url", &receiver.url("/"))]), &context).unwrap();
    notifier.notify(&sample(None)).await.unwrap();
    assert_eq!(receiver.requests()[0].header("authorization"), Some("Bearer all"));
}

#[tokio::test]
async fn a_proxy_is_asked_in_our_place() {
    let (receiver, proxy) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    let config = texts(&[("proxy_url", &proxy.url(""))]);
    webhook(&receiver, config).unwrap().notify(&sample(None)).await.unwrap();
    assert_eq!(proxy.requests()[0].path, receiver.url("/"));
    let config = texts(&[("proxy_url", &proxy.url("")), ("no_proxy", "127.0.0.1")]);
    webhook(&receiver, config).unwrap().notify(&sample(None)).await.unwrap();
    assert_eq!((receiver.requests().len(), proxy.requests().len()), (1, 1));
}

#[tokio::test]
async fn redirects_can_be_switched_off() {
    let receiver = Receiver::start().await.unwrap();
    receiver.always(Answer::status(308).header("Location", "/new"));
    let error =
        webhook(&receiver, texts(&[("follow_redirects", "false")])).unwrap().notify(&sample(None)).await;
    assert!(matches!(error, Err(NotifyError::Misconfigured(_))), "{error:?}");
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn certificates_are_checked_as_told() {
    let identity = TestIdentity::for_names(&["mail.example.org"]).unwrap();
    let receiver = Receiver::start_tls(&identity).await.unwrap();
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), &identity.ca_pem).unwrap();
    let ca = ca.path().to_str().unwrap();
    let tls = |settings: &[(&str, &str)]| map(vec![("tls_config", texts(settings))]);
    let good = [
        tls(&[("insecure_skip_verify", "true")]),
        tls(&[("ca_file", ca), ("server_name", "mail.example.org")]),
        tls(&[("ca_file", ca), ("server_name", "mail.example.org"), ("min_version", "TLS13")]),
    ];
    for config in good {
        webhook(&receiver, config).unwrap().notify(&sample(None)).await.unwrap();
    }
    let bad =
        [tls(&[]), tls(&[("ca_file", ca)]), tls(&[("ca_file", ca), ("server_name", "other.example.org")])];
    for config in bad {
        let error = webhook(&receiver, config).unwrap().notify(&sample(None)).await.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    assert_eq!(receiver.requests().len(), 3, "nothing is sent to a server that is not trusted");
}

#[tokio::test]
async fn mistakes_are_named() {
    let receiver = Receiver::start().await.unwrap();
    let two = map(vec![
        ("authorization", texts(&[("credentials", "x")])),
        ("basic_auth", texts(&[("username", "y")])),
    ]);
    let tls = |settings: &[(&str, &str)]| map(vec![("tls_config", texts(settings))]);
    for (config, wanted) in [
        (two, "at most one of `authorization`, `basic_auth`"),
        (map(vec![("authorization", texts(&[("type", "Bearer")]))]), "needs `credentials`"),
        (map(vec![("oauth2", texts(&[("client_id", "x")]))]), "missing required key `token_url`"),
        (texts(&[("proxy_url", "::")]), "is not a URL of a proxy"),
        (tls(&[("ca_file", "missing.pem")]), "cannot read /nonexistent/missing.pem"),
        (tls(&[("ca", "not pem")]), "expected PEM text"),
        (tls(&[("cert", "-----BEGIN CERTIFICATE-----")]), "needs both `cert_file` and `key_file`"),
        (tls(&[("min_version", "TLS13"), ("max_version", "TLS12")]), "lies beyond"),
        (texts(&[("follow_redirect", "true")]), "did you mean `follow_redirects`?"),
    ] {
        let Err(found) = webhook(&receiver, config) else { panic!("{wanted}: accepted") };
        assert!(found.contains(wanted), "wanted {wanted:?}, found:\n{found}");
    }
}
