//! A later file over an earlier one.
//!
//! Mappings merge by key, lists are appended, scalars are replaced; `rules` has what departs from that, and
//! `unique` what makes two entries of a list the same.

mod rules;
mod unique;

use std::collections::{HashMap, HashSet};

use thiserror::Error;

pub use unique::{UniqueError, unique};

use crate::path::TreePath;
use crate::source::Span;
use crate::yaml::{Map, Node, Value};
use rules::{Rule, rule_of};

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MergeError {
    #[error("cannot override {path}: {base} and {over} do not merge")]
    CannotOverride { path: String, base: &'static str, over: &'static str },
}

/// What merging may fail with, and where.
pub type Failure = (MergeError, Span);

/// `over` on top of `base`.
pub fn merge(base: Node, over: Node) -> Result<Node, Failure> {
    values(base, over, &mut TreePath::root())
}

/// The definition of a service over the one it extends.
pub fn merge_service(base: Node, over: Node) -> Result<Node, Failure> {
    values(base, over, &mut TreePath::of("services.x"))
}

fn values(base: Node, over: Node, path: &mut TreePath) -> Result<Node, Failure> {
    match rule_of(path) {
        Some(Rule::Replace) => return Ok(over),
        Some(Rule::AsEntries) => return Ok(append(rules::entries(base), rules::entries(over))),
        Some(Rule::Hosts) => return Ok(hosts(rules::entries(base), rules::entries(over))),
        Some(Rule::Named(default)) => {
            return maps(rules::named(base, default), rules::named(over, default), path);
        }
        Some(Rule::Build) => return maps(rules::build(base), rules::build(over), path),
        Some(Rule::Logging) if rules::other_driver(&base, &over) => return Ok(over),
        Some(Rule::Pools) => return pools(base, over, path),
        Some(Rule::Logging) | None => {}
    }
    if over.is_null() {
        return Ok(base);
    }
    match (&base.value, &over.value) {
        (Value::Map(_), Value::Map(_)) => maps(base, over, path),
        (Value::List(_), Value::List(_)) => Ok(append(base, over)),
        (Value::Map(_) | Value::List(_), _) => {
            let error = MergeError::CannotOverride {
                path: path.to_string(),
                base: crate::model::kind(&base),
                over: crate::model::kind(&over),
            };
            Err((error, over.span))
        }
        _ => Ok(over),
    }
}

fn maps(base: Node, over: Node, path: &mut TreePath) -> Result<Node, Failure> {
    let span = over.span;
    let (mut merged, over) = (into_map(base), into_map(over));
    for (key, key_span, node) in over.into_entries() {
        let Some(existing) = merged.get_mut(&key) else {
            merged.insert(key, key_span, node);
            continue;
        };
        let existing = std::mem::replace(existing, Node::new(Value::Null, span));
        path.push(&key);
        let node = values(existing, node, path)?;
        path.pop();
        merged.insert(key, key_span, node);
    }
    Ok(Node::new(Value::Map(merged), span))
}

fn append(base: Node, over: Node) -> Node {
    let span = over.span;
    let mut list = into_list(base);
    list.extend(into_list(over));
    Node::new(Value::List(list), span)
}

/// Several addresses of one name are kept; the same entry twice is not.
fn hosts(base: Node, over: Node) -> Node {
    let span = over.span;
    let mut list = into_list(base);
    let mut known: HashSet<String> = list.iter().filter_map(Node::scalar_text).collect();
    list.extend(into_list(over).into_iter().filter(|node| match node.scalar_text() {
        Some(text) => known.insert(text),
        None => true,
    }));
    Node::new(Value::List(list), span)
}

/// Address pools with one subnet are one: those of `over`, each with what the last of `base` says of its subnet.
fn pools(base: Node, over: Node, path: &mut TreePath) -> Result<Node, Failure> {
    let span = over.span;
    let (base, over) = (into_list(base), into_list(over));
    let originals: HashMap<_, _> = base.iter().map(|pool| (subnet(pool), pool)).collect();
    let mut merged: Vec<Node> = Vec::new();
    let mut places: HashMap<Option<&str>, usize> = HashMap::new();
    // Without any before, Docker Compose takes none.
    for node in over.iter().filter(|_| !base.is_empty()) {
        let both = match originals.get(&subnet(node)) {
            Some(original) => Some(maps((*original).clone(), node.clone(), path)?),
            None => None,
        };
        match (places.get(&subnet(node)), both) {
            (Some(at), Some(both)) => merged[*at] = both,
            (Some(_), None) => {}
            (None, both) => {
                places.insert(subnet(node), merged.len());
                merged.push(both.unwrap_or_else(|| node.clone()));
            }
        }
    }
    Ok(Node::new(Value::List(merged), span))
}

fn subnet(pool: &Node) -> Option<&str> {
    pool.get("subnet")?.as_str()
}

fn into_map(node: Node) -> Map {
    match node.value {
        Value::Map(map) => map,
        _ => Map::default(),
    }
}

fn into_list(node: Node) -> Vec<Node> {
    match node.value {
        Value::List(list) => list,
        _ => Vec::new(),
    }
}

/// Takes away what a later file marks with `!reset` or `!override`.
pub fn reset(node: &mut Node, resets: &HashSet<TreePath>) {
    if !resets.is_empty() {
        reset_below(node, resets, &mut TreePath::root());
    }
}

/// The same for one service, which is called `name` in the paths.
pub fn reset_service(node: &mut Node, name: &str, resets: &HashSet<TreePath>) {
    if !resets.is_empty() {
        let mut path = TreePath::root();
        path.push("services");
        path.push(name);
        reset_below(node, resets, &mut path);
    }
}

fn reset_below(node: &mut Node, resets: &HashSet<TreePath>, path: &mut TreePath) {
    match &mut node.value {
        Value::Map(map) => map.retain(|key, node| {
            path.push(key);
            let kept = !resets.contains(path);
            if kept {
                reset_below(node, resets, path);
            }
            path.pop();
            kept
        }),
        Value::List(list) => {
            for (at, node) in list.iter_mut().enumerate() {
                path.push_index(at);
                reset_below(node, resets, path);
                path.pop();
            }
        }
        _ => {}
    }
}
