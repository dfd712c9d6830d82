//! The beginning of an output, and how long the whole was.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};

/// What is read in one go.
const CHUNK: usize = 64 * 1024;

/// Keeps the first bytes and counts the rest. A clone is the same capture: one side reads into it, the other looks.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    limit: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    kept: Vec<u8>,
    total: u64,
}

/// What a capture holds at a moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Captured {
    /// The bytes kept.
    pub(crate) kept: Vec<u8>,
    /// How many bytes there were in all.
    pub(crate) total: u64,
}

impl Captured {
    /// Whether there were more than are kept.
    pub(crate) fn is_cut(&self) -> bool {
        self.total > self.kept.len() as u64
    }
}

impl Capture {
    /// Keeps at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, state: Arc::default() }
    }

    /// What there is so far.
    pub(crate) fn look(&self) -> Captured {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Captured { kept: state.kept.clone(), total: state.total }
    }

    /// Reads to the end. An error counts as the end: there is nothing more to be had from a pipe that fails.
    pub(super) async fn drain(&self, mut stream: impl AsyncRead + Unpin) {
        let mut chunk = vec![0; CHUNK];
        loop {
            let Ok(read @ 1..) = stream.read(&mut chunk).await else { return };
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.total += read as u64;
            let room = self.limit.saturating_sub(state.kept.len()).min(read);
            state.kept.extend_from_slice(chunk.get(..room).unwrap_or_default());
        }
    }
}
