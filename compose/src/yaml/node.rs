//! The tree: values with their places.

use foldhash::quality::RandomState;
use indexmap::IndexMap;

use crate::source::Span;

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub value: Value,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number that only fits without a sign.
    Uint(u64),
    Float(f64),
    /// A date or time, as RFC 3339. Nothing in a compose file takes one; extensions may hold them.
    Timestamp(String),
    String(String),
    List(Vec<Node>),
    Map(Map),
}

/// Keys in the order they were written, each with its place.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// Apart, because most values are scalars, and all are as large as the largest.
    entries: Box<IndexMap<String, (Span, Node), RandomState>>,
}

impl Node {
    pub fn new(value: Value, span: Span) -> Node {
        Node { value, span }
    }

    pub fn string(text: impl Into<String>, span: Span) -> Node {
        Node::new(Value::String(text.into()), span)
    }

    pub fn map(span: Span) -> Node {
        Node::new(Value::Map(Map::default()), span)
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self.value {
            Value::Int(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The value below a key, when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    /// Values in this tree, itself included, and bytes of text in them.
    pub(crate) fn size(&self) -> (usize, usize) {
        let add = |(values, bytes): (usize, usize), node: &Node| {
            let (more, text) = node.size();
            (values + more, bytes + text)
        };
        match &self.value {
            Value::List(list) => list.iter().fold((1, 0), add),
            Value::Map(map) => map.iter().fold((1, 0), |sum, (key, node)| {
                let (values, bytes) = add(sum, node);
                (values, bytes + key.len())
            }),
            Value::String(text) => (1, text.len()),
            _ => (1, 0),
        }
    }

    /// A scalar the way Go's `%v` prints it; none for null, lists and maps.
    pub fn scalar_text(&self) -> Option<String> {
        match &self.value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Int(value) => Some(value.to_string()),
            Value::Uint(value) => Some(value.to_string()),
            Value::Float(value) => Some(super::float_text(*value)),
            Value::Timestamp(text) | Value::String(text) => Some(text.clone()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }
}

impl Map {
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.get(key).map(|(_, node)| node)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.get_mut(key).map(|(_, node)| node)
    }

    /// Where the key itself was written.
    pub fn key_span(&self, key: &str) -> Option<Span> {
        self.entries.get(key).map(|(span, _)| *span)
    }

    pub fn contains(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Adds or replaces; a replaced key keeps its position.
    pub fn insert(&mut self, key: impl Into<String>, key_span: Span, node: Node) {
        self.entries.insert(key.into(), (key_span, node));
    }

    /// Adds or replaces a value that nobody wrote.
    pub fn set(&mut self, key: &str, node: Node) {
        let span = self.key_span(key).unwrap_or(node.span);
        self.insert(key, span, node);
    }

    pub fn remove(&mut self, key: &str) -> Option<Node> {
        self.entries.shift_remove(key).map(|(_, node)| node)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.entries.iter().map(|(key, (_, node))| (key.as_str(), node))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Node)> {
        self.entries.iter_mut().map(|(key, (_, node))| (key.as_str(), node))
    }

    /// Key, place of the key, value.
    pub fn into_entries(self) -> impl Iterator<Item = (String, Span, Node)> {
        self.entries.into_iter().map(|(key, (span, node))| (key, span, node))
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Node) -> bool) {
        self.entries.retain(|key, (_, node)| keep(key, node));
    }
}

/// Maps are equal whatever the order and the places of their keys.
impl PartialEq for Map {
    fn eq(&self, other: &Map) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .all(|(key, node)| other.get(key).is_some_and(|it| it.value == node.value))
    }
}
