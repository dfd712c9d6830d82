//! What the busy paths need to know, packed into one atomic word: state, epoch, and whether a good call
//! could move the breaker.
//!
//! The word is only written under the lock, after the change it tells of; so whoever reads it without the
//! lock sees a state the breaker was in at that moment.

use crate::core::Core;
use crate::{Config, State};

/// Bits 0-1: the state. Bit 2: settled. From bit 3 on: the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

const STATE_BITS: u64 = 0b11;
const SETTLED_BIT: u64 = 0b100;
const EPOCH_SHIFT: u32 = 3;

impl Word {
    pub(crate) fn of(core: &Core, config: &Config) -> Self {
        let settled = if core.is_settled(config) { SETTLED_BIT } else { 0 };
        Self(core.epoch << EPOCH_SHIFT | settled | u64::from(core.state.code()))
    }

    #[inline]
    pub(crate) const fn state(self) -> State {
        match self.0 & STATE_BITS {
            0 => State::Closed,
            1 => State::Open,
            _ => State::HalfOpen,
        }
    }

    #[inline]
    pub(crate) const fn epoch(self) -> u64 {
        self.0 >> EPOCH_SHIFT
    }

    /// Whether a good, quick call of this epoch cannot move the breaker.
    #[inline]
    pub(crate) const fn is_settled_in(self, epoch: u64) -> bool {
        self.0 & SETTLED_BIT != 0 && self.epoch() == epoch
    }
}
