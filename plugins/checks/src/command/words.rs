//! What a program said, as part of a message.

use crate::report::clean;

/// How much of an output a message shows.
pub(super) const SHOWN: usize = 200;

/// A message with what the program said, if it said anything.
pub(super) fn with_words(message: String, said: &str) -> String {
    let said = clean(said, SHOWN);
    if said.is_empty() { message } else { format!("{message}: {said}") }
}
