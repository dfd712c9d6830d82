//! History and state of the daemon on one disk, without a database server.
//!
//! Two stores share a data directory and nothing else:
//!
//! * the **state log** ([`StateLog`]) holds what must survive a crash before it is acted on: alerts, outbox,
//!   silences, breakers, journals. Small, durable per commit, alive on a full disk;
//! * the **history** ([`History`]) holds samples: a write-ahead log, a head in memory, sealed chunks in an
//!   embedded store, immutable blocks of finished days. Whatever happens there costs history, never a page.
//!
//! [`memory`] has twins of both for tests. The format on disk is described in
//! `docs/reference/store-format.md`.

pub mod admin;
mod block;
mod chunk;
mod codec;
mod datadir;
pub mod disk;
mod family;
mod format;
mod frame;
pub mod fuzzing;
mod head;
mod history;
mod hot;
mod incident;
mod index;
pub mod memory;
mod paged;
mod state;
#[cfg(test)]
mod testing;
mod wal;

pub use datadir::{DataDir, DirLock};
pub use format::FORMAT_VERSION;
pub use history::{History, HistoryOptions, HistoryStats, Retention, Rollup};
pub use incident::{Incident, Incidents, Unit};
pub use state::{JournalRetention, Keep, StateLog, StateOptions, StateStats};
