//! The primitives the shared state is built from, behind one door.
//!
//! The concurrency model (`tests/loom.rs`) compiles the same state with another door, whose atomics and
//! mutex explore every interleaving.

pub(crate) use std::sync::atomic::AtomicU64;
pub(crate) use std::sync::{Mutex, MutexGuard};

use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A counter that only ever grows and decides nothing. Not modelled.
pub(crate) use std::sync::atomic::AtomicU64 as Counter;

/// Over how many cache lines counters are spread: four serve as many threads undisturbed and cost 256 bytes
/// a breaker. A power of two.
pub(crate) const STRIPES: usize = 4;

/// Locks, poisoned or not: nothing that runs under the lock can panic half-way.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which stripe this thread counts on: threads take turns, so those of a busy program differ.
#[inline]
pub(crate) fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static STRIPE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    }
    STRIPE.with(|stripe| *stripe)
}
