//! `log`: writes the message to the daemon's log.

use async_trait::async_trait;
use breakwatch_model::AlertStatus;
use breakwatch_plugin_api::{
    Diagnostics, Field, Node, Notification, Notifier, NotifierContext, NotifierEntry, NotifyError, Receipt,
};

use crate::layout::{Message, Room};
use crate::settings::{SENDS_RESOLVED, Settings, checked};

/// A line of a log is read by machines too: enough to say which alerts, not every word about them.
const ROOM: Room = Room { alerts: 5, value: 200 };

const FIELDS: &[Field] = &[SENDS_RESOLVED];

/// The row in the table.
pub(crate) const ENTRY: NotifierEntry = NotifierEntry {
    key: "log",
    section: "log_configs",
    summary: "Writes messages to the daemon's log.",
    fields: FIELDS,
    parse,
};

struct Log {
    send_resolved: bool,
}

fn parse(node: &Node, context: &NotifierContext, diagnostics: &Diagnostics) -> Option<Box<dyn Notifier>> {
    let log = checked(diagnostics, |diagnostics| {
        let mut settings = Settings::open(node, context, diagnostics)?;
        let send_resolved = settings.send_resolved(true);
        settings.finish();
        Some(Log { send_resolved })
    })?;
    Some(Box::new(log))
}

#[async_trait]
impl Notifier for Log {
    fn integration(&self) -> &'static str {
        ENTRY.key
    }

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    async fn notify(&self, notification: &Notification) -> Result<Receipt, NotifyError> {
        // The layout has taken control characters out, so a label cannot forge a line of the log.
        let message = Message::new(notification, ROOM);
        let item = message.single();
        let fact = |name: &str| item.and_then(|item| item.fact(name)).unwrap_or_default();
        let notes = message.notes.join("; ");
        crate::preview::instead_of_sending(|| message.headline.clone())?;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    receiver = %notification.receiver,
                    status = notification.status.as_str(),
                    transition = notification.transition.map_or("", |it| it.as_str()),
                    check = fact("Check"),
                    target = fact("Target"),
                    reason = fact("Reason"),
                    notes = notes,
                    "{}",
                    message.headline
                )
            };
        }
        match notification.status {
            AlertStatus::Firing => line!(warn),
            AlertStatus::Resolved => line!(info),
        }
        Ok(Receipt { reference: String::new(), answer: "logged".to_owned() })
    }
}
