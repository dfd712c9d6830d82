//! Puts events together to a tree of nodes with places and paths.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use breakwatch_plugin_api::{Diagnostics, Key, Node, NodeKind, Place};
use granit_parser::{Event, ScalarStyle, ScanError, Span, Tag};

use super::limits::{Budget, MAX_DEPTH, MAX_PATH, Weight};
use super::syntax;

/// A mapping or list that has begun and not ended.
struct Frame {
    place: Place,
    anchor: usize,
    weight: Weight,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map(Mapping),
}

#[derive(Default)]
struct Mapping {
    entries: Vec<(Key, Node)>,
    /// Where each key stands, so that large mappings are not searched for every new key.
    index: HashMap<Arc<str>, usize>,
    /// The key whose value comes next.
    key: Option<PendingKey>,
    /// The mappings `<<` brings in, laid under the entries at the end.
    merged: Vec<Node>,
}

struct PendingKey {
    key: Key,
    /// `<<`, written plain.
    is_merge: bool,
    /// A mistake in the key was reported already: its value is read and left out.
    broken: bool,
}

/// The tree so far.
pub(super) struct Builder<'d> {
    file: Arc<str>,
    text: &'d str,
    diagnostics: &'d Diagnostics,
    frames: Vec<Frame>,
    anchors: HashMap<usize, (Node, Weight)>,
    budget: Budget,
    documents: usize,
    root: Option<Node>,
}

impl<'d> Builder<'d> {
    pub(super) fn new(file: Arc<str>, text: &'d str, diagnostics: &'d Diagnostics) -> Self {
        Self {
            file,
            text,
            diagnostics,
            frames: Vec::new(),
            anchors: HashMap::new(),
            budget: Budget::default(),
            documents: 0,
            root: None,
        }
    }

    /// The finished tree, if the document held anything.
    pub(super) fn into_root(self) -> Option<Node> {
        self.root
    }

    pub(super) fn place(&self, line: usize, column: usize, path: Arc<str>) -> Place {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place { file: Arc::clone(&self.file), line: number(line), column: number(column), path }
    }

    /// Whether the document that begins is the first; a further one is a warning.
    pub(super) fn begin_document(&mut self, place: &Place) -> bool {
        self.documents += 1;
        if self.documents > 1 {
            self.diagnostics.warning(place, "only the first document of a file is read");
        }
        self.documents == 1
    }

    /// Reports what the parser could not read.
    pub(super) fn syntax_error(&self, error: &ScanError, last: &Range<usize>) {
        let report = syntax::explain(error, self.text, last);
        let place = self.place(report.line, report.column, "".into());
        match report.help {
            Some(help) => self.diagnostics.error_with_help(&place, report.message, help),
            None => self.diagnostics.error(&place, report.message),
        }
    }

    /// Takes one event; breaks when going on would cost too much.
    pub(super) fn event(&mut self, event: Event<'_>, span: Span) -> ControlFlow<()> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, span)?;
                self.scalar(&text, style, anchor, tag.as_deref(), span)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.begin(Content::List(Vec::new()), anchor, tag.as_deref(), span)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.begin(Content::Map(Mapping::default()), anchor, tag.as_deref(), span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(anchor) => self.alias(anchor, span),
            _ => ControlFlow::Continue(()),
        }
    }

    /// The place of a value that comes next, with the path it will have.
    fn value_place(&self, span: Span) -> Place {
        let path = match self.frames.last() {
            None => "".into(),
            Some(Frame { place, content: Content::List(items), .. }) => item_path(&place.path, items.len()),
            Some(Frame { place, content: Content::Map(map), .. }) => {
                map.key.as_ref().map_or_else(|| Arc::clone(&place.path), |p| Arc::clone(&p.key.place.path))
            }
        };
        self.place(span.start.line(), span.start.col() + 1, path)
    }

