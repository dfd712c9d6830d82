//! Reads a template's text into trees: one for the text itself and one for each `define` and `block` in it.
//!
//! Depth is bounded before anything recurses, and an `else if` chain of any length is one node, so that no
//! text can exhaust the stack.

pub(crate) mod ast;
mod calls;
mod control;
mod display;
pub(crate) mod number;
mod pipeline;
mod unquote;

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Stage, TemplateError};
use crate::lex::{Kind, LexError, Lexer, Token};
use ast::{Node, Source, Tree};

/// How deep control structures and parentheses may stand inside each other. Real templates stay under 20;
/// a run of this depth fits a worker's stack even in an unoptimised build.
const MAX_NESTING: u32 = 100;

/// How many variables may be in scope at once, which bounds how long looking for one takes.
const MAX_VARIABLES: usize = 1000;

/// Reads `text`. `is_function` says which names are functions, because an unknown one is an error at load; `declared`
/// names the variables the text itself (but no definition in it) has beside `$`.
pub(crate) fn parse(
    name: &Arc<str>,
    text: &str,
    declared: &[&str],
    is_function: &dyn Fn(&str) -> bool,
) -> Result<HashMap<Arc<str>, Tree>, TemplateError> {
    let source = Arc::new(Source { name: Arc::clone(name), text: text.into() });
    let mut lexer = Lexer::new(&source.text);
    lexer.break_is_keyword = !is_function("break");
    lexer.continue_is_keyword = !is_function("continue");
    let mut parser = Parser {
        lexer,
        source: Arc::clone(&source),
        is_function,
        ahead: Vec::new(),
        last: Place { at: 0, line: 1 },
        variables: std::iter::once(&"$").chain(declared).map(|name| Arc::from(*name)).collect(),
        range_depth: 0,
        nesting: 0,
        action_line: 0,
        trees: HashMap::new(),
    };
    parser.whole(name).map_err(|fault| fault.into_error(&source))?;
    Ok(parser.trees)
}

/// Why and where reading stopped.
struct Fault {
    place: Place,
    reason: String,
}

impl Fault {
    fn into_error(self, source: &Source) -> TemplateError {
        let mut error =
            TemplateError::new(Stage::Parse, &source.name, &source.text, self.place.at, self.reason);
        // Go counts the lines of a token as its lexer does; a trimmed text can make the two differ.
        error.line = self.place.line;
        error
    }
}

#[derive(Clone, Copy)]
struct Place {
    at: usize,
    line: u32,
}

type Parsed<T> = Result<T, Fault>;

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Terminator {
    End,
    Else,
}

impl Terminator {
    fn as_str(self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

/// A node, or the end of the list it would have been in.
enum Item {
    Node(Node),
    Terminator(Terminator),
}

struct Parser<'s> {
    lexer: Lexer<'s>,
    source: Arc<Source>,
    is_function: &'s dyn Fn(&str) -> bool,
    /// Tokens that were read ahead, the next one last.
    ahead: Vec<Token<'s>>,
    /// The last token the lexer gave: where Go says an error is.
    last: Place,
    variables: Vec<Arc<str>>,
    range_depth: u32,
    nesting: u32,
    /// Line of the action being read, 0 outside.
    action_line: u32,
    trees: HashMap<Arc<str>, Tree>,
}

impl<'s> Parser<'s> {
    fn next(&mut self) -> Parsed<Token<'s>> {
        if let Some(token) = self.ahead.pop() {
            return Ok(token);
        }
        match self.lexer.next() {
            Ok(token) => {
                self.last = Place { at: token.at, line: token.line };
                Ok(token)
            }
            Err(error) => Err(self.lex_fault(error)),
        }
    }

