//! Entry points for fuzzers: each takes any bytes and must return.
//!
//! Bytes from a disk are judged by a CRC first, which random bytes never pass. So each target reads its input
//! twice: as it is, and with the CRC made right, to get at the reader behind it.

use breakwatch_model::{TimeRange, Timestamp};

use crate::block::{BlockIndex, Footer};
use crate::chunk::{Chunk, Rows, encode};
use crate::codec::{Bytes, Effort};
use crate::frame::{HEADER_LEN, newest_generation, put_frame};
use crate::index::{Record, put_records, read_records};
use crate::state::slot_damage;
use crate::wal::{Entry, SampleWriter, Sealed, read_samples, scan};

/// A target: its name, its entry point, and inputs to begin with.
pub struct Target {
    /// Its name, and that of its corpus directory.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// Well-formed inputs.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: [Target; 6] = [
    Target { name: "wal_frame", run: wal_frame, seeds: wal_seeds },
    Target { name: "chunk", run: chunk, seeds: chunk_seeds },
    Target { name: "block", run: block, seeds: block_seeds },
    Target { name: "block_index", run: block_index, seeds: index_seeds },
    Target { name: "series", run: series, seeds: series_seeds },
    Target { name: "state", run: state, seeds: state_seeds },
];

/// A segment of the log, and the payloads of its frames.
fn wal_frame(input: &[u8]) {
    let each = &mut |entry: Entry<'_>| {
        if let Entry::Frame(frame) = entry {
            payload(frame.payload);
        }
    };
    scan(input, newest_generation(input).unwrap_or(1), u64::MAX, each);
    payload(input);
}

fn payload(bytes: &[u8]) {
    let mut count = 0_u64;
    let _ = read_samples(bytes, |series, sample| count ^= u64::from(series) ^ sample.v.to_bits());
    let mut reader = Bytes::new(bytes);
    while Sealed::read(&mut reader).is_ok() {}
    std::hint::black_box(count);
}

/// A chunk, with every column decoded.
fn chunk(input: &[u8]) {
    let read = |bytes: Vec<u8>| {
        let Ok(chunk) = Chunk::parse(bytes) else { return };
        let range = TimeRange::new(Timestamp(0), Timestamp::MAX);
        for slot in 0..34 {
            let mut samples = Vec::new();
            let _ = chunk.samples(slot, 0, range, &mut samples);
            let _ = chunk.column(slot, 4);
        }
        let _ = chunk.encodings();
    };
    read(input.to_vec());
    let mut right = input.to_vec();
    if let Some((prefix, body)) = right.split_at_mut_checked(5) {
        let crc = crc32fast::hash(body);
        prefix[0] = 1;
        prefix[1..].copy_from_slice(&crc.to_le_bytes());
        read(right);
    }
}

/// The footer of a block.
fn block(input: &[u8]) {
    let _ = Footer::parse(input);
    let mut framed = Vec::new();
    put_frame(&mut framed, 1, 0, 1, |out| out.extend_from_slice(input.get(HEADER_LEN..).unwrap_or(input)));
    if let Ok(footer) = Footer::parse(&framed) {
        let _ = footer.file_len();
    }
}

/// The index of a block.
fn block_index(input: &[u8]) {
    let Some((len, body)) = input.split_first_chunk::<4>() else { return };
    let len = u64::from(u32::from_le_bytes(*len));
    if let Ok(index) = BlockIndex::parse(body, 19_676, len) {
        let range = TimeRange::new(Timestamp::MIN, Timestamp::MAX);
        for (group, _) in index.groups() {
            std::hint::black_box(index.find(group, 3, range).count());
        }
        std::hint::black_box(index.chunks().count());
    }
}

/// Definitions of series.
fn series(input: &[u8]) {
    if let Ok(records) = read_records(input) {
        let mut index = crate::index::Index::default();
        records.into_iter().for_each(|record| crate::index::apply(&mut index, record));
    }
}

/// A state log file, and the changes in its frames.
fn state(input: &[u8]) {
    let _ = slot_damage(input);
    crate::state::read_payload(input);
}

