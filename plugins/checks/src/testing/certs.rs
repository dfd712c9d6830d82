//! Certificates of every kind a target can present, made on the spot.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use breakwatch_model::{Clock, SystemClock};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;

use crate::net::tls::provider;

const DAY: Duration = Duration::from_secs(86_400);

/// An authority with a directory for the files that settings name.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: tempfile::TempDir,
}

/// A certificate with its key.
pub(crate) struct Leaf {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) cert_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("Test Authority")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, dir }
    }

    /// The file to trust.
    pub(crate) fn ca_file(&self) -> String {
        self.path("ca.pem").display().to_string()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::new(self.dir.path()).join(name)
    }

    /// A certificate for `name` that is valid until `days` from now (negative: expired).
    pub(crate) fn leaf(&self, name: &str, days: i64) -> Leaf {
        let (params, key) = (params(name, days), KeyPair::generate().unwrap());
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        self.store(name, vec![cert.der().clone(), self.issuer.der().clone()], &cert.pem(), &key)
    }

    /// A certificate nobody vouches for.
    pub(crate) fn self_signed(&self, name: &str) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let cert = params(name, 90).self_signed(&key).unwrap();
        self.store("self-signed", vec![cert.der().clone()], &cert.pem(), &key)
    }

    fn store(&self, name: &str, chain: Vec<CertificateDer<'static>>, pem: &str, key: &KeyPair) -> Leaf {
        let (cert_file, key_file) = (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        std::fs::write(&cert_file, pem).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Leaf { chain, key, cert_file, key_file }
    }

    /// A server's side: presents `leaf`; with `client_auth` it wants a certificate of this authority.
    pub(crate) fn server(&self, leaf: &Leaf, alpn: &[&[u8]], client_auth: bool) -> Arc<ServerConfig> {
        let builder =
            ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let builder = if client_auth {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(leaf.chain.clone(), leaf.key.clone_key()).unwrap();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}

fn params(name: &str, days: i64) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(SystemClock.now().millis() as u64);
    let until = now + DAY * 1000 - DAY * u32::try_from(1000 - days).unwrap();
    params.not_before = (until - DAY * 100).into();
    params.not_after = until.into();
    params
}
