//! OTLP over HTTP/protobuf.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;

use super::answer::{Answer, MAX_ANSWER, SendError, from_http};
use super::settings::Settings;

/// Who is asking.
pub(super) const USER_AGENT: &str = concat!("breakwatch/", env!("CARGO_PKG_VERSION"));

/// Sends requests to one address.
pub(super) struct Client {
    client: reqwest::Client,
    url: String,
    gzip: bool,
}

impl Client {
    /// # Errors
    /// What of the settings cannot be used.
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        headers.extend(settings.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(headers)
            // A redirected POST would lose its body or repeat our credentials elsewhere.
            .redirect(Policy::none())
            .no_proxy();
        if let Some(tls) = &settings.tls {
            builder = builder.tls_backend_preconfigured(tls.client_config(&[b"http/1.1"])?);
        }
        let client = builder.build().map_err(|error| format!("cannot prepare HTTP: {error}"))?;
        Ok(Self { client, url: settings.uri.to_string(), gzip: settings.gzip })
    }

    /// Sends one request.
    pub(super) async fn send(&self, body: Vec<u8>) -> Result<Answer, SendError> {
        let mut request = self.client.post(&self.url);
        let body = if self.gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
            gzip(&body)?
        } else {
            body
        };
        let response = request.body(body).send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        let header =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (retry_after, date) = (header(RETRY_AFTER), header(DATE));
        let body = read_bounded(response).await?;
        if status.is_success() {
            return Answer::read(&body);
        }
        Err(from_http(status.as_u16(), &body, retry_after.as_deref(), date.as_deref()))
    }
}

/// Fast gzip: level 1 takes a fifth of level 6's time for four fifths of its gain (measured).
pub(super) fn gzip(body: &[u8]) -> Result<Vec<u8>, SendError> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.map_err(|error| SendError::retryable(format!("compression failed: {error}")))
}

/// The answer's body up to a limit; what is longer is no OTLP answer.
async fn read_bounded(mut response: reqwest::Response) -> Result<Vec<u8>, SendError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| lost(&error))? {
        let room = MAX_ANSWER - body.len();
        body.extend_from_slice(&piece[..piece.len().min(room)]);
        if body.len() == MAX_ANSWER {
            break;
        }
    }
    Ok(body)
}

/// No answer: the whole chain of causes, without the address, which is shown elsewhere.
fn lost(error: &reqwest::Error) -> SendError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    SendError::retryable(format!("no answer: {cause}"))
}
