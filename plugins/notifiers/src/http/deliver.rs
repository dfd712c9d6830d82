//! Integrations that post one request for one message: what they have in common, from their settings to the course of a
//! delivery (post, judge, and once more with less if it was too much).

use async_trait::async_trait;
use breakwatch_plugin_api::{
    Diagnostics, Node, Notification, Notifier, NotifierContext, NotifyError, Receipt,
};

use super::{Answer, HttpClient, Judged};
use crate::settings::{Settings, checked};
use crate::shorten::shorten;

/// An integration that posts one request for one message.
#[async_trait]
pub(crate) trait Posting: Sized + Send + Sync {
    /// The integration's kind.
    const KEY: &'static str;
    /// The other side's name, for errors.
    const SERVICE: &'static str;

    /// See [`breakwatch_plugin_api::Notifier::at_once`].
    const AT_ONCE: usize = 1;

    /// Reads what it has of its own; `timeout`, `http_config` and `send_resolved` are read for it.
    fn read(settings: &mut Settings<'_>) -> Option<Self>;

    /// Builds and posts the message.
    ///
    /// # Errors
    /// As [`breakwatch_plugin_api::Notifier::notify`], where there is no answer to judge.
    async fn post(&self, client: &HttpClient, notification: &Notification) -> Result<Answer, NotifyError>;

    /// Judges the answer.
    fn judge(&self, answer: &Answer) -> Judged {
        answer.judge(Self::SERVICE)
    }

    /// What is kept of a delivered message.
    fn receipt(&self, _: &Notification, answer: &Answer) -> Receipt {
        Receipt { reference: String::new(), answer: answer.summary() }
    }
}

/// Such an integration, ready to send.
pub(crate) struct Posted<P> {
    client: HttpClient,
    send_resolved: bool,
    /// What it has of its own.
    pub(crate) posting: P,
}

/// Reads an integration that posts; the `parse` of its row in the table.
pub(crate) fn parse<P: Posting + 'static>(
    node: &Node,
    context: &NotifierContext,
    diagnostics: &Diagnostics,
) -> Option<Box<dyn Notifier>> {
    checked(diagnostics, |diagnostics| Posted::<P>::read(node, context, diagnostics))
        .map(|posted| Box::new(posted) as Box<dyn Notifier>)
}

impl<P: Posting> Posted<P> {
    /// Reads all settings.
    pub(crate) fn read(node: &Node, context: &NotifierContext, diagnostics: &Diagnostics) -> Option<Self> {
        let mut settings = Settings::open(node, context, diagnostics)?;
        let posting = P::read(&mut settings);
        let send_resolved = settings.send_resolved(true);
        let client = settings.http_client();
        settings.finish();
        Some(Self { client: client?, send_resolved, posting: posting? })
    }
}

#[async_trait]
impl<P: Posting> Notifier for Posted<P> {
    fn integration(&self) -> &'static str {
        P::KEY
    }

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    fn at_once(&self) -> usize {
        P::AT_ONCE
    }

    async fn notify(&self, notification: &Notification) -> Result<Receipt, NotifyError> {
        let answer = self.posting.post(&self.client, notification).await?;
        match self.posting.judge(&answer) {
            Judged::Delivered => return Ok(self.posting.receipt(notification, &answer)),
            Judged::Failed(error) => return Err(error),
            Judged::TooLarge(_) => {}
        }
        let answer = self.posting.post(&self.client, &shorten(notification)).await?;
        match self.posting.judge(&answer) {
            Judged::Delivered => Ok(self.posting.receipt(notification, &answer)),
            Judged::Failed(error) | Judged::TooLarge(error) => Err(error),
        }
    }
}
