//! How calls that were refused or cut off are answered: as an error, or as an HTTP response.

use std::fmt::Write as _;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

use crate::{CallError, Rejected};

/// Why there is no response of the service itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The breaker did not let the call through.
    Rejected(Rejected),
    /// The call was cut off after this long.
    Timeout(Duration),
}

/// Says what the caller of a guarded service gets instead of a response.
pub trait Answer<Response, Error> {
    /// The error type of the guarded service.
    type Error;

    /// The answer to a call that was refused or cut off by the breaker called `breaker`.
    ///
    /// # Errors
    /// If the answer is an error.
    fn refuse(&self, breaker: &str, refusal: Refusal) -> Result<Response, Self::Error>;

    /// Hands on an error of the service itself.
    fn pass(&self, error: Error) -> Self::Error;
}

/// Refused calls end in a [`CallError`].
#[derive(Clone, Copy, Debug, Default)]
pub struct AsError;

impl<Response, Error> Answer<Response, Error> for AsError {
    type Error = CallError<Error>;

    #[inline]
    fn refuse(&self, _breaker: &str, refusal: Refusal) -> Result<Response, Self::Error> {
        Err(match refusal {
            Refusal::Rejected(rejected) => CallError::Rejected(rejected),
            Refusal::Timeout(after) => CallError::Timeout(after),
        })
    }

    #[inline]
    fn pass(&self, error: Error) -> Self::Error {
        CallError::Failed(error)
    }
}

/// Refused calls are answered with 503 (RFC 9110, 15.6.4) and `Retry-After`, calls that were cut off with
/// 504 (15.6.5), both with a JSON body. Any body type that can be made of a `String` will do.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsResponse;

impl<Body: From<String>, Error> Answer<Response<Body>, Error> for AsResponse {
    type Error = Error;

    fn refuse(&self, breaker: &str, refusal: Refusal) -> Result<Response<Body>, Error> {
        let (status, code, message, retry_after) = match refusal {
            Refusal::Rejected(rejected) => {
                let code = "circuit_breaker_open";
                (StatusCode::SERVICE_UNAVAILABLE, code, rejected.to_string(), whole_seconds(rejected))
            }
            Refusal::Timeout(after) => {
                let message = format!("timed out after {after:?}");
                (StatusCode::GATEWAY_TIMEOUT, "timeout", message, None)
            }
        };
        let retry = retry_after.map_or_else(|| "null".to_owned(), |seconds| seconds.to_string());
        let body = format!(
            r#"{{"error":"{code}","message":"{}","breaker":"{}","status":{},"retry_after":{retry}}}"#,
            escaped(&message),
            escaped(breaker),
            status.as_u16(),
        );
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        Ok(response)
    }

    fn pass(&self, error: Error) -> Error {
        error
    }
}

/// What `Retry-After` can say: whole seconds, rounded up so that the retry is not refused again. While
/// probes are under way, soon; while held, nobody knows.
fn whole_seconds(rejected: Rejected) -> Option<u64> {
    match (rejected.state, rejected.retry_after) {
        (_, Some(wait)) => Some((wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))).max(1)),
        (crate::State::HalfOpen, None) => Some(1),
        (_, None) => None,
    }
}

/// The text between the quotes of a JSON string (RFC 8259, section 7).
fn escaped(text: &str) -> String {
    let mut json = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::State;

    fn refused(breaker: &str, refusal: Refusal) -> Response<String> {
        let answer: Result<_, std::convert::Infallible> = AsResponse.refuse(breaker, refusal);
        answer.unwrap()
    }

    #[test]
    fn an_open_breaker_answers_503_with_the_time_to_wait_in_header_and_body() {
        let rejected = Rejected { state: State::Open, retry_after: Some(Duration::from_millis(11_001)) };
        let response = refused("a \"b\"\n", Refusal::Rejected(rejected));
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "12");
        assert_eq!(response.headers()["content-type"], "application/json");
        let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
        let expected = serde_json::json!({
            "error": "circuit_breaker_open",
            "message": "rejected: the circuit breaker is open for another 11.0s",
            "breaker": "a \"b\"\n",
            "status": 503,
            "retry_after": 12,
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn the_time_to_wait_is_never_zero_and_missing_where_nobody_knows_it() {
        let cases = [
            (State::Open, Some(Duration::ZERO), Some("1")),
            (State::Open, Some(Duration::from_secs(60)), Some("60")),
            (State::HalfOpen, None, Some("1")),
            (State::Open, None, None),
        ];
        for (state, retry_after, expected) in cases {
            let response = refused("b", Refusal::Rejected(Rejected { state, retry_after }));
            let header = response.headers().get("retry-after").map(|value| value.to_str().unwrap());
            assert_eq!(header, expected, "{state} {retry_after:?}");
        }
        let cut_off = refused("b", Refusal::Timeout(Duration::from_secs(2)));
        assert_eq!((cut_off.status().as_u16(), cut_off.headers().get("retry-after")), (504, None));
    }
}
