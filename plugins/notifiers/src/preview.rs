//! What would be sent, without sending it: an integration builds its message as ever, and the last step before the wire
//! shows it instead.

use std::cell::RefCell;

use breakwatch_plugin_api::{Notification, Notifier, NotifyError};

tokio::task_local! {
    /// What has been shown; there only while somebody previews.
    static SHOWN: RefCell<Vec<String>>;
}

/// Builds the message and gives it as it would leave: the body of a request, the text of a mail, what a program is
/// given. Nothing is sent; secrets are hidden.
///
/// # Errors
/// Why no message could be built.
pub async fn preview(notifier: &dyn Notifier, notification: &Notification) -> Result<String, NotifyError> {
    let work = async {
        let outcome = notifier.notify(notification).await;
        let shown = SHOWN.with(|shown| shown.borrow().first().cloned());
        match (shown, outcome) {
            (Some(shown), _) => Ok(shown),
            (None, Ok(receipt)) => Ok(format!("nothing is sent: {}", receipt.answer)),
            (None, Err(error)) => Err(error),
        }
    };
    SHOWN.scope(RefCell::default(), work).await
}

/// Shows a message if this is a preview; then nothing may be sent.
///
/// # Errors
/// In a preview, which ends the attempt here.
pub(crate) fn instead_of_sending(show: impl FnOnce() -> String) -> Result<(), NotifyError> {
    let previewed = SHOWN.try_with(|shown| shown.borrow_mut().push(show())).is_ok();
    if previewed { Err(NotifyError::Rejected("a preview sends nothing".to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use breakwatch_sim::receiver::Receiver;

    use super::*;
    use crate::testing::{build, context, sample, texts};

    #[tokio::test]
    async fn the_message_is_shown_and_nothing_is_sent() {
        let receiver = Receiver::start().await.unwrap();
        let url = receiver.url("/hook/0123456789-key");
        let webhook = build(&crate::webhook::ENTRY, &texts(&[("url", url.as_str())]), &context()).unwrap();
        let shown = preview(&*webhook, &sample(None)).await.unwrap();
        let body: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(body["version"], "4");
        assert!(!shown.contains("0123456789-key"));
        assert_eq!(receiver.requests().len(), 0);
        webhook.notify(&sample(None)).await.unwrap();
        assert_eq!(receiver.requests().len(), 1, "outside of a preview it is sent");
    }
}
