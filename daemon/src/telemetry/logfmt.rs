//! Log lines as `key=value` pairs: what a journal, a pipe and a person with `grep` all read.

use std::fmt::{self, Write as _};

use breakwatch_model::{Clock as _, SystemClock};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats events as logfmt, with a `<N>` syslog priority in front when the journal reads.
pub(super) struct Logfmt {
    /// Whether stderr is the journal: it keeps time and level itself and wants a priority prefix.
    pub(super) journal: bool,
}

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        if self.journal {
            write!(writer, "<{}>", priority(level))?;
        } else {
            write!(writer, "ts={} ", SystemClock.now())?;
        }
        write!(writer, "level={} target={}", word(level), event.metadata().target())?;
        let mut fields = Fields { line: String::new() };
        event.record(&mut fields);
        writeln!(writer, "{}", fields.line)
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

struct Fields {
    line: String,
}

impl Fields {
    fn pair(&mut self, name: &str, value: &str) {
        let name = if name == "message" { "msg" } else { name };
        let plain = !value.is_empty()
            && value.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=' | '\\'));
        let _ = if plain {
            write!(self.line, " {name}={value}")
        } else {
            write!(self.line, " {name}=\"{}\"", escape(value))
        };
    }
}

/// Control characters, quotes and backslashes are escaped, so that no value can forge a line.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(escaped, "\\u{:04x}", c as u32);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.pair(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.pair(field.name(), &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_forge_lines() {
        let mut fields = Fields { line: String::new() };
        fields.pair("message", "all well");
        fields.pair("body", "x\nlevel=error \"quoted\"\u{1b}[31m");
        fields.pair("n", "5");
        let expected = r#" msg="all well" body="x\nlevel=error \"quoted\"\u001b[31m" n=5"#;
        assert_eq!(fields.line, expected);
    }
}
