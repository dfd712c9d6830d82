//! Control structures: `if`, `with`, `range`, `template`, `define`, `block`, `break`, `continue`.

use std::sync::Arc;

use super::ast::{Branch, Invocation, Node, Pipe, Range};
use super::unquote::unquote;
use super::{Item, Parsed, Parser, Terminator, fault_at, unexpected};
use crate::lex::{Kind, Token};

impl<'s> Parser<'s> {
    /// What follows a left delimiter.
    pub(super) fn action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space()?;
        let node = match token.kind {
            Kind::Block => self.block()?,
            Kind::Break => self.loop_control("break", Node::Break)?,
            Kind::Continue => self.loop_control("continue", Node::Continue)?,
            Kind::Else => return self.else_control(),
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Item::Terminator(Terminator::End));
            }
            Kind::If => Node::If(self.branch(Kind::If, "if")?),
            Kind::Range => self.range()?,
            Kind::Template => self.invocation()?,
            Kind::With => Node::With(self.branch(Kind::With, "with")?),
            _ => {
                self.back(token);
                // Variables stay declared until the enclosing end.
                Node::Action(self.pipeline("command", Kind::RightDelim)?)
            }
        };
        Ok(Item::Node(node))
    }

    fn loop_control(&mut self, word: &str, node: Node) -> Parsed<Node> {
        let token = self.next_non_space()?;
        if token.kind != Kind::RightDelim {
            return Err(unexpected(&token, &format!("{{{{{word}}}}}")));
        }
        if self.range_depth == 0 {
            return Err(self.fault(format!("{{{{{word}}}}} outside {{{{range}}}}")));
        }
        Ok(node)
    }

    /// `else`; the `if` or `with` of an `else if` is left for [`Parser::branch`].
    fn else_control(&mut self) -> Parsed<Item> {
        if !matches!(self.peek_non_space()?.kind, Kind::If | Kind::With) {
            self.expect(Kind::RightDelim, "else")?;
        }
        Ok(Item::Terminator(Terminator::Else))
    }

    /// `if` or `with` up to its `end`.
    fn branch(&mut self, kind: Kind, word: &str) -> Parsed<Branch> {
        let declared = self.variables.len();
        let mut branch = Branch { arms: Vec::new(), otherwise: None };
        loop {
            let pipe = self.pipeline(word, Kind::RightDelim)?;
            let (body, end) = self.list()?;
            branch.arms.push((pipe, body));
            if end == Terminator::End {
                break;
            }
            if self.peek()?.kind == kind {
                self.next()?;
                continue;
            }
            branch.otherwise = Some(self.otherwise()?);
            break;
        }
        self.variables.truncate(declared);
        Ok(branch)
    }

    /// The list after an `else`, which must be the last.
    fn otherwise(&mut self) -> Parsed<Vec<Node>> {
        let (body, end) = self.list()?;
        match end {
            Terminator::End => Ok(body),
            Terminator::Else => Err(self.fault("expected end; found {{else}}")),
        }
    }

    fn range(&mut self) -> Parsed<Node> {
        let declared = self.variables.len();
        let pipe = self.pipeline("range", Kind::RightDelim)?;
        self.range_depth += 1;
        let (body, end) = self.list()?;
        self.range_depth -= 1;
        let otherwise = if end == Terminator::Else { Some(self.otherwise()?) } else { None };
        self.variables.truncate(declared);
        Ok(Node::Range(Box::new(Range { pipe, body, otherwise })))
    }

    fn invocation(&mut self) -> Parsed<Node> {
        let context = "template clause";
        let token = self.next_non_space()?;
        let name = self.template_name(&token, context)?;
        let next = self.next_non_space()?;
        let pipe = if next.kind == Kind::RightDelim {
            None
        } else {
            self.back(next);
            Some(self.pipeline(context, Kind::RightDelim)?)
        };
        Ok(Node::Template(Invocation { at: token.at, name, pipe }))
    }

    /// `{{block "name" pipeline}} … {{end}}`: a definition and its use in one.
    fn block(&mut self) -> Parsed<Node> {
        let context = "block clause";
        let token = self.next_non_space()?;
        let name = self.template_name(&token, context)?;
        let pipe: Pipe = self.pipeline(context, Kind::RightDelim)?;
        self.body_of(Arc::clone(&name), context)?;
        Ok(Node::Template(Invocation { at: token.at, name, pipe: Some(pipe) }))
    }

    /// `{{define "name"}} … {{end}}`, the keyword already read.
    pub(super) fn definition(&mut self) -> Parsed<()> {
        let context = "define clause";
        let token = self.next_non_space()?;
        let name = self.template_name(&token, context)?;
        self.expect(Kind::RightDelim, context)?;
        self.body_of(name, context)
    }

    /// The body of a definition: a template of its own, which sees no variables from around it.
    fn body_of(&mut self, name: Arc<str>, context: &str) -> Parsed<()> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let range_depth = std::mem::take(&mut self.range_depth);
        let action_line = std::mem::take(&mut self.action_line);
        let (body, end) = self.list()?;
        if end != Terminator::End {
            return Err(self.fault(format!("unexpected {} in {context}", end.as_str())));
        }
        self.variables = variables;
        self.range_depth = range_depth;
        self.action_line = action_line;
        self.add(name, body)
    }

    fn template_name(&mut self, token: &Token<'s>, context: &str) -> Parsed<Arc<str>> {
        if !matches!(token.kind, Kind::Str | Kind::RawStr) {
            return Err(unexpected(token, context));
        }
        unquote(token.text).map(Arc::from).ok_or_else(|| fault_at(token, "invalid syntax"))
    }
}
