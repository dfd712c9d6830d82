//! The series index: labels to numbers and back, and which series a list of matchers names.
//!
//! Label names and values are shared text, a label set is known by its hash, and every pair has the list of
//! series that carry it. Matchers are answered from those lists and from the labels; samples are not touched.

mod find;
mod registry;

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use breakwatch_model::{Labels, Metadata, Timestamp};
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::paged::Paged;

pub(crate) use find::by_labels;
pub(crate) use registry::{Definition, Record, Registry, apply, image, put_records, read_records};

/// Labels that tell one target from another: series that agree in all of them are measured together and share
/// a time column.
const TARGET_LABELS: [&str; 6] = ["job", "instance", "check", "type", "target", "name"];

/// Number of the group, and of the series inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) group: u32,
    pub(crate) slot: u8,
}

/// A series.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) labels: Labels,
    pub(crate) place: Place,
    pub(crate) created_at: Timestamp,
    pub(crate) family: Arc<str>,
}

/// The series of a label pair, growing.
type Postings = Vec<u32>;

/// The index.
#[derive(Debug, Default)]
pub(crate) struct Index {
    series: Paged<Entry>,
    by_hash: FxHashMap<u64, u32>,
    postings: FxHashMap<Arc<str>, BTreeMap<Arc<str>, Postings>>,
    /// Series by group and slot.
    groups: FxHashMap<u32, [u32; crate::chunk::MAX_SLOTS]>,
    /// The group that takes the next series of a target, and how many it has.
    filling: FxHashMap<u64, (u32, u8)>,
    metadata: BTreeMap<Arc<str>, Metadata>,
    next_series: u32,
    next_group: u32,
    count: usize,
    epoch: u64,
}

/// No series.
const NONE: u32 = u32::MAX;

impl Index {
    /// How many series there are.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Changes whenever a series comes or goes.
    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The numbers the next series and the next group get.
    pub(crate) const fn next(&self) -> (u32, u32) {
        (self.next_series, self.next_group)
    }

    /// Makes sure that numbers below these are never given out again.
    pub(crate) fn reserve(&mut self, series: u32, group: u32) {
        self.next_series = self.next_series.max(series);
        self.next_group = self.next_group.max(group);
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Entry> {
        self.series.get(id)
    }

    /// Every series.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.series.iter()
    }

    /// The series in a slot of a group.
    pub(crate) fn at(&self, place: Place) -> Option<u32> {
        let members = self.groups.get(&place.group)?;
        members.get(usize::from(place.slot)).copied().filter(|id| *id != NONE)
    }

    /// The number of a label set.
    pub(crate) fn lookup(&self, labels: &Labels) -> Option<u32> {
        let mut hash = hash_of(labels);
        loop {
            let id = *self.by_hash.get(&hash)?;
            if self.get(id).is_some_and(|entry| entry.labels == *labels) {
                return Some(id);
            }
            hash = hash.wrapping_add(1);
        }
    }

    /// Makes a series; gives its definition for the registry.
    pub(crate) fn create(&mut self, labels: &Labels, family: &str, now: Timestamp) -> Definition {
        let place = self.next_place(labels);
        let id = self.next_series;
        let labels = self.intern(labels);
        let family =
            self.metadata.get_key_value(family).map_or_else(|| family.into(), |(name, _)| Arc::clone(name));
        let definition = Definition { id, place, created_at: now, labels, family };
        self.insert(&definition);
        definition
    }

    /// Adds a series that was defined before. A number or place that is taken is left alone.
    pub(crate) fn insert(&mut self, definition: &Definition) -> bool {
        let Definition { id, place, created_at, labels, family } = definition;
        let slot = usize::from(place.slot);
        let taken = self.get(*id).is_some() || self.at(*place).is_some() || slot >= crate::chunk::MAX_SLOTS;
        if taken || self.lookup(labels).is_some() {
            return false;
        }
        let labels = self.intern(labels);
        let mut hash = hash_of(&labels);
        while self.by_hash.contains_key(&hash) {
            hash = hash.wrapping_add(1);
        }
        self.by_hash.insert(hash, *id);
        for (name, value) in labels.pairs() {
            let values = self.postings.entry(Arc::clone(name)).or_default();
            let list = values.entry(Arc::clone(value)).or_default();
            match list.last() {
                Some(last) if last > id => {
                    let at = list.partition_point(|other| other < id);
                    list.insert(at, *id);
                }
                _ => list.push(*id),
            }
        }
        let members = self.groups.entry(place.group).or_insert([NONE; crate::chunk::MAX_SLOTS]);
        if let Some(member) = members.get_mut(slot) {
            *member = *id;
        }
        self.reserve(id.saturating_add(1), place.group.saturating_add(1));
        let entry = Entry { labels, place: *place, created_at: *created_at, family: Arc::clone(family) };
        self.series.insert(*id, entry);
        self.count += 1;
        self.epoch += 1;
        true
    }

