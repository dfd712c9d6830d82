//! The data of a record in master-file form.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::wire::{Reader, push_byte};

/// Reads `length` bytes of data; gives the serial of an SOA as well.
pub(super) fn read(reader: &mut Reader<'_>, record: u16, length: usize) -> Option<(String, Option<u32>)> {
    let text = match record {
        1 => Ipv4Addr::from(<[u8; 4]>::try_from(reader.bytes(length)?).ok()?).to_string(),
        28 => Ipv6Addr::from(<[u8; 16]>::try_from(reader.bytes(length)?).ok()?).to_string(),
        2 | 5 | 12 => reader.name()?,
        15 => format!("{} {}", reader.u16()?, reader.name()?),
        33 => format!("{} {} {} {}", reader.u16()?, reader.u16()?, reader.u16()?, reader.name()?),
        16 => strings(reader.bytes(length)?)?,
        257 => caa(reader.bytes(length)?)?,
        6 => {
            let (primary, mailbox, serial) = (reader.name()?, reader.name()?, reader.u32()?);
            let [refresh, retry, expire, minimum] =
                [reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?];
            let text = format!("{primary} {mailbox} {serial} {refresh} {retry} {expire} {minimum}");
            return Some((text, Some(serial)));
        }
        // The form for types one does not know (RFC 3597).
        _ => format!("\\# {length} {}", hex::encode(reader.bytes(length)?)),
    };
    Some((text, None))
}

fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        if matches!(byte, b'"' | b'\\') {
            text.push('\\');
        }
        push_byte(&mut text, *byte);
    }
    text.push('"');
    text
}

/// Strings of up to 255 bytes after one another.
fn strings(mut rest: &[u8]) -> Option<String> {
    let mut texts = Vec::new();
    while let Some((length, tail)) = rest.split_first() {
        let (string, tail) = tail.split_at_checked(usize::from(*length))?;
        texts.push(quoted(string));
        rest = tail;
    }
    Some(texts.join(" "))
}

/// Certification authority authorization (RFC 8659).
fn caa(data: &[u8]) -> Option<String> {
    let (flags, rest) = data.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (tag, value) = rest.split_at_checked(usize::from(*length))?;
    let mut text = format!("{flags} ");
    tag.iter().for_each(|byte| push_byte(&mut text, *byte));
    Some(format!("{text} {}", quoted(value)))
}
