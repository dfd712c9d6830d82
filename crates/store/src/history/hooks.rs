//! What the operator's tools need from the inside of the history.

use breakwatch_model::{SeriesEntry, StorageError, Timestamp};
use std::sync::Arc;

use super::History;
use crate::admin::Target;
use crate::block::{Kind, Writer};
use crate::chunk::{Chunk, Rows};
use crate::codec::Effort;
use crate::head::DAY;
use crate::index::{Place, image};

impl History {
    pub(crate) fn now(&self) -> Timestamp {
        self.shared.dir.now()
    }

    /// The family a series belongs to.
    pub(crate) fn family_of(&self, entry: &SeriesEntry) -> Arc<str> {
        let index = self.shared.index.read();
        let id = u32::try_from(entry.reference.0).unwrap_or(u32::MAX);
        index.get(id).map_or_else(|| entry.labels.metric_name().into(), |entry| Arc::clone(&entry.family))
    }

    /// Every series with its place.
    pub(crate) fn all_places(&self) -> Vec<(u32, Place)> {
        self.shared.index.read().iter().map(|(id, entry)| (id, entry.place)).collect()
    }

    /// Refuses days that cannot be loaded.
    pub(crate) fn check_loadable(&self, day: i64) -> Result<(), StorageError> {
        let shared = &self.shared;
        let today = shared.dir.now().0.div_euclid(DAY);
        let busy =
            shared.hot.days().iter().any(|(hot, _)| *hot == day) || shared.live.read().head.has_day(day);
        if day >= today || busy || shared.blocks.has_day(day) {
            return Err(StorageError::Limit(format!("day {day} is not over, or has samples already")));
        }
        Ok(())
    }

    /// Begins the blocks of a day.
    pub(crate) fn begin_day(&self, day: i64) -> std::io::Result<(Writer, Writer)> {
        let (disk, dir) = (self.shared.dir.disk(), self.shared.blocks.path());
        let raw = Writer::begin(disk, &dir, Kind::Raw, day, Effort::Thorough)?;
        match Writer::begin(disk, &dir, Kind::Rollup, day, Effort::Thorough) {
            Ok(rollup) => Ok((raw, rollup)),
            Err(error) => {
                raw.abandon();
                Err(error)
            }
        }
    }

    /// Completes the blocks of a day.
    pub(crate) fn end_day(&self, day: i64, raw: Writer, rollup: Writer) -> Result<(), StorageError> {
        // Names that are in a block must not be given to other series after a crash.
        self.shared.tick()?;
        self.shared.finish_block(rollup, Kind::Rollup, day)?;
        self.shared.finish_block(raw, Kind::Raw, day)?;
        let mut live = self.shared.live.write();
        live.floor = live.floor.max(Timestamp((day + 1).saturating_mul(DAY)));
        Ok(())
    }

    /// Copies everything into a backup, while samples go on coming in.
    pub(crate) fn back_up(&self, target: &mut Target<'_>) -> Result<(), StorageError> {
        let shared = &self.shared;
        let _pause = shared.maintaining.lock();
        shared.tick()?;
        target.dir("blocks")?;
        target.dir("wal")?;
        let mut names = String::new();
        for block in shared.blocks.list().iter() {
            let Some(name) = block.path.file_name().and_then(|name| name.to_str()) else { continue };
            target.link(&block.path, &format!("blocks/{name}"))?;
            names.push_str(name);
            names.push('\n');
        }
        for (day, _) in shared.hot.days() {
            if let Some(name) = self.back_up_hot(day, target)? {
                names.push_str(&name);
                names.push('\n');
            }
        }
        target.write("blocks/manifest", names.as_bytes())?;
        self.back_up_log(target)?;
        let (registry, _) = image(&shared.index.read(), 1);
        target.write("series.log", &registry)
    }

    /// A day of the hot tier, as the block of an unfinished day. Gives the block's name.
    fn back_up_hot(&self, day: i64, target: &mut Target<'_>) -> Result<Option<String>, StorageError> {
        let shared = &self.shared;
        let Some((store, keys)) = shared.hot.day_keys(day) else { return Ok(None) };
        let fail = |error: std::io::Error| StorageError::io(format!("cannot copy day {day}"), &error);
        let dir = target.root().join("blocks");
        let disk: Arc<dyn crate::disk::Disk> = Arc::new(crate::disk::RealDisk);
        let mut writer = Writer::begin(&disk, &dir, Kind::Partial, day, Effort::Quick).map_err(fail)?;
        for group in keys.chunk_by(|a, b| a.group == b.group) {
            let mut pieces: Vec<Rows> = Vec::new();
            for key in group {
                match store.get(*key)?.map(|bytes| Chunk::parse(bytes).and_then(|chunk| chunk.to_rows())) {
                    Some(Ok(rows)) => pieces.push(rows),
                    _ => shared.damaged(&format!("a chunk of group {} cannot be copied", key.group)),
                }
            }
            writer.group(group.first().map_or(0, |key| key.group), &pieces).map_err(fail)?;
        }
        if writer.is_empty() {
            writer.abandon();
            return Ok(None);
        }
        // A name that restores and backups of restores do not meet again.
        let name = format!("partial-{day:06}-{}.blk", shared.dir.now().millis());
        let records = super::finish::definitions(&shared.index.read(), writer.groups());
        writer.finish(&dir.join(&name), &records).map_err(fail)?;
        target.take(&format!("blocks/{name}"))?;
        Ok(Some(name))
    }

    /// The part of the log that is needed, and the checkpoint that says so.
    fn back_up_log(&self, target: &mut Target<'_>) -> Result<(), StorageError> {
        let shared = &self.shared;
        let replay_from = {
            let live = shared.live.read();
            live.head.first_frame(live.frame())
        };
        let (segments, durable) = {
            let wal = shared.wal.lock();
            let ends = wal.segments.iter().skip(1).map(|next| next.first).chain([u64::MAX]);
            let needed = wal.segments.iter().zip(ends).filter(|(_, end)| *end > replay_from);
            (needed.map(|(segment, _)| segment.clone()).collect::<Vec<_>>(), shared.log.durable())
        };
        for segment in segments {
            let Some(name) = segment.path.file_name().and_then(|name| name.to_str()) else { continue };
            target.copy(&segment.path, &format!("wal/{name}"), segment.bytes)?;
        }
        let numbers = shared.index.read().next();
        let checkpoint = crate::hot::Checkpoint {
            replay_from,
            durable,
            numbers,
            holes: Vec::new(),
            void: Vec::new(),
            days: Vec::new(),
        };
        target.write("checkpoint", &checkpoint.to_bytes())
    }
}
