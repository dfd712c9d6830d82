//! A certificate for `localhost` and `127.0.0.1`, made anew for each test, and the authority that signed it.

use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A server's certificate and key with the authority to trust for it, all in PEM.
#[derive(Clone)]
pub struct TestIdentity {
    /// The authority's certificate: what a client has to trust.
    pub ca_pem: String,
    /// The server's certificate.
    pub certificate_pem: String,
    /// The server's key.
    pub key_pem: String,
}

impl TestIdentity {
    /// Makes an identity for `names` (host names or IP addresses).
    ///
    /// # Errors
    /// When the key or a name cannot be used.
    pub fn for_names(names: &[&str]) -> io::Result<Self> {
        let ca_key = rcgen::KeyPair::generate().map_err(io::Error::other)?;
        let mut ca = rcgen::CertificateParams::new(Vec::<String>::new()).map_err(io::Error::other)?;
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        ca.distinguished_name.push(rcgen::DnType::CommonName, "breakwatch test authority");
        let ca_certificate = ca.self_signed(&ca_key).map_err(io::Error::other)?;
        let issuer = rcgen::Issuer::new(ca, ca_key);
        let key = rcgen::KeyPair::generate().map_err(io::Error::other)?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = rcgen::CertificateParams::new(names).map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &issuer).map_err(io::Error::other)?;
        Ok(Self {
            ca_pem: ca_certificate.pem(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    /// An identity for this machine's loopback.
    ///
    /// # Errors
    /// As [`TestIdentity::for_names`].
    pub fn loopback() -> io::Result<Self> {
        Self::for_names(&["localhost", "127.0.0.1"])
    }

    /// The settings of a TLS server with this identity.
    ///
    /// # Errors
    /// When the PEM texts are not what they should be.
    pub fn server_config(&self) -> io::Result<Arc<rustls::ServerConfig>> {
        let certificate =
            CertificateDer::from_pem_slice(self.certificate_pem.as_bytes()).map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(io::Error::other)?;
        Ok(Arc::new(config))
    }
}
