//! A certificate verifier that remembers what it saw.
//!
//! An expired or foreign certificate ends the handshake, and with it every other way to look at the chain. The
//! witness keeps the chain and the verdict, so that the report can say whose certificate it was and since when it
//! is no good, and so that a check that is told not to verify still measures the days left.

use std::sync::{Arc, Mutex, PoisonError};

use breakwatch_model::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::{Certificate, days_until};

/// What was presented and what was thought of it.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The chain as presented, leaf first.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// Why it is not acceptable.
    pub(crate) problem: Option<Error>,
}

/// Verifies as rustls does, remembers, and lets everything pass if told so.
#[derive(Debug)]
pub(crate) struct Witness {
    inner: Arc<WebPkiServerVerifier>,
    skip_verify: bool,
    seen: Mutex<Option<Seen>>,
}

impl Witness {
    /// A witness for one handshake.
    pub(crate) fn new(inner: Arc<WebPkiServerVerifier>, skip_verify: bool) -> Self {
        Self { inner, skip_verify, seen: Mutex::new(None) }
    }

    /// What was seen, if the handshake got that far.
    pub(crate) fn take(&self) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict =
            self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let chain = std::iter::once(end_entity).chain(intermediates).map(|der| der.clone().into_owned());
        let seen = Seen { chain: chain.collect(), problem: verdict.as_ref().err().cloned() };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        if self.skip_verify { Ok(ServerCertVerified::assertion()) } else { verdict }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// A TLS error as a sentence that says what to look at.
pub(crate) fn describe_error(error: &Error, leaf: Option<&Certificate>, now: Timestamp) -> String {
    match error {
        Error::InvalidCertificate(problem) => describe_certificate(problem, leaf, now),
        Error::AlertReceived(alert) => describe_alert(*alert),
        Error::InvalidMessage(_) => "the target does not speak TLS on this port".to_owned(),
        Error::NoCertificatesPresented => "the target presents no certificate".to_owned(),
        Error::PeerIncompatible(why) => format!("the target offers no TLS parameters we accept ({why:?})"),
        other => format!("the TLS handshake failed: {other}"),
    }
}

fn describe_certificate(problem: &CertificateError, leaf: Option<&Certificate>, now: Timestamp) -> String {
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => match leaf {
            Some(leaf) if leaf.not_after < now.secs() => format!(
                "the certificate expired {:.1} days ago, on {}",
                -days_until(leaf.not_after, now),
                Timestamp::from_secs(leaf.not_after).to_rfc3339()
            ),
            _ => "a certificate of the chain has expired".to_owned(),
        },
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            let from = leaf.map(|leaf| Timestamp::from_secs(leaf.not_before).to_rfc3339());
            format!("the certificate is not valid before {}", from.unwrap_or_default())
        }
        CertificateError::UnknownIssuer => match leaf {
            Some(leaf) if leaf.subject == leaf.issuer => "the certificate is self-signed".to_owned(),
            Some(leaf) => format!("the certificate's issuer is not trusted: {}", leaf.issuer),
            None => "the certificate's issuer is not trusted".to_owned(),
        },
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let names = leaf.map(|leaf| leaf.alternative_names.join(", ")).unwrap_or_default();
            let names = if names.is_empty() { "no name".to_owned() } else { names };
            let wanted = match problem {
                CertificateError::NotValidForNameContext { expected, .. } => expected.to_str().into_owned(),
                _ => "the target's name".to_owned(),
            };
            format!("the certificate is for {names}, not for {wanted}")
        }
        CertificateError::BadSignature => "the certificate was not signed by the issuer it names".to_owned(),
        CertificateError::Revoked => "the certificate has been revoked".to_owned(),
        other => format!("the certificate is not acceptable: {other}"),
    }
}

fn describe_alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::ProtocolVersion => {
            "the target speaks only TLS versions older than the allowed minimum".to_owned()
        }
        AlertDescription::HandshakeFailure => {
            "the target and we share no TLS version or cipher (handshake_failure)".to_owned()
        }
        AlertDescription::CertificateRequired => "the target wants a client certificate".to_owned(),
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => format!("the target refused our client certificate ({alert:?})"),
        AlertDescription::UnrecognisedName => "the target does not know the requested name".to_owned(),
        AlertDescription::NoApplicationProtocol => {
            "the target speaks none of the offered protocols (ALPN)".to_owned()
        }
        other => format!("the target ended the TLS handshake: {other:?}"),
    }
}
