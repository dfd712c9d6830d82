//! The last so many calls, two bits each, in a ring.

use super::{Mark, WindowStats};
use crate::snapshot::CallSnapshot;

/// Calls that share one word of the ring.
const CALLS_PER_WORD: u32 = 32;
const FAILED: u64 = 0b01;
const SLOW: u64 = 0b10;

#[derive(Debug)]
pub(crate) struct CountWindow {
    words: Box<[u64]>,
    length: u32,
    /// Where the next call goes; once the ring is full, that is the oldest call.
    next: u32,
    calls: u32,
    failures: u32,
    slow: u32,
}

impl CountWindow {
    pub(super) fn new(length: u32) -> Self {
        let words = length.div_ceil(CALLS_PER_WORD) as usize;
        Self { words: vec![0; words].into_boxed_slice(), length, next: 0, calls: 0, failures: 0, slow: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, mark: Mark) {
        let Some(word) = self.words.get_mut((self.next / CALLS_PER_WORD) as usize) else { return };
        let shift = (self.next % CALLS_PER_WORD) * 2;
        if self.calls == self.length {
            let leaving = *word >> shift;
            self.failures -= u32::from(leaving & FAILED != 0);
            self.slow -= u32::from(leaving & SLOW != 0);
        } else {
            self.calls += 1;
        }
        let bits = if mark.failed { FAILED } else { 0 } | if mark.slow { SLOW } else { 0 };
        *word = *word & !((FAILED | SLOW) << shift) | bits << shift;
        self.failures += u32::from(mark.failed);
        self.slow += u32::from(mark.slow);
        self.next = if self.next + 1 == self.length { 0 } else { self.next + 1 };
    }

    #[inline]
    pub(super) fn stats(&self) -> WindowStats {
        WindowStats { calls: self.calls.into(), failures: self.failures.into(), slow: self.slow.into() }
    }

    pub(super) fn push_good(&mut self, calls: u64) {
        if calls >= u64::from(self.length) {
            self.clear();
            self.calls = self.length;
            return;
        }
        for _ in 0..calls {
            self.push(Mark::default());
        }
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
        (self.next, self.calls, self.failures, self.slow) = (0, 0, 0, 0);
    }

    /// The calls, oldest first.
    pub(super) fn snapshot(&self) -> Vec<CallSnapshot> {
        let oldest = if self.calls == self.length { self.next } else { 0 };
        (0..self.calls)
            .map(|age| {
                let index = (oldest + age) % self.length;
                let word = self.words.get((index / CALLS_PER_WORD) as usize).copied().unwrap_or(0);
                let bits = word >> ((index % CALLS_PER_WORD) * 2);
                CallSnapshot { failed: bits & FAILED != 0, slow: bits & SLOW != 0 }
            })
            .collect()
    }

    pub(super) fn restore(&mut self, calls: &[CallSnapshot]) {
        for call in calls {
            self.push(Mark { failed: call.failed, slow: call.slow });
        }
    }
}
