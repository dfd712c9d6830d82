//! Real programs, good and bad.

mod endings;
mod judged;
mod settings;
