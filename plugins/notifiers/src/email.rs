//! `email`: mail by SMTP, secured by default, threaded by group of alerts, to each recipient by himself.

mod body;
mod guard;
mod message;
mod settings;
mod smtp;
mod tls;

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use breakwatch_plugin_api::{
    Diagnostics, Node, Notification, Notifier, NotifierContext, NotifierEntry, NotifyError, Receipt,
};
use lettre::Address;
use lettre::message::Mailboxes;
use parking_lot::Mutex;

pub(crate) use self::body::escape as escape_html;
use self::message::Texts;
use self::settings::{Addresses, FIELDS};
use self::smtp::{Envelope, Handover, Server};
use crate::settings::checked;
use crate::shorten::shorten;
use crate::template::Data;

/// How often a mail is offered again to recipients who were put off while others already have it. Servers that
/// greylist take it on the second or third offer; a full mailbox must not hold up everybody else's pages for
/// ever. Below the 10 failures that open a notifier's breaker.
const OFFERS: u32 = 8;
/// Half-delivered mails remembered; far more than a receiver has in flight.
const REMEMBERED: usize = 1000;

/// The row in the table.
pub(crate) const ENTRY: NotifierEntry = NotifierEntry {
    key: "email",
    section: "email_configs",
    summary: "Sends mail by SMTP.",
    fields: FIELDS,
    parse,
};

struct Email {
    server: Server,
    from: Addresses,
    to: Addresses,
    texts: Texts,
    send_resolved: bool,
    half_done: Mutex<HashMap<String, HalfDone>>,
}

/// A mail that some recipients have and others were put off.
#[derive(Clone, Default)]
struct HalfDone {
    offers: u32,
    served: HashSet<Address>,
}

fn parse(node: &Node, context: &NotifierContext, diagnostics: &Diagnostics) -> Option<Box<dyn Notifier>> {
    let email = checked(diagnostics, |diagnostics| settings::read(node, context, diagnostics))?;
    Some(Box::new(email))
}

impl Email {
    fn new(server: Server, from: Addresses, to: Addresses, texts: Texts, send_resolved: bool) -> Self {
        Self { server, from, to, texts, send_resolved, half_done: Mutex::default() }
    }

    async fn send(
        &self,
        notification: &Notification,
        skip: &HashSet<Address>,
    ) -> Result<(String, Handover), NotifyError> {
        let from = mailboxes(&self.from, notification, "from")?;
        let to = mailboxes(&self.to, notification, "to")?;
        let sender = message::sender(&from)
            .ok_or_else(|| NotifyError::Misconfigured("`from` must be one mail address".to_owned()))?;
        let mut recipients: Vec<Address> = Vec::new();
        for mailbox in to.iter() {
            if !skip.contains(&mailbox.email) && !recipients.contains(&mailbox.email) {
                recipients.push(mailbox.email.clone());
            }
        }
        let mail = message::build(&self.texts, notification, &from, &to)?;
        crate::preview::instead_of_sending(|| String::from_utf8_lossy(&mail.bytes).into_owned())?;
        let envelope = Envelope { from: sender, to: &recipients, message: &mail.bytes };
        let handover = self.server.deliver(&envelope).await?;
        if handover.too_big.is_none() {
            return Ok((mail.id, handover));
        }
        let short = message::build(&self.texts, &shorten(notification), &from, &to)?;
        let handover = self.server.deliver(&Envelope { message: &short.bytes, ..envelope }).await?;
        match handover.too_big {
            Some(words) => Err(NotifyError::Rejected(words)),
            None => Ok((mail.id, handover)),
        }
    }

    /// Decides what a handover means for the message, given who already had it.
    fn settle(
        &self,
        notification: &Notification,
        id: String,
        handover: Handover,
        mut before: HalfDone,
    ) -> Result<Receipt, NotifyError> {
        let answer = summary(&handover);
        before.served.extend(handover.served);
        before.offers += 1;
        if handover.put_off.is_empty() && before.served.is_empty() {
            return Err(NotifyError::Rejected(format!("every recipient was refused: {answer}")));
        }
        let again = NotifyError::Retryable { message: answer.clone(), retry_after: None };
        if before.served.is_empty() {
            return Err(again);
        }
        if !handover.put_off.is_empty() && before.offers < OFFERS {
            let mut half_done = self.half_done.lock();
            if half_done.len() >= REMEMBERED {
                half_done.clear();
            }
            half_done.insert(notification.id.clone(), before);
            return Err(again);
        }
        self.half_done.lock().remove(&notification.id);
        Ok(Receipt { reference: id, answer })
    }
}

/// The server's answers in one line: `250 OK; refused: x@y (550 …); put off: z@y (451 …)`.
fn summary(handover: &Handover) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(Some(handover.answer.clone()).filter(|answer| !answer.is_empty()));
    for (what, list) in [("refused", &handover.refused), ("put off", &handover.put_off)] {
        let each = list.iter().map(|(address, words)| format!("{address} ({words})"));
        let each = each.collect::<Vec<_>>().join(", ");
        parts.extend(Some(format!("{what}: {each}")).filter(|_| !each.is_empty()));
    }
    parts.join("; ")
}

fn mailboxes(
    addresses: &Addresses,
    notification: &Notification,
    key: &str,
) -> Result<Mailboxes, NotifyError> {
    match addresses {
        Addresses::Fixed(mailboxes) => Ok(mailboxes.clone()),
        Addresses::Template(text) => {
            let rendered = text.render(&Data::new(notification, &crate::clean::clean_line));
            let fault = |why: String| NotifyError::Misconfigured(format!("`{key}`: {why}"));
            let rendered = rendered.map_err(fault)?;
            match rendered.parse::<Mailboxes>() {
                Ok(mailboxes) if mailboxes.iter().next().is_some() => Ok(mailboxes),
                _ => Err(fault("the template does not give mail addresses".to_owned())),
            }
        }
    }
}

#[async_trait]
impl Notifier for Email {
    fn integration(&self) -> &'static str {
        ENTRY.key
    }

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    async fn notify(&self, notification: &Notification) -> Result<Receipt, NotifyError> {
        let before = self.half_done.lock().get(&notification.id).cloned().unwrap_or_default();
        let (id, handover) = self.send(notification, &before.served).await?;
        self.settle(notification, id, handover, before)
    }
}

#[cfg(test)]
mod tests;
