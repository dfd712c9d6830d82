//! A stream that remembers why TLS ended.
//!
//! TLS 1.3 refuses a client certificate after the handshake, as an error of the first read. Protocols above keep
//! the error's text at best; the report wants the alert itself.
//!
//! Many servers close the connection without the farewell TLS asks for. As in browsers that is the end of the stream
//! and no error: what has a length of its own is still found to be short.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The first TLS error of a stream.
pub(crate) type TlsError = Arc<OnceLock<rustls::Error>>;

/// Passes everything on and notes the first TLS error.
pub(crate) struct Watch<S> {
    inner: S,
    error: TlsError,
}

impl<S> Watch<S> {
    /// Watches `inner`; the error appears in `error`.
    pub(crate) fn new(inner: S, error: TlsError) -> Self {
        Self { inner, error }
    }

    fn note<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &result
            && let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            let _ = self.error.set(tls.clone());
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watch<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            result => self.note(result),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watch<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, data);
        self.note(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_flush(cx);
        self.note(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
