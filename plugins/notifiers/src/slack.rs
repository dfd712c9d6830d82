//! `slack`: incoming webhooks, and bots, which can also change their message and answer in its thread.

mod payload;
mod settings;
mod verdict;

use async_trait::async_trait;
use breakwatch_plugin_api::{
    Diagnostics, Node, Notification, Notifier, NotifierContext, NotifierEntry, NotifyError, Receipt, Secret,
};

use self::payload::{Request, Texts};
use self::settings::{Endpoint, FIELDS, is_bot_url};
use crate::http::{Answer, HttpClient, Judged, Outgoing};
use crate::ids::idempotency_key;
use crate::settings::checked;
use crate::shorten::shorten;

/// The row in the table.
pub(crate) const ENTRY: NotifierEntry = NotifierEntry {
    key: "slack",
    section: "slack_configs",
    summary: "Posts to Slack by an incoming webhook or as a bot.",
    fields: FIELDS,
    parse,
};

struct Slack {
    client: HttpClient,
    endpoint: Endpoint,
    texts: Texts,
    update: bool,
    thread: bool,
    send_resolved: bool,
}

fn parse(node: &Node, context: &NotifierContext, diagnostics: &Diagnostics) -> Option<Box<dyn Notifier>> {
    let slack = checked(diagnostics, |diagnostics| settings::read(node, context, diagnostics))?;
    Some(Box::new(slack))
}

/// The Web API's methods we call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Post,
    Update,
}

/// Where and as whom to post, for one message.
struct Session {
    url: Secret,
    token: Option<Secret>,
    bot: bool,
}

/// A message of ours in Slack, kept as `channel/ts`.
struct Root<'r> {
    channel: &'r str,
    ts: &'r str,
}

impl<'r> Root<'r> {
    fn of(notification: &'r Notification) -> Option<Self> {
        let (channel, ts) = notification.first.as_ref()?.reference.split_once('/')?;
        (!channel.is_empty() && !ts.is_empty()).then_some(Self { channel, ts })
    }
}

/// How a request to Slack ended that did not fail.
enum Outcome {
    Delivered(Receipt),
    /// The message to be changed or answered is gone; a new one is needed.
    RootGone,
}

impl Slack {
    async fn session(&self) -> Result<Session, NotifyError> {
        match &self.endpoint {
            Endpoint::Url(source) => {
                let url = source.read().await?;
                let bot = is_bot_url(url.expose());
                Ok(Session { url, token: None, bot })
            }
            Endpoint::Bot { url, token } => {
                Ok(Session { url: url.clone(), token: Some(token.read().await?), bot: true })
            }
        }
    }

    /// Posts, or changes or answers `root`; once more with less if it was too much.
    async fn deliver(
        &self,
        session: &Session,
        notification: &Notification,
        method: Method,
        root: Option<&Root<'_>>,
    ) -> Result<Outcome, NotifyError> {
        let build = |notification: &Notification| {
            let mut request = payload::build(&self.texts, notification);
            if let Some(root) = root {
                root.channel.clone_into(&mut request.channel);
                let place = if method == Method::Update { &mut request.ts } else { &mut request.thread_ts };
                root.ts.clone_into(place);
            }
            request
        };
        let id = &notification.id;
        let mut answer = self.send(session, method, id, &build(notification)).await?;
        if matches!(verdict::judge(&answer), Judged::TooLarge(_)) {
            answer = self.send(session, method, id, &build(&shorten(notification))).await?;
        }
        match verdict::judge(&answer) {
            Judged::Delivered => Ok(Outcome::Delivered(receipt(&answer))),
            _ if root.is_some() && verdict::root_is_gone(&answer) => Ok(Outcome::RootGone),
            Judged::Failed(error) | Judged::TooLarge(error) => Err(error),
        }
    }

    async fn send(
        &self,
        session: &Session,
        method: Method,
        id: &str,
        request: &Request,
    ) -> Result<Answer, NotifyError> {
        let url = match method {
            Method::Post => session.url.clone(),
            Method::Update => {
                Secret::new(session.url.expose().replacen("chat.postMessage", "chat.update", 1))
            }
        };
        let body = serde_json::to_vec(request)
            .map_err(|error| NotifyError::Rejected(format!("the message cannot be written: {error}")))?;
        let mut outgoing = Outgoing::json(&url, body);
        outgoing.headers.push(("Idempotency-Key".to_owned(), idempotency_key(id)));
        if let Some(token) = &session.token {
            outgoing.headers.push(("Authorization".to_owned(), format!("Bearer {}", token.expose())));
            outgoing.secrets = std::slice::from_ref(token);
        }
        self.client.send(outgoing).await
    }

    /// Says it as a change of, or an answer to, the first message; `None` if that message is gone.
    async fn follow_up(
        &self,
        session: &Session,
        notification: &Notification,
        root: &Root<'_>,
    ) -> Result<Option<Receipt>, NotifyError> {
        let method = if self.thread { Method::Post } else { Method::Update };
        let outcome = self.deliver(session, notification, method, Some(root)).await?;
        let Outcome::Delivered(receipt) = outcome else { return Ok(None) };
        if self.thread && self.update {
            // The answer in the thread is the delivery; the first message catching up is a courtesy.
            let changed = self.deliver(session, notification, Method::Update, Some(root)).await;
            if !matches!(changed, Ok(Outcome::Delivered(_))) {
                tracing::warn!(receiver = %notification.receiver, integration = %notification.integration,
                    "the first Slack message about this group could not be brought up to date");
            }
        }
        Ok(Some(receipt))
    }
}

#[async_trait]
impl Notifier for Slack {
    fn integration(&self) -> &'static str {
        ENTRY.key
    }

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    async fn notify(&self, notification: &Notification) -> Result<Receipt, NotifyError> {
        let session = self.session().await?;
        let root = Root::of(notification).filter(|_| session.bot && (self.update || self.thread));
        if let Some(root) = root
            && let Some(receipt) = self.follow_up(&session, notification, &root).await?
        {
            return Ok(receipt);
        }
        match self.deliver(&session, notification, Method::Post, None).await? {
            Outcome::Delivered(receipt) => Ok(receipt),
            // Not reachable: a message that stands by itself has no root to lose.
            Outcome::RootGone => Err(NotifyError::Rejected("Slack lost the thread".to_owned())),
        }
    }
}

fn receipt(answer: &Answer) -> Receipt {
    let web = verdict::web_answer(answer).filter(|web| !web.channel.is_empty() && !web.ts.is_empty());
    let reference = web.map(|web| format!("{}/{}", web.channel, web.ts)).unwrap_or_default();
    Receipt { reference, answer: answer.summary() }
}

#[cfg(test)]
mod tests;
