//! `info`: adds the labels of info metrics (`target_info` and its kin) to the series of the same target.
//!
//! Target means the same `job` and `instance`. Of several info series of one metric and target the one with the
//! newest sample counts, at each evaluation time anew.

use breakwatch_model::{Labels, METRIC_NAME, Matcher};
use rustc_hash::FxHashMap;

use super::column::{ABSENT, Grid, Owned, is_absent};
use super::{Eval, Evaluator, Sink};
use crate::engine::error::QueryError;
use crate::engine::plan::InfoCall;

/// The labels that say which target a series is about.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// The info metric that is meant when none is named.
const DEFAULT_METRIC: &str = "target_info";

/// An info series; its values are the times of its samples.
struct InfoSeries {
    labels: Labels,
    times: Vec<f64>,
}

/// Info series by target, then by metric.
type ByTarget = FxHashMap<[String; 2], Vec<(String, Vec<usize>)>>;

fn target(labels: &Labels) -> [String; 2] {
    IDENTIFYING.map(|name| labels.value(name).to_owned())
}

impl Evaluator<'_> {
    pub(super) fn info(&self, call: &InfoCall, grid: &Grid, sink: &mut Sink<'_>) -> Eval<()> {
        let base = self.collect(&call.base, grid)?;
        let default = [Matcher::equal(METRIC_NAME, DEFAULT_METRIC)];
        let matchers = call.data.as_deref().unwrap_or(&default);
        let names: Vec<&Matcher> = matchers.iter().filter(|matcher| matcher.name() == METRIC_NAME).collect();
        let wanted: Vec<&Matcher> = matchers.iter().filter(|matcher| matcher.name() != METRIC_NAME).collect();
        // Info series themselves stay as they are.
        let is_info = |owned: &Owned| {
            let name = owned.labels.metric_name();
            !names.is_empty() && names.iter().all(|matcher| matcher.matches(name))
        };
        let (infos, by_target) = self.info_series(call, matchers, &base, grid)?;
        let mut results = Vec::new();
        let join = Join { infos: &infos, by_target: &by_target, wanted: &wanted };
        for owned in base {
            self.check()?;
            if is_info(&owned) { results.push(owned) } else { join.enrich(owned, &mut results)? }
        }
        let results = self.merge_same_labels(results)?;
        infos.iter().for_each(|info| self.release(info.times.len()));
        self.emit_all(results, sink)
    }

    /// The info series of the targets of `base`, with the times of their samples.
    fn info_series(
        &self,
        call: &InfoCall,
        matchers: &[Matcher],
        base: &[Owned],
        grid: &Grid,
    ) -> Eval<(Vec<InfoSeries>, ByTarget)> {
        let mut matchers = matchers.to_vec();
        if matchers.iter().all(|matcher| matcher.name() != METRIC_NAME) {
            matchers.push(Matcher::equal(METRIC_NAME, DEFAULT_METRIC));
        }
        let targets: rustc_hash::FxHashSet<[String; 2]> = base
            .iter()
            .map(|owned| target(&owned.labels))
            .filter(|target| target.iter().any(|value| !value.is_empty()))
            .collect();
        let mut selector = self.store.prepare(&matchers, self.cancel)?;
        selector.series = selector
            .series
            .iter()
            .filter(|entry| targets.contains(&target(&entry.labels)))
            .cloned()
            .collect();
        let (mut infos, mut by_target) = (Vec::new(), ByTarget::default());
        let (mut offset, mut fixed) = (0i64, None);
        for (shift, at) in &call.modifiers {
            let shift = shift.millis(self.times)?;
            (fixed, offset) = match self.fixed_time(*at) {
                Some(at) => (Some(at), shift),
                None => (fixed, offset.saturating_add(shift)),
            };
        }
        self.sample_times_of(&selector, offset, fixed, grid, &mut |column| {
            self.hold(column.values.len())?;
            let labels = column.meta.labels.clone();
            let metrics = by_target.entry(target(&labels)).or_default();
            let name = labels.metric_name();
            match metrics.iter_mut().find(|(known, _)| known == name) {
                Some((_, members)) => members.push(infos.len()),
                None => metrics.push((name.to_owned(), vec![infos.len()])),
            }
            infos.push(InfoSeries { labels, times: column.values.to_vec() });
            Ok(())
        })?;
        check_conflicts(&infos, &by_target, grid)?;
        Ok((infos, by_target))
    }
}

