//! One HTTP request, bounded as a whole in time and size.
//!
//! A receiver that hangs, dribbles, or never stops talking costs one time-out and 64 KiB, not a worker.

use std::time::Duration;

use breakwatch_model::{Clock, SystemClock};
use breakwatch_plugin_api::{NotifyError, Scrubber, Secret, format_duration};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url, redirect};

use super::config::Authorization;
use super::dns::LastGood;
use super::oauth2::OAuth2;
use super::{Answer, HttpConfig, excerpt, retry_after, rustls_config};

/// As much of an answer as is read; no provider's answer to a message comes near it.
const BODY_CAP: usize = 64 * 1024;
/// As many redirects as are followed; browsers allow 20, and one is already odd for an API.
const MAX_REDIRECTS: usize = 10;

/// A client with one integration's `http_config`.
pub(crate) struct HttpClient {
    client: reqwest::Client,
    config: HttpConfig,
    oauth2: Option<Box<OAuth2>>,
    timeout: Duration,
}

/// A request to be made.
pub(crate) struct Outgoing<'a> {
    /// The method.
    pub(crate) method: Method,
    /// The URL: always a secret, as most webhooks carry their key in it.
    pub(crate) url: &'a Secret,
    /// Headers besides those of the `http_config`.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// Secrets inside the body or headers, which an answer might echo.
    pub(crate) secrets: &'a [Secret],
}

impl<'a> Outgoing<'a> {
    /// A `POST` of nothing, to be filled in.
    pub(crate) fn post(url: &'a Secret) -> Self {
        Self { method: Method::POST, url, headers: Vec::new(), body: Vec::new(), secrets: &[] }
    }

    /// A `POST` of JSON.
    pub(crate) fn json(url: &'a Secret, body: Vec<u8>) -> Self {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Self { headers, body, ..Self::post(url) }
    }
}

