//! What an operator does with a store: look at it, check it, copy it, bring it back, take its samples out,
//! fill it.

mod backup;
mod copy;
mod export;
mod import;
mod info;
mod load;
mod restore;
mod verify;

#[cfg(test)]
mod tests;

pub use crate::codec::encoded_sizes;
pub(crate) use backup::Target;
pub use backup::{BackupSummary, backup};
pub(crate) use copy::{copy_file, failed, sync_dir};
pub use import::Imported;
pub use info::{BlockInfo, StoreInfo, info};
pub use restore::restore;
pub use verify::{EncodingUse, Problem, VerifyReport, verify};
