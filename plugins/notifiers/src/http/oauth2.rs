//! `oauth2`: access tokens by the client credentials grant (RFC 6749 section 4.4), fetched when needed and kept
//! until shortly before they expire.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use breakwatch_plugin_api::{NotifyError, Secret};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::Instant;

use super::{HttpClient, HttpConfig, Judged, Outgoing};
use crate::settings::SecretSource;

/// A token is renewed this long before it expires, so that it does not expire under way.
const EARLY: Duration = Duration::from_secs(10);
/// How long a token is kept whose answer does not say.
const UNSAID: Duration = Duration::from_secs(300);

/// The settings.
#[derive(Clone, Debug)]
pub(crate) struct OAuth2Settings {
    /// Who we are.
    pub(crate) client_id: String,
    /// What proves it.
    pub(crate) client_secret: Option<SecretSource>,
    /// What we ask for.
    pub(crate) scopes: Vec<String>,
    /// Where tokens are given.
    pub(crate) token_url: Secret,
    /// More parameters of the token request.
    pub(crate) parameters: Vec<(String, String)>,
    /// How to reach the token's giver: proxy and TLS.
    pub(crate) http: Box<HttpConfig>,
}

/// Gets tokens.
pub(super) struct OAuth2 {
    settings: OAuth2Settings,
    client: HttpClient,
    kept: Mutex<Option<(Secret, Instant)>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: Option<u64>,
}

impl OAuth2 {
    /// Something that gets tokens as the settings say.
    ///
    /// # Errors
    /// What in the settings cannot be used, in words.
    pub(super) fn build(settings: OAuth2Settings, timeout: Duration) -> Result<Self, String> {
        let client = HttpClient::build((*settings.http).clone(), timeout)?;
        Ok(Self { settings, client, kept: Mutex::new(None) })
    }

    /// A token that is good now.
    ///
    /// # Errors
    /// As [`HttpClient::send`], and what the answer means. Boxed, as a client with OAuth holds a client.
    pub(super) fn token(&self) -> Pin<Box<dyn Future<Output = Result<Secret, NotifyError>> + Send + '_>> {
        Box::pin(async move {
            let kept = self.kept.lock().clone();
            if let Some((token, until)) = kept
                && Instant::now() < until
            {
                return Ok(token);
            }
            let (token, lifetime) = self.fetch().await?;
            *self.kept.lock() = Some((token.clone(), Instant::now() + lifetime.saturating_sub(EARLY)));
            Ok(token)
        })
    }

    /// Forgets the token: the other side did not accept it.
    pub(super) fn forget(&self) {
        *self.kept.lock() = None;
    }

    async fn fetch(&self) -> Result<(Secret, Duration), NotifyError> {
        let mut outgoing = Outgoing::post(&self.settings.token_url);
        let content_type = "application/x-www-form-urlencoded".to_owned();
        outgoing.headers.push(("Content-Type".to_owned(), content_type));
        outgoing.body = self.form().into_bytes();
        let mut secrets = Vec::new();
        if let Some(source) = &self.settings.client_secret {
            let secret = source.read().await?;
            // RFC 6749 section 2.3.1: both are form-encoded before they are joined.
            let form = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", form(&self.settings.client_id), form(secret.expose()));
            let value = format!("Basic {}", super::base64(pair.as_bytes()));
            outgoing.headers.push(("Authorization".to_owned(), value));
            secrets.push(secret);
        }
        outgoing.secrets = &secrets;
        let answer = self.client.send(outgoing).await?;
        match answer.judge("the token's giver") {
            Judged::Delivered => {}
            // A refusal to give a token is never about the message.
            Judged::Failed(NotifyError::Rejected(message))
            | Judged::TooLarge(NotifyError::Rejected(message)) => {
                return Err(NotifyError::Misconfigured(message));
            }
            Judged::Failed(error) | Judged::TooLarge(error) => return Err(error),
        }
        // The answer is not quoted: it holds the token.
        let unreadable = || answer.retryable("the token's giver answered without a token".to_owned());
        let token: TokenAnswer = serde_json::from_str(&answer.body).map_err(|_| unreadable())?;
        let lifetime = token.expires_in.map_or(UNSAID, Duration::from_secs);
        Ok((Secret::new(token.access_token), lifetime))
    }

    fn form(&self) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !self.settings.scopes.is_empty() {
            form.append_pair("scope", &self.settings.scopes.join(" "));
        }
        if self.settings.client_secret.is_none() {
            form.append_pair("client_id", &self.settings.client_id);
        }
        form.extend_pairs(&self.settings.parameters).finish()
    }
}
