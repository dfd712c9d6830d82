//! Where in HTML a piece of text leads.

use super::attribute::{self, AttributeKind};

/// A place in an HTML text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) state: State,
    /// Inside an element whose content is not HTML, or its opening tag.
    pub(super) element: Element,
    pub(super) attribute: AttributeKind,
    pub(super) delimiter: Delimiter,
    pub(super) url: UrlPart,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Text,
    /// Inside a tag, before an attribute's name.
    Tag,
    AttributeName,
    AfterName,
    BeforeValue,
    /// Inside an attribute's value.
    Attribute,
    /// Inside an element that holds text but no tags.
    RcData,
    Style,
    Script,
    Comment,
}

/// Elements whose content is special.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Element {
    None,
    Title,
    Textarea,
    Style,
    Script,
}

/// What ends an attribute's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Delimiter {
    None,
    Double,
    Single,
    /// No quotes: white space or the end of the tag.
    Space,
}

/// How far a URL has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum UrlPart {
    Start,
    Path,
    /// Behind `?` or `#`.
    Query,
}

impl Element {
    fn named(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "title" => Self::Title,
            "textarea" => Self::Textarea,
            "style" => Self::Style,
            "script" => Self::Script,
            _ => Self::None,
        }
    }

    fn content(self) -> State {
        match self {
            Self::None => State::Text,
            Self::Title | Self::Textarea => State::RcData,
            Self::Style => State::Style,
            Self::Script => State::Script,
        }
    }

    /// What the tag that ends the element's content begins with.
    fn end(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Title => "</title",
            Self::Textarea => "</textarea",
            Self::Style => "</style",
            Self::Script => "</script",
        }
    }
}

impl Place {
    pub(super) const TEXT: Self = Self {
        state: State::Text,
        element: Element::None,
        attribute: AttributeKind::Plain,
        delimiter: Delimiter::None,
        url: UrlPart::Start,
    };

    /// The place a value printed here is really in: in `<a {{.}}` it is an attribute's name, in `<a href={{.}}`
    /// a value without quotes.
    pub(super) fn nudged(self) -> Self {
        match self.state {
            State::Tag | State::AfterName => {
                Self { state: State::AttributeName, attribute: AttributeKind::Plain, ..self }
            }
            State::BeforeValue => Self { state: State::Attribute, delimiter: Delimiter::Space, ..self },
            _ => self,
        }
    }

    /// The place after the first piece of `text`, and the piece's length. Reading nothing is only possible together
    /// with a change of state, and no two such changes follow each other.
    pub(super) fn after(self, text: &str) -> (Self, usize) {
        match self.state {
            State::Text => self.in_text(text),
            State::Tag => self.in_tag(text),
            State::AttributeName => {
                let length = name_length(text);
                if length == text.len() { (self, length) } else { (self.to(State::AfterName), length) }
            }
            State::AfterName => {
                let space = space_length(text);
                match text[space..].chars().next() {
                    None => (self, space),
                    Some('=') => (self.to(State::BeforeValue), space + 1),
                    Some(_) => (self.to(State::Tag), space),
                }
            }
            State::BeforeValue => {
                let space = space_length(text);
                let (delimiter, length) = match text[space..].chars().next() {
                    None => return (self, space),
                    Some('"') => (Delimiter::Double, space + 1),
                    Some('\'') => (Delimiter::Single, space + 1),
                    Some(_) => (Delimiter::Space, space),
                };
                (Self { state: State::Attribute, delimiter, url: UrlPart::Start, ..self }, length)
            }
            State::Attribute => self.in_value(text),
            State::RcData | State::Style | State::Script => {
                match find_ignoring_case(text, self.element.end()) {
                    Some(at) => (Self::TEXT, at),
                    None => (self, text.len()),
                }
            }
            State::Comment => match text.find("-->") {
                Some(at) => (Self::TEXT, at + 3),
                None => (self, text.len()),
            },
        }
    }

