//! What waits for one integration, so that a storm of thousands of messages is not searched through for each of them.

use std::collections::BTreeSet;

use breakwatch_model::Timestamp;

use super::Entry;

/// The messages of one integration that are not under way, by their place in the order of decisions.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Their time has come, as far as it was looked at.
    ready: BTreeSet<u64>,
    /// Their time comes later.
    later: BTreeSet<(Timestamp, u64)>,
    /// All of them, by when their oldest state was decided on.
    ages: BTreeSet<(Timestamp, u64)>,
    /// How many of them were refused at their last attempt.
    refused: usize,
}

impl Queue {
    pub(super) fn add(&mut self, entry: &Entry) {
        self.later.insert((entry.next_at, entry.seq));
        self.ages.insert((entry.first_at, entry.seq));
        self.refused += usize::from(entry.refused);
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        if !self.ready.remove(&entry.seq) {
            self.later.remove(&(entry.next_at, entry.seq));
        }
        if self.ages.remove(&(entry.first_at, entry.seq)) {
            self.refused -= usize::from(entry.refused);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ages.is_empty()
    }

    pub(super) fn mature(&mut self, now: Timestamp) {
        while let Some((_, seq)) = self.later.first().filter(|(at, _)| *at <= now).copied() {
            self.later.pop_first();
            self.ready.insert(seq);
        }
    }

    /// Those whose time has come at `now`, oldest decision first.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = u64> + '_ {
        // Usually nothing: a tick has just moved them.
        let fresh: BTreeSet<u64> = self.later.range(..=(now, u64::MAX)).map(|(_, seq)| *seq).collect();
        let (mut ready, mut fresh) = (self.ready.iter().copied().peekable(), fresh.into_iter().peekable());
        std::iter::from_fn(move || match (ready.peek(), fresh.peek()) {
            (Some(a), Some(b)) if a < b => ready.next(),
            (_, Some(_)) => fresh.next(),
            _ => ready.next(),
        })
    }

    /// All of them in the order in which their time comes.
    pub(crate) fn in_time(&self) -> impl Iterator<Item = u64> + '_ {
        self.ready.iter().copied().chain(self.later.iter().map(|(_, seq)| *seq))
    }

    /// All of them with when their oldest state was decided on, oldest first.
    pub(crate) fn by_age(&self) -> impl Iterator<Item = (Timestamp, u64)> + '_ {
        self.ages.iter().copied()
    }

    /// Whether any was refused at its last attempt.
    pub(crate) fn has_refused(&self) -> bool {
        self.refused > 0
    }
}
