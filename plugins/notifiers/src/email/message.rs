//! The mail itself: headers that thread and filter well, and cannot be injected; text first, then HTML.

use std::time::{Duration, UNIX_EPOCH};

use breakwatch_plugin_api::{Notification, NotifyError};
use lettre::Address;
use lettre::message::header::{
    ContentTransferEncoding, ContentType, Date, Header, HeaderName, HeaderValue, Headers,
};
use lettre::message::{Mailboxes, MultiPart, SinglePart};

use super::body;
use crate::clean::{clean, line};
use crate::ids::sha256_hex;
use crate::layout::{Message, Room};
use crate::template::{Data, Text, or_default, own};

/// Alerts told in detail: a mail is read at a desk.
const ROOM: Room = Room { alerts: 30, value: 2000 };
/// Longer than any sensible header, and folded within the limits of RFC 5322.
const MAX_HEADER: usize = 500;
/// 9999-12-31T23:59:59Z: the last second a mail's date can say.
const LAST_SECOND: i64 = 253_402_300_799;

/// The texts a user may set.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) subject: Option<Text>,
    /// Set to empty, the part is left out.
    pub(super) html: Option<Text>,
    pub(super) text: Option<Text>,
    /// More headers, by their names.
    pub(super) headers: Vec<(HeaderName, Text)>,
    /// Whether mails about one group of alerts form a thread.
    pub(super) threading: bool,
}

/// A mail ready to be handed over.
pub(super) struct Mail {
    /// Its Message-ID, with the angle brackets.
    pub(super) id: String,
    /// The whole of it.
    pub(super) bytes: Vec<u8>,
}

/// Builds the mail.
///
/// # Errors
/// [`NotifyError::Misconfigured`] when a header that holds addresses does not.
pub(super) fn build(
    texts: &Texts,
    notification: &Notification,
    from: &Mailboxes,
    to: &Mailboxes,
) -> Result<Mail, NotifyError> {
    let message = Message::new(notification, ROOM);
    let data = Data::new(notification, &str::to_owned);
    let subject = or_default(texts.subject.as_ref(), &data, notification, || message.headline.clone());
    let id = message_id(&notification.id, from);
    let mut headers = Headers::new();
    headers.set(lettre::message::header::From::from(from.clone()));
    headers.set(lettre::message::header::To::from(to.clone()));
    insert(&mut headers, "Subject", &subject);
    headers.set(date(notification));
    verbatim(&mut headers, "Message-ID", &id);
    if texts.threading {
        thread(&mut headers, notification, &id);
    }
    filters(&mut headers, notification);
    for (name, text) in &texts.headers {
        let Some(value) = own(text, &data, notification) else { continue };
        user_header(&mut headers, name, &value)?;
    }
    verbatim(&mut headers, "MIME-Version", "1.0");
    let mut bytes = headers.to_string().into_bytes();
    bytes.extend(parts(texts, notification, &message, &id));
    Ok(Mail { id, bytes })
}

/// The same on every try, so that a repeat is recognised: made from the message's id.
fn message_id(id: &str, from: &Mailboxes) -> String {
    let domain = from.iter().next().map_or("localhost", |mailbox| mailbox.email.domain());
    let domain = if domain.is_ascii() { domain } else { "localhost" };
    let hash = sha256_hex(id);
    format!("<breakwatch.{}@{domain}>", hash.get(..32).unwrap_or(&hash))
}

