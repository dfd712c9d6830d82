//! A strict reader of both formats, written from their descriptions and independent of the writers: what it
//! accepts, every scraper accepts.

use std::collections::{BTreeMap, HashSet};

use crate::lines::{Cursor, Sample};
use crate::rules;

/// A family as read.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
    pub(crate) unit: Option<String>,
    pub(crate) help: Option<String>,
    pub(crate) samples: Vec<Sample>,
}

impl Family {
    pub(crate) fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("unknown")
    }
}

/// Reads OpenMetrics 1.0.0.
pub(crate) fn openmetrics(text: &str) -> Result<Vec<Family>, String> {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let body = body.strip_suffix("# EOF").ok_or("no # EOF at the end")?;
    if !body.is_empty() && !body.ends_with('\n') {
        return Err("# EOF is not on a line of its own".to_owned());
    }
    let mut reader = Reader { openmetrics: true, ..Reader::default() };
    body.lines_of().try_for_each(|line| reader.line(line))?;
    reader.finish()
}

/// Reads text format 0.0.4.
pub(crate) fn text(text: &str) -> Result<Vec<Family>, String> {
    let mut reader = Reader::default();
    text.lines_of().filter(|line| !line.trim().is_empty()).try_for_each(|line| reader.line(line))?;
    reader.finish()
}

/// Splitting at `\n` only: `str::lines` would swallow a `\r` and an empty last line.
trait Lines {
    fn lines_of(&self) -> std::str::Split<'_, char>;
}

impl Lines for str {
    fn lines_of(&self) -> std::str::Split<'_, char> {
        self.strip_suffix('\n').unwrap_or(self).split('\n')
    }
}

#[derive(Default)]
struct Reader {
    openmetrics: bool,
    families: Vec<Family>,
    current: Option<Family>,
    names: HashSet<String>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() && self.families.is_empty() && self.current.is_none() && self.openmetrics {
            // The one piece an empty body splits into.
            return if self.names.insert(String::new()) { Ok(()) } else { Err("an empty line".to_owned()) };
        }
        match line.strip_prefix('#') {
            Some(rest) => self.comment(rest),
            None => self.sample(line),
        }
        .map_err(|error| format!("{line:?}: {error}"))
    }

    fn comment(&mut self, rest: &str) -> Result<(), String> {
        let mut cursor = Cursor::new(rest, self.openmetrics);
        if self.openmetrics {
            cursor.space()?;
        } else {
            cursor.blanks();
        }
        let keyword = cursor.word();
        if !self.openmetrics && !matches!(keyword, "TYPE" | "HELP") {
            return Ok(());
        }
        cursor.space()?;
        let name = cursor.name(true)?.to_owned();
        if self.openmetrics || keyword == "TYPE" {
            cursor.space()?;
        } else {
            cursor.blanks();
        }
        let value = cursor.rest().to_owned();
        let openmetrics = self.openmetrics;
        let family = self.family(&name)?;
        if !family.samples.is_empty() {
            return Err("metadata behind samples".to_owned());
        }
        let slot = match keyword {
            "TYPE" => {
                rules::known_kind(&value, openmetrics)?;
                &mut family.kind
            }
            "HELP" => &mut family.help,
            "UNIT" => {
                if !value.is_empty() && !name.ends_with(&format!("_{value}")) {
                    return Err("the unit does not end the name".to_owned());
                }
                &mut family.unit
            }
            other => return Err(format!("unknown keyword {other}")),
        };
        if slot.replace(value).is_some() {
            return Err(format!("{keyword} twice"));
        }
        Ok(())
    }

    /// The family of this name, begun if it is not the current one.
    fn family(&mut self, name: &str) -> Result<&mut Family, String> {
        if self.current.as_ref().is_none_or(|family| family.name != name) {
            self.close()?;
            self.current = Some(Family { name: name.to_owned(), ..Family::default() });
        }
        self.current.as_mut().ok_or_else(String::new)
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let sample = read_sample(line, self.openmetrics)?;
        let family = match &mut self.current {
            Some(family) if rules::belongs(family, &sample.name, self.openmetrics) => family,
            _ => self.family(&sample.name)?,
        };
        family.samples.push(sample);
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(family) = self.current.take() else { return Ok(()) };
        for name in rules::names(&family, self.openmetrics) {
            if !self.names.insert(name.clone()) {
                return Err(format!("{name} belongs to two families"));
            }
        }
        rules::check(&family, self.openmetrics).map_err(|error| format!("{}: {error}", family.name))?;
        self.families.push(family);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Family>, String> {
        self.close()?;
        Ok(self.families)
    }
}

fn read_sample(line: &str, openmetrics: bool) -> Result<Sample, String> {
    let mut cursor = Cursor::new(line, openmetrics);
    let name = cursor.name(true)?.to_owned();
    cursor.blanks();
    let has_labels = cursor.eat("{");
    let labels = if has_labels { cursor.labels()? } else { Vec::new() };
    if openmetrics {
        cursor.space()?;
    } else {
        cursor.blanks();
    }
    let value = cursor.number()?;
    let mut sample = Sample { name, labels, value, timestamp: None, has_exemplar: false };
    cursor.blanks();
    if !openmetrics {
        if !cursor.at_end() {
            sample.timestamp = Some(cursor.word().parse::<i64>().map_err(|e| e.to_string())? as f64);
            cursor.blanks();
        }
        return if cursor.at_end() {
            Ok(sample)
        } else {
            Err(format!("more behind it: {:?}", cursor.rest()))
        };
    }
    while !cursor.at_end() {
        cursor.space()?;
        if cursor.eat("# {") {
            cursor.labels()?;
            cursor.space()?;
            cursor.number()?;
            if !cursor.at_end() {
                cursor.space()?;
                rules::finite(cursor.number()?)?;
            }
            sample.has_exemplar = true;
        } else if sample.timestamp.is_none() {
            sample.timestamp = Some(rules::finite(cursor.number()?)?);
        } else {
            return Err(format!("more behind it: {:?}", cursor.rest()));
        }
        if sample.has_exemplar && !cursor.at_end() {
            return Err(format!("more behind it: {:?}", cursor.rest()));
        }
    }
    Ok(sample)
}

/// Every series with its value, for comparing what was written with what was read.
pub(crate) fn series(families: &[Family]) -> BTreeMap<String, f64> {
    let samples = families.iter().flat_map(|family| &family.samples);
    samples
        .map(|sample| {
            let labels: Vec<String> =
                sample.labels_without("").iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            (format!("{}{{{}}}", sample.name, labels.join(",")), sample.value)
        })
        .collect()
}
