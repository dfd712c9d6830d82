//! The `tls:` section, with the Collector's option names, and the client configuration made from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::{Field, Node, Section};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};

use super::Witness;

/// Certificate files larger than this are not certificates (the system's whole bundle has about 220 KiB).
const MAX_PEM: u64 = 4 * 1024 * 1024;

const TLS13_ONLY: [&SupportedProtocolVersion; 1] = [&version::TLS13];
const TLS12_UP: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// The provider of cryptography, the same for the whole process.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())))
}

/// How a target's certificate is judged and how we identify ourselves.
#[derive(Default)]
pub(crate) struct TlsSettings {
    /// Trusted certificates; the system's when not set.
    roots: Option<Arc<RootCertStore>>,
    identity: Option<Identity>,
    /// The name asked for and expected, instead of the target's.
    pub(crate) server_name: Option<ServerName<'static>>,
    /// Measure, but accept everything.
    pub(crate) skip_verify: bool,
    tls13_only: bool,
}

struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl TlsSettings {
    /// The setting under which the section stands.
    pub(crate) const FIELD: Field = Field {
        name: "tls",
        kind: "mapping",
        default: "",
        help: "`ca_file` (trusted instead of the system's certificates), `cert_file` and `key_file` (client \
               certificate), `server_name` (asked for and expected instead of the target's name), \
               `insecure_skip_verify` (accept any certificate; it is still measured), `min_version` (`1.2` or `1.3`).",
    };

    /// Reads the section, files included. Every mistake is reported at its place.
    pub(crate) fn read(section: Option<Section<'_>>, base_dir: &Path) -> Self {
        let mut settings = Self::default();
        let Some(mut section) = section else { return settings };
        settings.roots = section.get("ca_file").and_then(|node| read_roots(&section, node, base_dir));
        settings.skip_verify = section.bool("insecure_skip_verify").unwrap_or(false);
        let versions = [("1.2", false), ("1.3", true)];
        settings.tls13_only = section.choice("min_version", &versions).unwrap_or(false);
        settings.server_name = section.parse("server_name", |text| {
            ServerName::try_from(text.to_owned()).map_err(|_| "a host name or an address".to_owned())
        });
        let files = (section.get("cert_file"), section.get("key_file"));
        settings.identity = match files {
            (Some(cert), Some(key)) => read_identity(&section, cert, key, base_dir),
            (None, None) => None,
            _ => {
                section.error_at("cert_file", "`cert_file` and `key_file` are needed together");
                None
            }
        };
        section.finish();
        settings
    }

    /// The configuration of one handshake. `trusted` says whether our own certificate may be shown.
    pub(super) fn client_config(
        &self,
        alpn: &[&[u8]],
        trusted: bool,
    ) -> Result<(ClientConfig, Arc<Witness>), CheckFailure> {
        let internal = |what: String| CheckFailure::new(FailureReason::Internal, what);
        let roots = self.roots.clone().unwrap_or_else(system_roots);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(|error| internal(format!("no trusted certificates on this machine: {error}")))?;
        let witness = Arc::new(Witness::new(verifier, self.skip_verify));
        let versions: &[_] = if self.tls13_only { &TLS13_ONLY } else { &TLS12_UP };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .map_err(|error| internal(format!("TLS cannot be set up: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<_>);
        let mut config = match self.identity.as_ref().filter(|_| trusted) {
            None => builder.with_no_client_auth(),
            Some(own) => builder
                .with_client_auth_cert(own.chain.clone(), own.key.clone_key())
                .map_err(|error| internal(format!("the client certificate cannot be used: {error}")))?,
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        // Every probe measures a full handshake.
        config.resumption = Resumption::disabled();
        Ok((config, witness))
    }
}

/// The system's trusted certificates, read once.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a trusted certificate of the system cannot be read");
        }
        roots.add_parsable_certificates(found.certs);
        Arc::new(roots)
    }))
}

/// Reads a file named in the settings; reports what is wrong at the name's place.
pub(crate) fn read_file(section: &Section<'_>, node: &Node, base_dir: &Path) -> Option<Vec<u8>> {
    let complain = |what: String| section.diagnostics().error(&node.place, what);
    let Some(text) = node.as_str() else {
        complain(format!("expected a file name, found {}", node.describe()));
        return None;
    };
    let path: PathBuf = base_dir.join(text);
    match fs::metadata(&path) {
        Ok(meta) if meta.len() > MAX_PEM => {
            complain(format!("{} is too large to be a certificate file", path.display()));
            return None;
        }
        _ => {}
    }
    match fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            complain(format!("cannot read {}: {}", path.display(), crate::net::failure::describe(&error)));
            None
        }
    }
}

fn read_chain(section: &Section<'_>, node: &Node, base_dir: &Path) -> Option<Vec<CertificateDer<'static>>> {
    let pem = read_file(section, node, base_dir)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Some(chain),
        _ => {
            section.diagnostics().error(&node.place, "holds no certificates in PEM form");
            None
        }
    }
}

fn read_roots(section: &Section<'_>, node: &Node, base_dir: &Path) -> Option<Arc<RootCertStore>> {
    let mut roots = RootCertStore::empty();
    for der in read_chain(section, node, base_dir)? {
        if let Err(error) = roots.add(der) {
            let message = format!("holds a certificate that cannot be trusted: {error}");
            section.diagnostics().error(&node.place, message);
            return None;
        }
    }
    Some(Arc::new(roots))
}

fn read_identity(section: &Section<'_>, cert: &Node, key: &Node, base_dir: &Path) -> Option<Identity> {
    let chain = read_chain(section, cert, base_dir);
    let pem = read_file(section, key, base_dir)?;
    let Ok(private) = PrivateKeyDer::from_pem_slice(&pem) else {
        section.diagnostics().error(&key.place, "holds no private key in PEM form");
        return None;
    };
    let identity = Identity { chain: chain?, key: private };
    // Whether key and certificate belong together cannot be told for every kind of key; then it is let pass.
    let mismatch = match provider().key_provider.load_private_key(identity.key.clone_key()) {
        Ok(signer) => rustls::sign::CertifiedKey::new(identity.chain.clone(), signer)
            .keys_match()
            .is_err_and(|error| error == rustls::InconsistentKeys::KeyMismatch.into()),
        Err(_) => true,
    };
    if mismatch {
        section.diagnostics().error(&key.place, "the private key does not belong to the certificate");
        return None;
    }
    Some(identity)
}
