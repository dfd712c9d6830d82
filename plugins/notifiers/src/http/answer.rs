//! What an HTTP answer means for the message it answers.

use std::time::Duration;

use breakwatch_plugin_api::NotifyError;

use crate::clean::line;

/// How much of an answer goes into an error or the ledger: enough for any provider's error text.
const EXCERPT: usize = 200;

/// Words by which a refusal (400) says that the message is too big.
const SIZE_WORDS: [&str; 8] =
    ["too long", "too_long", "too large", "too_large", "too big", "toolong", "maximum", "exceed"];

/// An answer, read as far as we read one; secrets of ours are already cut out of its body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// How long we are asked to wait; capped.
    pub(crate) retry_after: Option<Duration>,
    /// The body's beginning; what is not UTF-8 is replaced.
    pub(crate) body: String,
    /// Whether the body was read to its end.
    pub(crate) complete: bool,
    /// The host a redirect points to that was not followed.
    pub(crate) redirect: Option<String>,
}

/// The verdict on an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Judged {
    /// The message was taken.
    Delivered,
    /// The message is too big: a shorter one may be taken.
    TooLarge(NotifyError),
    /// The message was not taken.
    Failed(NotifyError),
}

impl Answer {
    /// Judges by the status alone. `service` names the other side in the error.
    pub(crate) fn judge(&self, service: &str) -> Judged {
        let said = self.said();
        let message = format!("{service} answered {}{said}", self.status);
        match self.status {
            200..=299 => Judged::Delivered,
            300..=399 => Judged::Failed(NotifyError::Misconfigured(self.redirected(service))),
            401 | 403 | 407 => Judged::Failed(NotifyError::Misconfigured(message)),
            413 => Judged::TooLarge(NotifyError::Rejected(message)),
            400 if self.complains_of_size() => Judged::TooLarge(NotifyError::Rejected(message)),
            // Asked too early, took too long to send, or too many at once: all pass by themselves.
            408 | 425 | 429 | 500..=599 => Judged::Failed(self.retryable(message)),
            _ => Judged::Failed(NotifyError::Rejected(message)),
        }
    }

    /// An error that says to try again, and when.
    pub(crate) fn retryable(&self, message: String) -> NotifyError {
        NotifyError::Retryable { message, retry_after: self.retry_after }
    }

    /// What the other side said, as the tail of a sentence.
    pub(crate) fn said(&self) -> String {
        let text = excerpt(&self.body);
        if text.is_empty() { String::new() } else { format!(": {text}") }
    }

    /// Whether a refusal speaks of the message's size.
    pub(crate) fn complains_of_size(&self) -> bool {
        let body = self.body.to_lowercase();
        SIZE_WORDS.iter().any(|word| body.contains(word))
    }

    /// The answer in one line, for the ledger.
    pub(crate) fn summary(&self) -> String {
        format!("{}{}", self.status, self.said())
    }

    fn redirected(&self, service: &str) -> String {
        let status = self.status;
        match &self.redirect {
            Some(host) => format!(
                "{service} answered {status}, a redirect to {host}: not followed, as the message would be \
                 lost or go to another host; correct the URL"
            ),
            None => format!("{service} answered {status}, a redirect: correct the URL"),
        }
    }
}

/// The beginning of a foreign text as one harmless line.
pub(crate) fn excerpt(text: &str) -> String {
    line(text, EXCERPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(status: u16, body: &str) -> Judged {
        let retry_after = Some(Duration::from_secs(7));
        Answer { status, body: body.to_owned(), retry_after, ..Answer::default() }.judge("x")
    }

    #[test]
    fn every_class_of_answer() {
        assert_eq!(judge(204, ""), Judged::Delivered);
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            let wanted = NotifyError::Retryable {
                message: format!("x answered {status}: later"),
                retry_after: Some(Duration::from_secs(7)),
            };
            assert_eq!(judge(status, "later\r\n"), Judged::Failed(wanted));
        }
        for status in [401, 403, 407, 301, 302, 303, 307] {
            assert!(matches!(judge(status, ""), Judged::Failed(NotifyError::Misconfigured(_))), "{status}");
        }
        for status in [400, 404, 405, 410, 422] {
            assert!(matches!(judge(status, "no"), Judged::Failed(NotifyError::Rejected(_))), "{status}");
        }
        assert!(matches!(judge(413, ""), Judged::TooLarge(_)));
        assert!(matches!(judge(400, "message is too long"), Judged::TooLarge(_)));
    }
}
