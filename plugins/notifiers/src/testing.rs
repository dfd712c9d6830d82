//! What the tests of the integrations share: an example incident through every transition, settings from YAML-like
//! text without a YAML crate, and hostile content.

use std::path::{Path, PathBuf};

use breakwatch_model::{Alert, AlertStatus, Labels, Timestamp};
use breakwatch_plugin_api::{
    Diagnostics, Key, Node, NodeKind, Notification, Notifier, NotifierContext, NotifierEntry, Place,
    TransitionKind,
};

/// When the example incident began: 2023-11-14T22:13:20Z.
pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000);

/// A check's alert; `ended` is how many seconds after the start it ended.
pub(crate) fn alert(target: &str, ended: Option<i64>) -> Alert {
    let host = if target.is_empty() { "www.example.org" } else { target };
    Alert {
        labels: Labels::from_pairs([
            ("alertname", "CheckUnhealthy"),
            ("check", "http/website"),
            ("type", "http"),
            ("severity", "critical"),
        ])
        .with("target", format!("https://{host}/health")),
        annotations: Labels::from_pairs([
            ("summary", "website answers 503"),
            ("description", "The website's health page has not answered 2xx for 3 runs."),
            ("reason", "status"),
            ("evidence", "status: 503\nbody: <h1>Service Unavailable</h1>"),
            ("failures", "3"),
            ("runbook_url", "https://wiki.example.org/runbooks/website?from=page&lang=en"),
            ("dashboard_url", "https://watch.example.org/checks/http%2Fwebsite"),
        ]),
        starts_at: START,
        ends_at: ended.map(|seconds| Timestamp(START.0 + seconds * 1000)),
        updated_at: START,
        generator_url: String::new(),
    }
}

/// A message about these alerts, a minute after the start.
pub(crate) fn notification(alerts: Vec<Alert>) -> Notification {
    let created_at = Timestamp(START.0 + 60_000);
    let firing = alerts.iter().any(|alert| alert.status(created_at) == AlertStatus::Firing);
    Notification {
        id: "01HF-7QZ/3".to_owned(),
        receiver: "ops".to_owned(),
        integration: "slack[0]".to_owned(),
        group_key: r#"{}/{severity="page"}:{check="http/website"}"#.to_owned(),
        group_labels: Labels::from_pairs([("severity", "page")]),
        status: if firing { AlertStatus::Firing } else { AlertStatus::Resolved },
        alerts,
        truncated_alerts: 0,
        transition: None,
        created_at,
        notes: Vec::new(),
        external_url: "https://watch.example.org".to_owned(),
        first: None,
        previous: None,
    }
}

/// The example incident at one of its transitions; `None` is a reminder that it still lasts.
pub(crate) fn sample(transition: Option<TransitionKind>) -> Notification {
    let over = transition == Some(TransitionKind::Closed);
    let mut one = alert("", over.then_some(320));
    if over {
        one.annotations = one.annotations.with("recovery_time", "5m20s");
    }
    let mut notification = notification(vec![one]);
    if over {
        notification.created_at = Timestamp(START.0 + 321_000);
        notification.status = AlertStatus::Resolved;
    }
    notification.transition = transition;
    notification
}

/// The transitions with the names their golden files carry.
pub(crate) const TRANSITIONS: [(&str, TransitionKind); 4] = [
    ("opened", TransitionKind::Opened),
    ("half_open", TransitionKind::HalfOpen),
    ("reopened", TransitionKind::Reopened),
    ("closed", TransitionKind::Closed),
];

