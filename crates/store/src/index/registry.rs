//! The registry: the file in which series get their numbers for good.
//!
//! Appended to before the first sample of a series is logged, so that no sample is ever without a name. Each
//! frame stands alone (its texts are listed in it once), so that damage costs the series of one frame; their
//! definitions are also in the log's frames of that time and in the blocks that hold their samples.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use breakwatch_model::{Labels, Metadata, MetricKind, Timestamp};
use rustc_hash::FxHashMap;

use super::{Index, Place};
use crate::codec::{Bytes, Malformed, put_ivarint, put_str, put_uvarint};
use crate::datadir::DataDir;
use crate::disk::{Disk, DiskFile, read_file, replace_file};
use crate::frame::{Found, Scan, newest_generation, put_frame};
use crate::incident::Unit;

const KIND_RECORDS: u8 = 1;

/// Definitions per frame when the file is written anew.
const PER_FRAME: usize = 256;

const SERIES: u8 = 1;
const METADATA: u8 = 2;
const NEXT: u8 = 3;

/// A series and the numbers it goes by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Definition {
    pub(crate) id: u32,
    pub(crate) place: Place,
    pub(crate) created_at: Timestamp,
    pub(crate) labels: Labels,
    pub(crate) family: Arc<str>,
}

/// What the registry keeps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record {
    Series(Definition),
    Metadata(Arc<str>, Metadata),
    /// Numbers below these were given out.
    Next(u32, u32),
}

/// Texts of a frame, each written once.
#[derive(Default)]
struct Texts<'a> {
    numbers: FxHashMap<&'a str, u64>,
    list: Vec<&'a str>,
}

impl<'a> Texts<'a> {
    fn number(&mut self, text: &'a str) -> u64 {
        let next = self.list.len() as u64;
        *self.numbers.entry(text).or_insert_with(|| {
            self.list.push(text);
            next
        })
    }
}

/// Appends records.
pub(crate) fn put_records(out: &mut Vec<u8>, records: &[Record]) {
    let mut texts = Texts::default();
    let mut body = Vec::new();
    for record in records {
        match record {
            Record::Series(series) => {
                body.push(SERIES);
                put_uvarint(&mut body, u64::from(series.id));
                put_uvarint(&mut body, u64::from(series.place.group));
                body.push(series.place.slot);
                put_ivarint(&mut body, series.created_at.0);
                put_uvarint(&mut body, texts.number(&series.family));
                put_uvarint(&mut body, series.labels.len() as u64);
                for (name, value) in series.labels.iter() {
                    put_uvarint(&mut body, texts.number(name));
                    put_uvarint(&mut body, texts.number(value));
                }
            }
            Record::Metadata(family, meta) => {
                body.push(METADATA);
                body.push(kind_code(meta.kind));
                for text in [&**family, &*meta.unit, &*meta.help] {
                    put_uvarint(&mut body, texts.number(text));
                }
            }
            Record::Next(series, group) => {
                body.push(NEXT);
                put_uvarint(&mut body, u64::from(*series));
                put_uvarint(&mut body, u64::from(*group));
            }
        }
    }
    put_uvarint(out, texts.list.len() as u64);
    texts.list.iter().for_each(|text| put_str(out, text));
    out.extend_from_slice(&body);
}

/// Reads the records of a frame.
pub(crate) fn read_records(payload: &[u8]) -> Result<Vec<Record>, Malformed> {
    let mut bytes = Bytes::new(payload);
    let count = bytes.count(1)?;
    let texts = (0..count).map(|_| bytes.str().map(Arc::from)).collect::<Result<Vec<Arc<str>>, _>>()?;
    let text = |bytes: &mut Bytes<'_>| {
        let number: usize = bytes.narrow()?;
        texts.get(number).map(Arc::clone).ok_or(Malformed("the number of a text"))
    };
    let mut records = Vec::new();
    while !bytes.is_empty() {
        records.push(match bytes.u8()? {
            SERIES => {
                let id = bytes.narrow()?;
                let place = Place { group: bytes.narrow()?, slot: bytes.u8()? };
                let created_at = Timestamp(bytes.ivarint()?);
                let family = text(&mut bytes)?;
                let count = bytes.count(2)?;
                let pairs = (0..count).map(|_| Ok((text(&mut bytes)?, text(&mut bytes)?)));
                let labels = Labels::from_sorted(pairs.collect::<Result<_, Malformed>>()?);
                Record::Series(Definition { id, place, created_at, labels, family })
            }
            METADATA => {
                let kind = kind_of(bytes.u8()?)?;
                let family = text(&mut bytes)?;
                let (unit, help) = (text(&mut bytes)?, text(&mut bytes)?);
                Record::Metadata(family, Metadata { kind, unit, help })
            }
            NEXT => Record::Next(bytes.narrow()?, bytes.narrow()?),
            _ => return Err(Malformed("a known record")),
        });
    }
    Ok(records)
}

