//! Bytes to numbers and back: the encodings every file of the store is made of.

mod bits;
mod bytes;
mod decimal;
mod ints;
mod times;
mod trial;
mod values;
mod xor;

pub(crate) use bytes::{Bytes, Malformed, put_bytes, put_ivarint, put_str, put_uvarint};
pub(crate) use decimal::{mantissa_of, value_of};
pub(crate) use times::{put_times, read_times};
pub use trial::encoded_sizes;
pub(crate) use values::{Effort, encoding, put_values, read_values};
