//! Rebuilding a day of the hot tier from the log, after its store had to be set aside while running.

use breakwatch_model::StorageError;

use super::Shared;
use super::maintain::put_chunks;
use crate::codec::Bytes;
use crate::disk::read_file;
use crate::head::Head;
use crate::incident::Unit;
use crate::wal::{Entry, KIND_SAMPLES, KIND_SEALED, Sealed, read_samples, scan};

impl Shared {
    /// Stores anew what the log still has of the chunks of `day`. What was not sealed yet is in memory and
    /// takes no part in this.
    pub(crate) fn rebuild_day(&self, day: i64) -> Result<(), StorageError> {
        let mut sealed: Vec<Sealed> =
            self.live.read().sealed.iter().filter(|s| s.day == day).cloned().collect();
        self.each_frame(&mut |kind, _, payload| {
            if kind == KIND_SEALED {
                let mut bytes = Bytes::new(payload);
                while let Ok(one) = Sealed::read(&mut bytes) {
                    sealed.extend((one.day == day).then_some(one));
                }
            }
        })?;
        let index = self.index.read();
        let mut head = Head::default();
        index.iter().for_each(|(id, entry)| head.add_series(id, entry.place.group, entry.place.slot));
        self.each_frame(&mut |kind, number, payload| {
            if kind != KIND_SAMPLES {
                return;
            }
            let _ = read_samples(payload, |id, sample| {
                let Some(place) = index.get(id).map(|entry| entry.place) else { return };
                let of_group = sealed.iter().filter(|sealed| sealed.group == place.group);
                if of_group.clone().any(|sealed| sealed.holds(place.slot, sample.t.0, number)) {
                    head.replay(id, sample, number);
                }
            });
        })?;
        drop(index);
        head.freeze_due(self.dir.now(), true);
        let mut chunks = Vec::new();
        for frozen in head.frozen() {
            put_chunks(frozen.lane.group, &frozen.lane.to_rows(), &mut chunks);
        }
        if !chunks.is_empty() {
            self.hot.put(day, &mut chunks)?;
        }
        self.dir.report(
            Unit::Hot,
            format!("{} chunks of day {day} were rebuilt from the log", chunks.len()),
            None,
        );
        Ok(())
    }

    /// Goes through the durable frames of the log.
    fn each_frame(&self, each: &mut dyn FnMut(u8, u64, &[u8])) -> Result<(), StorageError> {
        for (first, end, path) in self.segments_from(0) {
            match read_file(&**self.dir.disk(), &path) {
                Ok(bytes) => scan(&bytes, first, end, &mut |entry| {
                    if let Entry::Frame(frame) = entry {
                        each(frame.kind, frame.number, frame.payload);
                    }
                }),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(StorageError::io(format!("cannot read {}", path.display()), &error));
                }
            }
        }
        Ok(())
    }
}
