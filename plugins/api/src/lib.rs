//! What a plugin sees of breakwatch, and what breakwatch sees of a plugin.
//!
//! A plugin is one file that implements [`Check`], [`Notifier`] or [`Exporter`] and one row in its kind's
//! table ([`CheckEntry`], [`NotifierEntry`], [`ExporterEntry`]). Documentation, `--help`, the configuration's
//! key check and the metric labels all read that table.
//!
//! The crate is small and does no I/O. A plugin reads its settings from a positioned [`Node`] through a
//! [`Section`], which reports every mistake at its line and column; it never sees YAML, a schedule, a retry or
//! a breaker.

mod check;
mod component;
mod diagnostic;
mod exporter;
mod levels;
mod node;
mod notifier;
mod quantity;
mod recorder;
mod scrub;
mod secret;
mod section;

pub use check::{BuildContext, Check, CheckContext, CheckEntry};
pub use component::{ComponentId, Field};
pub use diagnostic::{Diagnostic, Diagnostics, Severity, nearest};
pub use exporter::{
    ExportError, ExportSeries, Exported, Exporter, ExporterContext, ExporterEntry, SampleBatch,
};
pub use levels::{Level, Levels, Unit};
pub use node::{Key, Node, NodeKind, Place};
pub use notifier::{
    Notification, Notifier, NotifierContext, NotifierEntry, NotifyError, Receipt, TransitionKind,
};
pub use quantity::{format_bytes, format_duration, parse_bytes, parse_duration, parse_ratio};
pub use recorder::{Judgement, Recorder};
pub use scrub::Scrubber;
pub use secret::{REDACTED, Secret, redact_url};
pub use section::Section;
