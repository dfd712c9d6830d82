//! The configuration: text to a positioned tree, the tree to a typed [`Config`], every mistake at its place.
mod load;
mod merge;
mod print;
mod redact;
mod substitute;
mod yaml;

pub use load::{DROP_IN_DIR, load_file, load_merged};
pub use redact::redact;
pub use substitute::{Environment, process_environment, substitute};
pub use yaml::load_text;
