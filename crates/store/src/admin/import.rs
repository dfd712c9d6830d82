//! Import: OpenMetrics text into a store, the way back from an export and from other tools' exports.

use std::collections::BTreeMap;
use std::io::BufRead;

use breakwatch_model::{
    Appender, Labels, METRIC_NAME, Metadata, MetricKind, Sample, SeriesRef, StorageError, Timestamp,
};
use rustc_hash::FxHashMap;

use crate::head::DAY;
use crate::history::History;

/// Samples handed to the log at a time.
const BATCH: usize = 10_000;

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Samples that are in the store now.
    pub samples: u64,
    /// Samples that were not taken: out of order, a second value for a time, or in the future.
    pub refused: u64,
}

/// Samples of a day by series.
type Day = FxHashMap<SeriesRef, Vec<Sample>>;

impl History {
    /// Stores the samples of OpenMetrics text. Each needs a time; exemplars are passed over. Days that are over and
    /// empty become blocks at once, the rest goes the way of every sample. The text is held in memory meanwhile.
    ///
    /// # Errors
    /// When the text is not OpenMetrics (with the number of the line), or cannot be read, or the store refuses.
    pub fn import_openmetrics(&self, input: &mut dyn BufRead) -> Result<Imported, StorageError> {
        let mut days: BTreeMap<i64, Day> = BTreeMap::new();
        let mut head = Head::default();
        for (number, line) in (1_u64..).zip(input.lines()) {
            let line = line.map_err(|error| StorageError::io("cannot read the text", &error))?;
            let wrong = |what| StorageError::Corrupt(format!("line {number}: {what}: {line}"));
            if let Some(comment) = line.strip_prefix('#') {
                head.take(comment).map_err(wrong)?;
            } else if !line.trim().is_empty() {
                let (labels, sample) = read_sample(&line).map_err(wrong)?;
                let reference = self.resolve(&labels, head.of(labels.metric_name()));
                let day = days.entry(sample.t.0.div_euclid(DAY)).or_default();
                day.entry(reference).or_default().push(sample);
            }
        }
        let mut imported = Imported::default();
        for (number, day) in days {
            self.import_day(number, day, &mut imported)?;
        }
        Ok(imported)
    }

    fn import_day(&self, number: i64, mut day: Day, imported: &mut Imported) -> Result<(), StorageError> {
        let given: usize = day.values().map(Vec::len).sum();
        for samples in day.values_mut() {
            samples.sort_by_key(|sample| sample.t);
            samples.dedup_by_key(|sample| sample.t);
        }
        let kept: usize = day.values().map(Vec::len).sum();
        imported.refused += (given - kept) as u64;
        if self.check_loadable(number).is_ok() {
            imported.samples += kept as u64;
            return self.load_day(number, &mut |reference| day.remove(&reference).unwrap_or_default());
        }
        let mut all: Vec<(SeriesRef, Sample)> = day
            .into_iter()
            .flat_map(|(reference, samples)| samples.into_iter().map(move |sample| (reference, sample)))
            .collect();
        all.sort_by_key(|(reference, sample)| (sample.t, *reference));
        for batch in all.chunks(BATCH) {
            let appended = self.append(batch)?;
            imported.samples += appended.accepted as u64;
            imported.refused += (batch.len() - appended.accepted) as u64;
            self.tick()?;
        }
        Ok(())
    }
}

/// What the text said of the family whose samples follow.
#[derive(Debug, Default)]
struct Head {
    name: String,
    meta: Metadata,
    unknown: Metadata,
}