    fn count(&mut self, nodes: usize, span: Span) -> ControlFlow<()> {
        match self.budget.take(nodes) {
            Ok(()) => ControlFlow::Continue(()),
            Err(message) => self.give_up(span, message),
        }
    }

    fn give_up(&self, span: Span, message: impl Into<String>) -> ControlFlow<()> {
        self.diagnostics.error(&self.value_place(span), message);
        ControlFlow::Break(())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> ControlFlow<()> {
        let mut place = self.value_place(span);
        let is_text_tag = tag.is_some_and(|tag| tag.core_suffix() == Some("str"));
        self.check_tag(tag, &place);
        let quoted = style != ScalarStyle::Plain || is_text_tag;
        let absent = !quoted && span.is_empty();
        if absent && let Some(key) = self.pending_key() {
            // Nothing is written: the key is what can be pointed at.
            place = key.place.clone();
        }
        let null = !quoted && matches!(text, "" | "~" | "null" | "Null" | "NULL");
        let kind = if null { NodeKind::Null } else { NodeKind::Scalar { text: text.to_owned(), quoted } };
        let weight = Weight { nodes: 1, bytes: text.len(), depth: 1 };
        let node = Node { place, kind, sensitive: false };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        self.attach(node, weight)
    }

    fn check_tag(&self, tag: Option<&Tag>, place: &Place) {
        let Some(tag) = tag else { return };
        if tag.core_suffix().is_none() {
            let message = format!("tags such as `{}` are not supported", tag.original());
            self.diagnostics.error(place, message);
        }
    }

    fn pending_key(&self) -> Option<&Key> {
        match &self.frames.last()?.content {
            Content::Map(map) => map.key.as_ref().map(|pending| &pending.key),
            Content::List(_) => None,
        }
    }

    fn begin(&mut self, content: Content, anchor: usize, tag: Option<&Tag>, span: Span) -> ControlFlow<()> {
        self.count(1, span)?;
        if self.frames.len() >= MAX_DEPTH {
            return self.give_up(span, format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let place = self.value_place(span);
        self.check_tag(tag, &place);
        self.frames.push(Frame { place, anchor, weight: Weight { nodes: 1, bytes: 0, depth: 1 }, content });
        ControlFlow::Continue(())
    }

    fn end(&mut self, span: Span) -> ControlFlow<()> {
        let Some(Frame { place, anchor, weight, content }) = self.frames.pop() else {
            return ControlFlow::Continue(());
        };
        let kind = match content {
            Content::List(items) => NodeKind::List(items),
            Content::Map(map) => NodeKind::Map(map.finish(&place.path)),
        };
        let node = Node { place, kind, sensitive: false };
        if anchor > 0 {
            self.count(weight.nodes, span)?;
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        self.attach(node, weight)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> ControlFlow<()> {
        let Some((node, weight)) = self.anchors.get(&anchor) else {
            return self.give_up(span, "this alias stands inside the value it refers to");
        };
        let weight = *weight;
        if let Err(message) = self.budget.take_alias(weight) {
            return self.give_up(span, message);
        }
        let node = rebase(node, &self.value_place(span).path);
        if self.frames.len() + weight.depth > MAX_DEPTH {
            return self.give_up(span, format!("nested deeper than {MAX_DEPTH} levels"));
        }
        self.attach(node, weight)
    }

    /// Puts a finished value where it belongs.
    fn attach(&mut self, node: Node, weight: Weight) -> ControlFlow<()> {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return ControlFlow::Continue(());
        };
        frame.weight.add(weight);
        match &mut frame.content {
            Content::List(items) => items.push(node),
            Content::Map(map) => match map.key.take() {
                None => map.key = Some(pending_key(node, &frame.place, map, self.diagnostics)),
                Some(pending) => map.insert(pending, node, self.diagnostics),
            },
        }
        ControlFlow::Continue(())
    }
}

/// Turns a node in key position into a key.
fn pending_key(node: Node, parent: &Place, map: &Mapping, diagnostics: &Diagnostics) -> PendingKey {
    let (name, quoted) = match &node.kind {
        NodeKind::Scalar { text, quoted } => (text.as_str(), *quoted),
        _ => {
            diagnostics.error(&node.place, format!("a key must be text, found {}", node.describe()));
            ("", true)
        }
    };
    let mut broken = !matches!(node.kind, NodeKind::Scalar { .. });
    let mut place = node.place.clone();
    place.path = key_path(&parent.path, name);
    if let Some((first, _)) = map.index.get(name).and_then(|at| map.entries.get(*at)) {
        let first = &first.place;
        let message = format!("duplicate key `{name}`");
        diagnostics.error_with_help(
            &place,
            message,
            format!("first at line {}, column {}", first.line, first.column),
        );
        broken = true;
    }
    PendingKey { key: Key { name: name.into(), place }, is_merge: name == "<<" && !quoted, broken }
}

impl Mapping {
    fn insert(&mut self, pending: PendingKey, node: Node, diagnostics: &Diagnostics) {
        if pending.broken {
            return;
        }
        if pending.is_merge {
            self.merge_in(node, diagnostics);
            return;
        }
        self.index.insert(Arc::clone(&pending.key.name), self.entries.len());
        self.entries.push((pending.key, node));
    }

    fn merge_in(&mut self, node: Node, diagnostics: &Diagnostics) {
        match node.kind {
            NodeKind::Map(_) => self.merged.push(node),
            NodeKind::List(items) => {
                for item in items {
                    if item.as_map().is_some() {
                        self.merged.push(item);
                    } else {
                        wrong_merge(&item, diagnostics);
                    }
                }
            }
            _ => wrong_merge(&node, diagnostics),
        }
    }

    /// The entries, with what `<<` brought in behind them: written keys win, then earlier mappings.
    fn finish(mut self, path: &Arc<str>) -> Vec<(Key, Node)> {
        for node in std::mem::take(&mut self.merged) {
            let NodeKind::Map(entries) = node.kind else { continue };
            for (mut key, value) in entries {
                if self.index.contains_key(&key.name) {
                    continue;
                }
                key.place.path = key_path(path, &key.name);
                let value = rebase(&value, &key.place.path);
                self.index.insert(Arc::clone(&key.name), self.entries.len());
                self.entries.push((key, value));
            }
        }
        self.entries
    }
}

fn wrong_merge(node: &Node, diagnostics: &Diagnostics) {
    diagnostics
        .error(&node.place, format!("`<<` takes a mapping or a list of mappings, found {}", node.describe()));
}

/// A copy that stands at another path. It keeps its line and column: that is where a mistake is corrected.
fn rebase(node: &Node, path: &Arc<str>) -> Node {
    let kind = match &node.kind {
        NodeKind::List(items) => NodeKind::List(
            items.iter().enumerate().map(|(i, item)| rebase(item, &item_path(path, i))).collect(),
        ),
        NodeKind::Map(entries) => NodeKind::Map(
            entries
                .iter()
                .map(|(key, value)| {
                    let mut key = key.clone();
                    key.place.path = key_path(path, &key.name);
                    let value = rebase(value, &key.place.path);
                    (key, value)
                })
                .collect(),
        ),
        other => other.clone(),
    };
    let mut place = node.place.clone();
    place.path = Arc::clone(path);
    Node { place, kind, sensitive: node.sensitive }
}

fn key_path(parent: &Arc<str>, key: &str) -> Arc<str> {
    match parent.len() + key.len() {
        _ if parent.is_empty() && key.len() <= MAX_PATH => key.into(),
        length if length > MAX_PATH => Arc::clone(parent),
        _ => format!("{parent}.{key}").into(),
    }
}

fn item_path(parent: &Arc<str>, index: usize) -> Arc<str> {
    if parent.len() > MAX_PATH { Arc::clone(parent) } else { format!("{parent}[{index}]").into() }
}
