//! Escapes what a template prints into HTML by where it prints it, after the model of Go's `html/template`.
//!
//! The escaper follows the template's own text through HTML's states (text, tag, attribute, comment, …); what values
//! print never moves it. Whoever writes an alert's labels therefore cannot open a tag, leave an attribute or start a
//! script. Where a value prints decides what is done to it:
//!
//! | place | done |
//! | --- | --- |
//! | text, `<title>`, `<textarea>` | `" & ' + < >` and NUL escaped |
//! | attribute value in quotes | the same; tags are stripped from `safeHtml` values |
//! | attribute value without quotes | also white space, `=` and the backquote escaped |
//! | URL attribute (`href`, `src`, `action`, …), at its start | a scheme other than `http`, `https`, `mailto` becomes `#ZgotmplZ`; then percent-encoded, existing escapes kept |
//! | URL attribute, before `?` or `#` | percent-encoded, existing escapes kept |
//! | URL attribute, behind `?` or `#` | everything but letters, digits and `-._~` percent-encoded |
//! | `srcset` | as URLs, each part by itself |
//! | `style` attribute, `<style>` | kept if it is a plain CSS value, else `ZgotmplZ` |
//! | attribute name | kept if it is a harmless name, else `ZgotmplZ` |
//! | `<script>`, `on…` attribute | refused as an error: a mail needs no script |
//! | comment | nothing is printed |
//!
//! Comments are left out of the output, and a `<` in text that begins no tag is escaped. `safeHtml` and `safeUrl` values
//! are taken at their word where they fit. Two things differ from Go: places are followed while the template runs, so that
//! branches may end in different places; and inside CSS strings and `url(…)` values are filtered like anywhere in CSS.

mod attribute;
mod escape;
mod transition;

use attribute::AttributeKind;
pub(crate) use escape::Sanitizer;
use transition::{Delimiter, Place, State, UrlPart};

use crate::limits::{Exceeded, Text};

/// Follows the output through HTML.
#[derive(Clone, Copy)]
pub(crate) struct Escaper {
    place: Place,
}

impl Escaper {
    pub(crate) fn new() -> Self {
        Self { place: Place::TEXT }
    }

    /// Writes text of the template and follows it.
    pub(crate) fn text(&mut self, text: &str, out: &mut Text) -> Result<(), Exceeded> {
        let mut rest = text;
        while !rest.is_empty() {
            let (next, length) = self.place.after(rest);
            // A transition that reads nothing changes the state; the place it leads to reads on.
            let (read, tail) = rest.split_at(length);
            self.write(read, rest, next, out)?;
            self.place = next;
            rest = tail;
        }
        Ok(())
    }

    fn write(&self, read: &str, from: &str, next: Place, out: &mut Text) -> Result<(), Exceeded> {
        let kept = match (self.place.state, next.state) {
            (State::Comment, _) => return Ok(()),
            (state, State::Comment) if state != State::Comment => &read[..read.len() - "<!--".len()],
            _ => read,
        };
        if !matches!(self.place.state, State::Text | State::RcData) {
            return out.push_str(kept);
        }
        // The bracket that opened the tag just entered stays; any other is text.
        let opening = if next.state == State::Tag { kept.rfind('<') } else { None };
        for (at, c) in kept.char_indices() {
            let is_doctype =
                || from[at..].get(..9).is_some_and(|word| word.eq_ignore_ascii_case("<!doctype"));
            if c == '<' && opening != Some(at) && !is_doctype() {
                out.push_str("&lt;")?;
            } else {
                out.push(c)?;
            }
        }
        Ok(())
    }

    /// What must be done to a value printed here; an error where none may be.
    pub(crate) fn sanitizers(&mut self) -> Result<Vec<Sanitizer>, &'static str> {
        self.place = self.place.nudged();
        let mut needed = Vec::new();
        match self.place.state {
            State::Text => return Ok(vec![Sanitizer::Html]),
            State::RcData => return Ok(vec![Sanitizer::RcData]),
            State::Comment => return Ok(vec![Sanitizer::Nothing]),
            State::Script => return Err("values inside <script> are not supported"),
            State::Style => return Ok(vec![Sanitizer::Css]),
            State::Tag | State::AttributeName | State::AfterName | State::BeforeValue => {
                return Ok(vec![Sanitizer::AttributeName]);
            }
            State::Attribute => match self.place.attribute {
                AttributeKind::Plain => {}
                AttributeKind::Url => match self.place.url {
                    UrlPart::Start => needed.extend([Sanitizer::UrlFilter, Sanitizer::UrlNormal]),
                    UrlPart::Path => needed.push(Sanitizer::UrlNormal),
                    UrlPart::Query => needed.push(Sanitizer::UrlEscape),
                },
                AttributeKind::Style => needed.push(Sanitizer::Css),
                AttributeKind::Srcset => needed.push(Sanitizer::Srcset),
                AttributeKind::Script => return Err("values inside script attributes are not supported"),
            },
        }
        needed.push(match self.place.delimiter {
            Delimiter::Space => Sanitizer::Unquoted,
            _ => Sanitizer::Attribute,
        });
        Ok(needed)
    }

    /// Whether the place is the value of a plain attribute without quotes.
    pub(crate) fn is_unquoted(&self) -> bool {
        let place = self.place.nudged();
        place.state == State::Attribute
            && place.delimiter == Delimiter::Space
            && place.attribute == AttributeKind::Plain
    }
}
