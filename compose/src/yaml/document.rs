//! Parser events to trees, one for each document of a file.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use super::limits::{Budget, MAX_BYTES, MAX_DEPTH, MAX_KEY, MAX_RESET_BYTES, MAX_RESETS};
use super::{Map, Node, Value, YamlError, merge_key, scalar};
use crate::path::TreePath;
use crate::source::{FileId, Position, Span};

/// One document of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// Without the values marked `!reset`.
    pub root: Node,
    /// What `!reset` and `!override` take away from earlier files: paths of map keys.
    pub resets: HashSet<TreePath>,
}

type Failure = (YamlError, Span);

/// The documents of a file. Empty documents are left out.
pub fn parse(text: &str, file: FileId) -> Result<Vec<Document>, (YamlError, Span)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_BYTES {
        let error = YamlError::TooLarge { bytes: text.len(), limit: MAX_BYTES };
        return Err((error, Span { file, ..Span::NOWHERE }));
    }
    let mut builder = Builder {
        events: Parser::new_from_str(text),
        end: end_of(text),
        file,
        anchors: HashMap::new(),
        budget: Budget::default(),
        path: TreePath::root(),
        resets: Vec::new(),
        reset_bytes: 0,
    };
    let mut documents = Vec::new();
    loop {
        let (event, _) = builder.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::DocumentStart(explicit) => documents.extend(builder.document(explicit)?),
            _ => {}
        }
    }
}

struct Builder<'input> {
    events: Parser<'input, saphyr_parser::StrInput<'input>>,
    /// The last character.
    end: Position,
    file: FileId,
    anchors: HashMap<usize, Anchor>,
    budget: Budget,
    path: TreePath,
    resets: Vec<TreePath>,
    /// Of the paths in `resets`.
    reset_bytes: usize,
}

/// A value that aliases repeat.
struct Anchor {
    path: TreePath,
    /// What was marked within it, as places in the list of all.
    resets: Range<usize>,
    /// None while it is still being read.
    value: Option<(Marked, Size)>,
}

/// Values, and bytes of text in them.
type Size = (usize, usize);

/// What a node's tag asks for.
#[derive(Clone)]
enum Marked {
    Kept(Node),
    Reset,
}