impl HttpClient {
    /// A client for these settings.
    ///
    /// # Errors
    /// What in the settings cannot be used, in words.
    pub(crate) fn build(config: HttpConfig, timeout: Duration) -> Result<Self, String> {
        let follow = config.follow_redirects;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("breakwatch/", env!("CARGO_PKG_VERSION")))
            // From the name lookup to the answer's last byte.
            .timeout(timeout)
            // Leaves time for the host's next address when the first is dead.
            .connect_timeout(timeout / 2)
            // A page must not die on a kept connection that a firewall has long forgotten.
            .pool_max_idle_per_host(0)
            .http1_only()
            .redirect(redirect::Policy::custom(move |attempt| judge_redirect(attempt, follow)))
            .dns_resolver(LastGood::default());
        if let Some(tls) = &config.tls {
            builder = builder.tls_backend_preconfigured(rustls_config::build(tls)?);
        }
        if let Some(url) = &config.proxy {
            builder = builder.proxy(proxy(url, &config)?);
        } else if !config.proxy_from_environment {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| chain(&error))?;
        let oauth2 = match &config.authorization {
            Some(Authorization::OAuth2(settings)) => Some(OAuth2::build(settings.clone(), timeout)?),
            _ => None,
        };
        Ok(Self { client, config, oauth2: oauth2.map(Box::new), timeout })
    }

    /// Makes the request and gives the answer, whatever its status.
    ///
    /// # Errors
    /// [`NotifyError::Retryable`] for connection trouble and time-outs, [`NotifyError::Misconfigured`] for a URL
    /// or header that cannot be used. No secret is in the message.
    pub(crate) async fn send(&self, outgoing: Outgoing<'_>) -> Result<Answer, NotifyError> {
        let url = parse_url(outgoing.url)?;
        let mut secrets = vec![outgoing.url.clone()];
        secrets.extend_from_slice(outgoing.secrets);
        crate::preview::instead_of_sending(|| {
            Scrubber::new(&secrets).clean(&String::from_utf8_lossy(&outgoing.body))
        })?;
        let mut headers = HeaderMap::new();
        for (name, value) in outgoing.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| NotifyError::Misconfigured(format!("{name:?} is not the name of a header")))?;
            let mut value = header_value(name.as_str(), &value)?;
            value.set_sensitive(name == AUTHORIZATION);
            headers.insert(name, value);
        }
        self.authorise(&mut headers, &mut secrets).await?;
        let scrubber = Scrubber::new(&secrets);
        let request = self.client.request(outgoing.method, url).headers(headers).body(outgoing.body);
        match request.send().await {
            Ok(response) => {
                let answer = read(response, &scrubber).await;
                if let Some(oauth2) = self.oauth2.as_ref().filter(|_| answer.status == 401) {
                    oauth2.forget();
                }
                Ok(answer)
            }
            Err(error) if error.is_timeout() => {
                let (time, what) = match error.is_connect() {
                    true => (self.timeout / 2, ": no connection"),
                    false => (self.timeout, ""),
                };
                Err(retry(format!("no answer within {}{what}", format_duration(time))))
            }
            Err(error) => Err(retry(scrubber.clean(&excerpt(&chain(&error.without_url()))))),
        }
    }

    async fn authorise(&self, headers: &mut HeaderMap, secrets: &mut Vec<Secret>) -> Result<(), NotifyError> {
        for (name, source) in &self.config.headers {
            let secret = source.read().await?;
            headers.append(name.clone(), sensitive(name, &secret)?);
            secrets.push(secret);
        }
        if let Some(oauth2) = &self.oauth2 {
            let token = oauth2.token().await?;
            let value = Secret::new(format!("Bearer {}", token.expose()));
            headers.insert(AUTHORIZATION, sensitive(&AUTHORIZATION, &value)?);
            secrets.push(token);
        }
        match &self.config.authorization {
            None | Some(Authorization::OAuth2(_)) => {}
            Some(Authorization::Scheme(scheme, source)) => {
                let secret = source.read().await?;
                let value = Secret::new(format!("{scheme} {}", secret.expose()));
                headers.insert(AUTHORIZATION, sensitive(&AUTHORIZATION, &value)?);
                secrets.push(secret);
            }
            Some(Authorization::Basic(username, password)) => {
                let mut pair = String::new();
                for (at, source) in [username, password].into_iter().enumerate() {
                    let Some(source) = source else { continue };
                    let secret = source.read().await?;
                    pair.push_str(if at == 1 { ":" } else { "" });
                    pair.push_str(secret.expose());
                    secrets.push(secret);
                }
                if password.is_none() {
                    pair.push(':');
                }
                let value = Secret::new(format!("Basic {}", base64(pair.as_bytes())));
                headers.insert(AUTHORIZATION, sensitive(&AUTHORIZATION, &value)?);
            }
        }
        Ok(())
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Follows a redirect only where the message arrives whole: the same host, the method kept (307, 308), never from
/// https to http. Everything else comes back as an answer and is reported.
fn judge_redirect(attempt: redirect::Attempt<'_>, follow: bool) -> redirect::Action {
    let keeps_method =
        matches!(attempt.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    let same_host = attempt.previous().last().is_some_and(|from| {
        let to = attempt.url();
        (from.host_str(), from.port_or_known_default(), from.scheme())
            == (to.host_str(), to.port_or_known_default(), to.scheme())
    });
    if follow && keeps_method && same_host && attempt.previous().len() <= MAX_REDIRECTS {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

fn proxy(url: &Secret, config: &HttpConfig) -> Result<reqwest::Proxy, String> {
    let mut proxy = reqwest::Proxy::all(url.expose()).map_err(|_| "`proxy_url` cannot be used".to_owned())?;
    if let Some(hosts) = &config.no_proxy {
        proxy = proxy.no_proxy(reqwest::NoProxy::from_string(hosts));
    }
    if !config.proxy_headers.is_empty() {
        let mut headers = HeaderMap::new();
        for (name, value) in &config.proxy_headers {
            let value = sensitive(name, value).map_err(|error| error.to_string())?;
            headers.append(name.clone(), value);
        }
        proxy = proxy.headers(headers);
    }
    Ok(proxy)
}

fn parse_url(secret: &Secret) -> Result<Url, NotifyError> {
    let fault = |what: &str| NotifyError::Misconfigured(format!("the URL {what}"));
    let url = Url::parse(secret.expose()).map_err(|error| fault(&format!("cannot be used: {error}")))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(fault("must begin with http:// or https://")),
    }
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, NotifyError> {
    HeaderValue::from_str(value)
        .map_err(|_| NotifyError::Misconfigured(format!("the value of the header {name} cannot be sent")))
}

fn sensitive(name: &HeaderName, secret: &Secret) -> Result<HeaderValue, NotifyError> {
    let mut value = header_value(name.as_str(), secret.expose())?;
    value.set_sensitive(true);
    Ok(value)
}

fn retry(message: String) -> NotifyError {
    NotifyError::Retryable { message, retry_after: None }
}

/// Reads an answer up to the cap. An error while reading the body leaves what was read: the status is known, and
/// whether the rest matters is the integration's business.
async fn read(mut response: reqwest::Response, scrubber: &Scrubber) -> Answer {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let wait =
        header("retry-after").and_then(|value| retry_after::parse(value, header("date"), SystemClock.now()));
    let redirect = header("location")
        .and_then(|to| response.url().join(to).ok())
        .and_then(|to| to.host_str().map(str::to_owned));
    let status = response.status().as_u16();
    let mut body = Vec::new();
    let complete = loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > BODY_CAP => {
                body.extend(chunk.into_iter().take(BODY_CAP.saturating_sub(body.len())));
                break false;
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    let body = scrubber.clean(&String::from_utf8_lossy(&body));
    Answer { status, retry_after: wait, body, complete, redirect }
}

/// An error with its causes, which is where the HTTP client keeps what happened.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text
}
