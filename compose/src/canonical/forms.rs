//! Short forms of single attributes.

use super::{Canonical, FormError, fields, wrap};
use crate::path::TreePath;
use crate::yaml::{Map, Node, Value};

/// A list of services to start first, or a mapping in which `required` may be left out.
pub(super) fn dependencies(node: &mut Node) {
    let span = node.span;
    match &mut node.value {
        Value::List(list) => {
            let mut map = Map::default();
            for item in list.iter() {
                let Some(name) = item.as_str() else { continue };
                let started = Value::String("service_started".to_owned());
                let fields = [("condition", started), ("required", Value::Bool(true))];
                map.insert(name, item.span, super::fields(item.span, fields));
            }
            *node = Node::new(Value::Map(map), span);
        }
        Value::Map(map) => {
            for (_, node) in map.iter_mut() {
                default(node, "required", Value::Bool(true));
            }
        }
        _ => {}
    }
}

fn default(node: &mut Node, key: &str, value: Value) {
    let span = node.span;
    if let Some(map) = node.as_map_mut()
        && !map.contains(key)
    {
        map.set(key, Node::new(value, span));
    }
}

/// A path, or a list of paths and mappings.
pub(super) fn env_files(node: &mut Node) {
    one_to_list(node);
    if let Value::List(list) = &mut node.value {
        for node in list {
            wrap(node, "path");
            default(node, "required", Value::Bool(true));
        }
    }
}

pub(super) fn one_to_list(node: &mut Node) {
    if node.as_str().is_some() {
        let span = node.span;
        let inner = std::mem::replace(node, Node::new(Value::Null, span));
        *node = Node::new(Value::List(vec![inner]), span);
    }
}

/// `gpus: all`
pub(super) fn gpus(node: &mut Node) {
    if node.as_str() == Some("all") {
        let span = node.span;
        let one = fields(span, [("count", Value::String("all".to_owned()))]);
        *node = Node::new(Value::List(vec![one]), span);
    }
}

/// A list of names is a mapping of names to nothing.
pub(super) fn names(node: &mut Node) {
    let span = node.span;
    let Value::List(list) = &node.value else { return };
    let mut map = Map::default();
    for item in list {
        if let Some(name) = item.as_str() {
            map.insert(name, item.span, Node::new(Value::Null, item.span));
        }
    }
    *node = Node::new(Value::Map(map), span);
}

/// `NAME=value` entries as a mapping.
pub(super) fn pairs(node: &mut Node) {
    let span = node.span;
    let Value::List(list) = &node.value else { return };
    let mut map = Map::default();
    for item in list {
        let Some(text) = item.as_str() else { continue };
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Value::String(value.to_owned())),
            None => (text, Value::Null),
        };
        map.insert(name, item.span, Node::new(value, item.span));
    }
    *node = Node::new(Value::Map(map), span);
}

/// Agents and keys: `default`, `id=path`.
pub(super) fn ssh(node: &mut Node) {
    match &node.value {
        Value::Bool(_) => {}
        Value::String(id) => {
            let (id, span) = (id.clone(), node.span);
            let mut map = Map::default();
            map.insert(id, span, Node::new(Value::Null, span));
            *node = Node::new(Value::Map(map), span);
        }
        _ => pairs(node),
    }
}

/// `HOST[:CONTAINER[:PERMISSIONS]]`, or the name of a CDI device.
pub(super) fn device(node: &mut Node, path: String) -> Result<(), FormError> {
    let Some(text) = node.as_str() else { return Ok(()) };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, permissions) = match parts[..] {
        [one] => (one, one, "rwm"),
        [source, target] => (source, target, "rwm"),
        [source, target, permissions] => (source, target, permissions),
        _ => return Err(FormError::Device { path, text: text.to_owned() }),
    };
    let value = |text: &str| Value::String(text.to_owned());
    let long = fields(
        node.span,
        [("source", value(source)), ("target", value(target)), ("permissions", value(permissions))],
    );
    *node = long;
    Ok(())
}

/// Values of a node; long text counts as several.
fn weight(node: &Node) -> usize {
    let (values, bytes) = node.size();
    values + bytes / 64
}

/// An entry with a list of paths is an entry for each.
pub(super) fn watches(node: &mut Node, path: &TreePath, found: &mut Canonical) {
    let Value::List(list) = &mut node.value else { return };
    let mut expanded = Vec::with_capacity(list.len());
    for item in list.drain(..) {
        let paths = item.get("path").and_then(Node::as_list).map(<[Node]>::to_vec);
        match paths {
            None => expanded.push(item),
            Some(paths) if !found.add(weight(&item) * paths.len(), path, item.span) => return,
            Some(paths) => {
                for path in paths {
                    let mut one = item.clone();
                    if let Some(map) = one.as_map_mut() {
                        map.set("path", path);
                    }
                    expanded.push(one);
                }
            }
        }
    }
    *list = expanded;
}