    /// Removes series.
    pub(crate) fn remove(&mut self, ids: &[u32]) {
        for id in ids {
            let Some(entry) = self.series.remove(*id) else { continue };
            for (name, value) in entry.labels.pairs() {
                self.remove_posting(name, value, *id);
            }
            if let Some(members) = self.groups.get_mut(&entry.place.group) {
                if let Some(member) = members.get_mut(usize::from(entry.place.slot)) {
                    *member = NONE;
                }
                if members.iter().all(|member| *member == NONE) {
                    self.groups.remove(&entry.place.group);
                }
            }
            self.count -= 1;
        }
        if !ids.is_empty() {
            self.rehash();
            self.epoch += 1;
        }
    }

    fn remove_posting(&mut self, name: &str, value: &str, id: u32) {
        let Some(values) = self.postings.get_mut(name) else { return };
        if let Some(list) = values.get_mut(value) {
            list.retain(|other| *other != id);
            if list.is_empty() {
                values.remove(value);
            }
        }
        if values.is_empty() {
            self.postings.remove(name);
        }
    }

    /// Chains of equal hashes break when a link goes, so removal builds them anew.
    fn rehash(&mut self) {
        self.by_hash.clear();
        for (id, entry) in self.series.iter() {
            let mut hash = hash_of(&entry.labels);
            while self.by_hash.contains_key(&hash) {
                hash = hash.wrapping_add(1);
            }
            self.by_hash.insert(hash, id);
        }
    }

    /// The same labels with the text that is already held.
    fn intern(&self, labels: &Labels) -> Labels {
        let shared = |(name, value): &(Arc<str>, Arc<str>)| {
            let Some((held, values)) = self.postings.get_key_value(name) else {
                return (Arc::clone(name), Arc::clone(value));
            };
            let value = values.get_key_value(value).map_or(value, |(held, _)| held);
            (Arc::clone(held), Arc::clone(value))
        };
        Labels::from_sorted(labels.pairs().iter().map(shared).collect())
    }

    fn next_place(&mut self, labels: &Labels) -> Place {
        let target = FxBuildHasher.hash_one(TARGET_LABELS.map(|name| labels.get(name)));
        let next_group = self.next_group;
        let (group, slots) = self.filling.entry(target).or_insert((next_group, 0));
        if usize::from(*slots) == crate::chunk::MAX_SLOTS {
            (*group, *slots) = (next_group, 0);
        }
        let place = Place { group: *group, slot: *slots };
        *slots += 1;
        self.next_group = self.next_group.max(place.group + 1);
        place
    }

    /// After all series are read back: groups that are not full take more series of their target.
    pub(crate) fn resume_groups(&mut self) {
        let mut filling: FxHashMap<u64, (u32, u8)> = FxHashMap::default();
        for (_, entry) in self.iter() {
            let target = FxBuildHasher.hash_one(TARGET_LABELS.map(|name| entry.labels.get(name)));
            let open = filling.entry(target).or_insert((entry.place.group, 0));
            // Slots of series that were dropped are not used again: chunks may still name them.
            match open.0.cmp(&entry.place.group) {
                std::cmp::Ordering::Less => *open = (entry.place.group, entry.place.slot + 1),
                std::cmp::Ordering::Equal => open.1 = open.1.max(entry.place.slot + 1),
                std::cmp::Ordering::Greater => {}
            }
        }
        self.filling = filling;
    }

    /// Keeps what is known of a family; gives whether that is news.
    pub(crate) fn set_metadata(&mut self, family: &str, meta: &Metadata) -> bool {
        if self.metadata.get(family).is_some_and(|known| known == meta) {
            return false;
        }
        self.metadata.insert(family.into(), meta.clone());
        true
    }

    /// What is known of families, by name.
    pub(crate) const fn metadata(&self) -> &BTreeMap<Arc<str>, Metadata> {
        &self.metadata
    }
}

fn hash_of(labels: &Labels) -> u64 {
    FxBuildHasher.hash_one(labels)
}

#[cfg(test)]
mod tests;