/// Refuses info series of one metric and target whose newest samples have the same time.
fn check_conflicts(infos: &[InfoSeries], by_target: &ByTarget, grid: &Grid) -> Eval<()> {
    for members in
        by_target.values().flatten().map(|(_, members)| members).filter(|members| members.len() > 1)
    {
        for step in 0..grid.len() {
            let mut newest: Option<(f64, usize)> = None;
            for member in members {
                let Some(time) = time_at(infos, *member, step) else { continue };
                match newest {
                    #[expect(clippy::float_cmp, reason = "the times are whole milliseconds")]
                    Some((known, other)) if known == time => {
                        let labels = |index: usize| infos.get(index).map(|info| info.labels.to_string());
                        let (existing, new) =
                            (labels(other).unwrap_or_default(), labels(*member).unwrap_or_default());
                        let at = time * 1000.0;
                        return Err(QueryError::execution(format!(
                            "found duplicate series for info metric: existing {existing} @ {at}, new {new} @ {at}"
                        )));
                    }
                    Some((known, _)) if known > time => {}
                    _ => newest = Some((time, *member)),
                }
            }
        }
    }
    Ok(())
}

fn time_at(infos: &[InfoSeries], member: usize, step: usize) -> Option<f64> {
    infos.get(member)?.times.get(step).copied().filter(|time| !is_absent(*time))
}

struct Join<'j> {
    infos: &'j [InfoSeries],
    by_target: &'j ByTarget,
    /// What data labels must match; also says which are added, all if there is none.
    wanted: &'j [&'j Matcher],
}

impl Join<'_> {
    /// Splits a series by the labels it gets at each time.
    fn enrich(&self, owned: Owned, results: &mut Vec<Owned>) -> Eval<()> {
        let nothing = Vec::new();
        let metrics = self.by_target.get(&target(&owned.labels)).unwrap_or(&nothing);
        let first = results.len();
        let mut last: Option<(Vec<usize>, Option<usize>)> = None;
        for (step, value) in owned.values.iter().enumerate().filter(|(_, value)| !is_absent(**value)) {
            let chosen: Vec<usize> =
                metrics.iter().filter_map(|(_, members)| self.newest(members, step)).collect();
            let place = match &last {
                Some((known, place)) if *known == chosen => *place,
                _ => self.place(&owned, &chosen, first, results)?,
            };
            last = Some((chosen, place));
            let place = place.and_then(|place| results.get_mut(place)?.values.get_mut(step));
            if let Some(place) = place {
                *place = *value;
            }
        }
        Ok(())
    }

    fn newest(&self, members: &[usize], step: usize) -> Option<usize> {
        let times = members.iter().filter_map(|member| Some((time_at(self.infos, *member, step)?, *member)));
        times.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, member)| member)
    }

    /// The result that these info series make of the series; nothing if it is left out.
    fn place(
        &self,
        owned: &Owned,
        chosen: &[usize],
        first: usize,
        results: &mut Vec<Owned>,
    ) -> Eval<Option<usize>> {
        if chosen.is_empty() && self.wanted.iter().any(|matcher| !matcher.matches("")) {
            return Ok(None);
        }
        let labels = self.labels(owned, chosen)?;
        let known = results.iter().skip(first).position(|result| result.labels == labels);
        if let Some(known) = known {
            return Ok(Some(first + known));
        }
        results.push(Owned { labels, drop_name: owned.drop_name, values: vec![ABSENT; owned.values.len()] });
        Ok(Some(results.len() - 1))
    }

    fn labels(&self, owned: &Owned, chosen: &[usize]) -> Eval<Labels> {
        let mut added = Labels::empty().to_builder();
        for info in chosen.iter().filter_map(|index| self.infos.get(*index)) {
            for (name, value) in info.labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
                let is_wanted =
                    self.wanted.is_empty() || self.wanted.iter().any(|matcher| matcher.name() == name);
                if !is_wanted {
                    continue;
                }
                if added.get(name).is_some_and(|known| known != value) {
                    return Err(QueryError::execution(format!("conflicting label: {name}")));
                }
                // Labels the series has are its own.
                if owned.labels.get(name).is_none() {
                    added.set(name, value);
                }
            }
        }
        Ok(owned.labels.merged(&added.build()))
    }
}
