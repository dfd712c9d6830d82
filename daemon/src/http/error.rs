//! Answers that are not a success, in the envelope Prometheus' API uses.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::auth::Refusal;

/// The `errorType` of Prometheus' API and the status code that goes with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// A parameter is missing or wrong.
    BadData,
    /// The evaluation failed.
    Execution,
    /// The asker is gone.
    Canceled,
    /// The time is up.
    Timeout,
    /// The store failed.
    Internal,
    /// Not ready yet.
    Unavailable,
    /// Too many ask at once; a moment later there may be room.
    Crowded,
    /// There is no such thing.
    NotFound,
    /// Credentials are missing or wrong.
    Unauthenticated,
    /// The credentials do not allow it.
    Forbidden,
    /// Asked under a name that is not ours.
    Misdirected,
    /// Too many requests or too large a one.
    TooLarge,
    /// It contradicts the present state.
    Conflict,
}

impl ErrorKind {
    /// The status code that goes with it.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.parts().1
    }

    fn parts(self) -> (&'static str, StatusCode) {
        match self {
            Self::BadData => ("bad_data", StatusCode::BAD_REQUEST),
            Self::Execution => ("execution", StatusCode::UNPROCESSABLE_ENTITY),
            // nginx's code for a client that has closed its connection, which Prometheus uses too.
            Self::Canceled => ("canceled", StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)),
            Self::Timeout => ("timeout", StatusCode::SERVICE_UNAVAILABLE),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::Crowded => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND),
            Self::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN),
            Self::Misdirected => ("misdirected", StatusCode::MISDIRECTED_REQUEST),
            Self::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE),
            Self::Conflict => ("conflict", StatusCode::CONFLICT),
        }
    }
}

/// An answer that says what went wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiError {
    /// What kind of trouble.
    pub kind: ErrorKind,
    /// One line for people; no internals.
    pub message: String,
}

impl ApiError {
    /// An error of a kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// A wrong parameter.
    pub fn bad_data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadData, message)
    }

    /// A thing that is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthenticated => Self::new(
                ErrorKind::Unauthenticated,
                "this needs credentials: send the token of the data directory as `Authorization: Bearer …`",
            ),
            Refusal::Forbidden => Self::new(ErrorKind::Forbidden, "these credentials do not allow this"),
            Refusal::CrossOrigin => {
                Self::new(ErrorKind::Forbidden, "requests from other origins are refused")
            }
            Refusal::Misdirected => Self::new(
                ErrorKind::Misdirected,
                "the Host header names no address of this daemon (see `http.allowed_hosts`)",
            ),
        }
    }
}

/// The envelope of a failure, its fields in Prometheus' order.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    status: &'static str,
    error_type: &'static str,
    error: &'a str,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (error_type, code) = self.kind.parts();
        let body = Failure { status: "error", error_type, error: &self.message };
        let mut response = (code, Json(body)).into_response();
        if code == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"breakwatch\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.kind == ErrorKind::Crowded {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// A successful answer in the envelope: `{"status":"success","data":…}`.
pub fn success(data: impl serde::Serialize) -> Response {
    #[derive(serde::Serialize)]
    struct Envelope<T> {
        status: &'static str,
        data: T,
    }
    Json(Envelope { status: "success", data }).into_response()
}