fn wal_seeds() -> Vec<Vec<u8>> {
    let mut rng = fastrand_like(1);
    let mut writer = SampleWriter::default();
    for n in 0..40_u32 {
        let value = if n % 3 == 0 { 1.0 } else { (rng() % 1_000_000) as f64 / 1e6 };
        let sample =
            breakwatch_model::Sample::new(Timestamp(1_700_000_000_000 + i64::from(n / 4) * 15_000), value);
        writer.put(n % 7, sample);
    }
    let mut segment = Vec::new();
    put_frame(&mut segment, 6, 6, 1, |out| out.extend_from_slice(&writer.bytes));
    put_frame(&mut segment, 6, 10, 1, |out| out.extend_from_slice(&writer.bytes));
    let mut sealed = Vec::new();
    let spans = vec![crate::wal::Span { slot: 1, start: 5, end: 9 }];
    Sealed { day: 19_676, group: 3, last_frame: 77, start: 5, end: 900, spans }.put(&mut sealed);
    vec![segment, writer.bytes, sealed]
}

fn chunk_seeds() -> Vec<Vec<u8>> {
    let mut rng = fastrand_like(2);
    let sample = |t: i64, v: f64| breakwatch_model::Sample::new(Timestamp(t), v);
    let mut seeds = Vec::new();
    for (rows, effort) in [(5_i64, Effort::Quick), (200, Effort::Quick), (200, Effort::Thorough)] {
        let times: Vec<i64> =
            (0..rows).map(|n| 1_700_000_000_000 + n * 15_000 + (rng() % 4) as i64).collect();
        let steady = times.iter().map(|t| sample(*t, 1.0)).collect();
        let noisy = times.iter().map(|t| sample(*t, (rng() % 50_000_000) as f64 / 1e9)).collect();
        let odd = times.iter().map(|t| sample(*t, f64::from_bits(rng()))).collect();
        let walk = times.iter().step_by(2).map(|t| sample(*t, (*t as f64).sin())).collect();
        seeds.push(encode(&Rows::of(&[(0, steady), (3, noisy), (17, odd), (31, walk)]), effort));
    }
    seeds
}

fn block_seeds() -> Vec<Vec<u8>> {
    let footer = Footer {
        kind: crate::block::Kind::Raw,
        day: 19_676,
        range: TimeRange::new(Timestamp(1_700_006_400_000), Timestamp(1_700_092_799_999)),
        series: 10,
        samples: 57_600,
        chunks_len: 70_000,
        index_len: 400,
        series_len: 900,
        index_crc: 1,
        series_crc: 2,
    };
    let mut out = Vec::new();
    footer.put(&mut out);
    vec![out]
}

fn index_seeds() -> Vec<Vec<u8>> {
    let mut index = BlockIndex::default();
    let start = 19_676 * 86_400_000;
    for group in [0, 1, 7, 4000] {
        let range =
            |n: i64| TimeRange::new(Timestamp(start + n * 7_200_000), Timestamp(start + n * 7_200_000 + 900));
        let chunks: Vec<_> = (0..4).map(|n| (range(n), 900 + n as u32)).collect();
        index.push(19_676, group, 0b1011, &chunks);
    }
    let mut out = (index.end() as u32).to_le_bytes().to_vec();
    index.put(&mut out);
    vec![out]
}

fn series_seeds() -> Vec<Vec<u8>> {
    let definition = |id: u32| crate::index::Definition {
        id,
        place: crate::index::Place { group: id / 4, slot: (id % 4) as u8 },
        created_at: Timestamp(1_700_000_000_000),
        labels: breakwatch_model::Labels::from_pairs([
            ("__name__", "up".to_owned()),
            ("check", format!("c{id}")),
        ]),
        family: "up".into(),
    };
    let mut records: Vec<Record> = (0..9).map(|id| Record::Series(definition(id))).collect();
    records.push(Record::Metadata("up".into(), breakwatch_model::Metadata::default()));
    records.push(Record::Next(9, 3));
    let mut out = Vec::new();
    put_records(&mut out, &records);
    vec![out]
}

fn state_seeds() -> Vec<Vec<u8>> {
    crate::state::example_files()
}

/// A small generator of its own, so that seeds are the same everywhere: xorshift64.
fn fastrand_like(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}
