//! Certificates made for a test, and a listener that speaks TLS.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// An authority, a server's and a client's certificate, as files.
pub(crate) struct Identity {
    dir: tempfile::TempDir,
    /// Whether the server asks for a client's certificate.
    ask_client: bool,
}

impl Identity {
    /// `name` is what the server's certificate is for.
    pub(crate) fn new(name: &str, ask_client: bool) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut params = CertificateParams::new(Vec::new()).expect("good parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let ca = params.self_signed(&key).expect("signed");
        std::fs::write(dir.path().join("ca.pem"), ca.pem()).expect("writable");
        let issuer = Issuer::new(params, key);
        for (file, name) in [("server", name), ("client", "breakwatch")] {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec![name.to_owned()]).expect("good parameters");
            let certificate = params.signed_by(&key, &issuer).expect("signed");
            std::fs::write(dir.path().join(format!("{file}.pem")), certificate.pem()).expect("writable");
            std::fs::write(dir.path().join(format!("{file}.key")), key.serialize_pem()).expect("writable");
        }
        Self { dir, ask_client }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).expect("written before")
    }

    pub(crate) fn for_tonic(&self) -> tonic::transport::ServerTlsConfig {
        let identity = tonic::transport::Identity::from_pem(self.read("server.pem"), self.read("server.key"));
        let config = tonic::transport::ServerTlsConfig::new().identity(identity);
        if self.ask_client {
            config.client_ca_root(tonic::transport::Certificate::from_pem(self.read("ca.pem")))
        } else {
            config
        }
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("default versions");
        let builder = if self.ask_client {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(self.path("ca.pem")).expect("PEM")).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
            builder.with_client_cert_verifier(verifier.expect("roots"))
        } else {
            builder.with_no_client_auth()
        };
        let certificate = CertificateDer::from_pem_file(self.path("server.pem")).expect("PEM");
        let key = PrivateKeyDer::from_pem_file(self.path("server.key")).expect("PEM");
        let config = builder.with_single_cert(vec![certificate], key).expect("they fit");
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Accepts connections and does the handshake; one that fails is dropped.
pub(crate) struct Listener {
    pub(crate) listener: TcpListener,
    pub(crate) acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else { continue };
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
