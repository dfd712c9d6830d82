//! `receivers:`: named destinations, each a list of integrations.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_plugin_api::{Diagnostics, Key, Node, Section, TransitionKind, nearest, parse_duration};

use super::IntegrationKind;

/// How long a message may stay undelivered before the fallback receiver gets it too.
const DEFAULT_FALLBACK_AFTER: Duration = Duration::from_secs(300);

/// Kinds that tell only of the beginning unless asked, as in Alertmanager.
const NO_RESOLVED_BY_DEFAULT: [&str; 4] = ["email", "slack", "wechat", "rocketchat"];

/// Lists Alertmanager knows and this build may not have.
const ALERTMANAGER_SECTIONS: [&str; 19] = [
    "discord_configs",
    "email_configs",
    "incidentio_configs",
    "jira_configs",
    "mattermost_configs",
    "msteams_configs",
    "msteamsv2_configs",
    "opsgenie_configs",
    "pagerduty_configs",
    "pushover_configs",
    "rocketchat_configs",
    "slack_configs",
    "sns_configs",
    "telegram_configs",
    "victorops_configs",
    "webex_configs",
    "webhook_configs",
    "wechat_configs",
    "zoom_configs",
];

/// A named destination.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Its name.
    pub name: Arc<str>,
    /// How it is reached; every integration gets every message.
    pub integrations: Vec<Arc<Integration>>,
    /// Who is told when this receiver cannot be.
    pub fallback: Option<Arc<str>>,
    /// After how long.
    pub fallback_after: Duration,
    /// The most messages it takes.
    pub rate_limit: Option<RateLimit>,
}

/// One way to reach a receiver.
#[derive(Clone, Debug)]
pub struct Integration {
    /// `slack`.
    pub kind: Arc<str>,
    /// Its place among the receiver's integrations of this kind.
    pub index: usize,
    /// `receiver/slack[0]`: names the integration everywhere.
    pub key: Arc<str>,
    /// Its settings.
    pub settings: Node,
    /// Whether it is told of the end.
    pub send_resolved: bool,
    /// Which breaker transitions it is told of.
    pub transitions: Transitions,
}

impl Integration {
    /// `slack[0]`, the name inside its receiver.
    #[must_use]
    pub fn local_name(&self) -> String {
        format!("{}[{}]", self.kind, self.index)
    }
}

/// Which breaker transitions a receiver is told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transitions {
    /// Closed to open.
    pub open: bool,
    /// To closed.
    pub closed: bool,
    /// Open to half-open.
    pub half_open: bool,
    /// Half-open to open.
    pub reopen: bool,
}

impl Default for Transitions {
    fn default() -> Self {
        Self { open: true, closed: true, half_open: false, reopen: false }
    }
}

impl Transitions {
    /// Whether this transition is asked for.
    #[must_use]
    pub fn has(self, kind: TransitionKind) -> bool {
        match kind {
            TransitionKind::Opened => self.open,
            TransitionKind::Closed => self.closed,
            TransitionKind::HalfOpen => self.half_open,
            TransitionKind::Reopened => self.reopen,
        }
    }
}

/// At most so many messages in such a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimit {
    /// Messages.
    pub messages: u32,
    /// Time.
    pub per: Duration,
}

impl Receiver {
    /// A receiver that takes note of nothing.
    pub(super) fn without_integrations(name: &str) -> Self {
        Self {
            name: name.into(),
            integrations: Vec::new(),
            fallback: None,
            fallback_after: DEFAULT_FALLBACK_AFTER,
            rate_limit: None,
        }
    }
}

/// Reads the list and checks names across it.
pub(super) fn read_all(
    node: Option<&Node>,
    kinds: &[IntegrationKind],
    diagnostics: &Diagnostics,
) -> Vec<Receiver> {
    let items = node.map(|node| super::items(node, diagnostics)).unwrap_or_default();
    let (mut receivers, mut names) = (Vec::new(), HashSet::new());
    for item in items {
        let Some(receiver) = read(item, kinds, diagnostics) else { continue };
        if !names.insert(Arc::clone(&receiver.name)) {
            let message = format!("notification config name {:?} is not unique", receiver.name);
            diagnostics.error(&item.place, message);
        }
        receivers.push(receiver);
    }
    for (item, receiver) in items.iter().zip(&receivers) {
        check_fallback(item, receiver, &names, diagnostics);
    }
    receivers
}

