//! From metric families to stored series.
//!
//! A [`Source`] is whoever produces families again and again (a check, the breakers, the daemon itself). It
//! remembers which series it wrote last, so that label sets are resolved once and a series that is gone gets its
//! staleness marker.

use std::collections::HashSet;
use std::sync::Arc;

use breakwatch_model::{
    Appender, Labels, MetricFamily, Point, Sample, SeriesRef, StorageError, Suffix, Timestamp,
};
use parking_lot::Mutex;

/// The labels every stored series carries, as a scrape of the daemon would have given it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The `job` label.
    pub job: Arc<str>,
    /// The `instance` label.
    pub instance: Arc<str>,
}

/// One producer of series.
#[derive(Default, Debug)]
pub struct Source {
    written: Mutex<Vec<Written>>,
}

#[derive(Clone, Debug)]
struct Written {
    name: Arc<str>,
    suffix: Suffix,
    labels: Labels,
    reference: SeriesRef,
}

impl Source {
    /// Takes over the series another source wrote.
    pub fn inherit(&self, earlier: &Self) {
        *self.written.lock() = std::mem::take(&mut *earlier.written.lock());
    }
}

/// Writes families into the store.
#[derive(Clone)]
pub struct SeriesWriter {
    appender: Arc<dyn Appender>,
    identity: Identity,
}

impl SeriesWriter {
    /// A writer for a store.
    #[must_use]
    pub fn new(appender: Arc<dyn Appender>, identity: Identity) -> Self {
        Self { appender, identity }
    }

    /// The labels every stored series carries.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Writes every point of `families` at `at`. Series this source wrote last time and has not now end with a
    /// staleness marker.
    ///
    /// # Errors
    /// When the store takes nothing at all.
    pub fn write(
        &self,
        source: &Source,
        families: &[MetricFamily],
        at: Timestamp,
    ) -> Result<(), StorageError> {
        let mut written = source.written.lock();
        let mut next = Vec::with_capacity(written.len());
        let mut batch = Vec::with_capacity(written.len());
        let points =
            families.iter().flat_map(|family| family.points.iter().map(move |point| (family, point)));
        for (i, (family, point)) in points.enumerate() {
            let entry = match written.get(i) {
                Some(known) if known.is(family, point) => known.clone(),
                _ => self.resolve(family, point),
            };
            batch.push((entry.reference, Sample::new(at, point.value)));
            next.push(entry);
        }
        if !same_series(&written, &next) {
            let kept: HashSet<SeriesRef> = next.iter().map(|new| new.reference).collect();
            let gone = written.iter().filter(|old| !kept.contains(&old.reference));
            batch.extend(gone.map(|old| (old.reference, Sample::stale(at))));
        }
        *written = next;
        drop(written);
        self.appender.append(&batch).map(|_| ())
    }

    /// Writes the points of `families` again that this source wrote last: the series are known.
    ///
    /// # Errors
    /// When the store takes nothing at all.
    pub fn write_again(
        &self,
        source: &Source,
        families: &[MetricFamily],
        at: Timestamp,
    ) -> Result<(), StorageError> {
        let written = source.written.lock();
        let points: usize = families.iter().map(|family| family.points.len()).sum();
        if points != written.len() {
            drop(written);
            return self.write(source, families, at);
        }
        let values = families.iter().flat_map(|family| &family.points).map(|point| point.value);
        let samples = written.iter().zip(values);
        let batch: Vec<_> = samples.map(|(known, value)| (known.reference, Sample::new(at, value))).collect();
        drop(written);
        self.appender.append(&batch).map(|_| ())
    }

    /// Ends every series of a source with a staleness marker.
    ///
    /// # Errors
    /// When the store takes nothing at all.
    pub fn end(&self, source: &Source, at: Timestamp) -> Result<(), StorageError> {
        let written = std::mem::take(&mut *source.written.lock());
        let batch: Vec<_> = written.iter().map(|old| (old.reference, Sample::stale(at))).collect();
        self.appender.append(&batch).map(|_| ())
    }

    /// The series of every point of `families`, in order, for a producer whose series never change.
    #[must_use]
    pub fn resolve_all(&self, families: &[MetricFamily]) -> Box<[SeriesRef]> {
        let points =
            families.iter().flat_map(|family| family.points.iter().map(move |point| (family, point)));
        points.map(|(family, point)| self.resolve(family, point).reference).collect()
    }

    /// Writes samples of series that are known.
    ///
    /// # Errors
    /// When the store takes nothing at all.
    pub fn append(&self, batch: &[(SeriesRef, Sample)]) -> Result<(), StorageError> {
        if batch.is_empty() { Ok(()) } else { self.appender.append(batch).map(|_| ()) }
    }

    fn resolve(&self, family: &MetricFamily, point: &Point) -> Written {
        let mut stored = family.series_labels(point).to_builder();
        stored
            .set("job", Arc::clone(&self.identity.job))
            .set("instance", Arc::clone(&self.identity.instance));
        let reference = self.appender.resolve(&stored.build(), &family.meta);
        Written {
            name: Arc::clone(&family.name),
            suffix: point.suffix,
            labels: point.labels.clone(),
            reference,
        }
    }
}

impl Written {
    fn is(&self, family: &MetricFamily, point: &Point) -> bool {
        self.suffix == point.suffix && self.name == family.name && self.labels == point.labels
    }
}

fn same_series(a: &[Written], b: &[Written]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.reference == b.reference)
}
