//! From a host name to the one address that is probed.

use std::net::{IpAddr, SocketAddr};

use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::{Field, Recorder, Section};
use tokio::net::lookup_host;

use super::failure;
use crate::report::{Gauge, declare, fact, set};

/// Which addresses of a name are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum IpFamily {
    /// The first the system's resolver gives (RFC 6724 order).
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl IpFamily {
    /// The setting.
    pub(crate) const FIELD: Field = Field {
        name: "ip_family",
        kind: "`any`, `ipv4` or `ipv6`",
        default: "any",
        help: "Which addresses of the name are taken; of several the first is probed, and only that one.",
    };

    /// Reads the setting.
    pub(crate) fn read(section: &mut Section<'_>) -> Self {
        let words = [("any", Self::Any), ("ipv4", Self::V4), ("ipv6", Self::V6)];
        section.choice(Self::FIELD.name, &words).unwrap_or_default()
    }

    fn takes(self, address: &SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// Series about the address, under blackbox_exporter's names.
pub(crate) const GAUGES: [Gauge; 3] = [
    ("probe_dns_lookup_time_seconds", "seconds", "How long the name of the target took to resolve."),
    ("probe_ip_protocol", "", "The IP version of the probed address, 4 or 6; 0 before it is known."),
    ("probe_ip_addr_hash", "", "FNV-1a hash of the probed address: changes when the address does."),
];

/// Puts the address series into the record.
pub(crate) fn declare_address(rec: &mut Recorder) {
    declare(rec, &GAUGES);
}

/// Records which address is probed.
pub(crate) fn record_address(rec: &mut Recorder, address: IpAddr, lookup_seconds: f64) {
    set(rec, "probe_dns_lookup_time_seconds", lookup_seconds);
    set(rec, "probe_ip_protocol", if address.is_ipv4() { 4.0 } else { 6.0 });
    set(rec, "probe_ip_addr_hash", f64::from(hash(address)));
    fact(rec, "address", address.to_string());
}

/// The address to probe for `host`, a name or a literal address (IPv6 with or without brackets).
pub(crate) async fn resolve(host: &str, port: u16, family: IpFamily) -> Result<SocketAddr, CheckFailure> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let no_address = || {
        let version = if family == IpFamily::V4 { "IPv4" } else { "IPv6" };
        let what = if family == IpFamily::Any { String::new() } else { format!(" {version}") };
        CheckFailure::new(FailureReason::Dns, format!("{bare} has no{what} address"))
    };
    if let Ok(literal) = bare.parse::<IpAddr>() {
        let address = SocketAddr::new(literal, port);
        return if family.takes(&address) { Ok(address) } else { Err(no_address()) };
    }
    match lookup_host((bare, port)).await {
        Ok(mut addresses) => addresses.find(|address| family.takes(address)).ok_or_else(no_address),
        Err(error) => {
            let own = failure::is_local(&error) || failure::out_of_descriptors();
            let reason = if own { FailureReason::Internal } else { FailureReason::Dns };
            let words = failure::describe(&error);
            let words = words.trim_start_matches("failed to lookup address information: ");
            let words = if own { "out of file descriptors or memory" } else { words };
            Err(CheckFailure::new(reason, format!("resolving {bare}: {}", words.to_lowercase())))
        }
    }
}

/// 32-bit FNV-1a over the address' bytes, as blackbox_exporter computes it.
fn hash(address: IpAddr) -> u32 {
    let octets: Vec<u8> = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    octets.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn literal_addresses_need_no_resolver() {
        let address = resolve("[::1]", 80, IpFamily::Any).await.unwrap();
        assert_eq!(address.to_string(), "[::1]:80");
        assert_eq!(resolve("127.0.0.1", 80, IpFamily::V4).await.unwrap().to_string(), "127.0.0.1:80");
        let failure = resolve("127.0.0.1", 80, IpFamily::V6).await.unwrap_err();
        assert_eq!(failure.to_string(), "127.0.0.1 has no IPv6 address (dns)");
    }

    #[tokio::test]
    async fn an_unknown_name_is_a_dns_failure() {
        // The top-level domain `invalid` never resolves (RFC 6761).
        let failure = resolve("nowhere.invalid", 80, IpFamily::Any).await.unwrap_err();
        assert_eq!(failure.reason, FailureReason::Dns);
        assert!(failure.message.starts_with("resolving nowhere.invalid: "), "{}", failure.message);
    }

    #[test]
    fn the_hash_is_that_of_fnv_1a() {
        // FNV-1a of the four bytes 7f 00 00 01, worked out by hand from the algorithm's definition.
        let mut expected: u64 = 0x811c_9dc5;
        for byte in [0x7f_u64, 0, 0, 1] {
            expected = ((expected ^ byte) * 0x0100_0193) % (1 << 32);
        }
        assert_eq!(u64::from(hash("127.0.0.1".parse().unwrap())), expected);
        assert_ne!(hash("127.0.0.1".parse().unwrap()), hash("::1".parse().unwrap()));
    }
}