    fn to(self, state: State) -> Self {
        Self { state, ..self }
    }

    fn in_text(self, text: &str) -> (Self, usize) {
        let mut from = 0;
        while let Some(at) = text[from..].find('<').map(|at| from + at) {
            let rest = &text[at + 1..];
            if rest.starts_with("!--") {
                return (self.to(State::Comment), at + 4);
            }
            let closing = rest.starts_with('/');
            let name_at = at + 1 + usize::from(closing);
            let length = tag_name_length(&text[name_at..]);
            if length > 0 {
                let name = &text[name_at..name_at + length];
                let element = if closing { Element::None } else { Element::named(name) };
                return (Self { state: State::Tag, element, ..Self::TEXT }, name_at + length);
            }
            from = name_at;
        }
        (self, text.len())
    }

    fn in_tag(self, text: &str) -> (Self, usize) {
        let space = space_length(text);
        let rest = &text[space..];
        if rest.is_empty() {
            return (self, space);
        }
        if rest.starts_with('>') {
            let place = Self { state: self.element.content(), element: self.element, ..Self::TEXT };
            return (place, space + 1);
        }
        let length = name_length(rest);
        if length == 0 {
            // A stray quote or bracket; browsers take it for a name.
            let stray = rest.chars().next().map_or(0, char::len_utf8);
            return (self, space + stray);
        }
        let attribute = attribute::kind(&rest[..length]);
        let state = if length == rest.len() { State::AttributeName } else { State::AfterName };
        (Self { state, attribute, ..self }, space + length)
    }

    fn in_value(self, text: &str) -> (Self, usize) {
        let end = match self.delimiter {
            Delimiter::Double => text.find('"'),
            Delimiter::Single => text.find('\''),
            Delimiter::None | Delimiter::Space => text.find([' ', '\t', '\n', '\x0c', '\r', '>']),
        };
        let Some(end) = end else {
            let url = self.url.after(text);
            return (Self { url, ..self }, text.len());
        };
        let quote = usize::from(self.delimiter != Delimiter::Space);
        (Self { state: State::Tag, element: self.element, ..Self::TEXT }, end + quote)
    }
}

impl UrlPart {
    /// Where more text of a URL leads.
    fn after(self, text: &str) -> Self {
        let text = without_entities(text);
        if text.contains(['#', '?']) {
            Self::Query
        } else if self == Self::Start && !text.trim().is_empty() {
            Self::Path
        } else {
            self
        }
    }
}

/// The text with character references replaced, so that the `#` of `&#39;` is not taken for a fragment.
fn without_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some((entity, tail)) = rest.split_once(';').filter(|(entity, _)| is_entity(entity)) else {
            out.push('&');
            continue;
        };
        out.push(match entity.to_ascii_lowercase().as_str() {
            "#35" | "#x23" | "num" => '#',
            "#63" | "#x3f" | "quest" => '?',
            _ => '.',
        });
        rest = tail;
    }
    out + rest
}

fn is_entity(text: &str) -> bool {
    let name = text.strip_prefix('#').unwrap_or(text);
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn space_length(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t', '\n', '\x0c', '\r']).len()
}

/// Length of an attribute's name at the start of the text.
fn name_length(text: &str) -> usize {
    text.find([' ', '\t', '\n', '\x0c', '\r', '=', '>', '\'', '"', '<']).unwrap_or(text.len())
}

/// Length of a tag's name at the start of the text; `x-y` and `x:y` are names too.
fn tag_name_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(u8::is_ascii_alphabetic) {
        return 0;
    }
    let mut length = 1;
    loop {
        match (bytes.get(length), bytes.get(length + 1)) {
            (Some(b), _) if b.is_ascii_alphanumeric() => length += 1,
            (Some(b':' | b'-'), Some(next)) if next.is_ascii_alphanumeric() => length += 2,
            _ => return length,
        }
    }
}

fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    text.as_bytes().windows(wanted.len()).position(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
}
