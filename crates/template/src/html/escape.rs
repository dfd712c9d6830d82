//! What is done to a value before it is printed into HTML.

use super::attribute;
use crate::func::{html_escape, query_escape};
use crate::limits::{Exceeded, Text};
use crate::value::Value;

/// What a value that does not belong where it prints becomes, as in Go; searchable, and harmless anywhere.
const FAILSAFE: &str = "ZgotmplZ";

/// One step of making a value safe. Several may be needed in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sanitizer {
    Html,
    RcData,
    Attribute,
    Unquoted,
    UrlFilter,
    UrlNormal,
    UrlEscape,
    Srcset,
    Css,
    AttributeName,
    /// Prints nothing.
    Nothing,
    /// The template's own `html`, standing for ours.
    OwnHtml,
    /// The template's own `urlquery`, standing for ours.
    OwnUrlQuery,
}

/// Text that is safe somewhere already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Plain,
    Html,
    Url,
}

impl Sanitizer {
    /// The step that takes this one's place when the template already ends in `html` or `urlquery`.
    pub(crate) fn replaced_by(self, own: &str) -> Option<Self> {
        match (self, own) {
            (Self::Html | Self::RcData | Self::Attribute, "html") => Some(Self::OwnHtml),
            (Self::UrlEscape | Self::UrlNormal, "urlquery") => Some(Self::OwnUrlQuery),
            _ => None,
        }
    }

    /// Writes the value after all `steps`. Returns how many bytes went through them.
    pub(crate) fn apply(steps: &[Self], value: &Value, out: &mut Text) -> Result<usize, Exceeded> {
        let mut text = Text::new(out.room());
        let mut content = match value {
            Value::Html(_) => Content::Html,
            Value::Url(_) => Content::Url,
            _ => Content::Plain,
        };
        // Nothing prints as nothing here, not as `<no value>`.
        if !matches!(value, Value::Nil) {
            crate::fmt::to_text(value, &mut text)?;
        }
        let mut worked = text.as_str().len();
        for step in steps {
            let mut made = Text::new(out.room());
            step.step(text.as_str(), content, &mut made)?;
            content = Content::Plain;
            text = made;
            worked += text.as_str().len();
        }
        out.push_str(text.as_str())?;
        Ok(worked)
    }

