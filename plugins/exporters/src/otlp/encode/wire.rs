//! Protobuf's wire format, as far as OTLP metrics need it: fields in the order of their numbers, as prost
//! writes them, so that both can be compared byte by byte.

/// A field with a length and bytes.
const LENGTH_DELIMITED: u32 = 2;
/// A field of eight bytes.
const FIXED64: u32 = 1;
/// A field with a number of variable length.
const VARINT: u32 = 0;

/// Bytes a fixed64 or double field takes, its tag included (field numbers below 16).
pub(super) const FIXED64_SIZE: usize = 9;

pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn varint_size(value: usize) -> usize {
    // Seven bits a byte; zero takes one.
    (usize::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

fn tag(out: &mut Vec<u8>, field: u32, kind: u32) {
    varint(out, u64::from(field << 3 | kind));
}

/// The start of a message or text field of `length` bytes, which follow.
pub(super) fn header(out: &mut Vec<u8>, field: u32, length: usize) {
    tag(out, field, LENGTH_DELIMITED);
    varint(out, length as u64);
}

/// A message, text or packed field.
pub(super) fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    header(out, field, value.len());
    out.extend_from_slice(value);
}

/// A text field; left out when empty, as proto3 does.
pub(super) fn text(out: &mut Vec<u8>, field: u32, value: &str) {
    if !value.is_empty() {
        bytes(out, field, value.as_bytes());
    }
}

pub(super) fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    fixed64(out, field, value.to_bits());
}

pub(super) fn uint(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, VARINT);
    varint(out, value);
}

/// `KeyValue` entries of attributes, each as a field of the message around them.
pub(super) fn attributes<'a>(
    out: &mut Vec<u8>,
    field: u32,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    let (mut any, mut pair) = (Vec::new(), Vec::new());
    for (name, value) in pairs {
        any.clear();
        pair.clear();
        // AnyValue.string_value is a oneof: written even when empty.
        bytes(&mut any, 1, value.as_bytes());
        text(&mut pair, 1, name);
        bytes(&mut pair, 2, &any);
        bytes(out, field, &pair);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_what_is_written() {
        for value in [0usize, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, usize::MAX] {
            let mut out = Vec::new();
            varint(&mut out, value as u64);
            assert_eq!(varint_size(value), out.len(), "{value}");
        }
    }
}
