//! Blocks: a finished day in one immutable file, and its 5-minute rollups in another.
//!
//! A block is written once, synced, renamed into place and never changed; retention is removing it. It stands
//! alone: it carries the names of its series, so that it can be read without anything else and the registry
//! can be mended from it.
//!
//! ```text
//! chunks    by group, then time; each checks itself
//! index     which chunks a group has, their times and lengths
//! series    definitions, as in the registry
//! footer    a frame of fixed size: kind, day, counts, where index and series lie and their CRCs
//! ```

mod file;
mod list;
mod rollup;
mod writer;

pub(crate) use file::{Block, BlockIndex, ChunkRef, Footer, Kind};
pub(crate) use list::Blocks;
pub(crate) use rollup::{ASPECTS, Buckets, LAST};
pub(crate) use writer::Writer;

/// Most rows of a chunk in a block: three hours at 15 s. At 1440 blocks are 2 % smaller and an hour of everything
/// takes twice as long to read; at 480 they are 2 % larger.
pub(crate) const BLOCK_ROWS: usize = 720;
