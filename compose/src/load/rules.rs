//! Rules between the attributes of one thing.

use std::net::IpAddr;

use thiserror::Error;

use crate::path::TreePath;
use crate::source::Span;
use crate::yaml::{Map, Node, Value};

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    #[error("{path}: conflicting parameters \"external\" and {key:?} specified")]
    External { path: String, key: String },
    #[error("{path}: {keys} attributes are mutually exclusive")]
    SeveralSources { path: String, keys: &'static str },
    #[error("{path}: one of {keys} must be set")]
    NoSource { path: String, keys: &'static str },
    #[error("{path}: value can't be blank")]
    Blank { path: String },
    #[error("{path}: \"count\" and \"device_ids\" attributes are exclusive")]
    CountAndIds { path: String },
    #[error("{path}: invalid ip address: {text}")]
    Address { path: String, text: String },
}

impl RuleError {
    pub fn hint(&self) -> Option<String> {
        match self {
            RuleError::External { key, .. } => {
                Some(format!("an external resource exists already; remove `{key}`"))
            }
            _ => None,
        }
    }
}

type Found = Vec<(RuleError, Span)>;

/// Checks a canonical tree.
pub(super) fn check(root: &Node) -> Found {
    let mut found = Vec::new();
    for_each(root, "volumes", |path, node| external(path, node, &mut found));
    let sources = &["file", "environment", "content"];
    for_each(root, "configs", |path, node| {
        one_source(path, node, sources, "file|environment|content", &mut found);
    });
    let sources = &["file", "environment"];
    for_each(root, "secrets", |path, node| {
        one_source(path, node, sources, "file|environment", &mut found);
    });
    for_each(root, "services", |path, node| service(&path, node, &mut found));
    found
}

fn for_each(root: &Node, kind: &str, mut visit: impl FnMut(TreePath, &Node)) {
    for (name, node) in root.get(kind).and_then(Node::as_map).into_iter().flat_map(Map::iter) {
        visit(TreePath::root().join(kind).join(name), node);
    }
}

/// Nothing may be said about a resource that exists outside of the project, but its name.
fn external(path: TreePath, node: &Node, found: &mut Found) {
    let Some(map) = node.as_map() else { return };
    if map.get("external").and_then(Node::as_bool) != Some(true) {
        return;
    }
    for key in map.keys() {
        if !matches!(key, "name" | "external") && !key.starts_with("x-") {
            let span = map.key_span(key).unwrap_or(node.span);
            let (path, key) = (path.to_string(), key.to_owned());
            found.push((RuleError::External { path, key }, span));
        }
    }
}

fn one_source(
    path: TreePath,
    node: &Node,
    sources: &[&str],
    keys: &'static str,
    found: &mut Found,
) {
    let Some(map) = node.as_map() else { return };
    let count = sources.iter().filter(|source| map.contains(source)).count();
    let path = path.to_string();
    match count {
        0 if map.contains("driver") || map.contains("external") => {}
        0 => found.push((RuleError::NoSource { path, keys }, node.span)),
        1 => {}
        _ => found.push((RuleError::SeveralSources { path, keys }, node.span)),
    }
}

fn service(path: &TreePath, node: &Node, found: &mut Found) {
    list(path, node, &["ports"], |path, node| {
        let text = node.get("host_ip").and_then(Node::as_str).unwrap_or_default();
        let bare = text.split('%').next().unwrap_or_default();
        if !text.is_empty() && !text.contains('$') && bare.parse::<IpAddr>().is_err() {
            found.push((RuleError::Address { path, text: text.to_owned() }, node.span));
        }
    });
    list(path, node, &["develop", "watch"], |path, node| {
        if node.get("path").and_then(Node::as_str) == Some("") {
            found.push((RuleError::Blank { path }, node.span));
        }
    });
    for keys in [&["gpus"][..], &["deploy", "resources", "reservations", "devices"]] {
        list(path, node, keys, |path, node| {
            if node.get("count").is_some() && node.get("device_ids").is_some() {
                found.push((RuleError::CountAndIds { path }, node.span));
            }
        });
    }
}

fn list(path: &TreePath, node: &Node, keys: &[&str], mut visit: impl FnMut(String, &Node)) {
    let mut path = path.clone();
    let mut node = Some(node);
    for key in keys {
        path.push(key);
        node = node.and_then(|node| node.get(key));
    }
    let Some(Value::List(list)) = node.map(|node| &node.value) else { return };
    for (at, node) in list.iter().enumerate() {
        visit(path.at(at).to_string(), node);
    }
}
