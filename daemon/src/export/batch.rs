//! From samples in the order they were appended to series with their samples.

use std::collections::HashMap;
use std::sync::Arc;

use breakwatch_model::{Follower, Sample, SeriesRef};
use breakwatch_plugin_api::{ExportSeries, SampleBatch};

/// What is known of each series, kept between batches. `None`: the series is gone.
pub(super) type Known = HashMap<SeriesRef, Option<Arc<ExportSeries>>>;

/// Groups samples by series; the order of samples inside a series stays.
pub(super) fn build(
    samples: &[(SeriesRef, Sample)],
    follower: &dyn Follower,
    known: &mut Known,
) -> SampleBatch {
    let mut places: HashMap<SeriesRef, usize> = HashMap::new();
    let mut batch = SampleBatch::default();
    for (reference, sample) in samples {
        let place = match places.get(reference) {
            Some(place) => *place,
            None => {
                let info = known.entry(*reference).or_insert_with(|| describe(*reference, follower));
                let Some(info) = info else { continue };
                batch.series.push(ExportSeries::clone(info));
                places.insert(*reference, batch.series.len() - 1);
                batch.series.len() - 1
            }
        };
        batch.series[place].samples.push(*sample);
    }
    batch
}

fn describe(reference: SeriesRef, follower: &dyn Follower) -> Option<Arc<ExportSeries>> {
    let info = follower.series_info(reference)?;
    Some(Arc::new(ExportSeries {
        id: reference.0,
        labels: info.labels,
        meta: info.meta,
        created_at: info.created_at,
        samples: Vec::new(),
    }))
}

#[cfg(test)]
mod tests {
    use breakwatch_model::{Appender as _, Cursor, Labels, Metadata, Timestamp};
    use breakwatch_store::memory::MemoryHistory;

    use super::*;

    #[test]
    fn samples_are_grouped_and_keep_their_order() {
        let store = MemoryHistory::new();
        let series =
            |name: &str| store.resolve(&Labels::from_pairs([("__name__", name)]), &Metadata::default());
        let (a, b) = (series("a"), series("b"));
        let at = |secs, v| Sample::new(Timestamp::from_secs(secs), v);
        store.append(&[(a, at(1, 1.0)), (b, at(1, 10.0)), (a, at(2, 2.0))]).unwrap();
        let followed = store.follow(Cursor::default(), 100).unwrap();
        let batch = build(&followed.samples, &store, &mut Known::new());
        let shown: Vec<(String, Vec<f64>)> = batch
            .series
            .iter()
            .map(|s| (s.labels.to_string(), s.samples.iter().map(|sample| sample.v).collect()))
            .collect();
        assert_eq!(shown, [("a".to_owned(), vec![1.0, 2.0]), ("b".to_owned(), vec![10.0])]);
    }
}
