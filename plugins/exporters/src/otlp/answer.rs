//! What the other side answered, and what that means for the batch.
//!
//! As OTLP demands, only answers that say so are tried again. One deviation, on purpose: where the answer is
//! about *us* and not about the data (bad credentials, a wrong path), the batch waits, a minute at least, for
//! somebody to correct the setting. Dropping it would lose what the store still holds.

use std::time::Duration;

use base64::Engine as _;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use tonic::{Code, Status};

/// How long to wait where somebody must correct a setting first.
const CORRECTION: Duration = Duration::from_secs(60);

/// The longest wait a peer may ask for; longer ones would lose what retention drops meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How much of a peer's words is kept.
const MAX_WORDS: usize = 300;

/// The largest answer that is read.
pub(super) const MAX_ANSWER: usize = 64 * 1024;

/// A request that was answered well.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Answer {
    /// Points that were refused for good.
    pub(super) refused: u64,
    /// What the peer said about them, or warned of.
    pub(super) message: String,
}

/// A request that failed.
#[derive(Debug, PartialEq)]
pub(super) enum SendError {
    /// Worth another attempt.
    Retryable { message: String, retry_after: Option<Duration> },
    /// Never to be sent again.
    Rejected(String),
}

impl SendError {
    pub(super) fn retryable(message: impl Into<String>) -> Self {
        Self::Retryable { message: message.into(), retry_after: None }
    }

    pub(super) fn no_answer(timeout: Duration) -> Self {
        Self::retryable(format!("no answer within {}", breakwatch_plugin_api::format_duration(timeout)))
    }
}

impl Answer {
    /// Reads the body of a good answer.
    pub(super) fn read(body: &[u8]) -> Result<Self, SendError> {
        let response = ExportMetricsServiceResponse::decode(body).map_err(|_| {
            SendError::retryable(
                "the answer is not an OTLP response: is this the address of an OTLP receiver?",
            )
        })?;
        let partial = response.partial_success.unwrap_or_default();
        Ok(Self {
            refused: u64::try_from(partial.rejected_data_points).unwrap_or(0),
            message: words(&partial.error_message),
        })
    }
}

/// What a gRPC status means.
pub(super) fn from_grpc(status: &Status) -> SendError {
    let message = match words(status.message()) {
        said if said.is_empty() => format!("{:?}", status.code()),
        said => format!("{:?}: {said}", status.code()),
    };
    let retry_after = retry_delay(status.details());
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => SendError::Retryable { message, retry_after },
        // Exhausted for good (a request too large), unless a time is named.
        Code::ResourceExhausted if retry_after.is_some() => SendError::Retryable { message, retry_after },
        Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => {
            SendError::Retryable { message, retry_after: Some(retry_after.unwrap_or(CORRECTION)) }
        }
        _ => SendError::Rejected(message),
    }
}

/// What an HTTP status other than 2xx means. `retry_after` and `date` are the headers of these names.
pub(super) fn from_http(
    status: u16,
    body: &[u8],
    retry_after: Option<&str>,
    date: Option<&str>,
) -> SendError {
    let said = RpcStatus::decode(body).map(|status| words(&status.message)).unwrap_or_default();
    let message = if said.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {said}") };
    let retry_after = retry_after.and_then(|text| read_retry_after(text, date));
    match status {
        429 | 502 | 503 | 504 => SendError::Retryable { message, retry_after },
        301 | 302 | 303 | 307 | 308 | 401 | 403 | 404 | 407 => {
            SendError::Retryable { message, retry_after: Some(retry_after.unwrap_or(CORRECTION)) }
        }
        _ => SendError::Rejected(message),
    }
}

