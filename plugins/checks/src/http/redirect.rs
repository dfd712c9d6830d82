//! Where a redirect leads, and what may be sent there.

use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::redact_url;
use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

/// One request of a run: the first, or one a redirect led to.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    pub(super) url: Url,
    pub(super) method: Method,
    /// Whether the configured body goes along.
    pub(super) with_body: bool,
    /// Whether this is the configured origin (scheme, host and port): credentials go nowhere else.
    pub(super) trusted: bool,
}

/// The hop a redirect leads to, or nothing if the answer is not a redirect that can be followed.
///
/// # Errors
/// The redirect leads out of HTTP, or to no URL at all.
pub(super) fn next(
    hop: &Hop,
    configured: &Url,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Hop>, CheckFailure> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(header::LOCATION) else { return Ok(None) };
    let protocol = |message: String| CheckFailure::new(FailureReason::Protocol, message);
    let location = std::str::from_utf8(location.as_bytes())
        .map_err(|_| protocol("the redirect's location is not text".to_owned()))?;
    let mut url =
        hop.url.join(location).map_err(|_| protocol("the redirect's location is not a URL".to_owned()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(protocol(format!(
            "redirected to {}: only http and https are followed",
            redact_url(url.as_str())
        )));
    }
    // Whoever redirects does not get to choose credentials for us.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let keeps = matches!(status.as_u16(), 307 | 308);
    // As browsers do (fetch standard): after 303 everything but HEAD becomes GET, after 301 and 302 only POST.
    let becomes_get = match status.as_u16() {
        303 => hop.method != Method::HEAD,
        _ => hop.method == Method::POST,
    };
    let method = if keeps || !becomes_get { hop.method.clone() } else { Method::GET };
    let with_body = hop.with_body && (keeps || !becomes_get);
    let trusted = url.origin() == configured.origin();
    Ok(Some(Hop { url, method, with_body, trusted }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(from: &str, method: Method, code: u16, location: &str) -> Result<Option<Hop>, CheckFailure> {
        let configured = Url::parse("https://a.example/start").unwrap();
        let hop = Hop { url: Url::parse(from).unwrap(), method, with_body: true, trusted: true };
        let headers = HeaderMap::from_iter([(header::LOCATION, location.parse().unwrap())]);
        next(&hop, &configured, StatusCode::from_u16(code).unwrap(), &headers)
    }

    #[test]
    fn credentials_stay_with_the_configured_origin() {
        for (location, trusted) in [
            ("/next", true),
            ("https://a.example/other", true),
            ("https://a.example:443/other", true),
            ("https://a.example:444/", false),
            ("http://a.example/", false),
            ("https://evil.example/", false),
            ("//evil.example/", false),
        ] {
            let hop = follow("https://a.example/start", Method::GET, 302, location).unwrap().unwrap();
            assert_eq!(hop.trusted, trusted, "{location}");
        }
        let hop = follow("https://a.example/", Method::GET, 302, "https://u:p@a.example/").unwrap().unwrap();
        assert_eq!(hop.url.as_str(), "https://a.example/");
    }

    #[test]
    fn methods_change_as_in_browsers() {
        for (method, code, then, body) in [
            (Method::POST, 301, Method::GET, false),
            (Method::POST, 302, Method::GET, false),
            (Method::PUT, 302, Method::PUT, true),
            (Method::PUT, 303, Method::GET, false),
            (Method::HEAD, 303, Method::HEAD, true),
            (Method::POST, 307, Method::POST, true),
            (Method::POST, 308, Method::POST, true),
        ] {
            let hop = follow("https://a.example/", method.clone(), code, "/x").unwrap().unwrap();
            assert_eq!((&hop.method, hop.with_body), (&then, body), "{method} {code}");
        }
    }

    #[test]
    fn only_http_is_followed() {
        for location in ["file:///etc/passwd", "ftp://a.example/", "javascript:alert(1)", "https://"] {
            let failure = follow("https://a.example/", Method::GET, 302, location).unwrap_err();
            assert_eq!(failure.reason, FailureReason::Protocol, "{location}");
        }
        assert!(follow("https://a.example/", Method::GET, 200, "/x").unwrap().is_none());
        assert!(follow("https://a.example/", Method::GET, 304, "/x").unwrap().is_none());
    }
}
