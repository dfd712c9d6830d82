//! Reads the samples of an OpenMetrics text: enough for a data set of our own, where every line is
//! `name{labels} value timestamp`; exemplars and metadata are passed over.

use breakwatch_model::{Sample, Timestamp};

use crate::number::parse_float;
use crate::testing::MemoryStore;

/// Adds every sample of the text to a store.
pub(super) fn load(text: &str, store: &MemoryStore) -> Result<(), String> {
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        sample(line, store).map_err(|message| format!("line {}: {message}", index + 1))?;
    }
    Ok(())
}

fn sample(line: &str, store: &MemoryStore) -> Result<(), String> {
    let (labels, after) = crate::parser::parse_metric_prefix(line).map_err(|error| error.to_string())?;
    let mut words = line.get(after..).unwrap_or_default().split_ascii_whitespace();
    let value = words.next().and_then(parse_float).ok_or("a value is missing")?;
    let time = words.next().and_then(parse_float).ok_or("a timestamp is missing")?;
    store.append(&labels, Sample::new(Timestamp::from_secs_f64(time), value));
    Ok(())
}
