//! Performance data: `'label'=value[UOM];[warn];[crit];[min];[max]`, separated by spaces.

use super::range::Range;

/// One measured value of a plugin.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Perfdata {
    pub(super) label: String,
    /// The value in the unit written.
    pub(super) value: f64,
    /// The unit as written.
    pub(super) unit: String,
    pub(super) warn: Option<Range>,
    pub(super) crit: Option<Range>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
}

impl Perfdata {
    /// The base unit and the factor that leads to it. Sizes are powers of 1024, as the plugins compute them.
    pub(super) fn base_unit(&self) -> (&str, f64) {
        const KIB: f64 = 1024.0;
        match self.unit.as_str() {
            "s" => ("seconds", 1.0),
            "ms" => ("seconds", 1e-3),
            "us" | "µs" | "μs" => ("seconds", 1e-6),
            "ns" => ("seconds", 1e-9),
            "%" => ("ratio", 1e-2),
            "B" => ("bytes", 1.0),
            "KB" | "kB" | "KiB" => ("bytes", KIB),
            "MB" | "MiB" => ("bytes", KIB * KIB),
            "GB" | "GiB" => ("bytes", KIB * KIB * KIB),
            "TB" | "TiB" => ("bytes", KIB * KIB * KIB * KIB),
            "c" => ("counter", 1.0),
            other => (other, 1.0),
        }
    }
}

/// Reads what can be read. What is not performance data is skipped, and so is a value that is not known (`U`) or not
/// finite.
pub(super) fn parse(text: &str) -> impl Iterator<Item = Perfdata> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                return None;
            }
            let (item, tail) = read_item(rest);
            rest = tail;
            if item.is_some() {
                return item;
            }
        }
    })
}

/// Reads one item; gives what stands behind it, always less than before.
fn read_item(text: &str) -> (Option<Perfdata>, &str) {
    let word_end = |text: &str| text.find(char::is_whitespace).unwrap_or(text.len());
    let (label, rest) = match text.strip_prefix('\'') {
        Some(quoted) => match read_quoted(quoted) {
            Some(found) => found,
            // A quote that never closes: give up on this word only.
            None => return (None, &text[word_end(text)..]),
        },
        None => {
            let end = text.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(text.len());
            (text[..end].to_owned(), &text[end..])
        }
    };
    let Some(value) = rest.strip_prefix('=') else {
        return (None, &rest[word_end(rest)..]);
    };
    let (fields, tail) = value.split_at(word_end(value));
    (read_fields(label, fields), tail)
}

/// A label up to its closing quote; a doubled quote inside is one quote.
fn read_quoted(text: &str) -> Option<(String, &str)> {
    let mut label = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('\'')?;
        label.push_str(before);
        match after.strip_prefix('\'') {
            Some(more) => {
                label.push('\'');
                rest = more;
            }
            None => return Some((label, after)),
        }
    }
}

fn read_fields(label: String, fields: &str) -> Option<Perfdata> {
    let mut fields = fields.split(';');
    let written = fields.next().unwrap_or_default();
    let split = written.find(|c: char| !matches!(c, '0'..='9' | '.' | ',' | '-' | '+' | 'e' | 'E'));
    let (number, unit) = split_number(written, split.unwrap_or(written.len()));
    let value = read_number(number)?;
    if label.is_empty() || unit.contains([',', '.']) || unit.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut range = || fields.next().and_then(Range::parse);
    let (warn, crit) = (range(), range());
    let mut limit = || fields.next().and_then(read_number);
    Some(Perfdata { label, value, unit: unit.to_owned(), warn, crit, min: limit(), max: limit() })
}

/// An `E` may end a number or begin a unit.
fn split_number(written: &str, mut at: usize) -> (&str, &str) {
    while written[..at].ends_with(['e', 'E', '+', '-']) {
        at -= 1;
    }
    written.split_at(at)
}

/// A finite number; a decimal comma (a plugin in a foreign language) counts as a point.
fn read_number(text: &str) -> Option<f64> {
    let plain = if text.matches(',').count() == 1 && !text.contains('.') {
        text.replace(',', ".")
    } else {
        text.to_owned()
    };
    plain.parse::<f64>().ok().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> Vec<String> {
        let show = |data: Perfdata| {
            let range = |range: Option<Range>| range.map_or_else(String::new, |range| range.text);
            let limit = |limit: Option<f64>| limit.map_or_else(String::new, |limit| limit.to_string());
            let Perfdata { label, value, unit, warn, crit, min, max } = data;
            format!("{label}={value}{unit};{};{};{};{}", range(warn), range(crit), limit(min), limit(max))
        };
        parse(text).map(show).collect()
    }

    #[test]
    fn items_are_found_among_garbage() {
        for (text, expected) in [
            ("a=1;2;3;0;5 'b c'=2ms;;;; ", vec!["a=1ms".replace("ms", ";2;3;0;5"), "b c=2ms;;;;".into()]),
            ("this is not perfdata", vec![]),
            ("x=1 garbage y=2", vec!["x=1;;;;".into(), "y=2;;;;".into()]),
            ("'open=1 y=2", vec!["y=2;;;;".into()]),
            ("'it''s'=1;@2:3;~:4", vec!["it's=1;@2:3;~:4;;".into()]),
            ("=5 a= b=U c=nan d=1e400 e=1e3", vec!["e=1000;;;;".into()]),
            ("a=1,5s b=1,5,5s c=1.5,5", vec!["a=1.5s;;;;".into()]),
            (
                "a=5e b=5E3E c=-1.5e3 d=+2%",
                vec!["a=5e;;;;".into(), "b=5000E;;;;".into(), "c=-1500;;;;".into(), "d=2%;;;;".into()],
            ),
            ("a=1°C;x;y;z", vec!["a=1°C;;;;".into()]),
            ("'' 'a'b=1 'c'=", vec![]),
        ] {
            assert_eq!(show(text), expected, "{text}");
        }
    }

    #[test]
    fn units_lead_to_base_units() {
        for (written, unit, factor) in [
            ("a=1ms", "seconds", 1e-3),
            ("a=1KB", "bytes", 1024.0),
            ("a=1%", "ratio", 0.01),
            ("a=1c", "counter", 1.0),
            ("a=1V", "V", 1.0),
        ] {
            assert_eq!(parse(written).next().unwrap().base_unit(), (unit, factor), "{written}");
        }
    }

    #[test]
    fn nothing_makes_the_reader_stand_still_or_fall() {
        // Every string of up to six of these characters is read to its end.
        let alphabet = ['a', '\'', '=', '1', ';', ' ', 'e', ',', 'é'];
        let mut queue = vec![String::new()];
        while let Some(text) = queue.pop() {
            for data in parse(&text) {
                assert!(data.value.is_finite() && !data.label.is_empty(), "{text}");
            }
            if text.chars().count() < 6 {
                queue.extend(alphabet.iter().map(|c| format!("{text}{c}")));
            }
        }
    }
}
