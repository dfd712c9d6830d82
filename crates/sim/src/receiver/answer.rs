//! What a fake receiver does with a request.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};

/// One answer of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A whole and proper response.
    Reply {
        /// The status code.
        status: u16,
        /// Headers besides `Content-Length`.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// Nothing, for ever.
    Hang,
    /// `200` with the given body, one byte at a time with this pause after each.
    ByteByByte {
        /// The body.
        body: Vec<u8>,
        /// The pause after each byte of the whole response.
        pause: Duration,
    },
    /// Headers without end.
    EndlessHeaders,
    /// A body without end.
    EndlessBody {
        /// The status code.
        status: u16,
    },
    /// Half a status line, then an orderly end.
    HalfClose,
    /// A reset as soon as the connection is accepted.
    ResetOnAccept,
    /// A reset once the request has been read: it may have been acted on.
    ResetAfterRequest,
}

impl Answer {
    /// A status with an empty body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Reply { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A plain text.
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        Self::status(status).body("text/plain; charset=utf-8", body)
    }

    /// A JSON text.
    #[must_use]
    pub fn json(status: u16, body: &str) -> Self {
        Self::status(status).body("application/json; charset=utf-8", body)
    }

    /// This answer with another header (replies only).
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Reply { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    fn body(self, content_type: &str, text: &str) -> Self {
        let mut answer = self.header("Content-Type", content_type);
        if let Self::Reply { body, .. } = &mut answer {
            *body = text.as_bytes().to_vec();
        }
        answer
    }

    /// Sends the answer. An error ends the connection; so do the answers that are not proper ones.
    pub(super) async fn send(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        match self {
            Self::Reply { status, headers, body } => {
                stream.write_all(&response(*status, headers, body)).await?;
                stream.flush().await
            }
            Self::Hang => std::future::pending().await,
            Self::ByteByByte { body, pause } => {
                for byte in response(200, &[], body) {
                    stream.write_all(&[byte]).await?;
                    stream.flush().await?;
                    tokio::time::sleep(*pause).await;
                }
                Ok(())
            }
            Self::EndlessHeaders => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
                for_ever(stream, b"X-Filler: and one more, and one more, and one more\r\n").await
            }
            Self::EndlessBody { status } => {
                let head = format!("HTTP/1.1 {status} Whatever\r\nTransfer-Encoding: chunked\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                for_ever(stream, b"20\r\nthirty-two bytes in every chunk.\r\n").await
            }
            Self::HalfClose => {
                stream.write_all(b"HTTP/1.1 2").await?;
                stream.shutdown().await?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Self::ResetOnAccept | Self::ResetAfterRequest => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

async fn for_ever(stream: &mut (impl AsyncWrite + Unpin), piece: &[u8]) -> io::Result<()> {
    loop {
        stream.write_all(piece).await?;
        // A fast peer must not keep the others of a single-threaded test from running.
        tokio::task::yield_now().await;
    }
}

fn response(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    let mut response = head.into_bytes();
    response.extend_from_slice(body);
    response
}