    fn step(self, text: &str, content: Content, out: &mut Text) -> Result<(), Exceeded> {
        match self {
            Self::Html if content == Content::Html => out.push_str(text),
            Self::RcData if content == Content::Html => replace(text, Replace::Normal, out),
            Self::Attribute if content == Content::Html => replace(&strip_tags(text), Replace::Normal, out),
            Self::Unquoted if content == Content::Html => {
                replace(&strip_tags(text), Replace::NormalUnquoted, out)
            }
            Self::Html | Self::RcData | Self::Attribute => replace(text, Replace::All, out),
            // Nothing at all would make the next attribute the value.
            Self::Unquoted if text.is_empty() => out.push_str(FAILSAFE),
            Self::Unquoted => replace(text, Replace::Unquoted, out),
            Self::UrlFilter if content == Content::Url || is_safe_url(text) => out.push_str(text),
            Self::UrlFilter => failsafe_url(out),
            Self::UrlNormal => url(text, true, out),
            Self::UrlEscape => url(text, content == Content::Url, out),
            Self::Srcset => srcset(text, out),
            Self::Css => out.push_str(if is_css_value(text) { text } else { FAILSAFE }),
            Self::AttributeName => {
                let name = text.to_ascii_lowercase();
                out.push_str(if attribute::may_be_data(&name) { &name } else { FAILSAFE })
            }
            Self::Nothing => Ok(()),
            Self::OwnHtml => html_escape(text, out),
            Self::OwnUrlQuery => query_escape(text, out),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Replace {
    All,
    /// Ampersands stay: the text is HTML already.
    Normal,
    Unquoted,
    NormalUnquoted,
}

fn replace(text: &str, what: Replace, out: &mut Text) -> Result<(), Exceeded> {
    let unquoted = matches!(what, Replace::Unquoted | Replace::NormalUnquoted);
    for c in text.chars() {
        match c {
            '\0' if unquoted => out.push_str("&#xfffd;")?,
            '\0' => out.push(char::REPLACEMENT_CHARACTER)?,
            '"' => out.push_str("&#34;")?,
            '\'' => out.push_str("&#39;")?,
            '+' => out.push_str("&#43;")?,
            '<' => out.push_str("&lt;")?,
            '>' => out.push_str("&gt;")?,
            '&' if matches!(what, Replace::All | Replace::Unquoted) => out.push_str("&amp;")?,
            '\t' | '\n' | '\x0b' | '\x0c' | '\r' | ' ' | '=' | '`' if unquoted => {
                out.push_str(&format!("&#{};", u32::from(c)))?;
            }
            _ => out.push(c)?,
        }
    }
    Ok(())
}

/// HTML without its tags and comments, for use inside an attribute.
fn strip_tags(html: &str) -> String {
    use super::transition::{Place, State};
    let mut out = String::with_capacity(html.len());
    let mut place = Place::TEXT;
    let mut rest = html;
    while !rest.is_empty() {
        let (next, length) = place.after(rest);
        let (read, tail) = rest.split_at(length);
        if matches!(place.state, State::Text | State::RcData) {
            let kept =
                if next.state == place.state { read.len() } else { read.rfind('<').unwrap_or(read.len()) };
            out.push_str(&read[..kept]);
        }
        place = next;
        rest = tail;
    }
    out
}

/// Whether the URL has no scheme, or one that runs nothing.
fn is_safe_url(text: &str) -> bool {
    match text.split_once(':') {
        Some((scheme, _)) if !scheme.contains('/') => {
            ["http", "https", "mailto"].iter().any(|safe| scheme.eq_ignore_ascii_case(safe))
        }
        _ => true,
    }
}

fn failsafe_url(out: &mut Text) -> Result<(), Exceeded> {
    out.push('#')?;
    out.push_str(FAILSAFE)
}

/// Percent-encodes; `normal` keeps what already has a meaning in URLs, existing escapes included.
fn url(text: &str, normal: bool, out: &mut Text) -> Result<(), Exceeded> {
    let bytes = text.as_bytes();
    for (i, byte) in bytes.iter().copied().enumerate() {
        let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        let kept = match byte {
            b'-' | b'.' | b'_' | b'~' => true,
            b'%' => normal && hex(i + 1) && hex(i + 2),
            b'!' | b'#' | b'$' | b'&' | b'*' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@'
            | b'[' | b']' => normal,
            _ => byte.is_ascii_alphanumeric(),
        };
        if kept {
            out.push(char::from(byte))?;
        } else {
            out.push_str(&format!("%{byte:02x}"))?;
        }
    }
    Ok(())
}

/// A list of URLs with a size or density behind each.
fn srcset(text: &str, out: &mut Text) -> Result<(), Exceeded> {
    for (i, part) in text.split(',').enumerate() {
        out.push_str(if i == 0 { "" } else { "," })?;
        let body = part.trim();
        let (link, size) = body.split_once(' ').unwrap_or((body, ""));
        let plain_size = size.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == ' ');
        if is_safe_url(link) && plain_size {
            url(link, true, out)?;
            out.push_str(if size.is_empty() { "" } else { " " })?;
            out.push_str(size)?;
        } else {
            failsafe_url(out)?;
        }
    }
    Ok(())
}

/// Whether the text is one plain CSS value: a name, number, colour or a list of them.
fn is_css_value(text: &str) -> bool {
    let forbidden = |c: char| {
        matches!(
            c,
            '\0' | '"' | '\'' | '(' | ')' | '/' | ';' | '@' | '[' | '\\' | ']' | '`' | '{' | '}' | '<' | '>'
        )
    };
    let name: String =
        text.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_lowercase();
    !text.contains(forbidden)
        && !text.contains("--")
        && !name.contains("expression")
        && !name.contains("mozbinding")
}
