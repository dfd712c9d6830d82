//! `label_replace` and `label_join`.

use breakwatch_model::{Labels, METRIC_NAME};

use super::column::{Grid, Owned};
use super::{Eval, Evaluator, Sink};
use crate::engine::plan::{LabelReplace, Vector};

impl Evaluator<'_> {
    pub(super) fn label_replace(&self, replace: &LabelReplace, grid: &Grid, sink: &mut Sink<'_>) -> Eval<()> {
        self.relabel(&replace.input, grid, sink, &mut |owned| {
            let source = owned.labels.value(&replace.source);
            let Some(captures) = replace.regex.captures(source) else { return };
            let mut value = String::new();
            captures.expand(&replace.replacement, &mut value);
            set(owned, &replace.destination, value);
        })
    }

    pub(super) fn label_join(
        &self,
        destination: &str,
        separator: &str,
        sources: &[String],
        input: &Vector,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        self.relabel(input, grid, sink, &mut |owned| {
            let values: Vec<&str> = sources.iter().map(|source| owned.labels.value(source)).collect();
            let joined = values.join(separator);
            set(owned, destination, joined);
        })
    }

    fn relabel(
        &self,
        input: &Vector,
        grid: &Grid,
        sink: &mut Sink<'_>,
        change: &mut dyn FnMut(&mut Owned),
    ) -> Eval<()> {
        let mut series = self.collect(input, grid)?;
        series.iter_mut().for_each(change);
        let merged = self.merge_same_labels(series)?;
        self.emit_all(merged, sink)
    }
}

fn set(owned: &mut Owned, destination: &str, value: String) {
    let labels: Labels = owned.labels.with(destination, value);
    owned.labels = labels;
    if destination == METRIC_NAME {
        // A name that was just given is not the one to be dropped.
        owned.drop_name = false;
    }
}
