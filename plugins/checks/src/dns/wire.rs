//! Numbers and names on the wire, read from front to back (RFC 1035 section 4.1).

use std::fmt::Write as _;

/// Reads a message from front to back.
pub(super) struct Reader<'w> {
    wire: &'w [u8],
    at: usize,
}

impl<'w> Reader<'w> {
    pub(super) const fn new(wire: &'w [u8]) -> Self {
        Self { wire, at: 0 }
    }

    /// What the next `length` bytes hold, stepped over: names inside may point anywhere before, but nothing is read
    /// beyond them.
    pub(super) fn part(&mut self, length: usize) -> Option<Self> {
        let end = self.at.checked_add(length)?;
        let inside = Self { wire: self.wire.get(..end)?, at: self.at };
        self.at = end;
        Some(inside)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'w [u8]> {
        let bytes = self.wire.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(bytes)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.bytes(1)?.first().copied()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.bytes(2)?.try_into().ok()?))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    /// A name, through its pointers. Every pointer must lead back before the last, so that no circle is possible.
    pub(super) fn name(&mut self) -> Option<String> {
        let mut text = String::new();
        let (mut limit, mut came_from) = (self.at, None);
        loop {
            let length = self.u8()?;
            match length {
                0 => break,
                1..=63 => {
                    push_label(&mut text, self.bytes(usize::from(length))?);
                    // 255 bytes on the wire, each at most four characters as text.
                    if text.len() > 1020 {
                        return None;
                    }
                }
                192.. => {
                    let target = usize::from(length & 0x3f) << 8 | usize::from(self.u8()?);
                    if target >= limit {
                        return None;
                    }
                    came_from.get_or_insert(self.at);
                    limit = target;
                    self.at = target;
                }
                64..=191 => return None,
            }
        }
        if let Some(at) = came_from {
            self.at = at;
        }
        if text.is_empty() {
            text.push('.');
        }
        Some(text)
    }
}

/// Appends a label and its dot.
fn push_label(text: &mut String, label: &[u8]) {
    for byte in label {
        match byte {
            b'.' | b'\\' | b'"' | b';' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            byte => push_byte(text, *byte),
        }
    }
    text.push('.');
}

/// What cannot be printed becomes `\ddd`.
pub(super) fn push_byte(text: &mut String, byte: u8) {
    if byte.is_ascii_graphic() || byte == b' ' {
        text.push(char::from(byte));
    } else {
        let _ = write!(text, "\\{byte:03}");
    }
}
