//! `notify test`: a firing and a resolved message to every integration of a receiver, straight from the
//! configuration, so that a new receiver can be tried before the daemon uses it.

use std::process::ExitCode;
use std::time::Duration;

use breakwatch_alerts::Config;
use breakwatch_alerts::config::Receiver;
use breakwatch_model::{Alert, AlertStatus, Clock as _, Labels, SystemClock, Timestamp};
use breakwatch_plugin_api::{Notification, Notifier, Receipt, TransitionKind};
use clap::{Args as ClapArgs, Subcommand};

use super::client::block_on;
use super::exit::Exit;
use super::options::ConfigFiles;
use super::output::{Colour, paint, say};
use super::preview::Preview;

/// `notify`.
#[derive(ClapArgs, Debug)]
pub struct Notify {
    /// What to do.
    #[command(subcommand)]
    pub command: NotifyCommand,
}

/// `notify …`.
#[derive(Subcommand, Debug)]
pub enum NotifyCommand {
    /// Send a firing and a resolved test message to every integration of a receiver.
    Test {
        /// The receiver's name.
        receiver: String,
        /// Which configuration; the running daemon is not needed.
        #[command(flatten)]
        files: ConfigFiles,
    },
    /// Show what a receiver would get, or what a template gives, for an example alert. Nothing is sent.
    Preview(Box<Preview>),
}

/// For one attempt.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Sends the test messages.
///
/// # Errors
/// When the configuration is wrong, the receiver is not there, or an integration refused.
pub fn run(args: &Notify) -> Result<ExitCode, Exit> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match &args.command {
        NotifyCommand::Test { receiver, files } => test(receiver, files),
        NotifyCommand::Preview(args) => super::preview::run(args),
    }
}

/// A receiver by its name.
///
/// # Errors
/// Which there are.
pub(super) fn receiver<'c>(config: &'c Config, name: &str) -> Result<&'c Receiver, Exit> {
    config.receiver(name).ok_or_else(|| {
        let names: Vec<&str> = config.receivers.iter().map(|receiver| &*receiver.name).collect();
        Exit::Failed(format!("no receiver {name:?}; there are: {}", names.join(", ")))
    })
}

fn test(receiver: &str, files: &ConfigFiles) -> Result<ExitCode, Exit> {
    let loaded = super::validate::load(files)?;
    let config = &loaded.alerting.config;
    let configured = self::receiver(config, receiver)?;
    let mut failures = 0;
    for integration in &configured.integrations {
        let Some(notifier) = loaded.alerting.notifiers.get(&integration.key) else { continue };
        let external_url = crate::wiring::load::external_url(&loaded.config);
        let sent =
            block_on(async { Ok(send_both(&**notifier, receiver, &integration.key, &external_url).await) })?;
        for (what, outcome) in sent {
            let line = match outcome {
                Ok(()) => paint("delivered", Colour::Green),
                Err(error) => {
                    failures += 1;
                    format!("{}: {error}", paint("failed", Colour::Red))
                }
            };
            say(&format!("{} {what}: {line}", integration.key));
        }
    }
    if configured.integrations.is_empty() {
        return Err(Exit::Failed(format!("receiver {receiver:?} has no integrations: nobody would be told")));
    }
    if failures > 0 {
        return Err(Exit::Failed(format!("{failures} messages could not be delivered")));
    }
    Ok(ExitCode::SUCCESS)
}

async fn send_both(
    notifier: &dyn Notifier,
    receiver: &str,
    key: &str,
    external_url: &str,
) -> Vec<(&'static str, Result<(), String>)> {
    let now = SystemClock.now();
    let mut outcomes = Vec::new();
    let mut firing = message(receiver, key, external_url, now, AlertStatus::Firing);
    let sent = attempt(notifier, &firing).await;
    let receipt = sent.as_ref().ok().cloned();
    outcomes.push(("firing", sent.map(|_| ())));
    if notifier.send_resolved() {
        firing = message(receiver, key, external_url, now, AlertStatus::Resolved);
        firing.first.clone_from(&receipt);
        firing.previous = receipt;
        outcomes.push(("resolved", attempt(notifier, &firing).await.map(|_| ())));
    }
    outcomes
}

async fn attempt(notifier: &dyn Notifier, message: &Notification) -> Result<Receipt, String> {
    match tokio::time::timeout(TIMEOUT, notifier.notify(message)).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
    }
}

fn message(
    receiver: &str,
    key: &str,
    external_url: &str,
    now: Timestamp,
    status: AlertStatus,
) -> Notification {
    let resolved = status == AlertStatus::Resolved;
    let labels = Labels::from_pairs([
        ("alertname", "BreakwatchTest"),
        ("check", "test"),
        ("type", "test"),
        ("severity", "info"),
    ]);
    let annotations = Labels::from_pairs([
        ("summary", "This is a test message from breakwatch"),
        ("description", "Somebody ran `breakwatch notify test`. Nothing is wrong."),
        ("reason", "test"),
    ]);
    let starts_at = now - Duration::from_secs(60);
    let alert = Alert {
        labels: labels.clone(),
        annotations,
        starts_at,
        ends_at: resolved.then_some(now),
        updated_at: now,
        generator_url: external_url.to_owned(),
    };
    let group_labels = labels.filtered(|name| name == "alertname" || name == "check");
    Notification {
        id: uuid::Uuid::new_v4().to_string(),
        receiver: receiver.to_owned(),
        integration: key.to_owned(),
        group_key: format!("{{}}:{}", breakwatch_alerts::text::label_set(&group_labels)),
        group_labels,
        status,
        alerts: vec![alert],
        truncated_alerts: 0,
        transition: Some(if resolved { TransitionKind::Closed } else { TransitionKind::Opened }),
        created_at: now,
        notes: Vec::new(),
        external_url: external_url.to_owned(),
        first: None,
        previous: None,
    }
}
