//! One line of either format: names, labels, numbers.

/// A sample as written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
    pub(crate) timestamp: Option<f64>,
    pub(crate) has_exemplar: bool,
}

impl Sample {
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The labels without one, sorted: what tells one metric of a family from another.
    pub(crate) fn labels_without(&self, name: &str) -> Vec<(String, String)> {
        let mut labels: Vec<_> = self.labels.iter().filter(|(n, _)| n != name).cloned().collect();
        labels.sort();
        labels
    }
}

/// A place in a line.
pub(crate) struct Cursor<'t> {
    rest: &'t str,
    /// OpenMetrics allows exactly one space where the text format allows any blanks.
    strict: bool,
}

impl<'t> Cursor<'t> {
    pub(crate) fn new(line: &'t str, strict: bool) -> Self {
        Self { rest: line, strict }
    }

    pub(crate) fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn rest(&self) -> &'t str {
        self.rest
    }

    pub(crate) fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Blanks where there must be some.
    pub(crate) fn space(&mut self) -> Result<(), String> {
        if self.strict {
            return if self.eat(" ") {
                Ok(())
            } else {
                Err(format!("expected a space before {:?}", self.rest))
            };
        }
        let before = self.rest.len();
        self.blanks();
        if self.rest.len() < before {
            Ok(())
        } else {
            Err(format!("expected a blank before {:?}", self.rest))
        }
    }

    /// Blanks where there may be some.
    pub(crate) fn blanks(&mut self) {
        if !self.strict {
            self.rest = self.rest.trim_start_matches([' ', '\t']);
        }
    }

    pub(crate) fn name(&mut self, colons: bool) -> Result<&'t str, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
        let end = self.rest.find(|c| !allowed(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!("expected a name at {:?}", self.rest));
        }
        self.rest = rest;
        Ok(name)
    }

    /// Everything up to the next blank or the end.
    pub(crate) fn word(&mut self) -> &'t str {
        let blank: &[char] = if self.strict { &[' '] } else { &[' ', '\t'] };
        let end = self.rest.find(blank).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    pub(crate) fn number(&mut self) -> Result<f64, String> {
        number(self.word())
    }

    /// `{name="value",…}`; the brace is already eaten.
    pub(crate) fn labels(&mut self) -> Result<Vec<(String, String)>, String> {
        let mut labels: Vec<(String, String)> = Vec::new();
        loop {
            self.blanks();
            if (labels.is_empty() || !self.strict) && self.eat("}") {
                return Ok(labels);
            }
            let name = self.name(false)?.to_owned();
            self.blanks();
            if !self.eat("=") {
                return Err(format!("expected `=` at {:?}", self.rest));
            }
            self.blanks();
            let value = self.quoted()?;
            if labels.iter().any(|(known, _)| *known == name) {
                return Err(format!("label {name} twice"));
            }
            labels.push((name, value));
            self.blanks();
            if self.eat("}") {
                return Ok(labels);
            }
            if !self.eat(",") {
                return Err(format!("expected `,` or `}}` at {:?}", self.rest));
            }
        }
    }

    fn quoted(&mut self) -> Result<String, String> {
        if !self.eat("\"") {
            return Err(format!("expected a quote at {:?}", self.rest));
        }
        let (mut text, mut escaped) = (String::new(), false);
        for (at, c) in self.rest.char_indices() {
            match (escaped, c) {
                (false, '"') => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                (false, '\\') => escaped = true,
                (false, c) => text.push(c),
                (true, 'n') => {
                    text.push('\n');
                    escaped = false;
                }
                (true, c) => {
                    if !matches!(c, '\\' | '"') {
                        text.push('\\');
                    }
                    text.push(c);
                    escaped = false;
                }
            }
        }
        Err("a quoted text without its end".to_owned())
    }
}

pub(crate) fn number(text: &str) -> Result<f64, String> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let special = matches!(text.trim_start_matches(['+', '-']), "Inf" | "NaN");
    if text.is_empty() || !(plain || special) {
        return Err(format!("{text:?} is not a number"));
    }
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}
