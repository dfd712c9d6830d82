//! Matchers to series, and the label APIs.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use breakwatch_model::{CancelToken, Labels, MatchOp, Matcher, PairSink, StorageError};
use rustc_hash::FxHashMap;

use super::{Index, Postings};

/// Series between two looks at the cancel token.
const CHECK_EVERY: usize = 4096;

/// Series numbers that match, growing.
pub(crate) type Found = Vec<u32>;

impl Index {
    /// The series for which every matcher holds, by number.
    pub(crate) fn find(&self, matchers: &[Matcher], cancel: &CancelToken) -> Result<Found, StorageError> {
        cancel.check()?;
        let mut rest: Vec<&Matcher> = Vec::new();
        let mut lists: Vec<Postings> = Vec::new();
        for matcher in matchers {
            match self.list(matcher) {
                Some(list) => lists.push(list),
                None => rest.push(matcher),
            }
        }
        lists.sort_by_key(Vec::len);
        let mut found = match lists.split_first() {
            Some((shortest, others)) => {
                let mut found = shortest.clone();
                others.iter().for_each(|other| intersect(&mut found, other));
                found
            }
            None => self.iter().map(|(id, _)| id).collect(),
        };
        for matcher in rest {
            self.filter(&mut found, matcher, cancel)?;
        }
        Ok(found)
    }

    /// The series of a matcher that no series without the label satisfies; `None` for the others, which are
    /// cheaper to check one by one.
    fn list(&self, matcher: &Matcher) -> Option<Postings> {
        if matcher.matches("") {
            return None;
        }
        let values = self.postings.get(matcher.name());
        let of = |value: &str| values.and_then(|values| values.get(value)).cloned().unwrap_or_default();
        if matcher.op() == MatchOp::Equal {
            return Some(of(matcher.value()));
        }
        if let Some(words) = matcher.set_matches() {
            let lists: Vec<Postings> = words.iter().map(|word| of(word)).collect();
            return Some(union(lists.iter().collect()));
        }
        let matching = values.into_iter().flatten().filter(|(value, _)| matcher.matches(value));
        let lists: Vec<&Postings> = matching.map(|(_, list)| list).collect();
        // A series has one value of a label, so what they hold together is what there is.
        if lists.iter().map(|list| list.len()).sum::<usize>() == self.len() {
            return Some(self.iter().map(|(id, _)| id).collect());
        }
        Some(union(lists))
    }

    /// Keeps the series a matcher holds for. Each distinct value is put to the matcher once.
    fn filter(&self, found: &mut Found, matcher: &Matcher, cancel: &CancelToken) -> Result<(), StorageError> {
        let mut known: FxHashMap<*const u8, bool> = FxHashMap::default();
        let mut seen = 0_usize;
        let mut stopped = Ok(());
        found.retain(|id| {
            seen += 1;
            if seen.is_multiple_of(CHECK_EVERY) && stopped.is_ok() {
                stopped = cancel.check();
            }
            let Some(entry) = self.get(*id) else { return false };
            // Values are interned, so equal text is the same text.
            entry.labels.get(matcher.name()).map_or_else(
                || matcher.matches(""),
                |value| *known.entry(value.as_ptr()).or_insert_with(|| matcher.matches(value)),
            )
        });
        stopped
    }

    /// The series that match any of the selectors; all of them if there are none.
    pub(crate) fn find_any(
        &self,
        selectors: &[Vec<Matcher>],
        cancel: &CancelToken,
    ) -> Result<Found, StorageError> {
        if selectors.is_empty() {
            return Ok(self.iter().map(|(id, _)| id).collect());
        }
        if let [only] = selectors {
            return self.find(only, cancel);
        }
        let lists = selectors.iter().map(|matchers| self.find(matchers, cancel));
        let lists: Vec<Postings> = lists.collect::<Result<_, _>>()?;
        Ok(union(lists.iter().collect()))
    }

    /// Calls back for every label pair: name, value, number of series.
    pub(crate) fn pairs(&self, each: &mut PairSink<'_>) {
        for (name, values) in &self.postings {
            values.iter().for_each(|(value, list)| each(name, value, list.len()));
        }
    }

    /// Label sets, sorted, of the series that match any selector and that `keep` keeps.
    pub(crate) fn label_sets(
        &self,
        selectors: &[Vec<Matcher>],
        limit: usize,
        cancel: &CancelToken,
        keep: &dyn Fn(u32) -> bool,
    ) -> Result<(Vec<Labels>, bool), StorageError> {
        let found = self.find_any(selectors, cancel)?;
        let mut sets: Vec<&Labels> =
            found.into_iter().filter(|id| keep(*id)).filter_map(|id| Some(&self.get(id)?.labels)).collect();
        let cut = limit > 0 && sets.len() > limit;
        if cut {
            // The smallest `limit` of them, without sorting the rest.
            sets.select_nth_unstable_by(limit, |a, b| by_labels(a, b));
            sets.truncate(limit);
        }
        sets.sort_unstable_by(|a, b| by_labels(a, b));
        Ok((sets.into_iter().cloned().collect(), cut))
    }

