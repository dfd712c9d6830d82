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

/// Locks, poisoned or not: nothing that runs under the lock can panic half-way.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A small number that differs between the threads of a busy program, so that their counters do too.
#[inline]
pub(crate) fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}
