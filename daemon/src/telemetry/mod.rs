//! What the daemon says about itself: log lines, spans and its own bounded metrics.

pub mod convert;
pub mod instruments;
mod logfmt;
pub mod logging;
pub mod process;