/// `Retry-After` as seconds or a date (RFC 9110, 10.2.3). A date is compared with the answer's own, so that
/// the clocks of both machines do not matter.
fn read_retry_after(text: &str, date: Option<&str>) -> Option<Duration> {
    let text = text.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            let now = jiff::fmt::rfc2822::parse(date?.trim()).ok()?.timestamp();
            u64::try_from(until.as_second() - now.as_second()).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<AnyMessage>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AnyMessage {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub(super) retry_delay: Option<ProtoDuration>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ProtoDuration {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

/// The delay in a status' `RetryInfo`, if it has one.
fn retry_delay(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let info = status.details.iter().find(|any| any.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(&*info.value).ok()?.retry_delay?;
    let (seconds, nanos) = (u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?);
    Some(Duration::new(seconds, nanos.min(999_999_999)).min(LONGEST_WAIT))
}

/// A peer's words, short and on one line.
fn words(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(MAX_WORDS).collect::<String>().trim().to_owned()
}

/// The details of a status as a test's receiver would send them.
#[cfg(test)]
pub(super) fn retry_info(delay: Duration) -> Vec<u8> {
    let delay = ProtoDuration {
        seconds: i64::try_from(delay.as_secs()).unwrap_or(0),
        nanos: i32::try_from(delay.subsec_nanos()).unwrap_or(0),
    };
    let info = RetryInfo { retry_delay: Some(delay) }.encode_to_vec();
    let any = AnyMessage { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value: info };
    RpcStatus { code: 8, message: "slow down".to_owned(), details: vec![any] }.encode_to_vec()
}

/// Base64 as gRPC's binary headers have it: with or without padding.
pub(super) fn decode_binary_header(value: &[u8]) -> Option<Vec<u8>> {
    let unpadded: Vec<u8> = value.iter().copied().filter(|byte| *byte != b'=').collect();
    base64::engine::general_purpose::STANDARD_NO_PAD.decode(unpadded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_in_both_forms() {
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(read_retry_after("120", None), Some(Duration::from_secs(120)));
        assert_eq!(read_retry_after("Sun, 06 Nov 1994 08:50:07 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(read_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(read_retry_after("Sun, 06 Nov 1994 08:50:07 GMT", None), None);
        assert_eq!(read_retry_after("soon", now), None);
        assert_eq!(read_retry_after("99999999", None), Some(LONGEST_WAIT));
    }

    #[test]
    fn the_delay_of_retry_info_is_found() {
        assert_eq!(retry_delay(&retry_info(Duration::from_millis(1500))), Some(Duration::from_millis(1500)));
        assert_eq!(retry_delay(b""), None);
        assert_eq!(retry_delay(b"\xff\xff"), None);
    }

    #[test]
    fn every_status_is_judged() {
        use Code as C;
        let all = (0..=16).map(Code::from_i32);
        let retried: Vec<Code> = all
            .filter(|code| matches!(from_grpc(&Status::new(*code, "x")), SendError::Retryable { .. }))
            .collect();
        assert_eq!(
            retried,
            [
                C::Cancelled,
                C::DeadlineExceeded,
                C::PermissionDenied,
                C::Aborted,
                C::OutOfRange,
                C::Unimplemented,
                C::Unavailable,
                C::DataLoss,
                C::Unauthenticated
            ]
        );
        let full =
            Status::with_details(Code::ResourceExhausted, "full", retry_info(Duration::from_secs(3)).into());
        assert_eq!(
            from_grpc(&full),
            SendError::Retryable {
                message: "ResourceExhausted: full".to_owned(),
                retry_after: Some(Duration::from_secs(3))
            }
        );
        let retried: Vec<u16> = (300..600)
            .filter(|s| matches!(from_http(*s, b"", None, None), SendError::Retryable { .. }))
            .collect();
        assert_eq!(retried, [301, 302, 303, 307, 308, 401, 403, 404, 407, 429, 502, 503, 504]);
        let body =
            RpcStatus { code: 3, message: "bad\npoint".to_owned(), details: Vec::new() }.encode_to_vec();
        assert_eq!(from_http(400, &body, None, None), SendError::Rejected("HTTP 400: bad point".to_owned()));
        assert_eq!(from_http(400, b"<html>", None, None), SendError::Rejected("HTTP 400".to_owned()));
    }
}
