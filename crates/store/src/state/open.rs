//! Opening the state log: which of the two slots counts, what is missing, what was damaged.

use std::path::Path;
use std::sync::Arc;

use breakwatch_model::{StorageError, Table};
use parking_lot::RwLock;

use super::StateOptions;
use super::journal::Segment;
use super::slot::{Content, Slot};
use super::tables::{JOURNALS, Tables};
use super::writer::Writer;
use crate::datadir::DataDir;
use crate::incident::Unit;

/// Reads both slots and the journals; gives what they hold and a writer that goes on behind it.
pub(crate) fn open(dir: &DataDir, options: StateOptions) -> Result<(Tables, Writer), StorageError> {
    let state = dir.path().join("state");
    let journal = state.join("journal");
    let fail = |path: &Path, error: &std::io::Error| {
        StorageError::io(format!("cannot open the state log {}", path.display()), error)
    };
    dir.disk().create_dir_all(&journal).map_err(|error| fail(&journal, &error))?;
    let paths = ["log-a", "log-b"].map(|name| state.join(name));
    let existed = paths.each_ref().map(|path| dir.disk().exists(path));
    let [a, b] = paths
        .each_ref()
        .map(|path| Slot::open(&**dir.disk(), path, options.reserve).map_err(|error| fail(path, &error)));
    let ((a, a_content, a_short), (b, b_content, b_short)) = (a?, b?);
    if let Some(error) = a_short.or(b_short) {
        dir.report(Unit::Disk, format!("the reserve of the state log could not be made: {error}"), None);
    }

    let mut tables = Tables::default();
    for table in JOURNALS {
        open_segments(dir, &journal, table, &mut tables);
    }
    let fresh = !existed[0] && !existed[1];
    let contents = [a_content, b_content];
    let chosen = choose(&contents);
    let sound = fresh || report(dir, &paths, existed, &contents, &chosen);
    let [mut a_content, mut b_content] = contents;
    let mut generation = 0;
    for index in &chosen.replay {
        let content = if *index == 0 { a_content.take() } else { b_content.take() };
        if let Some(content) = content {
            generation = content.generation.max(generation);
            content.ops.into_iter().for_each(|op| tables.apply(op));
        }
    }
    let sound = check_segments(dir, &mut tables) && sound;
    let mut writer = Writer {
        dir: dir.clone(),
        journals: options.journals,
        slots: [a, b],
        active: chosen.active,
        generation: generation.max(chosen.newest),
        offset: chosen.end,
        next: chosen.next,
        suspect: false,
        closed: false,
        stats: Arc::default(),
    };
    // A new log needs its first header, a damaged one a whole copy of what could be read.
    if !sound || chosen.replay.is_empty() || chosen.torn {
        let shared = RwLock::new(tables);
        writer.turn_over(&shared)?;
        tables = shared.into_inner();
    }
    Ok((tables, writer))
}

/// Which slots to replay, in order, and where to go on.
#[derive(Debug, Default, PartialEq, Eq)]
struct Choice {
    replay: Vec<usize>,
    active: usize,
    newest: u64,
    end: u64,
    next: u64,
    torn: bool,
    /// The newest slot's snapshot was unreadable in part, and commits follow it.
    damaged_snapshot: bool,
    /// The newest slot is unusable although it was complete once: commits are lost.
    lost: bool,
}

fn choose(contents: &[Option<Content>; 2]) -> Choice {
    let generation = |index: usize| contents[index].as_ref().map_or(0, |content| content.generation);
    let newest = usize::from(generation(1) > generation(0));
    let (Some(new), old) = (&contents[newest], contents[1 - newest].as_ref()) else {
        return Choice::default();
    };
    let go_on = |index: usize, content: &Content, replay| Choice {
        replay,
        active: index,
        newest: new.generation,
        end: content.end as u64,
        next: content.next,
        torn: content.torn,
        damaged_snapshot: false,
        lost: false,
    };
    if new.complete {
        return go_on(newest, new, vec![newest]);
    }
    match old {
        // A crash while the snapshot was being written: the slot before has everything.
        Some(old) if new.commits == 0 => Choice {
            lost: old.superseded,
            // The slot's last frame would hide what comes after it.
            torn: old.torn || old.superseded,
            ..go_on(1 - newest, old, vec![1 - newest])
        },
        // The snapshot is damaged. What the slot before ends with is what it began with.
        _ => Choice {
            damaged_snapshot: true,
            ..go_on(newest, new, if old.is_some() { vec![1 - newest, newest] } else { vec![newest] })
        },
    }
}

