//! The configuration the daemon runs with when it is given none: this host, and itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use breakwatch_plugin_api::{Diagnostics, Node, NodeKind};

use crate::substitute::substitute;
use crate::tables::Tables;
use crate::yaml::load_text;

/// Its text.
const EMBEDDED: &str = include_str!("../default.yml");

/// What stands in place of a file name in findings.
const NAME: &str = "(built-in)";

/// The address in the text at which the daemon asks itself.
const OWN_ADDRESS: &str = "127.0.0.1:9475";

/// Reads the embedded configuration for a daemon that listens on this address. Kinds this build leaves out are left
/// out.
pub(crate) fn load(listen: SocketAddr, tables: &Tables<'_>, diagnostics: &Diagnostics) -> Option<Node> {
    let text = EMBEDDED.replace(OWN_ADDRESS, &reachable(listen).to_string());
    let node = load_text(NAME, &text, diagnostics)?;
    let mut node = substitute(node, Path::new("."), &|_| None, diagnostics);
    let NodeKind::Map(sections) = &mut node.kind else { return Some(node) };
    for (key, value) in sections {
        if let NodeKind::Map(checks) = &mut value.kind
            && &*key.name == "checks"
        {
            checks.retain(|(id, _)| {
                let kind = id.name.split('/').next().unwrap_or("");
                tables.checks.iter().any(|entry| entry.key == kind)
            });
        }
    }
    Some(node)
}

/// The address at which the daemon itself reaches its listener: who listens everywhere is asked on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
