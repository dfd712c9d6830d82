//! The pieces a template's text is cut into.

use crate::fmt::quoted;

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Text outside of actions.
    Text,
    /// `{{`, trim marker included.
    LeftDelim,
    /// `}}`, trim marker included.
    RightDelim,
    /// A run of white space inside an action; it separates arguments.
    Space,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    /// `|`
    Pipe,
    LeftParen,
    RightParen,
    /// Any other printable ASCII character; only the comma means something.
    Char,
    /// `"…"` as written.
    Str,
    /// `` `…` `` as written.
    RawStr,
    /// `'…'` as written.
    CharConst,
    Number,
    /// A number with an imaginary part.
    Complex,
    Ident,
    /// `.Name`
    Field,
    /// `$` or `$name`
    Variable,
    Bool,
    Dot,
    Nil,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
    Eof,
}

impl Kind {
    /// The keyword a word stands for. `break` and `continue` are told apart from functions of that name
    /// by the lexer.
    pub(crate) fn keyword(word: &str) -> Option<Self> {
        Some(match word {
            "." => Self::Dot,
            "block" => Self::Block,
            "break" => Self::Break,
            "continue" => Self::Continue,
            "define" => Self::Define,
            "else" => Self::Else,
            "end" => Self::End,
            "if" => Self::If,
            "nil" => Self::Nil,
            "range" => Self::Range,
            "template" => Self::Template,
            "with" => Self::With,
            _ => return None,
        })
    }
}

/// One piece with its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token<'s> {
    pub(crate) kind: Kind,
    /// Byte offset in the text.
    pub(crate) at: usize,
    /// Line, counted from 1.
    pub(crate) line: u32,
    pub(crate) text: &'s str,
}

impl Token<'_> {
    /// As Go prints a token in a message.
    pub(crate) fn describe(&self) -> String {
        /// Longer tokens are cut in messages, as Go does.
        const SHOWN: usize = 10;
        match self.kind {
            Kind::Eof => "EOF".to_owned(),
            _ if Kind::keyword(self.text).is_some() && self.kind != Kind::Ident => format!("<{}>", self.text),
            _ if self.text.len() > SHOWN => {
                let shown: String = self.text.chars().take(SHOWN).collect();
                format!("{}...", quoted(&shown))
            }
            _ => quoted(self.text),
        }
    }
}