/// When the message was decided on, so that a repeat is the same mail to the byte.
fn date(notification: &Notification) -> Date {
    let seconds = u64::try_from(notification.created_at.secs().clamp(0, LAST_SECOND)).unwrap_or(0);
    Date::new(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Answers the first mail about the group, and the last one, as a mail client would.
fn thread(headers: &mut Headers, notification: &Notification, own: &str) {
    let stored = [&notification.first, &notification.previous];
    let ids = stored.into_iter().flatten().map(|receipt| receipt.reference.as_str());
    let mut ids: Vec<&str> = ids.filter(|id| is_message_id(id) && *id != own).collect();
    ids.dedup();
    if let Some(first) = ids.first() {
        verbatim(headers, "In-Reply-To", first);
        verbatim(headers, "References", &ids.join(" "));
    }
}

/// Whether a stored reference is what we wrote: it goes into a header as it is.
fn is_message_id(text: &str) -> bool {
    let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or_default();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "@.-_+".contains(c);
    inner.contains('@') && inner.len() <= 250 && inner.chars().all(allowed)
}

/// What keeps robots from answering (RFC 3834) and lets people filter.
fn filters(headers: &mut Headers, notification: &Notification) {
    verbatim(headers, "Auto-Submitted", "auto-generated");
    verbatim(headers, "X-Auto-Response-Suppress", "All");
    verbatim(headers, "X-Breakwatch-Status", notification.status.as_str());
    if let Some(transition) = notification.transition {
        verbatim(headers, "X-Breakwatch-Transition", transition.as_str());
    }
    let common = notification.common_labels();
    for (header, value) in [
        ("X-Breakwatch-Group", notification.group_key.as_str()),
        ("X-Breakwatch-Check", common.value("check")),
        ("X-Breakwatch-Severity", common.value("severity")),
        ("X-Breakwatch-Id", notification.id.as_str()),
    ] {
        if !value.is_empty() {
            insert(headers, header, value);
        }
    }
}

/// A header from any text: one clean line, encoded by RFC 2047 where it is not ASCII.
fn insert(headers: &mut Headers, name: &'static str, value: &str) {
    let value = line(value, MAX_HEADER);
    headers.insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
}

/// A header whose value is ours: ASCII in one line, and not to be folded.
fn verbatim(headers: &mut Headers, name: &'static str, value: &str) {
    let name = HeaderName::new_from_ascii_str(name);
    headers.insert_raw(HeaderValue::dangerous_new_pre_encoded(name, value.to_owned(), value.to_owned()));
}

fn user_header(headers: &mut Headers, name: &HeaderName, value: &str) -> Result<(), NotifyError> {
    let value = line(value, MAX_HEADER);
    // These hold addresses, whose names alone may be encoded.
    let addressed = ["From", "To", "Cc", "Reply-To", "Sender"].into_iter().any(|known| *name == known);
    if !addressed {
        headers.insert_raw(HeaderValue::new(name.clone(), value));
        return Ok(());
    }
    let mailboxes: Mailboxes = value.parse().map_err(|_| {
        NotifyError::Misconfigured(format!("the header {} does not hold mail addresses", &**name))
    })?;
    let shown = lettre::message::header::To::from(mailboxes).display();
    let encoded = shown_value(&shown);
    headers.insert_raw(HeaderValue::dangerous_new_pre_encoded(name.clone(), value, encoded));
    Ok(())
}

/// The encoded value of a header, by way of the only form the library gives it in.
fn shown_value(header: &HeaderValue) -> String {
    let mut one = Headers::new();
    one.insert_raw(header.clone());
    let line = one.to_string();
    let value = line.split_once(": ").map_or("", |(_, value)| value);
    value.trim_end_matches(['\r', '\n']).to_owned()
}

/// The body. The parts' order is RFC 2046's: the plainest first, the preferred last.
fn parts(texts: &Texts, notification: &Notification, message: &Message, id: &str) -> Vec<u8> {
    let text = text_part(texts, notification, message);
    let html = html_part(texts, notification, message);
    match (text, html) {
        (Some(text), Some(html)) => {
            // The same on every try, and in no part: its `=_` does not occur in quoted-printable text.
            let boundary = format!("=_breakwatch_{}", sha256_hex(id).get(..32).unwrap_or_default());
            let both = MultiPart::alternative().boundary(boundary);
            both.singlepart(part(ContentType::TEXT_PLAIN, text))
                .singlepart(part(ContentType::TEXT_HTML, html))
                .formatted()
        }
        (None, Some(html)) => part(ContentType::TEXT_HTML, html).formatted(),
        (text, None) => {
            part(ContentType::TEXT_PLAIN, text.unwrap_or_else(|| body::text(message))).formatted()
        }
    }
}

fn part(kind: ContentType, text: String) -> SinglePart {
    SinglePart::builder().header(kind).header(ContentTransferEncoding::QuotedPrintable).body(text)
}

fn text_part(texts: &Texts, notification: &Notification, message: &Message) -> Option<String> {
    match &texts.text {
        Some(text) if text.is_empty() => None,
        None => Some(body::text(message)),
        Some(text) => {
            let data = Data::new(notification, &clean);
            let Some(mut own) = own(text, &data, notification) else { return Some(body::text(message)) };
            for note in &message.notes {
                own.push_str(&format!("\n* {note}"));
            }
            Some(own)
        }
    }
}

fn html_part(texts: &Texts, notification: &Notification, message: &Message) -> Option<String> {
    match &texts.html {
        Some(text) if text.is_empty() => None,
        None => Some(body::html(message)),
        Some(text) => match text.render_html(&Data::new(notification, &clean)) {
            Ok(html) => Some(html),
            Err(mistake) => {
                tracing::warn!(receiver = %notification.receiver, %mistake,
                    "the template of the HTML part failed; the standard one goes out");
                Some(body::html(message))
            }
        },
    }
}

/// The one address a mail is from.
pub(super) fn sender(from: &Mailboxes) -> Option<&Address> {
    let mut all = from.iter();
    let first = all.next()?;
    all.next().is_none().then_some(&first.email)
}