    /// Sorted names of labels.
    pub(crate) fn label_names(
        &self,
        selectors: &[Vec<Matcher>],
        limit: usize,
        cancel: &CancelToken,
        keep: &dyn Fn(u32) -> bool,
    ) -> Result<(Vec<Arc<str>>, bool), StorageError> {
        let found = self.chosen(selectors, cancel)?;
        // A name counts if one of its series is kept; the first mostly is.
        let kept = |lists: &BTreeMap<Arc<str>, Postings>| {
            lists.values().flatten().any(|id| found.has(*id) && keep(*id))
        };
        let names = self.postings.iter().filter(|(_, values)| kept(values));
        let mut sorted: Vec<Arc<str>> = names.map(|(name, _)| Arc::clone(name)).collect();
        sorted.sort_unstable();
        let cut = limit > 0 && sorted.len() > limit;
        sorted.truncate(if limit == 0 { usize::MAX } else { limit });
        Ok((sorted, cut))
    }

    /// Sorted values of a label.
    pub(crate) fn label_values(
        &self,
        name: &str,
        selectors: &[Vec<Matcher>],
        limit: usize,
        cancel: &CancelToken,
        keep: &dyn Fn(u32) -> bool,
    ) -> Result<(Vec<Arc<str>>, bool), StorageError> {
        let Some(values) = self.postings.get(name) else { return Ok((Vec::new(), false)) };
        let found = self.chosen(selectors, cancel)?;
        // In order already, and each is decided by the first of its series that is kept.
        let kept = values.iter().filter(|(_, list)| list.iter().any(|id| found.has(*id) && keep(*id)));
        let most = if limit == 0 { usize::MAX } else { limit };
        let mut kept = kept.map(|(value, _)| Arc::clone(value));
        let taken: Vec<Arc<str>> = kept.by_ref().take(most).collect();
        let cut = kept.next().is_some();
        Ok((taken, cut))
    }

    /// What [`Index::find_any`] finds, for asking about one series after the other.
    fn chosen(&self, selectors: &[Vec<Matcher>], cancel: &CancelToken) -> Result<Chosen, StorageError> {
        if selectors.is_empty() {
            return Ok(Chosen::All);
        }
        let found = self.find_any(selectors, cancel)?;
        if found.len() == self.len() {
            return Ok(Chosen::All);
        }
        let mut bits = Bits::default();
        found.into_iter().for_each(|id| bits.set(id));
        Ok(Chosen::These(bits))
    }
}

/// The order of labels. Text is shared inside an index, so most of what is equal is the same.
pub(crate) fn by_labels(a: &Labels, b: &Labels) -> Ordering {
    let pairs = a.pairs().iter().zip(b.pairs());
    let differing = pairs.map(|((name, value), (other_name, other_value))| {
        let names = if Arc::ptr_eq(name, other_name) { Ordering::Equal } else { name.cmp(other_name) };
        let values =
            || if Arc::ptr_eq(value, other_value) { Ordering::Equal } else { value.cmp(other_value) };
        names.then_with(values)
    });
    let first = differing.into_iter().find(|order| order.is_ne());
    first.unwrap_or_else(|| a.pairs().len().cmp(&b.pairs().len()))
}

/// Series that were found.
enum Chosen {
    All,
    These(Bits),
}

impl Chosen {
    fn has(&self, id: u32) -> bool {
        match self {
            Self::All => true,
            Self::These(bits) => bits.has(id),
        }
    }
}

/// A set of series, a bit each.
#[derive(Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn set(&mut self, id: u32) {
        let word = id as usize / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (id % 64);
        }
    }

    fn has(&self, id: u32) -> bool {
        self.0.get(id as usize / 64).is_some_and(|word| word & 1 << (id % 64) != 0)
    }

    /// Its members, growing.
    fn members(&self) -> Postings {
        let words = self.0.iter().zip((0_u32..).step_by(64));
        words
            .flat_map(|(word, first)| {
                (0..64).filter(move |bit| word & 1 << bit != 0).map(move |bit| first + bit)
            })
            .collect()
    }
}

/// Keeps what is in both.
fn intersect(found: &mut Postings, other: &Postings) {
    let mut rest = other.as_slice();
    found.retain(|id| {
        // Lists differ much in length: skip ahead by bisection.
        let at = rest.partition_point(|candidate| candidate < id);
        rest = rest.get(at..).unwrap_or_default();
        rest.first() == Some(id)
    });
}

/// More entries than this are put in order by way of bits: 100,000 series are 12 KB of them, sorted in no time.
const MANY: usize = 4096;

/// What is in any.
fn union(lists: Vec<&Postings>) -> Postings {
    if let [only] = lists.as_slice() {
        return (*only).clone();
    }
    if lists.iter().map(|list| list.len()).sum::<usize>() > MANY {
        let mut bits = Bits::default();
        lists.into_iter().flatten().for_each(|id| bits.set(*id));
        return bits.members();
    }
    let mut all: Postings = lists.into_iter().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}
