//! Export: samples as OpenMetrics text, which every tool of the field reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

use breakwatch_model::{
    CancelToken, Labels, METRIC_NAME, Matcher, MetricKind, Queryable, Sample, SelectHints, Selector,
    SeriesEntry, StorageError, TimeRange,
};

use crate::history::History;

/// Text gathered before it is written.
const BUFFER: usize = 64 << 10;

impl History {
    /// Writes the samples inside `range` of the series for which all `matchers` hold as OpenMetrics text, by
    /// family and series, with times in seconds. Staleness markers are left out: the format has no word for
    /// them. Gives the number of samples.
    ///
    /// # Errors
    /// When the store cannot be read, `cancel` says stop, or `out` refuses.
    pub fn export_openmetrics(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        cancel: &CancelToken,
        out: &mut dyn Write,
    ) -> Result<u64, StorageError> {
        let failed = |error: io::Error| StorageError::io("cannot write the export", &error);
        let mut families: BTreeMap<Arc<str>, Vec<SeriesEntry>> = BTreeMap::new();
        for entry in self.prepare(matchers, cancel)?.series.iter() {
            families.entry(self.family_of(entry)).or_default().push(entry.clone());
        }
        let mut count = 0;
        let mut text = String::with_capacity(BUFFER * 2);
        for (family, series) in families {
            let selector = Selector { matchers: matchers.into(), series: series.into(), epoch: self.epoch() };
            let mut set = self.select(&selector, range, &SelectHints::default(), cancel)?;
            let mut begun = false;
            let mut samples = Vec::new();
            while let Some(index) = set.next_series()? {
                let Some(entry) = selector.series.get(index) else { continue };
                let name = series_name(&entry.labels);
                loop {
                    samples.clear();
                    if !set.next_chunk(&mut samples)? {
                        break;
                    }
                    for sample in samples.iter().filter(|sample| !sample.is_stale()) {
                        if !std::mem::replace(&mut begun, true) {
                            self.put_head(&mut text, &family);
                        }
                        put_sample(&mut text, &name, sample);
                        count += 1;
                    }
                    if text.len() >= BUFFER {
                        out.write_all(text.as_bytes()).map_err(failed)?;
                        text.clear();
                    }
                }
            }
        }
        text.push_str("# EOF\n");
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(failed)?;
        Ok(count)
    }

    fn put_head(&self, text: &mut String, family: &str) {
        let meta = self.metadata(Some(family)).pop().map(|(_, meta)| meta).unwrap_or_default();
        // OpenMetrics names a counter's family without the ending of its samples.
        let name = match meta.kind {
            MetricKind::Counter => family.strip_suffix("_total").unwrap_or(family),
            MetricKind::Info => family.strip_suffix("_info").unwrap_or(family),
            _ => family,
        };
        let kind = match meta.kind {
            MetricKind::Gauge => "gauge",
            MetricKind::Counter => "counter",
            MetricKind::Histogram => "histogram",
            MetricKind::Summary => "summary",
            MetricKind::Info => "info",
            MetricKind::StateSet => "stateset",
            MetricKind::Unknown => "unknown",
        };
        let _ = writeln!(text, "# TYPE {name} {kind}");
        if !meta.unit.is_empty() && name.ends_with(&*meta.unit) {
            let _ = writeln!(text, "# UNIT {name} {}", meta.unit);
        }
        if !meta.help.is_empty() {
            let _ = writeln!(text, "# HELP {name} {}", escape(&meta.help));
        }
    }
}

/// The name and labels of a series as a line begins with them.
fn series_name(labels: &Labels) -> String {
    let mut text = labels.metric_name().to_owned();
    let mut first = true;
    for (name, value) in labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
        text.push(if first { '{' } else { ',' });
        first = false;
        let _ = write!(text, "{name}=\"{}\"", escape(value));
    }
    if !first {
        text.push('}');
    }
    text
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn put_sample(text: &mut String, name: &str, sample: &Sample) {
    let (t, v) = (sample.t.0, sample.v);
    text.push_str(name);
    text.push(' ');
    if v.is_nan() {
        text.push_str("NaN");
    } else if v.is_infinite() {
        text.push_str(if v > 0.0 { "+Inf" } else { "-Inf" });
    } else if v.fract() == 0.0 && v.abs() < 1e15 {
        let _ = write!(text, "{v}");
    } else {
        // The shortest digits that read back as the same bits.
        let _ = write!(text, "{v:?}");
    }
    let (seconds, millis) = (t.div_euclid(1000), t.rem_euclid(1000));
    let _ = if millis == 0 { writeln!(text, " {seconds}") } else { writeln!(text, " {seconds}.{millis:03}") };
}

#[cfg(test)]
mod tests {
    use breakwatch_model::Timestamp;

    use super::*;

    #[test]
    fn lines_read_back() {
        let name = series_name(&Labels::from_pairs([("__name__", "up"), ("a", "q\"\\\n")]));
        let mut text = String::new();
        for (t, v) in [(1500, 0.1), (2000, f64::NAN), (2001, f64::NEG_INFINITY), (3000, -0.0), (4000, 1e300)]
        {
            put_sample(&mut text, &name, &Sample::new(Timestamp(t), v));
        }
        let lines: Vec<&str> = text.lines().map(|line| line.rsplit_once('}').unwrap().1).collect();
        assert_eq!(lines, [" 0.1 1.500", " NaN 2", " -Inf 2.001", " -0 3", " 1e300 4"]);
        assert!(text.starts_with("up{a=\"q\\\"\\\\\\n\"} 0.1 1.500\n"));
    }
}
