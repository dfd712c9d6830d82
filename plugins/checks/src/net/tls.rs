//! TLS as a probe sees it: the settings, one handshake, and everything learned of the certificate even when it
//! is not acceptable.

mod certificate;
mod settings;
mod watch;
mod witness;

pub(crate) use certificate::{Certificate, days_until};
pub(crate) use settings::TlsSettings;
#[cfg(test)]
pub(crate) use settings::provider;
pub(crate) use watch::{TlsError, Watch};
pub(crate) use witness::{Witness, describe_error};

use std::io;
use std::sync::Arc;

use breakwatch_model::{CheckFailure, FailureReason, Timestamp};
use breakwatch_plugin_api::Recorder;
use rustls::ProtocolVersion;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::net;
use crate::report::{Gauge, fact, info, upsert};

/// blackbox_exporter's names; there as soon as a certificate was seen.
const EARLIEST_EXPIRY: Gauge = (
    "probe_ssl_earliest_cert_expiry",
    "seconds",
    "Unix time at which the first of the presented certificates expires.",
);
const CHAIN_EXPIRY: Gauge = (
    "probe_ssl_last_chain_expiry_timestamp_seconds",
    "seconds",
    "Unix time at which the verified chain expires; 0 if no chain was verified.",
);

/// What a handshake needs to know.
pub(crate) struct Handshake<'a> {
    /// The settings.
    pub(crate) tls: &'a TlsSettings,
    /// The name or address of the target, used unless the settings name another.
    pub(crate) host: &'a str,
    /// Protocols offered by ALPN.
    pub(crate) alpn: &'a [&'a [u8]],
    /// Whether this is the configured target and not a place it redirected to: only then the client certificate
    /// and the configured server name are used.
    pub(crate) trusted: bool,
    /// When the run started, for the days left.
    pub(crate) now: Timestamp,
}

/// Shakes hands over `stream` and records what the certificate says, also when it is refused.
pub(crate) async fn shake<S: AsyncRead + AsyncWrite + Unpin>(
    handshake: &Handshake<'_>,
    stream: S,
    rec: &mut Recorder,
) -> Result<(TlsStream<S>, Option<Certificate>), CheckFailure> {
    let name = server_name(handshake)?;
    let (config, witness) = handshake.tls.client_config(handshake.alpn, handshake.trusted)?;
    let result = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let certificate = record_chain(&witness, handshake.now, rec);
    match result {
        Ok(stream) => {
            record_session(stream.get_ref().1, rec);
            Ok((stream, certificate))
        }
        Err(error) => Err(refused(&error, certificate.as_ref(), handshake.now)),
    }
}

fn server_name(handshake: &Handshake<'_>) -> Result<ServerName<'static>, CheckFailure> {
    let configured = handshake.tls.server_name.as_ref().filter(|_| handshake.trusted);
    if let Some(name) = configured {
        return Ok(name.clone());
    }
    let bare = handshake.host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned()).map_err(|_| {
        CheckFailure::new(FailureReason::Tls, format!("{bare} is not a name a certificate can carry"))
    })
}

fn refused(error: &io::Error, certificate: Option<&Certificate>, now: Timestamp) -> CheckFailure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(tls) => CheckFailure::new(FailureReason::Tls, describe_error(tls, certificate, now)),
        None => net::from_io(error, FailureReason::Tls, "the TLS handshake"),
    }
}

/// Records the presented chain; returns the leaf.
fn record_chain(witness: &Witness, now: Timestamp, rec: &mut Recorder) -> Option<Certificate> {
    let seen = witness.take()?;
    let chain: Vec<Certificate> = seen.chain.iter().filter_map(|der| Certificate::read(der)).collect();
    let earliest = chain.iter().map(|certificate| certificate.not_after).min();
    let verified = if seen.problem.is_none() { certificate::chain_expiry(&chain) } else { 0 };
    upsert(rec, EARLIEST_EXPIRY, earliest.unwrap_or_default() as f64);
    upsert(rec, CHAIN_EXPIRY, verified as f64);
    let leaf = chain.first()?.clone();
    if seen.problem.is_none() {
        info(
            rec,
            "probe_ssl_last_chain_info",
            "The leaf certificate of the verified chain.",
            [
                ("fingerprint_sha256", &leaf.fingerprint),
                ("subject", &leaf.subject),
                ("issuer", &leaf.issuer),
                ("subjectalternative", &leaf.alternative_names.join(",")),
                ("serialnumber", &leaf.serial),
            ],
        );
    }
    fact(rec, "certificate subject", &leaf.subject);
    fact(rec, "certificate issuer", &leaf.issuer);
    fact(rec, "certificate names", leaf.alternative_names.join(", "));
    fact(rec, "certificate valid", leaf.validity());
    fact(rec, "certificate days left", format!("{:.1}", days_until(leaf.not_after, now)));
    fact(rec, "certificate sha256", &leaf.fingerprint);
    if let Some(problem) = &seen.problem {
        fact(rec, "certificate problem", describe_error(problem, Some(&leaf), now));
    }
    Some(leaf)
}

fn record_session(session: &rustls::ClientConnection, rec: &mut Recorder) {
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "unknown",
    };
    info(rec, "probe_tls_version_info", "The TLS version in use.", [("version", version)]);
    let suite = session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
    // rustls prefixes the suites of TLS 1.3; IANA's names do not.
    let suite = suite.unwrap_or_default().replacen("TLS13_", "TLS_", 1);
    info(rec, "probe_tls_cipher_info", "The TLS cipher suite in use.", [("cipher", &suite)]);
    fact(rec, "tls", format!("{version}, {suite}"));
}
