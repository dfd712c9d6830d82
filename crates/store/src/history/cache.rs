//! Chunks that were read lately, checked and with their times decoded: a query over one metric comes back to
//! the same chunk for the next.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::chunk::Chunk;
use crate::hot::Key;

/// Memory for chunks: what one pass over an hour of 10,000 series touches.
const LIMIT: usize = 12 << 20;

/// Where a chunk is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Hot(Key),
    /// Serial of the block, number of the chunk in it.
    Block(u64, u32),
}

/// The cache.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    chunks: FxHashMap<Address, (Arc<Chunk>, bool)>,
    /// In the order in which they came; one that was used since gets a second round.
    order: VecDeque<Address>,
    bytes: usize,
    /// Chunks that turned out damaged: told once, and not read again.
    bad: FxHashSet<Address>,
}

impl Cache {
    /// The chunk at an address, if it is here.
    pub(crate) fn get(&self, address: Address) -> Option<Arc<Chunk>> {
        let mut inner = self.0.lock();
        let (chunk, used) = inner.chunks.get_mut(&address)?;
        *used = true;
        Some(Arc::clone(chunk))
    }

    /// Whether the chunk at an address is known to be damaged.
    pub(crate) fn is_bad(&self, address: Address) -> bool {
        self.0.lock().bad.contains(&address)
    }

    /// Notes a damaged chunk; gives whether that is news.
    pub(crate) fn note_bad(&self, address: Address) -> bool {
        self.0.lock().bad.insert(address)
    }

    /// Keeps a chunk.
    pub(crate) fn put(&self, address: Address, chunk: &Arc<Chunk>) {
        let mut inner = self.0.lock();
        let size = chunk.size();
        if inner.chunks.insert(address, (Arc::clone(chunk), false)).is_some() {
            return;
        }
        inner.order.push_back(address);
        inner.bytes += size;
        while inner.bytes > LIMIT {
            let Some(oldest) = inner.order.pop_front() else { break };
            let Some((chunk, used)) = inner.chunks.get_mut(&oldest) else { continue };
            if std::mem::take(used) {
                inner.order.push_back(oldest);
            } else {
                let size = chunk.size();
                inner.chunks.remove(&oldest);
                inner.bytes -= size;
            }
        }
    }

    /// Forgets everything: after files went away.
    pub(crate) fn clear(&self) {
        let mut inner = self.0.lock();
        let bad = std::mem::take(&mut inner.bad);
        *inner = Inner { bad, ..Inner::default() };
    }
}
