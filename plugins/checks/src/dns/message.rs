//! DNS messages (RFC 1035, section 4): one question out, one answer in.

use super::rdata;

/// Record types by their names, in the order of the alphabet.
pub(super) const TYPES: [(&str, u16); 10] = [
    ("A", 1),
    ("AAAA", 28),
    ("CAA", 257),
    ("CNAME", 5),
    ("MX", 15),
    ("NS", 2),
    ("PTR", 12),
    ("SOA", 6),
    ("SRV", 33),
    ("TXT", 16),
];

/// Response codes by their names (RFC 6895).
pub(super) const RCODES: [(&str, u8); 9] = [
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
];

/// What we can take in one datagram: fits unfragmented almost everywhere (DNS flag day 2020).
const UDP_SIZE: u16 = 1232;
/// The class of the internet.
const IN: u16 = 1;
/// The pseudo record of EDNS (RFC 6891).
const OPT: u16 = 41;
/// More records than this are counted but not read.
const MAX_RECORDS: usize = 256;

/// The name of a record type.
pub(super) fn type_text(record: u16) -> String {
    let known = TYPES.iter().find(|(_, number)| *number == record);
    known.map_or_else(|| format!("TYPE{record}"), |(name, _)| (*name).to_owned())
}

/// The name of a response code.
pub(super) fn rcode_text(code: u8) -> String {
    let known = RCODES.iter().find(|(_, number)| *number == code);
    known.map_or_else(|| format!("RCODE{code}"), |(name, _)| (*name).to_owned())
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Question {
    pub(super) name: String,
    pub(super) record: u16,
    pub(super) recursion: bool,
}

/// What came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    pub(super) rcode: u8,
    pub(super) authoritative: bool,
    pub(super) truncated: bool,
    /// The records of the answer section in master-file form.
    pub(super) records: Vec<String>,
    pub(super) authority: u16,
    /// Without EDNS' own record.
    pub(super) additional: u16,
    /// Of the first SOA record in the answer section.
    pub(super) serial: Option<u32>,
}

/// A name as it goes over the wire; nothing if it is none.
pub(super) fn encode_name(name: &str) -> Option<Vec<u8>> {
    let mut wire = Vec::with_capacity(name.len() + 2);
    let bare = name.strip_suffix('.').unwrap_or(name);
    for label in bare.split('.').filter(|_| !bare.is_empty()) {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        if !label.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        wire.push(length);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    (wire.len() <= 255 && !name.is_empty()).then_some(wire)
}

impl Question {
    /// The message that asks.
    pub(super) fn encode(&self, id: u16) -> Option<Vec<u8>> {
        let flags: u16 = if self.recursion { 0x0100 } else { 0 };
        // One question, one additional record: EDNS.
        let header = [id, flags, 1, 0, 0, 1];
        let mut wire: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
        wire.extend(encode_name(&self.name)?);
        for word in [self.record, IN] {
            wire.extend(word.to_be_bytes());
        }
        wire.push(0);
        for word in [OPT, UDP_SIZE, 0, 0, 0] {
            wire.extend(word.to_be_bytes());
        }
        Some(wire)
    }

    /// Reads an answer to this question; nothing if it is not one.
    pub(super) fn decode(&self, id: u16, wire: &[u8]) -> Option<Answer> {
        let mut reader = Reader { wire, at: 0 };
        let (their_id, flags) = (reader.u16()?, reader.u16()?);
        let is_response = flags & 0x8000 != 0;
        if their_id != id || !is_response {
            return None;
        }
        let [questions, answers, authority, additional] =
            [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        // Some servers leave the question out of a refusal.
        if questions > 1 || (questions == 1 && !self.is_repeated_by(&mut reader)?) {
            return None;
        }
        let mut answer = Answer {
            rcode: (flags & 0x000f) as u8,
            authoritative: flags & 0x0400 != 0,
            truncated: flags & 0x0200 != 0,
            records: Vec::new(),
            authority,
            additional: additional.saturating_sub(1),
            serial: None,
        };
        for _ in 0..usize::from(answers).min(MAX_RECORDS) {
            // A message cut short ends in the middle of a record.
            let Some((text, serial)) = reader.record() else { break };
            answer.records.push(text);
            answer.serial = answer.serial.or(serial);
        }
        Some(answer)
    }

    fn is_repeated_by(&self, reader: &mut Reader<'_>) -> Option<bool> {
        let name = reader.name()?;
        let (record, class) = (reader.u16()?, reader.u16()?);
        let asked = self.name.strip_suffix('.').unwrap_or(&self.name);
        let same = name.strip_suffix('.').unwrap_or(&name).eq_ignore_ascii_case(asked);
        Some(same && record == self.record && class == IN)
    }
}

/// Reads a message from front to back.
pub(super) struct Reader<'w> {
    wire: &'w [u8],
    at: usize,
}

impl<'w> Reader<'w> {
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
                    rdata::push_label(&mut text, self.bytes(usize::from(length))?);
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

    /// A record in master-file form, and the serial if it is an SOA.
    fn record(&mut self) -> Option<(String, Option<u32>)> {
        let name = self.name()?;
        let (record, class, ttl, length) = (self.u16()?, self.u16()?, self.u32()?, self.u16()?);
        let end = self.at.checked_add(usize::from(length))?;
        // Names inside may point anywhere before, but nothing is read beyond the record.
        let mut inside = Reader { wire: self.wire.get(..end)?, at: self.at };
        let (data, serial) = rdata::read(&mut inside, record, usize::from(length))?;
        self.at = end;
        let class = if class == IN { "IN".to_owned() } else { format!("CLASS{class}") };
        Some((format!("{name} {ttl} {class} {} {data}", type_text(record)), serial))
    }
}
