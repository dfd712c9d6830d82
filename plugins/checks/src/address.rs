//! `host:port` as a setting.

use breakwatch_plugin_api::Section;

/// A host and a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HostPort {
    /// A name or an address; IPv6 without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl HostPort {
    /// Reads a setting that must be there; `default_port` fills in for one that is not written.
    pub(crate) fn read(
        section: &mut Section<'_>,
        key: &'static str,
        default_port: Option<u16>,
    ) -> Option<Self> {
        section.required(key)?;
        section.parse(key, |text| {
            Self::parse(text, default_port).ok_or_else(|| match default_port {
                None => "a host and a port, such as `mail.example.org:25` or `[::1]:25`".to_owned(),
                Some(_) => "a host, and perhaps a port, such as `example.org:443`".to_owned(),
            })
        })
    }

    /// Reads `host:port`, `[v6]:port`, and with a default port also `host`, `[v6]` and `v6`.
    pub(crate) fn parse(text: &str, default_port: Option<u16>) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, tail) = rest.split_once(']')?;
                let port = if tail.is_empty() { None } else { Some(tail.strip_prefix(':')?) };
                (host, port)
            }
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port != 0)?,
            None => default_port?,
        };
        let good = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "/@?#[]".contains(c));
        good.then(|| Self { host: host.to_owned(), port })
    }
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        for (text, default, shown) in [
            ("mail.example:25", None, Some("mail.example:25")),
            ("[::1]:25", None, Some("[::1]:25")),
            ("example", Some(443), Some("example:443")),
            ("::1", Some(53), Some("[::1]:53")),
            ("[::1]", Some(53), Some("[::1]:53")),
            ("example", None, None),
            ("example:", Some(1), None),
            ("example:0", None, None),
            ("example:70000", None, None),
            (":25", None, None),
            ("http://example:80", None, None),
            ("user@example:80", None, None),
            ("[::1", Some(1), None),
            ("[::1]x", Some(1), None),
        ] {
            let found = HostPort::parse(text, default).map(|address| address.to_string());
            assert_eq!(found.as_deref(), shown, "{text}");
        }
    }
}
