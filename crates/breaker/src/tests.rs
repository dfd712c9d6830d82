//! What concerns the whole.

use crate::shared::Shared;
use crate::{Config, Window};

/// What an allocator puts before a block, as glibc's does.
const BLOCK_HEADER: usize = 8;
/// The two counts before the value of an `Arc`.
const ARC_COUNTS: usize = 16;

#[test]
fn an_idle_breaker_with_its_default_window_fits_a_kibibyte() {
    let Window::Time { buckets, .. } = Config::default().window else { panic!("a time window") };
    let window = 12 * buckets as usize + BLOCK_HEADER;
    let name = "http/website".len() + ARC_COUNTS + BLOCK_HEADER;
    let shared = size_of::<Shared>() + ARC_COUNTS + BLOCK_HEADER;
    assert!(shared + window + name <= 1024, "{shared} + {window} + {name} bytes");
}