impl<'input> Builder<'input> {
    fn next(&mut self) -> Result<(Event<'input>, Span), Failure> {
        match self.events.next_event() {
            Some(Ok((event, span))) => {
                let span = self.span(&span.start, &span.end);
                Ok((event, span))
            }
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::NOWHERE)),
        }
    }

    fn syntax(&self, error: &ScanError) -> Failure {
        let mark = *error.marker();
        let mut span = self.span(&mark, &mark);
        span.end.column += 1;
        (YamlError::Syntax { info: error.info().to_owned() }, span)
    }

    fn span(&self, start: &saphyr_parser::Marker, end: &saphyr_parser::Marker) -> Span {
        Span { file: self.file, start: self.position(start), end: self.position(end) }
    }

    /// The parser counts one more line where the text ends without a newline, and takes a carriage return for one.
    fn position(&self, mark: &saphyr_parser::Marker) -> Position {
        let line = mark.line() as u32;
        if line > self.end.line {
            self.end
        } else {
            Position { line, column: mark.col() as u32 + 1 }
        }
    }

    fn document(&mut self, explicit: bool) -> Result<Option<Document>, Failure> {
        self.anchors.clear();
        self.path = TreePath::root();
        let (event, span) = self.next()?;
        let (empty, marked) = match event {
            Event::DocumentEnd => return Ok(None),
            event => {
                let empty = is_empty(&event) && !explicit;
                (empty, self.node(event, span, 0)?)
            }
        };
        loop {
            if let (Event::DocumentEnd | Event::StreamEnd, _) = self.next()? {
                break;
            }
        }
        let resets = std::mem::take(&mut self.resets).into_iter().collect();
        Ok(match marked {
            Marked::Kept(root) if !(empty && root.is_null()) => Some(Document { root, resets }),
            _ => None,
        })
    }

    fn node(&mut self, event: Event<'input>, span: Span, depth: usize) -> Result<Marked, Failure> {
        if depth > MAX_DEPTH {
            return Err((YamlError::TooDeep { limit: MAX_DEPTH }, span));
        }
        self.budget.written().map_err(|error| (error, span))?;
        let (node, anchor, tag) = match event {
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(&text, style, tag.as_deref()).map_err(|it| (it, span))?;
                (Node::new(value, trimmed(span, style)), anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(anchor);
                (self.list(span, depth)?, anchor, tag)
            }
            Event::MappingStart(anchor, tag) => {
                self.open(anchor);
                (self.mapping(span, depth)?, anchor, tag)
            }
            _ => (Node::new(Value::Null, span), 0, None),
        };
        let size = if anchor > 0 { node.size() } else { (0, 0) };
        let marked = self.mark(node, tag, span)?;
        if anchor > 0 {
            self.close(anchor, marked.clone(), size, span)?;
        }
        Ok(marked)
    }

    fn open(&mut self, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(
                anchor,
                Anchor { path: self.path.clone(), resets: self.resets_from_here(), value: None },
            );
        }
    }

    fn close(
        &mut self,
        anchor: usize,
        marked: Marked,
        (values, bytes): Size,
        span: Span,
    ) -> Result<(), Failure> {
        let path = self.path.clone();
        let kept = self.budget.anchored(values, bytes + path.bytes());
        kept.map_err(|error| (error, span))?;
        let opened = self.anchors.get(&anchor).filter(|it| it.value.is_none());
        let start = opened.map_or(self.resets.len(), |it| it.resets.start);
        let resets = start..self.resets.len();
        self.anchors
            .insert(anchor, Anchor { path, resets, value: Some((marked, (values, bytes))) });
        Ok(())
    }

    fn resets_from_here(&self) -> Range<usize> {
        self.resets.len()..self.resets.len()
    }

    fn mark(
        &mut self,
        node: Node,
        tag: Option<Cow<'_, Tag>>,
        span: Span,
    ) -> Result<Marked, Failure> {
        let tag = tag.as_ref().map(|tag| (tag.handle.as_str(), tag.suffix.as_str()));
        let Some(("!", mark @ ("reset" | "override"))) = tag else {
            return Ok(Marked::Kept(node));
        };
        self.reset([self.path.clone()], span)?;
        Ok(if mark == "reset" { Marked::Reset } else { Marked::Kept(node) })
    }

    fn reset(
        &mut self,
        paths: impl IntoIterator<Item = TreePath>,
        span: Span,
    ) -> Result<(), Failure> {
        for path in paths {
            self.reset_bytes += path.bytes();
            self.resets.push(path);
            if self.resets.len() > MAX_RESETS || self.reset_bytes > MAX_RESET_BYTES {
                return Err((YamlError::TooManyResets { limit: MAX_RESETS }, span));
            }
        }
        Ok(())
    }

    /// The value again. What it takes away from earlier files, it takes away here too.
    fn alias(&mut self, anchor: usize, span: Span) -> Result<Marked, Failure> {
        let Some(Anchor { path, resets, value }) = self.anchors.get(&anchor) else {
            let error = YamlError::Syntax { info: "unknown anchor".to_owned() };
            return Err((error, span));
        };
        let Some((marked, (count, bytes))) = value else {
            let (at, anchor) = (self.path.to_string(), path.to_string());
            return Err((YamlError::ContainsItself { at, anchor }, span));
        };
        self.budget.aliased(*count, *bytes).map_err(|error| (error, span))?;
        let marked = marked.clone();
        let marked_within = &self.resets[resets.clone()];
        let repeated: Vec<TreePath> =
            marked_within.iter().filter_map(|reset| reset.moved(path, &self.path)).collect();
        self.reset(repeated, span)?;
        Ok(marked)
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
    ) -> Result<Value, YamlError> {
        match tag {
            Some(tag) if tag.is_yaml_core_schema() => scalar::tagged(text, &tag.suffix),
            Some(tag) if !matches!(tag.suffix.as_str(), "reset" | "override") => {
                Ok(Value::String(text.to_owned()))
            }
            _ if style == ScalarStyle::Plain => Ok(scalar::resolve(text)),
            _ => Ok(Value::String(text.to_owned())),
        }
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<Node, Failure> {
        let mut list = Vec::new();
        let mut index = 0;
        loop {
            let (event, span) = self.next()?;
            if let Event::SequenceEnd = event {
                let span = Span { end: span.end, ..start };
                return Ok(Node::new(Value::List(list), span));
            }
            self.path.push_index(index);
            let marked = self.node(event, span, depth + 1)?;
            self.path.pop();
            index += 1;
            if let Marked::Kept(node) = marked {
                list.push(node);
            }
        }
    }

    fn mapping(&mut self, start: Span, depth: usize) -> Result<Node, Failure> {
        let mut map = Map::default();
        let mut sources = None;
        let mut dropped: HashMap<String, Span> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if let Event::MappingEnd = event {
                if let Some(sources) = sources {
                    merge_key::apply(&mut map, sources)?;
                    map.retain(|key, _| !dropped.contains_key(key));
                }
                let span = Span { end: span.end, ..start };
                return Ok(Node::new(Value::Map(map), span));
            }
            let merges = is_merge_key(&event);
            let (key, key_span) = self.key(event, span)?;
            let earlier = dropped.get(&key).copied().or_else(|| map.key_span(&key));
            let (event, span) = self.next()?;
            if merges {
                if let Some(Node { span, .. }) = sources {
                    let error = YamlError::DuplicateKey { key, line: span.start.line };
                    return Err((error, key_span));
                }
                let marked = self.node(event, span, depth + 1)?;
                if let Marked::Kept(node) = marked {
                    sources = Some(node);
                }
                continue;
            }
            if let Some(earlier) = earlier {
                let error = YamlError::DuplicateKey { key, line: earlier.start.line };
                return Err((error, key_span));
            }
            self.path.push(&key);
            let marked = self.node(event, span, depth + 1)?;
            self.path.pop();
            match marked {
                Marked::Kept(node) => map.insert(key, key_span, node),
                Marked::Reset => drop(dropped.insert(key, key_span)),
            }
        }
    }

    fn key(&mut self, event: Event<'input>, span: Span) -> Result<(String, Span), Failure> {
        let node = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(&text, style, tag.as_deref()).map_err(|it| (it, span))?;
                let value = if is_merge(&text, style) { Value::String(text.into()) } else { value };
                let node = Node::new(value, span);
                if anchor > 0 {
                    let size = node.size();
                    self.close(anchor, Marked::Kept(node.clone()), size, span)?;
                }
                node
            }
            Event::Alias(anchor) => match self.alias(anchor, span)? {
                Marked::Kept(node) => node,
                Marked::Reset => return Err((YamlError::KeyNotScalar, span)),
            },
            _ => return Err((YamlError::KeyNotScalar, span)),
        };
        match node.value {
            Value::String(text) if text.len() > MAX_KEY => {
                Err((YamlError::LongKey { limit: MAX_KEY }, span))
            }
            Value::String(text) => Ok((text, span)),
            _ => {
                let key = node.scalar_text().unwrap_or_else(|| "null".to_owned());
                Err((YamlError::KeyNotString { path: self.path.to_string(), key }, span))
            }
        }
    }
}

fn is_merge(text: &str, style: ScalarStyle) -> bool {
    text == merge_key::KEY && style == ScalarStyle::Plain
}

fn is_merge_key(event: &Event<'_>) -> bool {
    matches!(event, Event::Scalar(text, style, _, _) if is_merge(text, *style))
}

fn is_empty(event: &Event<'_>) -> bool {
    matches!(event, Event::Scalar(text, ScalarStyle::Plain, 0, None) if text.is_empty())
}

fn end_of(text: &str) -> Position {
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() as u32;
    Position { line: text.split('\n').count() as u32, column: column.max(1) }
}

/// A block scalar ends where the next line starts; what is marked is its header.
fn trimmed(span: Span, style: ScalarStyle) -> Span {
    let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
    if block { Span { end: span.start, ..span } } else { span }
}
