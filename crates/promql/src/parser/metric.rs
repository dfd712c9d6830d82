//! Metrics as test files write them: a name and exact labels, no matchers.

use breakwatch_model::{Labels, LabelsBuilder, METRIC_NAME};

use super::expr::is_metric_identifier;
use super::{Fail, Parsed, Parser};
use crate::token::{Item, Token};

const CONTEXT: &str = "label set";

impl Parser<'_> {
    /// `name{label="value", …}`, `name` or `{…}`. Nothing after it is looked at.
    pub(super) fn metric(&mut self) -> Parsed<Labels> {
        let mut labels = LabelsBuilder::default();
        let item = self.next()?;
        if item.token == Token::LeftBrace {
            self.label_set(&mut labels)?;
            return Ok(labels.build());
        }
        if !is_metric_identifier(item.token) {
            return Err(Fail::Unexpected(item));
        }
        if self.lexer.at_brace() {
            self.next()?;
            self.label_set(&mut labels)?;
        }
        labels.set(METRIC_NAME, item.text(self.input()));
        Ok(labels.build())
    }

    /// The labels after `{`.
    fn label_set(&mut self, labels: &mut LabelsBuilder) -> Parsed<()> {
        loop {
            let item = self.next()?;
            match item.token {
                Token::RightBrace => return Ok(()),
                Token::Identifier | Token::String => {}
                _ => return Err(self.unexpected(item, CONTEXT, "identifier or \"}\"")),
            }
            let after = self.label(item, labels)?;
            match after.token {
                Token::RightBrace => return Ok(()),
                Token::Comma => {}
                _ => return Err(self.unexpected(after, CONTEXT, "\",\" or \"}\"")),
            }
        }
    }

    /// One label whose first item has been taken; gives the item after it.
    fn label(&mut self, name: Item, labels: &mut LabelsBuilder) -> Parsed<Item> {
        let quoted = (name.token == Token::String).then(|| self.unquoted(name));
        let item = self.next()?;
        if item.token != Token::Assign {
            // A string alone is the metric name.
            let Some(metric) = quoted else { return Err(self.unexpected(item, CONTEXT, "\"=\"")) };
            labels.set(METRIC_NAME, metric);
            return Ok(item);
        }
        let value = self.next()?;
        if value.token != Token::String {
            return Err(self.unexpected(value, CONTEXT, "string"));
        }
        let text = self.unquoted(value);
        let label = quoted.unwrap_or_else(|| name.text(self.input()).to_owned());
        labels.set(label, text);
        self.next()
    }
}
