//! A positioned tree of what a user wrote: every value knows its file, line, column and path.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Where something stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
    /// The way from the root: `checks.http/website.timeout`, `receivers[0].name`.
    pub path: Arc<str>,
}

impl Place {
    /// Order by file, line, column.
    #[must_use]
    pub fn cmp_position(&self, other: &Self) -> Ordering {
        (&self.file, self.line, self.column).cmp(&(&other.file, other.line, other.column))
    }
}

impl fmt::Display for Place {
    /// `file:line:column`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A value with its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Where the value begins.
    pub place: Place,
    /// The value.
    pub kind: NodeKind,
    /// Whether the text came from `${env:…}` or `${file:…}`: never printed.
    pub sensitive: bool,
}

/// A key of a mapping with its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// The key.
    pub name: Arc<str>,
    /// Where the key stands; its path is that of its value.
    pub place: Place,
}

/// What a node holds. Scalars keep the text as written: whether `1.10` is a number or a version is the
/// reader's question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NodeKind {
    /// Nothing (`~`, `null` or empty).
    Null,
    /// A scalar; `quoted` says it was written in quotes or as a block and so is text for certain.
    Scalar {
        /// The text.
        text: String,
        /// Whether it was quoted.
        quoted: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order written; keys are unique.
    Map(Vec<(Key, Node)>),
}

impl Node {
    /// The scalar's text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// `true` or `false`, written plain.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match &self.kind {
            NodeKind::Scalar { text, quoted: false } => match text.as_str() {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// The items of a sequence.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match &self.kind {
            NodeKind::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping.
    #[must_use]
    pub fn as_map(&self) -> Option<&[(Key, Self)]> {
        match &self.kind {
            NodeKind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value under `key`, if this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.iter().find(|(k, _)| &*k.name == key).map(|(_, node)| node)
    }

    /// Whether nothing is written here.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.kind == NodeKind::Null
    }

    /// What this is, for "expected …, found …".
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.kind {
            NodeKind::Null => "nothing".to_owned(),
            NodeKind::Scalar { .. } if self.sensitive => "a value from outside".to_owned(),
            NodeKind::Scalar { text, .. } if text.chars().count() > 40 => {
                format!("{:?}…", text.chars().take(40).collect::<String>())
            }
            NodeKind::Scalar { text, .. } => format!("{text:?}"),
            NodeKind::List(_) => "a list".to_owned(),
            NodeKind::Map(_) => "a mapping".to_owned(),
        }
    }

    /// An empty mapping at a place, for sections that are not written.
    #[must_use]
    pub fn empty_map(place: Place) -> Self {
        Self { place, kind: NodeKind::Map(Vec::new()), sensitive: false }
    }
}
