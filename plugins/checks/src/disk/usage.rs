//! How full a file system is, from statvfs(3).

use nix::sys::statvfs::{FsFlags, statvfs};

/// The figures of one file system.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Usage {
    /// Bytes in all.
    pub(super) size: f64,
    /// Bytes that are free, those reserved for root included.
    pub(super) free: f64,
    /// Bytes everyone can have.
    pub(super) available: f64,
    /// Inodes in all; 0 where there is no such limit.
    pub(super) files: f64,
    /// Inodes that are free.
    pub(super) files_free: f64,
    pub(super) read_only: bool,
}

impl Usage {
    /// Asks the kernel. May block for as long as a dead network mount likes.
    pub(super) fn of(path: &str) -> Result<Self, nix::Error> {
        let stat = statvfs(path)?;
        let block = stat.fragment_size() as f64;
        Ok(Self {
            size: stat.blocks() as f64 * block,
            free: stat.blocks_free() as f64 * block,
            available: stat.blocks_available() as f64 * block,
            files: stat.files() as f64,
            files_free: stat.files_free() as f64,
            read_only: stat.flags().contains(FsFlags::ST_RDONLY),
        })
    }

    /// The share in use as df(1) prints it: what is reserved counts neither way, so that full for everyone is 100 %.
    pub(super) fn used_ratio(&self) -> f64 {
        let used = self.size - self.free;
        let usable = used + self.available;
        if usable > 0.0 { used / usable } else { 0.0 }
    }

    /// The share of inodes in use; nothing where there is no such limit.
    pub(super) fn inodes_ratio(&self) -> Option<f64> {
        (self.files > 0.0).then(|| 1.0 - self.files_free / self.files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_df() {
        let usage =
            Usage { size: 100.0, free: 25.0, available: 20.0, files: 0.0, files_free: 0.0, read_only: false };
        assert_eq!(usage.used_ratio(), 75.0 / 95.0);
        assert_eq!(usage.inodes_ratio(), None);
        let usage = Usage { files: 10.0, files_free: 1.0, ..usage };
        assert_eq!(usage.inodes_ratio(), Some(0.9));
        let empty =
            Usage { size: 0.0, free: 0.0, available: 0.0, files: 0.0, files_free: 0.0, read_only: true };
        assert_eq!(empty.used_ratio(), 0.0);
    }
}
