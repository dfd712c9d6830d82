//! `notify preview`: what a receiver would get, or what a template gives, for an example alert. Nothing is sent.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use breakwatch_alerts::Config;
use breakwatch_alerts::config::Integration;
use breakwatch_model::{Alert, AlertStatus, Clock as _, Labels, SystemClock, Timestamp};
use breakwatch_plugin_api::{Notification, TransitionKind};
use breakwatch_template::{
    Context, Escaping, Functions, Notice, TemplateError, TemplateSet, default_templates,
};
use clap::Args as ClapArgs;
use serde::Deserialize;

use super::client::block_on;
use super::exit::Exit;
use super::options::ConfigFiles;
use super::output::say;

/// How long the example alert has been firing.
const AGE: Duration = Duration::from_secs(600);
/// Where links in an expanded template lead.
const EXTERNAL_URL: &str = "http://127.0.0.1:9475";

/// `notify preview`.
#[derive(ClapArgs, Debug)]
pub struct Preview {
    /// The receiver whose messages are shown, one for each integration.
    #[arg(required_unless_present = "template", conflicts_with = "template")]
    pub receiver: Option<String>,
    /// A file of templates to try, in the place of a receiver.
    #[arg(long, value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// A text to expand with the file's templates; without it every template that the file defines is shown.
    #[arg(long, value_name = "TEXT", requires = "template")]
    pub text: Option<String>,
    /// A file with the alerts of the message: a JSON list as the API takes them, or an object with a list `alerts`.
    #[arg(long, value_name = "FILE")]
    pub alert: Option<PathBuf>,
    /// Labels of an example alert, `label=value`.
    #[arg(long = "label", value_name = "LABEL=VALUE", conflicts_with = "alert")]
    pub labels: Vec<String>,
    /// Show the message about the end.
    #[arg(long)]
    pub resolved: bool,
    /// Which configuration; the running daemon is not needed.
    #[command(flatten)]
    pub files: ConfigFiles,
}

/// An alert in a file; what is left out is made up.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    labels: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
    #[serde(default)]
    starts_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
}

/// Shows it.
///
/// # Errors
/// When the configuration, the alert or the template is wrong, or the receiver is not there.
pub(super) fn run(args: &Preview) -> Result<ExitCode, Exit> {
    let now = SystemClock.now();
    let alerts = match &args.alert {
        Some(path) => read_alerts(path, args.resolved, now)?,
        None => vec![example(&args.labels, args.resolved, now)?],
    };
    match (&args.template, &args.receiver) {
        (Some(path), _) => template(path, args.text.as_deref(), &alerts, now),
        (None, Some(receiver)) => receiver_messages(receiver, &args.files, alerts, now),
        (None, None) => Err(Exit::Failed("name a receiver or a `--template` file".to_owned())),
    }
}

fn receiver_messages(
    receiver: &str,
    files: &ConfigFiles,
    alerts: Vec<Alert>,
    now: Timestamp,
) -> Result<ExitCode, Exit> {
    let loaded = super::validate::load(files)?;
    let config = &loaded.alerting.config;
    let configured = super::notify::receiver(config, receiver)?;
    let external_url = crate::wiring::load::external_url(&loaded.config);
    for integration in &configured.integrations {
        let Some(notifier) = loaded.alerting.notifiers.get(&integration.key) else { continue };
        let message = message(config, integration, receiver, &external_url, &alerts, now);
        let shown = block_on(async { Ok(breakwatch_notifiers::preview(&**notifier, &message).await) })?;
        let shown = shown.map_err(|error| Exit::Failed(format!("{}: {error}", integration.key)))?;
        say(&format!("# {}\n{}", integration.key, readable(&shown)));
    }
    if configured.integrations.is_empty() {
        return Err(Exit::Failed(format!("receiver {receiver:?} has no integrations: nobody would be told")));
    }
    Ok(ExitCode::SUCCESS)
}

/// JSON in lines, anything else as it is.
fn readable(text: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => format!("{value:#}"),
        Err(_) => text.replace("\r\n", "\n"),
    }
}

