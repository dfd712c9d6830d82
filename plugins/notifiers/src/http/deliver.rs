//! The course of a delivery over HTTP: post, judge, and once more with less if it was too much.

use async_trait::async_trait;
use breakwatch_plugin_api::{Notification, NotifyError, Receipt};

use super::{Answer, Judged};
use crate::shorten::shorten;

/// An integration that posts one request for one message.
#[async_trait]
pub(crate) trait Posting: Sync {
    /// The other side's name, for errors.
    const SERVICE: &'static str;

    /// Builds and posts the message.
    ///
    /// # Errors
    /// As [`breakwatch_plugin_api::Notifier::notify`], where there is no answer to judge.
    async fn post(&self, notification: &Notification) -> Result<Answer, NotifyError>;

    /// Judges the answer.
    fn judge(&self, answer: &Answer) -> Judged {
        answer.judge(Self::SERVICE)
    }

    /// What is kept of a delivered message.
    fn receipt(&self, _: &Notification, answer: &Answer) -> Receipt {
        Receipt { reference: String::new(), answer: answer.summary() }
    }
}

/// Delivers a message.
///
/// # Errors
/// As [`breakwatch_plugin_api::Notifier::notify`].
pub(crate) async fn deliver<P: Posting>(
    integration: &P,
    notification: &Notification,
) -> Result<Receipt, NotifyError> {
    let answer = integration.post(notification).await?;
    match integration.judge(&answer) {
        Judged::Delivered => return Ok(integration.receipt(notification, &answer)),
        Judged::Failed(error) => return Err(error),
        Judged::TooLarge(_) => {}
    }
    let answer = integration.post(&shorten(notification)).await?;
    match integration.judge(&answer) {
        Judged::Delivered => Ok(integration.receipt(notification, &answer)),
        Judged::Failed(error) | Judged::TooLarge(error) => Err(error),
    }
}
