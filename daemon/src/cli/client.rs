//! Talks to the running daemon by its HTTP API.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use super::exit::Exit;
use super::options::Daemon;
use crate::http::auth::TOKEN_FILE;

/// Where the token is looked for when the command line does not say.
const DATA_DIRECTORIES: [&str; 2] = ["breakwatch-data", "/var/lib/breakwatch"];

/// For a whole request; a run of a check may take its time-out.
const TIMEOUT: Duration = Duration::from_secs(150);

/// A connection to the daemon.
pub struct ApiClient {
    client: Client,
    url: String,
    token: Option<String>,
}

impl ApiClient {
    /// Gets ready to talk to a daemon.
    ///
    /// # Errors
    /// When the token file that was named cannot be read.
    pub fn new(daemon: &Daemon) -> Result<Self, Exit> {
        let client = Client::builder().timeout(TIMEOUT).no_proxy().build().map_err(Exit::failed)?;
        Ok(Self { client, url: daemon.url.trim_end_matches('/').to_owned(), token: token(daemon)? })
    }

    /// `GET`; the answer's body.
    ///
    /// # Errors
    /// When the daemon cannot be reached or says no.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Exit> {
        let mut url = url::Url::parse(&format!("{}{path}", self.url)).map_err(Exit::failed)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(self.client.request(Method::GET, url)).await
    }

    /// `POST` with a JSON body; the answer's body.
    ///
    /// # Errors
    /// When the daemon cannot be reached or says no.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Exit> {
        self.send(self.client.request(Method::POST, format!("{}{path}", self.url)).json(body)).await
    }

    /// `DELETE` with a JSON body; the answer's body.
    ///
    /// # Errors
    /// When the daemon cannot be reached or says no.
    pub async fn delete(&self, path: &str, body: &Value) -> Result<Value, Exit> {
        self.send(self.client.request(Method::DELETE, format!("{}{path}", self.url)).json(body)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, Exit> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let unreachable = |error: reqwest::Error| {
            Exit::Failed(format!("no answer from the daemon at {}: {}", self.url, root_cause(&error)))
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body: Value = response.json().await.unwrap_or(Value::Null);
        if status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE && body.get("overall").is_some() {
            return Ok(body);
        }
        // Alertmanager's API tells an error as a plain string.
        let message = body.get("error").unwrap_or(&body).as_str().unwrap_or("no reason given");
        let help = if status == StatusCode::UNAUTHORIZED && self.token.is_none() {
            "; give the daemon's token with --token-file or run this as the daemon's user"
        } else {
            ""
        };
        Err(Exit::Failed(format!("the daemon says {}: {message}{help}", status.as_u16())))
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn token(daemon: &Daemon) -> Result<Option<String>, Exit> {
    if let Some(path) = &daemon.token_file {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| Exit::Failed(format!("{}: {error}", path.display())))?;
        return Ok(Some(text.trim().to_owned()));
    }
    let candidates = DATA_DIRECTORIES.iter().map(|directory| PathBuf::from(directory).join(TOKEN_FILE));
    // Not being allowed to read one is no error here: reading needs no token.
    Ok(candidates
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .map(|text| text.trim().to_owned())
        .next())
}

/// Runs a future to its end on a small runtime of its own.
///
/// # Errors
/// What the future fails with.
pub fn block_on<T>(future: impl Future<Output = Result<T, Exit>>) -> Result<T, Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Exit::failed)?;
    runtime.block_on(future)
}