fn check_fallback(node: &Node, receiver: &Receiver, names: &HashSet<Arc<str>>, diagnostics: &Diagnostics) {
    let Some(fallback) = &receiver.fallback else { return };
    let place = node.get("fallback").map_or(&node.place, |node| &node.place);
    if *fallback == receiver.name {
        diagnostics.error(place, "a receiver cannot be its own fallback");
    } else if !names.contains(fallback) {
        let message = format!("undefined receiver {fallback:?} used as fallback");
        match nearest(fallback, names.iter().map(|name| &**name)) {
            Some(near) => diagnostics.error_with_help(place, message, format!("did you mean `{near}`?")),
            None => diagnostics.error(place, message),
        }
    }
}

fn read(node: &Node, kinds: &[IntegrationKind], diagnostics: &Diagnostics) -> Option<Receiver> {
    let mut section = Section::open(node, diagnostics)?;
    let name = section.required_string("name");
    if name.as_deref() == Some("") {
        section.error_at("name", "missing name in receiver");
    }
    let mut receiver = Receiver::without_integrations(name.as_deref().unwrap_or_default());
    let transitions = read_transitions(&mut section).unwrap_or_default();
    receiver.fallback = section.string("fallback").map(Arc::from);
    receiver.fallback_after = section.duration_or_zero("fallback_after").unwrap_or(DEFAULT_FALLBACK_AFTER);
    receiver.rate_limit = section.parse("rate_limit", parse_rate);
    for kind in kinds {
        let Some(list) = section.get(kind.section) else { continue };
        for (index, settings) in super::items(list, diagnostics).iter().enumerate() {
            let found =
                read_integration(settings, kind.kind, index, &receiver.name, transitions, diagnostics);
            receiver.integrations.extend(found.map(Arc::new));
        }
    }
    refuse_unbuilt(&mut section, kinds);
    section.finish();
    Some(receiver)
}

/// Says of a list Alertmanager knows and we do not build what can be done instead.
fn refuse_unbuilt(section: &mut Section<'_>, kinds: &[IntegrationKind]) {
    let unbuilt: Vec<&'static str> = ALERTMANAGER_SECTIONS
        .into_iter()
        .filter(|name| !kinds.iter().any(|kind| kind.section == *name))
        .collect();
    let entries: &[(Key, Node)] = section.node().as_map().unwrap_or_default();
    for (key, _) in entries {
        if unbuilt.contains(&&*key.name) {
            let message = format!("`{}` is not built into this program", key.name);
            let help = "use `webhook_configs` with a template body to reach that service";
            section.diagnostics().error_with_help(&key.place, message, help);
        }
    }
    section.allow(unbuilt);
}

/// Reads what the router needs of an integration; the rest of its settings belongs to the notifier.
fn read_integration(
    settings: &Node,
    kind: &'static str,
    index: usize,
    receiver: &str,
    transitions: Transitions,
    diagnostics: &Diagnostics,
) -> Option<Integration> {
    let mut section = Section::open(settings, diagnostics)?;
    let send_resolved = section.bool("send_resolved");
    let own = read_transitions(&mut section);
    Some(Integration {
        kind: kind.into(),
        index,
        key: format!("{receiver}/{kind}[{index}]").into(),
        settings: settings.clone(),
        send_resolved: send_resolved.unwrap_or(!NO_RESOLVED_BY_DEFAULT.contains(&kind)),
        transitions: own.unwrap_or(transitions),
    })
}

fn read_transitions(section: &mut Section<'_>) -> Option<Transitions> {
    const KINDS: [TransitionKind; 4] =
        [TransitionKind::Opened, TransitionKind::Closed, TransitionKind::HalfOpen, TransitionKind::Reopened];
    let words = section.strings("transitions")?;
    let mut chosen = Transitions { open: false, closed: false, half_open: false, reopen: false };
    for word in words {
        match KINDS.into_iter().find(|kind| kind.as_str() == word) {
            Some(TransitionKind::Opened) => chosen.open = true,
            Some(TransitionKind::Closed) => chosen.closed = true,
            Some(TransitionKind::HalfOpen) => chosen.half_open = true,
            Some(TransitionKind::Reopened) => chosen.reopen = true,
            None => {
                let message = format!("expected `open`, `closed`, `half_open` or `reopen`, found {word:?}");
                section.error_at("transitions", message);
            }
        }
    }
    Some(chosen)
}

/// `10/1m`: messages in a time.
fn parse_rate(text: &str) -> Result<RateLimit, String> {
    let expected = || "a rate such as `1/1s` or `30/1m`".to_owned();
    let (messages, per) = text.split_once('/').ok_or_else(expected)?;
    let messages = messages.trim().parse().ok().filter(|count| *count > 0).ok_or_else(expected)?;
    let per = per.trim();
    let unit = ["s", "m", "h", "d"].contains(&per).then(|| format!("1{per}"));
    let per =
        parse_duration(unit.as_deref().unwrap_or(per)).filter(|per| !per.is_zero()).ok_or_else(expected)?;
    Ok(RateLimit { messages, per })
}
