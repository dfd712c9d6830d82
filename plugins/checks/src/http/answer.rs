//! What came back, in the form in which it is judged.

use http::{HeaderMap, StatusCode, Version};

use super::body::Body;
use crate::net::tls::Certificate;

/// The last answer of a run.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// Whether it came over TLS.
    pub(super) secure: bool,
    /// The leaf certificate, if it came over TLS.
    pub(super) certificate: Option<Certificate>,
}

/// The version as series and settings write it: `1.1`, `2`.
pub(super) fn version_text(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}