/// Content made to break out of wherever it is put.
pub(crate) fn hostile() -> Vec<String> {
    let mut all: Vec<String> = [
        "<script>alert('x')</script>",
        "\"><img src=x onerror=alert(1)>",
        "<!channel> <!here> <@U123> <https://evil.example|click> @everyone @here",
        "a\r\nBcc: victim@example.org\r\n\r\nbody",
        "a\nX-Injected: yes",
        "nul\0and\u{1b}[31mescape\u{7f}\u{9b}",
        "\u{202e}gnp.exe\u{202c}\u{2066}x\u{2069}\u{200f}",
        "\u{fffd}\u{feff}\u{2028}\u{2029}",
        "{{ template \"x\" }} ${env:HOME} %s %n $(id) `id`",
        "```\n*bold* _it_ ~no~ [a](javascript:alert(1)) ||spoiler||",
        "\r\n.\r\nMAIL FROM:<evil@example.org>\r\n",
        "=?utf-8?q?=0D=0ABcc:_victim@example.org?=",
    ]
    .map(str::to_owned)
    .into();
    all.push("MB ".repeat(350_000));
    all.push("🙂é".repeat(40_000));
    all
}

/// The example incident with `text` in every place a stranger can write to.
pub(crate) fn poisoned(text: &str) -> Notification {
    let mut one = alert("", None);
    for name in ["alertname", "check", "type", "target", "severity", "extra"] {
        one.labels = one.labels.with(name, text);
    }
    let names = "summary description reason evidence failures root_cause runbook_url dashboard_url other";
    for name in names.split(' ') {
        one.annotations = one.annotations.with(name, text);
    }
    one.generator_url = text.to_owned();
    let mut notification = notification(vec![one]);
    notification.group_labels = Labels::from_pairs([("check", text)]);
    notification.group_key = text.to_owned();
    notification.notes = vec![text.to_owned()];
    notification
}

/// Whether every one of `special` in the text has a backslash before it.
pub(crate) fn all_escaped(text: &str, special: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            c if special.contains(c) => return false,
            _ => {}
        }
    }
    true
}

/// A scalar.
pub(crate) fn text(value: &str) -> Node {
    node(NodeKind::Scalar { text: value.to_owned(), quoted: false })
}

/// A mapping.
pub(crate) fn map(entries: Vec<(&str, Node)>) -> Node {
    let key = |name: &str| Key { name: name.into(), place: Place::default() };
    node(NodeKind::Map(entries.into_iter().map(|(name, value)| (key(name), value)).collect()))
}

/// A sequence.
pub(crate) fn list(items: Vec<Node>) -> Node {
    node(NodeKind::List(items))
}

/// A mapping of texts.
pub(crate) fn texts(entries: &[(&str, &str)]) -> Node {
    map(entries.iter().map(|(name, value)| (*name, text(value))).collect())
}

fn node(kind: NodeKind) -> Node {
    Node { place: Place::default(), kind, sensitive: false }
}

/// The surroundings of an integration under test.
pub(crate) fn context() -> NotifierContext {
    NotifierContext {
        receiver: "ops".to_owned(),
        base_dir: PathBuf::from("/nonexistent"),
        global: None,
        templates: Vec::new(),
        external_url: "https://watch.example.org".to_owned(),
    }
}

/// Builds an integration; the mistakes as text if there are any.
pub(crate) fn build(
    entry: &NotifierEntry,
    settings: &Node,
    context: &NotifierContext,
) -> Result<Box<dyn Notifier>, String> {
    let diagnostics = Diagnostics::new();
    let built = (entry.parse)(settings, context, &diagnostics);
    built.ok_or_else(|| {
        let all = diagnostics.into_sorted();
        all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    })
}

/// Compares with a golden file; `BREAKWATCH_BLESS=1` writes it instead.
pub(crate) fn golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    if std::env::var("BREAKWATCH_BLESS").is_ok_and(|value| value == "1") {
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(wanted == actual, "{} differs; got:\n{actual}", path.display());
}

/// Compares JSON with a golden file; the order of keys and the white space do not count.
pub(crate) fn golden_json(name: &str, actual: &[u8]) {
    let value: serde_json::Value = serde_json::from_slice(actual).expect("JSON");
    let pretty = format!("{}\n", serde_json::to_string_pretty(&value).unwrap());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    let wanted = std::fs::read(&path).unwrap_or_default();
    if serde_json::from_slice::<serde_json::Value>(&wanted).is_ok_and(|wanted| wanted == value) {
        return;
    }
    golden(name, &pretty);
}