/// Reports damage and copies damaged files aside; gives whether everything was sound.
fn report(
    dir: &DataDir,
    paths: &[std::path::PathBuf; 2],
    existed: [bool; 2],
    contents: &[Option<Content>; 2],
    choice: &Choice,
) -> bool {
    let before = dir.incidents().total();
    for index in 0..2 {
        let (path, name) = (&paths[index], paths[index].display());
        let used = choice.replay.contains(&index);
        let damage = |what: String, copy: bool| {
            let kept = if copy { dir.quarantine_copy(path) } else { None };
            dir.report(Unit::State, what, kept);
        };
        match &contents[index] {
            None if !existed[index] => damage(format!("the state log file {name} was missing"), false),
            // Only the file the very first start made is empty: the other one took over since.
            None if contents[1 - index].as_ref().is_some_and(|other| other.generation > 1) => {
                damage(format!("the state log file {name} is unreadable"), true);
            }
            Some(content) if used && !content.damage.is_empty() => {
                let lost: usize = content.damage.iter().map(ExactSizeIterator::len).sum();
                damage(format!("{lost} bytes of the state log file {name} are unreadable"), true);
            }
            Some(content) if content.cut => damage(format!("the state log file {name} was cut"), true),
            Some(content) if used && content.torn => {
                damage(format!("the last record of the state log file {name} is incomplete"), true);
            }
            _ => {}
        }
    }
    if choice.lost && dir.incidents().total() == before {
        let kept = dir.quarantine_copy(&paths[1 - choice.active]);
        dir.report(Unit::State, "the newest state log file is damaged; an older state is in use", kept);
    }
    if choice.damaged_snapshot && dir.incidents().total() == before {
        dir.report(Unit::State, "the snapshot in the state log is incomplete", None);
    }
    dir.incidents().total() == before
}

/// Finds the segments of a journal. One that cannot be opened is set aside.
fn open_segments(dir: &DataDir, path: &Path, table: Table, tables: &mut Tables) {
    let names = dir.disk().list(path).unwrap_or_default();
    let mut firsts: Vec<u64> = names.iter().filter_map(|e| Segment::first_of(&e.name, table)).collect();
    firsts.sort_unstable();
    let mut segments: Vec<Segment> = Vec::new();
    for first in firsts {
        match Segment::open(&**dir.disk(), path, table, first) {
            Ok(segment) if segment.count > 0 => {
                if segment.damaged {
                    let message = format!("part of the journal {} is unreadable", segment.path.display());
                    dir.report(Unit::Journal, message, None);
                }
                segments.push(segment);
            }
            // Begun and never written, or wholly unreadable.
            Ok(segment) => {
                let bytes = names.iter().find(|e| segment.path.ends_with(&e.name)).map_or(0, |e| e.len);
                if bytes == 0 {
                    let _ = dir.disk().remove_file(&segment.path);
                } else {
                    let kept = dir.quarantine(&segment.path);
                    let message = format!("the journal {} is unreadable", segment.path.display());
                    dir.report(Unit::Journal, message, kept);
                }
            }
            Err(error) => {
                let segment = Segment::new(path, table, first);
                let message = format!("the journal {} cannot be read: {error}", segment.path.display());
                dir.report(Unit::Journal, message, dir.quarantine(&segment.path));
            }
        }
    }
    // Records that were written twice (a failed sync, then again in the next segment) count once.
    for index in 1..segments.len() {
        let first = segments[index].span().first;
        if let Some(before) = segments.get_mut(index - 1) {
            before.end_at(first);
        }
    }
    let journal = tables.journal_mut(table);
    journal.moved = segments.last().map_or(0, |last| last.next);
    journal.next = journal.moved;
    journal.segments = segments;
}

/// Reports segments that the log knows of and that are not there, or not whole.
fn check_segments(dir: &DataDir, tables: &mut Tables) -> bool {
    let mut sound = true;
    for table in JOURNALS {
        let journal = tables.journal_mut(table);
        for expected in std::mem::take(&mut journal.expected) {
            let found = journal.segments.iter().find(|segment| segment.span().first == expected.first);
            if found.is_none_or(|segment| segment.span().next < expected.next && !segment.damaged) {
                let name = table.as_str();
                let message =
                    format!("records of the {name} journal from number {} on are missing", expected.first);
                dir.report(Unit::Journal, message, None);
                sound = false;
            }
        }
    }
    sound
}
