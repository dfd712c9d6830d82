//! Opening the history: registry, hot tier, log, in that order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use breakwatch_model::{StorageError, Timestamp};
use parking_lot::{Mutex, RwLock};

use super::cache::Cache;
use super::follow::Positions;
use super::replay::Replay;
use super::stats::{Counters, count};
use super::{HistoryOptions, Live, Shared};
use crate::block::Blocks;
use crate::datadir::DataDir;
use crate::hot::{Checkpoint, Engine, Hot};
use crate::incident::Unit;
use crate::index::{Index, Registry, apply, image};
use crate::wal::{self, KIND_SERIES, Segments, Wal};

/// Opens everything.
pub(crate) fn open(
    dir: &DataDir,
    options: HistoryOptions,
    engine: Box<dyn Engine>,
) -> Result<Shared, StorageError> {
    let before = dir.incidents().total();
    let mut index = Index::default();
    let (registry, sound) =
        Registry::open(dir, &mut index).map_err(|error| failed("the series registry", &error))?;
    let checkpoint = Checkpoint::read(dir);
    let blocks = Blocks::open(dir)?;
    let (hot, lost) = Hot::open(dir, engine, &checkpoint, &|day| blocks.has_day(day))?;
    let wal_dir = dir.path().join("wal");
    dir.disk().create_dir_all(&wal_dir).map_err(|error| failed("the log", &error))?;
    let segments = Segments::find(&**dir.disk(), &wal_dir).map_err(|error| failed("the log", &error))?;
    // An index without series beside blocks is a registry that is gone.
    let sound = sound && (index.len() > 0 || blocks.list().is_empty());
    let floor = blocks.finished_until().unwrap_or(Timestamp::MIN);
    let from = if lost.is_empty() { checkpoint.replay_from } else { 0 };
    let mut replay = Replay::new(dir, segments, from, &lost, floor);
    let incomplete =
        replay.run(&mut index, &checkpoint, sound, &mut |index| names_of_blocks(dir, &blocks, index));
    let Replay { head, segments, next_tick, holes, missing, .. } = replay;
    let next = wal::frame_of(next_tick, KIND_SERIES);
    let mut void = checkpoint.void;
    void.extend(lost.iter().map(|day| (*day, next)));
    let wal = Wal::new(Arc::clone(dir.disk()), wal_dir, segments.list, next);
    let counters = Counters::default();
    count(&counters.dropped, missing);
    let shared = Shared {
        dir: dir.clone(),
        tick: options.tick,
        future_limit: options.future_limit,
        max_series: options.max_series,
        retention: Mutex::new(options.retention),
        ticking: Mutex::default(),
        maintaining: Mutex::default(),
        index: RwLock::new(index),
        live: RwLock::new(Live { head, tick: next_tick, floor, ..Live::default() }),
        holes,
        void: Mutex::new(void),
        registry: Mutex::new(registry),
        log: wal.figures(),
        wal: Mutex::new(wal),
        checkpointed: AtomicU64::new(checkpoint.replay_from),
        hot,
        blocks,
        cache: Cache::default(),
        positions: Mutex::new(Positions::default()),
        counters,
        log_failing: AtomicBool::new(false),
        hot_failing: AtomicBool::new(false),
        closed: AtomicBool::new(false),
    };
    shared.settle_names(incomplete)?;
    if dir.incidents().total() > before {
        shared.settle();
    }
    Ok(shared)
}

fn failed(what: &str, error: &std::io::Error) -> StorageError {
    StorageError::io(format!("cannot open {what}"), error)
}

impl Shared {
    /// Prepares the index for new series, and writes the registry anew if names had to be gathered elsewhere.
    fn settle_names(&self, incomplete: bool) -> Result<(), StorageError> {
        let mut index = self.index.write();
        let highest = self.hot.highest_group().map_or(0, |group| group.saturating_add(1));
        if !incomplete && highest <= index.next().1 {
            index.resume_groups();
            return Ok(());
        }
        // Slots of known groups may belong to series whose names are lost: new series get new groups.
        index.reserve(0, highest);
        let mut registry = self.registry.lock();
        let image = image(&index, registry.next_generation());
        registry.replace(&image).map_err(|error| failed("the series registry", &error))
    }

    /// After damage: notes what there is now, so that the next opening does not report the same again.
    fn settle(&self) {
        let replay_from = {
            let live = self.live.read();
            live.head.first_frame(live.frame())
        };
        if let Err(error) = self.write_checkpoint(replay_from) {
            tracing::warn!("the checkpoint could not be written after damage: {error}");
        }
        self.wal.lock().note_newest();
    }
}

/// Takes the names of series from blocks into the index; gives whether there were any that it lacked.
fn names_of_blocks(dir: &DataDir, blocks: &Blocks, index: &mut Index) -> bool {
    let before = index.len();
    for block in blocks.list().iter().rev() {
        match block.series(&**dir.disk()) {
            Ok(Ok(records)) => records.into_iter().for_each(|record| apply(index, record)),
            Ok(Err(error)) => {
                let message = format!("the names in {} are not {error}", block.path.display());
                dir.report(Unit::Block, message, None);
            }
            Err(error) => {
                dir.report(Unit::Block, format!("{} cannot be read: {error}", block.path.display()), None);
            }
        }
    }
    let found = index.len() - before;
    if found > 0 {
        dir.report(Unit::Series, format!("the names of {found} series were taken from blocks"), None);
    }
    found > 0
}
