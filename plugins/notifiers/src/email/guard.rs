//! What stands between the mail server's bytes and the SMTP library.
//!
//! Two things a server (or somebody in between) could do are stopped here. Sending without end: only so many bytes
//! are read in a session. And slipping answers in before TLS: what follows the answer to STARTTLS in clear text
//! must not be taken for an answer given under TLS, so no read ever gives more than one line; the next read, by
//! then TLS's own, finds the rest and refuses it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Bytes read in one session: certificates and every answer, many times over.
const SESSION_CAP: usize = 256 * 1024;
/// Bytes asked of the socket at once.
const CHUNK: usize = 4096;

/// A TCP stream read line by line, up to the cap.
#[derive(Debug)]
pub(super) struct Guard {
    stream: TcpStream,
    pending: Vec<u8>,
    at: usize,
    left: usize,
}

impl Guard {
    /// Guards a connection.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, pending: Vec::new(), at: 0, left: SESSION_CAP }
    }

    fn fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut chunk = [0; CHUNK];
        let mut buffer = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        let read = buffer.filled();
        self.left = match self.left.checked_sub(read.len()) {
            Some(left) => left,
            None => return Poll::Ready(Err(io::Error::other("the server sends without end"))),
        };
        self.pending.clear();
        self.pending.extend_from_slice(read);
        self.at = 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Guard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.at >= self.pending.len() {
            ready!(self.fill(context))?;
        }
        let rest = self.pending.get(self.at..).unwrap_or_default();
        let line = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        let take = line.min(into.remaining());
        into.put_slice(rest.get(..take).unwrap_or_default());
        self.at += take;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Guard {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

/// TLS from the first byte, over a guarded connection.
#[derive(Debug)]
pub(super) struct Implicit(pub(super) TlsStream<Guard>);

impl AsyncRead for Implicit {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl AsyncWrite for Implicit {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Implicit {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}