impl Head {
    /// Takes a line that begins with `#`, without it.
    fn take(&mut self, comment: &str) -> Result<(), &'static str> {
        let mut words = comment.trim_start().splitn(3, ' ');
        let (word, name, rest) = (words.next(), words.next().unwrap_or_default(), words.next());
        let rest = rest.unwrap_or_default();
        let Some(word @ ("TYPE" | "HELP" | "UNIT")) = word else { return Ok(()) };
        if name != self.name {
            *self = Self { name: name.to_owned(), ..Self::default() };
        }
        match word {
            "TYPE" => self.meta.kind = kind_of(rest.trim()).ok_or("an unknown type")?,
            "HELP" => self.meta.help = unescape(rest)?.into(),
            _ => self.meta.unit = rest.trim().into(),
        }
        Ok(())
    }

    /// What is known of a metric.
    fn of(&self, metric: &str) -> &Metadata {
        if !self.name.is_empty() && metric.starts_with(&self.name) { &self.meta } else { &self.unknown }
    }
}

fn kind_of(word: &str) -> Option<MetricKind> {
    Some(match word {
        "gauge" => MetricKind::Gauge,
        "counter" => MetricKind::Counter,
        "histogram" | "gaugehistogram" => MetricKind::Histogram,
        "summary" => MetricKind::Summary,
        "info" => MetricKind::Info,
        "stateset" => MetricKind::StateSet,
        "unknown" | "untyped" => MetricKind::Unknown,
        _ => return None,
    })
}

/// Reads `name{label="value",…} value time`, and passes over an exemplar behind it.
fn read_sample(line: &str) -> Result<(Labels, Sample), &'static str> {
    let end = line.find(['{', ' ']).ok_or("a sample has a value and a time")?;
    let (name, mut rest) = line.split_at(end);
    if name.is_empty() {
        return Err("a sample begins with its name");
    }
    let mut labels = vec![(METRIC_NAME.to_owned(), name.to_owned())];
    if let Some(inside) = rest.strip_prefix('{') {
        rest = read_labels(inside, &mut labels)?;
    }
    let mut words = rest.split_ascii_whitespace();
    let value = words.next().ok_or("a value is missing")?.parse().map_err(|_| "not a number")?;
    let time = words.next().ok_or("a time is missing")?;
    if words.next().is_some_and(|word| word != "#") {
        return Err("something follows the time");
    }
    Ok((Labels::from_pairs(labels), Sample::new(read_time(time)?, value)))
}

/// Reads labels up to the closing brace; gives what follows it.
fn read_labels<'a>(mut text: &'a str, labels: &mut Vec<(String, String)>) -> Result<&'a str, &'static str> {
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Ok(rest);
        }
        let (name, rest) = text.split_once("=\"").ok_or("a label has a name, = and a value in quotes")?;
        let mut escaped = false;
        let end = rest.find(|c| {
            let closing = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closing
        });
        let (value, rest) = rest.split_at(end.ok_or("a quote is not closed")?);
        labels.push((name.to_owned(), unescape(value)?));
        text = rest.strip_prefix('"').unwrap_or(rest);
    }
}

/// Seconds with a fraction, as milliseconds: exact, whatever a float would make of them.
fn read_time(text: &str) -> Result<Timestamp, &'static str> {
    let seconds: f64 = text.parse().map_err(|_| "the time is not a number")?;
    let millis = (seconds * 1000.0).round();
    if millis.abs() > 9e15 || millis.is_nan() {
        return Err("the time is out of range");
    }
    Ok(Timestamp(millis as i64))
}

fn unescape(text: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some(c @ ('\\' | '"')) => c,
                _ => return Err("an unknown escape"),
            },
            c => c,
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let (labels, sample) =
            read_sample("up{a=\"q\\\"\\\\\\n,}\",b=\"\"} -1.5e3 12.345 # {id=\"x\"} 1").unwrap();
        assert_eq!((labels.get("a"), labels.metric_name()), (Some("q\"\\\n,}"), "up"));
        assert_eq!((sample.t, sample.v), (Timestamp(12_345), -1500.0));
        for value in ["NaN", "+Inf", "-Inf"] {
            assert!(read_sample(&format!("up {value} 1")).is_ok(), "{value}");
        }
        for wrong in
            ["up", "up 1", "up x 1", "up 1 x", "up{a=\"b} 1 1", "up{a} 1 1", "{} 1 1", "up 1 1 1", "up 1 inf"]
        {
            assert!(read_sample(wrong).is_err(), "{wrong}");
        }
    }
}
