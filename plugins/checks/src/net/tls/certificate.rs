//! The facts of an X.509 certificate that people and series need.

use breakwatch_model::Timestamp;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The facts of one certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Certificate {
    /// Distinguished name of its owner.
    pub(crate) subject: String,
    /// Distinguished name of whoever signed it.
    pub(crate) issuer: String,
    /// The names and addresses it is for.
    pub(crate) alternative_names: Vec<String>,
    /// Serial number in lower-case hex, as blackbox_exporter prints it.
    pub(crate) serial: String,
    /// SHA-256 of the whole certificate, lower-case hex.
    pub(crate) fingerprint: String,
    /// Start of validity, Unix seconds.
    pub(crate) not_before: i64,
    /// End of validity, Unix seconds.
    pub(crate) not_after: i64,
}

impl Certificate {
    /// Reads DER. What is not a certificate gives nothing.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let (_, x509) = X509Certificate::from_der(der).ok()?;
        let extension = x509.subject_alternative_name().ok().flatten();
        let names = extension.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
        Some(Self {
            subject: x509.subject().to_string(),
            issuer: x509.issuer().to_string(),
            alternative_names: names.iter().filter_map(alternative_name).collect(),
            serial: format!("{:x}", x509.serial),
            fingerprint: hex::encode(Sha256::digest(der)),
            not_before: x509.validity().not_before.timestamp(),
            not_after: x509.validity().not_after.timestamp(),
        })
    }

    /// `2025-01-01T00:00:00Z to 2026-01-01T00:00:00Z`.
    pub(crate) fn validity(&self) -> String {
        let [from, to] =
            [self.not_before, self.not_after].map(|secs| Timestamp::from_secs(secs).to_rfc3339());
        format!("{from} to {to}")
    }
}

fn alternative_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            Some((*name).to_owned())
        }
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|v4| std::net::Ipv4Addr::from(v4).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|v6| std::net::Ipv6Addr::from(v6).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// Days from `now` until a Unix time, negative when it has passed; tenths, rounded down.
pub(crate) fn days_until(unix_seconds: i64, now: Timestamp) -> f64 {
    let days = (unix_seconds as f64 - now.as_secs_f64()) / 86_400.0;
    (days * 10.0).floor() / 10.0
}

/// When a chain ends: the first end among the certificates on the way from the leaf, by issuer, through what was
/// presented. Certificates that do not belong to the way do not count.
pub(crate) fn chain_expiry(presented: &[Certificate]) -> i64 {
    let Some(mut current) = presented.first() else { return 0 };
    let mut earliest = current.not_after;
    // Each step leads to another certificate, so the way is no longer than the list.
    for _ in 1..presented.len() {
        let next = presented.iter().find(|other| other.subject == current.issuer && *other != current);
        let Some(next) = next else { break };
        earliest = earliest.min(next.not_after);
        current = next;
    }
    earliest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(subject: &str, issuer: &str, not_after: i64) -> Certificate {
        Certificate {
            subject: subject.to_owned(),
            issuer: issuer.to_owned(),
            alternative_names: Vec::new(),
            serial: String::new(),
            fingerprint: String::new(),
            not_before: 0,
            not_after,
        }
    }

    #[test]
    fn a_stray_certificate_does_not_shorten_the_chain() {
        let chain = [
            certificate("CN=leaf", "CN=middle", 300),
            certificate("CN=stray", "CN=other", 100),
            certificate("CN=middle", "CN=root", 200),
        ];
        assert_eq!(chain_expiry(&chain), 200);
        assert_eq!(chain_expiry(&[certificate("CN=self", "CN=self", 7)]), 7);
        assert_eq!(chain_expiry(&[]), 0);
    }

    #[test]
    fn days_are_rounded_down() {
        let now = Timestamp::from_secs(1_000_000);
        assert_eq!(days_until(1_000_000 + 86_400 * 21 - 1, now), 20.9);
        assert_eq!(days_until(1_000_000 - 1, now), -0.1);
    }

    #[test]
    fn what_is_not_a_certificate_gives_nothing() {
        assert_eq!(Certificate::read(b"not a certificate"), None);
        assert_eq!(Certificate::read(b""), None);
    }
}