/// Expands a text, or every template the file defines.
fn template(path: &Path, text: Option<&str>, alerts: &[Alert], now: Timestamp) -> Result<ExitCode, Exit> {
    let name = path.display().to_string();
    let source = std::fs::read_to_string(path).map_err(|error| Exit::Failed(format!("{name}: {error}")))?;
    let failed = |error: TemplateError| Exit::Failed(error.to_string());
    let mut own = TemplateSet::new(Functions::alertmanager().into());
    own.add(&name, &source).map_err(failed)?;
    let mut set = default_templates().map_err(failed)?;
    set.add(&name, &source).map_err(failed)?;
    let group_labels = alerts.first().map(|alert| alert.labels.filtered(|name| name == "alertname"));
    let notice = Notice {
        receiver: "preview",
        alerts,
        group_labels: &group_labels.unwrap_or_default(),
        route_labels: &Labels::empty(),
        reason: "first",
        external_url: EXTERNAL_URL,
    };
    let (data, context) = (notice.to_value(now), Context { external_url: EXTERNAL_URL, ..Context::at(now) });
    if let Some(text) = text {
        say(&set.render_text("--text", text, &data, Escaping::None, &context).map_err(failed)?);
        return Ok(ExitCode::SUCCESS);
    }
    // The file itself is a template, too, but only what it defines has a name.
    for defined in own.names().into_iter().filter(|defined| **defined != *name) {
        let text = set.render(defined, &data, Escaping::None, &context).map_err(failed)?;
        say(&format!("# {defined}\n{text}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// An alert with these labels, as a check's circuit breaker would raise it.
fn example(pairs: &[String], resolved: bool, now: Timestamp) -> Result<Alert, Exit> {
    let mut labels = Labels::from_pairs([
        ("alertname", breakwatch_alerts::BREAKER_ALERT),
        ("check", "http/website"),
        ("severity", "warning"),
        ("target", "https://example.org/"),
        ("type", "http"),
    ])
    .to_builder();
    for pair in pairs {
        let wrong = || Exit::Failed(format!("{pair}: expected label=value"));
        let (name, value) = pair.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
        labels.set(name, value.trim_matches('"'));
    }
    let summary = match resolved {
        true => "http/website works again after 10m",
        false => "http/website is failing: its circuit breaker opened",
    };
    Ok(Alert {
        labels: labels.build(),
        annotations: Labels::from_pairs([
            ("summary", summary),
            ("description", "expected 2xx, got 503"),
            ("reason", "status"),
        ]),
        starts_at: now - AGE,
        ends_at: resolved.then_some(now),
        updated_at: now,
        generator_url: String::new(),
    })
}

fn read_alerts(path: &Path, resolved: bool, now: Timestamp) -> Result<Vec<Alert>, Exit> {
    let wrong = |error: String| Exit::Failed(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let list = value.get("alerts").unwrap_or(&value).clone();
    let list = if list.is_object() { serde_json::json!([list]) } else { list };
    let written: Vec<Written> = serde_json::from_value(list).map_err(|error| wrong(error.to_string()))?;
    if written.is_empty() {
        return Err(wrong("there is no alert in it".to_owned()));
    }
    let time = |text: Option<&String>| {
        let read = |text: &String| {
            Timestamp::parse_rfc3339(text)
                .ok_or_else(|| wrong(format!("{text} is not a time as RFC 3339 has it")))
        };
        text.map(read).transpose()
    };
    let alert = |written: &Written| {
        let ends_at = time(written.ends_at.as_ref())?.filter(|end| *end <= now);
        Ok(Alert {
            labels: Labels::from_pairs(written.labels.clone()),
            annotations: Labels::from_pairs(written.annotations.clone()),
            starts_at: time(written.starts_at.as_ref())?.unwrap_or(now - AGE),
            ends_at: if resolved { Some(ends_at.unwrap_or(now)) } else { ends_at },
            updated_at: now,
            generator_url: written.generator_url.clone(),
        })
    };
    written.iter().map(alert).collect()
}

/// The message about these alerts, grouped as the receiver's route groups them.
fn message(
    config: &Config,
    integration: &Integration,
    receiver: &str,
    external_url: &str,
    alerts: &[Alert],
    now: Timestamp,
) -> Notification {
    let labels = alerts.first().map(|alert| alert.labels.clone()).unwrap_or_default();
    let routes = config.route.matching(&labels);
    let route = routes.into_iter().find(|route| *route.receiver == *receiver).unwrap_or(&config.route);
    let group_labels = route.group_by.group_labels(&labels);
    let resolved = alerts.iter().all(|alert| alert.status(now) == AlertStatus::Resolved);
    let breaker = alerts.len() == 1 && labels.value("alertname") == breakwatch_alerts::BREAKER_ALERT;
    let transition = if resolved { TransitionKind::Closed } else { TransitionKind::Opened };
    Notification {
        id: "00000000-0000-4000-8000-000000000000".to_owned(),
        receiver: receiver.to_owned(),
        integration: integration.local_name(),
        group_key: format!("{}:{}", route.key, breakwatch_alerts::text::label_set(&group_labels)),
        group_labels,
        status: if resolved { AlertStatus::Resolved } else { AlertStatus::Firing },
        alerts: alerts.to_vec(),
        truncated_alerts: 0,
        transition: breaker.then_some(transition),
        created_at: now,
        notes: Vec::new(),
        external_url: external_url.to_owned(),
        first: None,
        previous: None,
    }
}
