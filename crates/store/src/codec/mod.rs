//! Bytes to numbers and back: the encodings every file of the store is made of.

mod bytes;

pub(crate) use bytes::{Bytes, Malformed, put_bytes, put_ivarint, put_str, put_uvarint};
