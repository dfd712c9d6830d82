//! Go's `fmt`: how values print, and `print`, `printf` and `println`.
//!
//! Alert texts are compared byte by byte by rule unit tests and by people's eyes, and every corner of `%`
//! is in use somewhere, so this follows Go to the letter, its error forms (`%!d(string=x)`) included.

mod float;
mod format;
mod int;
mod print;
mod string;

pub(crate) use float::{general_text, shortest};
pub(crate) use format::printf;
pub(crate) use print::{print, println, to_text};
pub(crate) use string::{is_printable, quoted};

/// Flags, width and precision of one verb.
#[derive(Clone, Copy, Default, Debug)]
struct Spec {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`: struct fields with their names.
    names: bool,
    /// `%#v`: Go syntax.
    go_syntax: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

impl Spec {
    /// What pads on the left.
    fn left_pad(&self) -> char {
        if self.zero && !self.minus { '0' } else { ' ' }
    }
}
