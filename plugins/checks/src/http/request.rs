//! The request as it goes out, and what of it may go to another host.

use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::redact_url;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Uri, Version, header};
use http_body_util::Full;
use url::Url;

use super::redirect::Hop;
use super::settings::Settings;

/// Headers that may go to another host than the configured one. Everything else a user sets may be a credential.
const HARMLESS: [header::HeaderName; 4] =
    [header::ACCEPT, header::ACCEPT_LANGUAGE, header::USER_AGENT, header::CONTENT_TYPE];

/// The request as it goes out.
pub(super) fn request(
    settings: &Settings,
    hop: &Hop,
    http2: bool,
) -> Result<Request<Full<Bytes>>, CheckFailure> {
    let invalid = || {
        let message = format!("{} cannot be requested", redact_url(hop.url.as_str()));
        CheckFailure::new(FailureReason::Protocol, message)
    };
    let origin_form = match hop.url.query() {
        Some(query) => format!("{}?{query}", hop.url.path()),
        None => hop.url.path().to_owned(),
    };
    let own_host = settings.headers.iter().find(|(name, _)| hop.trusted && name == header::HOST);
    let authority = match own_host.and_then(|(_, value)| value.to_str().ok()) {
        Some(host) => host.to_owned(),
        None => authority(&hop.url),
    };
    let uri = if http2 { format!("{}://{authority}{origin_form}", hop.url.scheme()) } else { origin_form };
    let body = if hop.with_body { settings.body.clone() } else { Bytes::new() };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = hop.method.clone();
    *request.uri_mut() = uri.parse::<Uri>().map_err(|_| invalid())?;
    *request.version_mut() = if http2 { Version::HTTP_2 } else { Version::HTTP_11 };
    let headers = request.headers_mut();
    if !http2 {
        headers.insert(header::HOST, HeaderValue::from_str(&authority).map_err(|_| invalid())?);
        // One request per connection; saying so lets the target close at once.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    add_headers(settings, hop, headers);
    Ok(request)
}

fn add_headers(settings: &Settings, hop: &Hop, headers: &mut HeaderMap) {
    let agent = concat!("breakwatch/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"));
    if let Some(value) = settings.authorization.as_ref().filter(|_| hop.trusted) {
        headers.insert(header::AUTHORIZATION, value.clone());
    }
    // A name written by the user replaces ours; written several times, it is sent several times.
    let mut seen = Vec::new();
    for (name, value) in &settings.headers {
        if name == header::HOST || !(hop.trusted || HARMLESS.contains(name)) {
            continue;
        }
        if seen.contains(&name) {
            headers.append(name, value.clone());
        } else {
            headers.insert(name, value.clone());
            seen.push(name);
        }
    }
}

/// Host and port as the `Host` header has them: the port only when it is not the scheme's own.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
