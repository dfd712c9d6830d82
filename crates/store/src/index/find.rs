//! Matchers to series, and the label APIs.

use std::collections::BTreeSet;
use std::sync::Arc;

use breakwatch_model::{CancelToken, Labels, MatchOp, Matcher, StorageError};
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
            return Some(union(words.iter().map(|word| of(word)).collect()));
        }
        let matching = values.into_iter().flatten().filter(|(value, _)| matcher.matches(value));
        Some(union(matching.map(|(_, list)| list.clone()).collect()))
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
        let lists = selectors.iter().map(|matchers| self.find(matchers, cancel)).collect::<Result<_, _>>()?;
        Ok(union(lists))
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
            sets.select_nth_unstable(limit);
            sets.truncate(limit);
        }
        sets.sort_unstable();
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
        if selectors.is_empty() {
            // A name counts if one of its series is kept; the first mostly is.
            let kept = |lists: &std::collections::BTreeMap<Arc<str>, Postings>| {
                lists.values().flatten().any(|id| keep(*id))
            };
            let names = self.postings.iter().filter(|(_, values)| kept(values));
            let sorted: BTreeSet<Arc<str>> = names.map(|(name, _)| Arc::clone(name)).collect();
            return Ok(limited(sorted, limit));
        }
        let mut names = BTreeSet::new();
        for id in self.find_any(selectors, cancel)?.into_iter().filter(|id| keep(*id)) {
            for (name, _) in self.get(id).into_iter().flat_map(|entry| entry.labels.pairs()) {
                if !names.contains(name) {
                    names.insert(Arc::clone(name));
                }
            }
        }
        Ok(limited(names, limit))
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
        if selectors.is_empty() {
            // In order already, and each is decided by the first of its series that is kept.
            let kept = values.iter().filter(|(_, list)| list.iter().any(|id| keep(*id)));
            let most = if limit == 0 { usize::MAX } else { limit };
            let mut kept = kept.map(|(value, _)| Arc::clone(value));
            let taken: Vec<Arc<str>> = kept.by_ref().take(most).collect();
            let cut = kept.next().is_some();
            return Ok((taken, cut));
        }
        let mut sorted = BTreeSet::new();
        for id in self.find_any(selectors, cancel)?.into_iter().filter(|id| keep(*id)) {
            let value = self.get(id).and_then(|entry| entry.labels.get_shared(name));
            if let Some(value) = value.filter(|value| !sorted.contains(*value)) {
                sorted.insert(Arc::clone(value));
            }
        }
        Ok(limited(sorted, limit))
    }
}

fn limited(sorted: BTreeSet<Arc<str>>, limit: usize) -> (Vec<Arc<str>>, bool) {
    let cut = limit > 0 && sorted.len() > limit;
    let most = if limit == 0 { usize::MAX } else { limit };
    (sorted.into_iter().take(most).collect(), cut)
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

/// What is in any.
fn union(mut lists: Vec<Postings>) -> Postings {
    if lists.len() == 1 {
        return lists.pop().unwrap_or_default();
    }
    let mut all: Postings = lists.into_iter().flatten().collect();
    all.sort_unstable();
    all.dedup();
    all
}
