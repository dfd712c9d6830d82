//! TLS on the daemon's listener.
//!
//! Handshakes run beside each other and are bounded in time, so that a client that stalls delays nobody. A reload
//! replaces the certificate for connections made from then on; one that cannot be used leaves the old one in force.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::serve::Listener;
use breakwatch_config::TlsFiles;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that have shaken hands and wait to be served.
const WAITING: usize = 64;

/// The certificate in force. Cloning gives another handle on the same.
#[derive(Clone)]
pub struct Certificate(Arc<ArcSwap<ServerConfig>>);

impl Certificate {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub fn load(files: &TlsFiles) -> Result<Self, String> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(read(files)?))))
    }

    /// Puts another certificate in force.
    ///
    /// # Errors
    /// As [`Certificate::load`]; the old one stays.
    pub fn replace(&self, files: &TlsFiles) -> Result<(), String> {
        self.0.store(Arc::new(read(files)?));
        Ok(())
    }
}

fn read(files: &TlsFiles) -> Result<ServerConfig, String> {
    let fault = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let certificates: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_file_iter(&files.cert_file).and_then(Iterator::collect);
    let certificates = certificates.map_err(|error| fault(&files.cert_file, &error))?;
    if certificates.is_empty() {
        return Err(fault(&files.cert_file, &"there is no certificate in it"));
    }
    let key =
        PrivateKeyDer::from_pem_file(&files.key_file).map_err(|error| fault(&files.key_file, &error))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key);
    let mut config = config.map_err(|error| fault(&files.cert_file, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// A listener whose connections have shaken hands.
pub struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    /// Accepts on `listener` with `certificate`.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn new(listener: TcpListener, certificate: Certificate) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (shaken, ready) = mpsc::channel(WAITING);
        tokio::spawn(accept_all(listener, certificate, shaken));
        Ok(Self { address, ready })
    }
}

async fn accept_all(
    mut listener: TcpListener,
    certificate: Certificate,
    shaken: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    loop {
        // axum's own accept waits a moment when the process is out of file descriptors.
        let (stream, peer) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = shaken.closed() => return,
        };
        let acceptor = TlsAcceptor::from(certificate.0.load_full());
        let shaken = shaken.clone();
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let _ = shaken.send((stream, peer)).await;
                }
                Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
            }
        });
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The accepting task ends only with this listener.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
