//! The frame: the unit in which logs become durable or are lost.
//!
//! A frame says where it begins, how long it is, which file generation it belongs to and what number it
//! has, and carries a CRC over all of that. So a reader can tell the end of a log from damage inside it: at
//! the end nothing valid follows; after damage the next valid frame with a higher number does, and only what
//! lies between is lost. The generation makes old bytes of a reused, preallocated file invisible.
//!
//! ```text
//! 0   4  magic "BwF1"
//! 4   4  payload length
//! 8   8  generation of the file
//! 16  8  number of the frame, growing inside a generation
//! 24  1  kind
//! 25  3  zero
//! 28  4  CRC-32 of bytes 4..28 and the payload
//! 32     payload
//! ```
//! All integers are little-endian.

use std::ops::Range;

/// Marks the start of a frame, for finding the next one behind damage.
const MAGIC: [u8; 4] = *b"BwF1";

/// Bytes before the payload.
pub(crate) const HEADER_LEN: usize = 32;

/// Longest payload a reader believes. Far above the largest tick, far below what would hurt.
pub(crate) const MAX_PAYLOAD: usize = 64 << 20;

/// A frame that was read and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) generation: u64,
    pub(crate) number: u64,
    pub(crate) kind: u8,
    pub(crate) payload: &'a [u8],
    /// Where it begins in the bytes that were scanned.
    pub(crate) offset: usize,
}

impl Frame<'_> {
    /// Where the next frame begins.
    pub(crate) const fn end(&self) -> usize {
        self.offset + HEADER_LEN + self.payload.len()
    }
}

/// Appends a frame whose payload `fill` writes.
pub(crate) fn put_frame(
    out: &mut Vec<u8>,
    generation: u64,
    number: u64,
    kind: u8,
    fill: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&generation.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&[kind, 0, 0, 0, 0, 0, 0, 0]);
    fill(out);
    seal_frame(&mut out[start..]);
}

/// Fills in length and CRC of a frame whose payload is complete.
fn seal_frame(frame: &mut [u8]) {
    let (header, payload) = frame.split_at_mut(HEADER_LEN);
    header[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    let crc = checksum(header, payload);
    header[28..32].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header[4..28]);
    hasher.update(payload);
    hasher.finalize()
}

/// Reads the frame at `offset`, if a valid one is there.
pub(crate) fn frame_at(bytes: &[u8], offset: usize) -> Option<Frame<'_>> {
    let rest = bytes.get(offset..)?;
    let (header, rest) = rest.split_first_chunk::<HEADER_LEN>()?;
    let (magic, _) = header.split_first_chunk::<4>()?;
    let word = |at: usize| header.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
    let half = |at: usize| header.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let len = half(4)? as usize;
    if *magic != MAGIC || len > MAX_PAYLOAD {
        return None;
    }
    let payload = rest.get(..len)?;
    if half(28)? != checksum(header, payload) {
        return None;
    }
    Some(Frame { generation: word(8)?, number: word(16)?, kind: header[24], payload, offset })
}

/// What a scan met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A valid frame.
    Frame(Frame<'a>),
    /// Bytes that are no frame, with a valid frame after them.
    Damage(Range<usize>),
}

/// Goes through the frames of one generation, over damage, to the last valid one.
#[derive(Clone, Debug)]
pub(crate) struct Scan<'a> {
    bytes: &'a [u8],
    generation: u64,
    /// Numbers below this do not belong here.
    least: u64,
    position: usize,
}

impl<'a> Scan<'a> {
    pub(crate) const fn new(bytes: &'a [u8], generation: u64, start: usize) -> Self {
        Self { bytes, generation, least: 0, position: start }
    }

    /// Where the next frame begins, or, when the scan is over, where the log ends.
    pub(crate) const fn position(&self) -> usize {
        self.position
    }

    fn accept(&self, offset: usize) -> Option<Frame<'a>> {
        frame_at(self.bytes, offset)
            .filter(|frame| frame.generation == self.generation && frame.number >= self.least)
    }

    /// The first acceptable frame behind `position`.
    fn resync(&self) -> Option<Frame<'a>> {
        let from = self.position + 1;
        let rest = self.bytes.get(from..)?;
        memchr::memmem::find_iter(rest, &MAGIC).find_map(|at| self.accept(from + at))
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        if let Some(frame) = self.accept(self.position) {
            self.position = frame.end();
            self.least = frame.number + 1;
            return Some(Found::Frame(frame));
        }
        let next = self.resync()?;
        let lost = self.position..next.offset;
        self.position = next.offset;
        Some(Found::Damage(lost))
    }
}

/// The highest generation that has a valid frame in `bytes`.
pub(crate) fn newest_generation(bytes: &[u8]) -> Option<u64> {
    let mut position = 0;
    let mut newest = None;
    while let Some(at) = bytes.get(position..).and_then(|rest| memchr::memmem::find(rest, &MAGIC)) {
        position += at;
        if let Some(frame) = frame_at(bytes, position) {
            newest = newest.max(Some(frame.generation));
            position = frame.end();
        } else {
            position += 1;
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(frames: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for number in 0..frames {
            put_frame(&mut out, 7, number, 1, |out| out.extend_from_slice(&[number as u8; 10]));
        }
        out
    }

    fn numbers(bytes: &[u8]) -> (Vec<u64>, usize) {
        let mut numbers = Vec::new();
        let mut damaged = 0;
        for found in Scan::new(bytes, 7, 0) {
            match found {
                Found::Frame(frame) => numbers.push(frame.number),
                Found::Damage(_) => damaged += 1,
            }
        }
        (numbers, damaged)
    }

    #[test]
    fn a_cut_at_every_byte_loses_only_the_frames_behind_it() {
        let bytes = log(3);
        for cut in 0..=bytes.len() {
            let whole = cut / (HEADER_LEN + 10);
            assert_eq!(numbers(&bytes[..cut]), ((0..whole as u64).collect(), 0), "cut at {cut}");
        }
    }

    #[test]
    fn a_flip_of_every_byte_loses_only_its_frame() {
        let bytes = log(3);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            let lost = at / (HEADER_LEN + 10);
            // Damage of the last frame cannot be told from the end of the log.
            let reported = usize::from(lost < 2);
            let kept = (0..3).filter(|n| *n != lost as u64).collect();
            assert_eq!(numbers(&damaged), (kept, reported), "flip at {at}");
        }
    }

    #[test]
    fn older_generations_are_not_seen() {
        let mut bytes = log(3);
        put_frame(&mut bytes, 6, 100, 1, |_| {});
        assert_eq!(numbers(&bytes).0, [0, 1, 2]);
        assert_eq!(newest_generation(&bytes), Some(7));
    }
}
