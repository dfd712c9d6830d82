//! `stripPort` and `stripDomain`, by the rules of Go's `net.SplitHostPort`.

use std::net::IpAddr;

/// Host and port of `host:port` or `[host]:port`; `None` for anything else, such as a bare IPv6 address.
fn split(text: &str) -> Option<(&str, &str)> {
    let colon = text.rfind(':')?;
    let (host, rest) = match text.strip_prefix('[') {
        Some(inner) => {
            let close = inner.find(']')?;
            let rest = &inner[close + 1..];
            // The last colon must be the one right behind the bracket.
            let port = rest.strip_prefix(':')?;
            (&inner[..close], port)
        }
        None => (&text[..colon], &text[colon + 1..]),
    };
    let bracketed = text.starts_with('[');
    let stray = (!bracketed && host.contains(':'))
        || rest.contains(':')
        || host.contains(['[', ']'])
        || rest.contains(['[', ']']);
    (!stray).then_some((host, rest))
}

/// The host of `host:port`; anything else unchanged.
pub(super) fn strip_port(text: &str) -> &str {
    split(text).map_or(text, |(host, _)| host)
}

/// `db.example.org:5432` without its domain: `db:5432`. IP addresses stay whole.
pub(super) fn strip_domain(text: &str) -> String {
    let (host, port) = split(text).unwrap_or((text, ""));
    if host.parse::<IpAddr>().is_ok() {
        return text.to_owned();
    }
    let host = host.split('.').next().unwrap_or(host);
    match port {
        "" => host.to_owned(),
        port if host.contains(':') => format!("[{host}]:{port}"),
        port => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        for (text, want) in [
            ("localhost:9090", "localhost"),
            ("localhost", "localhost"),
            ("[::1]:80", "::1"),
            ("::1", "::1"),
            ("[::1]", "[::1]"),
            ("a:b:c", "a:b:c"),
            ("a]:1", "a]:1"),
            (":80", ""),
        ] {
            assert_eq!(strip_port(text), want, "{text}");
        }
    }

    #[test]
    fn domains() {
        for (text, want) in [
            ("db.example.org:5432", "db:5432"),
            ("db.example.org", "db"),
            ("db", "db"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("::1", "::1"),
            ("db.example.org:", "db"),
        ] {
            assert_eq!(strip_domain(text), want, "{text}");
        }
    }
}
