//! Lines out of a stream, none longer than a limit, and the stream back when nothing is left over.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::report::clean;

/// The longest line taken, and the most that is read for one expectation.
const MAX_LINE: usize = 64 * 1024;
/// How much of a line is shown.
const SHOWN: usize = 200;

/// A stream read by lines.
pub(super) struct Lines<S> {
    stream: S,
    /// What was read beyond the last line given.
    pending: Vec<u8>,
    last: Option<String>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lines<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, pending: Vec::new(), last: None }
    }

    /// The next line without its end; at the end of the stream what is left, then nothing.
    pub(super) async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Ok(Some(self.take(&line)));
            }
            if self.pending.len() >= MAX_LINE {
                return Err(io::Error::other(format!("a line longer than {} KiB", MAX_LINE / 1024)));
            }
            if self.stream.read_buf(&mut self.pending).await? == 0 {
                let rest = std::mem::take(&mut self.pending);
                return Ok((!rest.is_empty()).then(|| self.take(&rest)));
            }
        }
    }

    /// One byte, for protocols that are not made of lines.
    pub(super) async fn byte(&mut self) -> io::Result<u8> {
        if self.pending.is_empty() && self.stream.read_buf(&mut self.pending).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(self.pending.remove(0))
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// The stream, if nothing was read beyond what was asked for.
    pub(super) fn into_inner(self) -> Option<S> {
        self.pending.is_empty().then_some(self.stream)
    }

    /// The last line, fit to be shown.
    pub(super) fn last(&self) -> Option<String> {
        self.last.as_ref().map(|line| clean(line, SHOWN))
    }

    fn take(&mut self, line: &[u8]) -> String {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
        self.last = Some(line.clone());
        line
    }
}
