//! `tls_config` in lettre's form, for STARTTLS.

use lettre::transport::smtp::client::{
    Certificate, CertificateStore, Identity, TlsParameters, TlsVersion as LettreVersion,
};

use crate::settings::{TlsSettings, TlsVersion};

/// Builds the parameters for a session with `host`.
///
/// # Errors
/// What in the settings cannot be used, in words.
pub(super) fn parameters(settings: &TlsSettings, host: &str) -> Result<TlsParameters, String> {
    let words = |what: &str| {
        let what = what.to_owned();
        move |error: lettre::transport::smtp::Error| format!("{what}: {error}")
    };
    let name = settings.server_name.clone().unwrap_or_else(|| host.to_owned());
    let mut builder =
        TlsParameters::builder(name).dangerous_accept_invalid_certs(settings.insecure_skip_verify);
    if let Some(ca) = &settings.ca {
        let certificate = Certificate::from_pem(ca).map_err(words("`ca_file`"))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    if let Some((certificate, key)) = &settings.identity {
        let identity = Identity::from_pem(certificate, key.expose().as_bytes());
        builder = builder.identify_with(identity.map_err(words("`cert_file` and `key_file`"))?);
    }
    if settings.min_version == Some(TlsVersion::Tls13) {
        builder = builder.set_min_tls_version(LettreVersion::Tlsv13);
    }
    builder.build().map_err(words("`tls_config`"))
}
