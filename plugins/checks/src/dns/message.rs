//! DNS messages (RFC 1035, section 4): one question out, one answer in.

use super::rdata;
use super::wire::Reader;

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
        let mut reader = Reader::new(wire);
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
            let Some((text, serial)) = record(&mut reader) else { break };
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

/// A record in master-file form, and the serial if it is an SOA.
fn record(reader: &mut Reader<'_>) -> Option<(String, Option<u32>)> {
    let name = reader.name()?;
    let (record, class, ttl, length) = (reader.u16()?, reader.u16()?, reader.u32()?, reader.u16()?);
    let length = usize::from(length);
    let (data, serial) = rdata::read(&mut reader.part(length)?, record, length)?;
    let class = if class == IN { "IN".to_owned() } else { format!("CLASS{class}") };
    Some((format!("{name} {ttl} {class} {} {data}", type_text(record)), serial))
}