const KINDS: [MetricKind; 7] = [
    MetricKind::Unknown,
    MetricKind::Gauge,
    MetricKind::Counter,
    MetricKind::Histogram,
    MetricKind::Summary,
    MetricKind::Info,
    MetricKind::StateSet,
];

fn kind_code(kind: MetricKind) -> u8 {
    KINDS.iter().position(|known| *known == kind).unwrap_or(0) as u8
}

fn kind_of(code: u8) -> Result<MetricKind, Malformed> {
    KINDS.get(usize::from(code)).copied().ok_or(Malformed("a known metric kind"))
}

/// The registry's file.
#[derive(Debug)]
pub(crate) struct Registry {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    generation: u64,
    next: u64,
    end: u64,
    /// Records that could not be written yet.
    backlog: Vec<Record>,
}

impl Registry {
    /// Opens the file and reads it into `index`. Gives whether it was sound; if not it was set aside, and the
    /// caller rewrites it once it has gathered what other files know.
    pub(crate) fn open(dir: &DataDir, index: &mut Index) -> io::Result<(Self, bool)> {
        let disk = Arc::clone(dir.disk());
        let path = dir.path().join("series.log");
        let existed = disk.exists(&path);
        let file = disk.open(&path, true)?;
        let bytes = read_file(&*disk, &path)?;
        let generation = newest_generation(&bytes).unwrap_or(1);
        let mut sound = true;
        let mut next = 0;
        let mut scan = Scan::new(&bytes, generation, 0);
        for found in scan.by_ref() {
            let records = match found {
                Found::Frame(frame) => {
                    next = frame.number + 1;
                    read_records(frame.payload).ok()
                }
                Found::Damage(_) => None,
            };
            sound &= records.is_some();
            records.into_iter().flatten().for_each(|record| apply(index, record));
        }
        let end = scan.position() as u64;
        let tail = bytes.len() as u64 - end;
        if !sound || tail > 0 {
            let kept = dir.quarantine_copy(&path);
            dir.report(
                Unit::Series,
                format!("part of the series registry {} is unreadable", path.display()),
                kept,
            );
            sound = false;
        }
        if !existed && let Some(parent) = path.parent() {
            disk.sync_dir(parent)?;
        }
        Ok((Self { disk, path, file, generation, next, end, backlog: Vec::new() }, sound))
    }

    /// Adds records, durably. What could not be written is kept and goes first the next time.
    pub(crate) fn append(&mut self, records: Vec<Record>) -> io::Result<()> {
        self.backlog.extend(records);
        if self.backlog.is_empty() {
            return Ok(());
        }
        let mut out = Vec::new();
        put_frame(&mut out, self.generation, self.next, KIND_RECORDS, |out| put_records(out, &self.backlog));
        self.file.write_at(&out, self.end)?;
        self.file.sync()?;
        self.end += out.len() as u64;
        self.next += 1;
        self.backlog.clear();
        Ok(())
    }

    /// The generation that [`Registry::replace`] expects.
    pub(crate) const fn next_generation(&self) -> u64 {
        self.generation + 1
    }

    /// Writes the file anew, with what [`image`] made: after series were dropped, or after damage.
    pub(crate) fn replace(&mut self, (bytes, next): &(Vec<u8>, u64)) -> io::Result<()> {
        replace_file(&*self.disk, &self.path, bytes)?;
        self.file = self.disk.open(&self.path, false)?;
        self.generation += 1;
        self.next = *next;
        self.end = bytes.len() as u64;
        self.backlog.clear();
        Ok(())
    }
}

/// A whole registry as bytes, and the number of its next frame.
pub(crate) fn image(index: &Index, generation: u64) -> (Vec<u8>, u64) {
    let (series, group) = index.next();
    let mut records = vec![Record::Next(series, group)];
    records.extend(index.metadata().iter().map(|(f, meta)| Record::Metadata(Arc::clone(f), meta.clone())));
    records.extend(index.iter().map(|(id, entry)| {
        Record::Series(Definition {
            id,
            place: entry.place,
            created_at: entry.created_at,
            labels: entry.labels.clone(),
            family: Arc::clone(&entry.family),
        })
    }));
    let mut bytes = Vec::new();
    let mut number = 0;
    for records in records.chunks(PER_FRAME) {
        put_frame(&mut bytes, generation, number, KIND_RECORDS, |out| put_records(out, records));
        number += 1;
    }
    (bytes, number)
}

/// Adds a record to the index.
pub(crate) fn apply(index: &mut Index, record: Record) {
    match record {
        Record::Series(definition) => {
            index.insert(&definition);
        }
        Record::Metadata(family, meta) => {
            index.set_metadata(&family, &meta);
        }
        Record::Next(series, group) => index.reserve(series, group),
    }
}
