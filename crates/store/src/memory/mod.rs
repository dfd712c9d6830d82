//! Twins of the history and the state log that live in memory: for tests of everything above the store, and
//! as the naive model the real ones are judged by.

mod history;
mod state;

pub use history::MemoryHistory;
pub use state::MemoryState;