    fn lex_fault(&self, error: LexError) -> Fault {
        let place = Place { at: error.at, line: error.line };
        let elsewhere = self.action_line != 0 && self.action_line != error.line;
        // Avoids "action in action".
        let within = if error.reason.ends_with(" action") { "" } else { " in action" };
        let reason = if elsewhere {
            format!("{}{within} started at {}:{}", error.reason, self.source.name, self.action_line)
        } else {
            error.reason
        };
        Fault { place, reason }
    }

    fn back(&mut self, token: Token<'s>) {
        self.ahead.push(token);
    }

    fn peek(&mut self) -> Parsed<Token<'s>> {
        let token = self.next()?;
        self.back(token);
        Ok(token)
    }

    fn next_non_space(&mut self) -> Parsed<Token<'s>> {
        loop {
            let token = self.next()?;
            if token.kind != Kind::Space {
                return Ok(token);
            }
        }
    }

    fn peek_non_space(&mut self) -> Parsed<Token<'s>> {
        let token = self.next_non_space()?;
        self.back(token);
        Ok(token)
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token<'s>> {
        let token = self.next_non_space()?;
        if token.kind == kind { Ok(token) } else { Err(unexpected(&token, context)) }
    }

    fn fault(&self, reason: impl Into<String>) -> Fault {
        Fault { place: self.last, reason: reason.into() }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= MAX_NESTING {
            return Err(self.fault("max expression depth exceeded"));
        }
        self.nesting += 1;
        let result = read(self);
        self.nesting -= 1;
        result
    }

    /// The top level: like a list, with `define`s, up to the end of the text.
    fn whole(&mut self, name: &Arc<str>) -> Parsed<()> {
        let mut root = Vec::new();
        loop {
            let token = self.next()?;
            if token.kind == Kind::Eof {
                return self.add(Arc::clone(name), root);
            }
            if token.kind == Kind::LeftDelim {
                let inner = self.next_non_space()?;
                if inner.kind == Kind::Define {
                    self.definition()?;
                    continue;
                }
                self.back(inner);
            }
            self.back(token);
            match self.text_or_action()? {
                Item::Node(node) => root.push(node),
                Item::Terminator(end) => return Err(self.fault(format!("unexpected {}", end.as_str()))),
            }
        }
    }

    /// Keeps a finished template. A blank one gives way to another of the same name.
    fn add(&mut self, name: Arc<str>, root: Vec<Node>) -> Parsed<()> {
        let blank = root.iter().all(Node::is_blank);
        let known = self.trees.get(&name).map(|tree| tree.root.iter().all(Node::is_blank));
        match known {
            Some(false) if blank => {}
            Some(false) => {
                let name = crate::fmt::quoted(&name);
                return Err(self.fault(format!("template: multiple definition of template {name}")));
            }
            Some(true) | None => {
                let tree = Tree { name: Arc::clone(&name), source: Arc::clone(&self.source), root };
                self.trees.insert(name, tree);
            }
        }
        Ok(())
    }

    /// Nodes up to `end` or `else`.
    fn list(&mut self) -> Parsed<(Vec<Node>, Terminator)> {
        self.deeper(|parser| {
            let mut nodes = Vec::new();
            while parser.peek_non_space()?.kind != Kind::Eof {
                match parser.text_or_action()? {
                    Item::Node(node) => nodes.push(node),
                    Item::Terminator(end) => return Ok((nodes, end)),
                }
            }
            Err(parser.fault("unexpected EOF"))
        })
    }

    fn text_or_action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space()?;
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(token.text.into()))),
            Kind::LeftDelim => {
                self.action_line = token.line;
                let item = self.action()?;
                self.action_line = 0;
                Ok(item)
            }
            _ => Err(unexpected(&token, "input")),
        }
    }
}

fn fault_at(token: &Token<'_>, reason: impl Into<String>) -> Fault {
    Fault { place: Place { at: token.at, line: token.line }, reason: reason.into() }
}

fn unexpected(token: &Token<'_>, context: &str) -> Fault {
    fault_at(token, format!("unexpected {} in {context}", token.describe()))
}
