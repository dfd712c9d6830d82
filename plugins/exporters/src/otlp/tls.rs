//! The `tls` section: whom to trust, and who we are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use breakwatch_plugin_api::Section;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::environment::FromEnvironment;

/// Settings under `tls`.
#[derive(Default, Debug, PartialEq)]
pub(super) struct TlsSettings {
    /// No TLS where the address does not say.
    pub(super) insecure: bool,
    /// Accept any certificate.
    pub(super) insecure_skip_verify: bool,
    /// Trust these authorities instead of the system's.
    ca_file: Option<PathBuf>,
    /// Our own certificate and key.
    identity: Option<(PathBuf, PathBuf)>,
    /// The name the certificate must bear, instead of the address' host.
    pub(super) server_name: Option<String>,
}

impl TlsSettings {
    /// Reads the section, and the environment where it is silent.
    pub(super) fn read(section: Option<Section<'_>>, base_dir: &Path, environment: &FromEnvironment) -> Self {
        let path = |text: &String| resolve(base_dir, text);
        let from_environment = |text: &Option<String>| text.as_ref().map(PathBuf::from);
        let pair = |cert: Option<PathBuf>, key: Option<PathBuf>| cert.zip(key);
        let mut read = Self {
            insecure: environment.insecure.unwrap_or(false),
            ca_file: from_environment(&environment.ca_file),
            identity: pair(from_environment(&environment.cert_file), from_environment(&environment.key_file)),
            ..Self::default()
        };
        let Some(mut section) = section else { return read };
        read.insecure = section.bool("insecure").unwrap_or(read.insecure);
        read.insecure_skip_verify = section.bool("insecure_skip_verify").unwrap_or(false);
        read.ca_file = section.string("ca_file").as_ref().map(path).or(read.ca_file);
        let (cert, key) = (section.string("cert_file"), section.string("key_file"));
        if cert.is_some() != key.is_some() {
            let key = if cert.is_some() { "cert_file" } else { "key_file" };
            section.error_at(key, "`cert_file` and `key_file` belong together");
        }
        read.identity = pair(cert.as_ref().map(path), key.as_ref().map(path)).or(read.identity);
        read.server_name = section.string("server_name_override");
        if read.server_name.as_ref().is_some_and(|name| ServerName::try_from(name.clone()).is_err()) {
            section.error_at("server_name_override", "expected a host name");
        }
        section.finish();
        read
    }

    /// The client configuration.
    ///
    /// # Errors
    /// The file that cannot be used, and why.
    pub(super) fn client_config(&self, protocols: &[&[u8]]) -> Result<ClientConfig, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?;
        let builder = if self.insecure_skip_verify {
            let verifier = Arc::new(AcceptAnyCertificate(provider));
            builder.dangerous().with_custom_certificate_verifier(verifier)
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let private = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| format!("cannot read the key {}: {error}", key.display()))?;
                builder
                    .with_client_auth_cert(certificates(cert)?, private)
                    .map_err(|error| format!("{} and {}: {error}", cert.display(), key.display()))?
            }
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        match &self.ca_file {
            Some(file) => {
                for certificate in certificates(file)? {
                    roots.add(certificate).map_err(|error| format!("{}: {error}", file.display()))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        Ok(roots)
    }
}

/// A path of the settings, relative to the directory they stand in.
pub(super) fn resolve(base_dir: &Path, text: &str) -> PathBuf {
    let path = Path::new(text);
    if path.is_absolute() { path.to_owned() } else { base_dir.join(path) }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let cannot = |error: String| format!("cannot read certificates from {}: {error}", file.display());
    let found = CertificateDer::pem_file_iter(file).map_err(|error| cannot(error.to_string()))?;
    let found: Vec<CertificateDer<'static>> =
        found.collect::<Result<_, _>>().map_err(|error| cannot(error.to_string()))?;
    if found.is_empty() { Err(cannot("there are none in it".to_owned())) } else { Ok(found) }
}

/// Takes any certificate, but still checks that the peer holds its key.
#[derive(Debug)]
struct AcceptAnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
