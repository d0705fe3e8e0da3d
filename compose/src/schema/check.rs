//! A tree beside the tables: every departure, with its place.

use std::collections::HashMap;

use super::SchemaError;
use super::nearest::nearest;
use super::project::PROJECT;
use super::shape::{BOOL, Fields, INT, NULL, NUM, Rest, Rule, STR, Shape};
use crate::model::kind;
use crate::path::TreePath;
use crate::source::Span;
use crate::yaml::{Map, Node, Value};

/// Checks a whole compose file.
pub fn check(root: &Node) -> Vec<(SchemaError, Span)> {
    let mut walk = Walk { path: TreePath::root(), found: Vec::new() };
    walk.value(root, &PROJECT);
    walk.found
}

/// What is told at most.
const MAX_ERRORS: usize = 1_000;
/// Errors that come with what is near to what was written, which takes time to find.
const MAX_HINTS: usize = 100;

struct Walk {
    path: TreePath,
    found: Vec<(SchemaError, Span)>,
}

impl Walk {
    fn report(&mut self, span: Span, error: impl FnOnce(String) -> SchemaError) {
        let path = self.path.dotted();
        self.found.push((error(path), span));
    }

    fn value(&mut self, node: &Node, shape: &Shape) {
        if self.found.len() >= MAX_ERRORS {
            return;
        }
        match (&node.value, shape.list, shape.map) {
            (Value::Map(map), _, Some(fields)) => self.map(map, node.span, fields),
            (Value::List(list), Some(item), _) => {
                self.list(list, item);
                if shape.unique {
                    self.no_two_equal(list);
                }
            }
            (Value::Map(_) | Value::List(_), _, _) => self.wrong_kind(node, shape),
            _ => self.scalar(node, shape),
        }
    }

    fn list(&mut self, list: &[Node], item: &Shape) {
        for (at, node) in list.iter().enumerate() {
            self.path.push_index(at);
            self.value(node, item);
            self.path.pop();
        }
    }

    fn no_two_equal(&mut self, list: &[Node]) {
        let mut seen = HashMap::new();
        for (second, node) in list.iter().enumerate() {
            if self.found.len() >= MAX_ERRORS {
                return;
            }
            if let Some(first) = seen.insert(compared(node), second) {
                self.report(node.span, |path| SchemaError::Equal { path, first, second });
            }
        }
    }

    fn map(&mut self, map: &Map, span: Span, fields: &Fields) {
        for (key, node) in map.iter() {
            let known = fields.known.iter().find(|(name, _)| *name == key);
            let shape = match (known, fields.rest) {
                (Some((_, shape)), _) => Some(shape),
                (None, Rest::Each(shape)) if !key.is_empty() => Some(shape),
                (None, Rest::Named(shape) | Rest::NamedOrFree(shape)) if is_name(key) => {
                    Some(shape)
                }
                (None, Rest::LowerCase(shape)) if is_lower_case(key) => Some(shape),
                (None, Rest::LowerCase(_) | Rest::NamedOrFree(_) | Rest::Free) => None,
                (None, Rest::Extensions) if key.starts_with("x-") => None,
                (None, _) => {
                    self.unknown(map, key, fields);
                    None
                }
            };
            if let Some(shape) = shape {
                self.path.push(key);
                self.value(node, shape);
                self.path.pop();
            }
        }
        for key in fields.required.iter().copied().filter(|key| !map.contains(key)) {
            self.report(span, |path| SchemaError::MissingKey { path, key });
        }
    }

    fn unknown(&mut self, map: &Map, key: &str, fields: &Fields) {
        if self.found.len() >= MAX_ERRORS {
            return;
        }
        let span = map.key_span(key).unwrap_or(Span::NOWHERE);
        let names = fields.known.iter().map(|(name, _)| *name);
        let nearest = if self.found.len() < MAX_HINTS {
            nearest(key, names.filter(|name| !map.contains(name)))
        } else {
            None
        };
        self.report(span, |path| SchemaError::UnknownKey { path, key: key.to_owned(), nearest });
    }

    fn wrong_kind(&mut self, node: &Node, shape: &Shape) {
        let (wanted, example) = (wanted(shape), shape.example);
        let found = kind(node);
        self.report(node.span, |path| SchemaError::WrongKind { path, wanted, found, example });
    }

    fn scalar(&mut self, node: &Node, shape: &Shape) {
        let allowed = match &node.value {
            Value::Null => shape.scalars & NULL != 0,
            Value::Bool(_) => shape.scalars & BOOL != 0,
            Value::Int(_) | Value::Uint(_) => shape.scalars & INT != 0,
            Value::Float(value) => {
                let whole = value.fract() == 0.0 && shape.scalars & INT != 0;
                shape.scalars & NUM == NUM || whole
            }
            Value::String(_) => shape.scalars & STR != 0,
            Value::Timestamp(_) | Value::List(_) | Value::Map(_) => false,
        };
        if !allowed {
            return self.wrong_kind(node, shape);
        }
        match (&node.value, shape.rule) {
            (Value::String(text), Rule::OneOf(allowed)) if !allowed.contains(&text.as_str()) => {
                let nearest = nearest(text, allowed.iter().copied());
                self.report(node.span, |path| SchemaError::NotAllowed { path, allowed, nearest });
            }
            (Value::String(text), Rule::Matches(pattern)) if !pattern.is_found_in(text) => {
                let (text, pattern) = (text.clone(), pattern.text());
                self.report(node.span, |path| SchemaError::NoMatch { path, text, pattern });
            }
            (Value::Int(value), Rule::Range(least, _)) if *value < least => {
                self.report(node.span, |path| SchemaError::TooSmall { path, least });
            }
            (Value::Int(value), Rule::Range(_, most)) if *value > most => {
                self.report(node.span, |path| SchemaError::TooLarge { path, most });
            }
            _ => {}
        }
    }
}

/// The same text for equal values, as JSON has it: 1 and 1.0 are equal, the order of keys says nothing.
fn compared(node: &Node) -> String {
    match &node.value {
        Value::String(text) => format!("{text:?}"),
        Value::Float(value) if value.fract() == 0.0 => format!("{value:.0}"),
        Value::List(list) => {
            let items: Vec<String> = list.iter().map(compared).collect();
            format!("[{}]", items.join(","))
        }
        Value::Map(map) => {
            let mut entries: Vec<String> =
                map.iter().map(|(key, node)| format!("{key:?}:{}", compared(node))).collect();
            entries.sort();
            format!("{{{}}}", entries.join(","))
        }
        _ => node.scalar_text().unwrap_or_default(),
    }
}

fn is_name(key: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !key.is_empty() && key.bytes().all(good)
}

fn is_lower_case(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// `a boolean, null, number or string`
fn wanted(shape: &Shape) -> String {
    let mut names = Vec::new();
    if shape.scalars & BOOL != 0 {
        names.push("boolean");
    }
    if shape.list.is_some() {
        names.push("list");
    }
    if shape.map.is_some() {
        names.push("mapping");
    }
    if shape.scalars & NULL != 0 {
        names.push("null");
    }
    match shape.scalars & NUM {
        NUM => names.push("number"),
        INT => names.push("integer"),
        _ => {}
    }
    if shape.scalars & STR != 0 {
        names.push("string");
    }
    let Some((last, first)) = names.split_last() else { return "nothing".to_owned() };
    let article = if names[0].starts_with('i') { "an" } else { "a" };
    match first {
        [] => format!("{article} {last}"),
        first => format!("{article} {} or {last}", first.join(", ")),
    }
}
