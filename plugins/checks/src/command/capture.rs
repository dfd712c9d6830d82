//! The beginning of an output, and how long the whole was.

use tokio::io::{AsyncRead, AsyncReadExt};

/// What is read in one go.
const CHUNK: usize = 64 * 1024;

/// Keeps the first bytes and counts the rest.
#[derive(Debug)]
pub(crate) struct Capture {
    kept: Vec<u8>,
    total: u64,
    limit: usize,
}

impl Capture {
    /// Keeps at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { kept: Vec::new(), total: 0, limit }
    }

    /// The bytes kept.
    pub(crate) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// How many bytes there were in all.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Whether there were more than are kept.
    pub(crate) fn is_cut(&self) -> bool {
        self.total > self.kept.len() as u64
    }

    /// Reads to the end. An error counts as the end: there is nothing more to be had from a pipe that fails.
    pub(super) async fn drain(&mut self, mut stream: impl AsyncRead + Unpin) {
        let mut chunk = vec![0; CHUNK];
        loop {
            let Ok(read @ 1..) = stream.read(&mut chunk).await else { return };
            self.total += read as u64;
            let room = self.limit.saturating_sub(self.kept.len()).min(read);
            self.kept.extend_from_slice(chunk.get(..room).unwrap_or_default());
        }
    }
}
