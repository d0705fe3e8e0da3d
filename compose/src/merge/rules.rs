//! Attributes that merge in a way of their own.

use std::sync::LazyLock;

use crate::path::{PathTable, TreePath};
use crate::source::Span;
use crate::yaml::{Map, Node, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// The later value whole.
    Replace,
    /// Both as lists of `NAME=value`, one after the other.
    AsEntries,
    /// The same, without entries that are there already.
    Hosts,
    /// A list of names is a mapping of names, each with this value.
    Named(Default),
    /// A string is a context.
    Build,
    /// Options of one driver say nothing to another.
    Logging,
    /// By subnet.
    Pools,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Default {
    Nothing,
    Started,
}

const RULES: &[(&str, Rule)] = &[
    ("networks.*.ipam.config", Rule::Pools),
    ("networks.*.labels", Rule::AsEntries),
    ("volumes.*.labels", Rule::AsEntries),
    ("services.*.annotations", Rule::AsEntries),
    ("services.*.build", Rule::Build),
    ("services.*.build.args", Rule::AsEntries),
    ("services.*.build.additional_contexts", Rule::AsEntries),
    ("services.*.build.extra_hosts", Rule::Hosts),
    ("services.*.build.labels", Rule::AsEntries),
    ("services.*.command", Rule::Replace),
    ("services.*.depends_on", Rule::Named(Default::Started)),
    ("services.*.deploy.labels", Rule::AsEntries),
    ("services.*.dns", Rule::AsEntries),
    ("services.*.dns_opt", Rule::AsEntries),
    ("services.*.dns_search", Rule::AsEntries),
    ("services.*.entrypoint", Rule::Replace),
    ("services.*.env_file", Rule::AsEntries),
    ("services.*.label_file", Rule::AsEntries),
    ("services.*.environment", Rule::AsEntries),
    ("services.*.extra_hosts", Rule::Hosts),
    ("services.*.healthcheck.test", Rule::Replace),
    ("services.*.labels", Rule::AsEntries),
    ("services.*.volumes.*.volume.labels", Rule::AsEntries),
    ("services.*.logging", Rule::Logging),
    ("services.*.models", Rule::Named(Default::Nothing)),
    ("services.*.networks", Rule::Named(Default::Nothing)),
    ("services.*.sysctls", Rule::AsEntries),
    ("services.*.tmpfs", Rule::AsEntries),
    ("services.*.ulimits.*", Rule::Replace),
];

pub(super) fn rule_of(path: &TreePath) -> Option<Rule> {
    let first = path.parts().first()?;
    if path.parts().len() < 3 || !matches!(first.as_str(), "services" | "networks" | "volumes") {
        return None;
    }
    static TABLE: LazyLock<PathTable<Rule>> = LazyLock::new(|| PathTable::new(RULES));
    TABLE.get(path)
}

/// Either form as a list: a mapping becomes entries `NAME=value`, sorted.
pub(super) fn entries(node: Node) -> Node {
    let span = node.span;
    let list = match node.value {
        Value::Map(map) => {
            let mut list: Vec<Node> = map.iter().flat_map(|(key, node)| entry(key, node)).collect();
            list.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            list
        }
        Value::List(list) => list,
        Value::Null => Vec::new(),
        value => vec![Node::new(value, span)],
    };
    Node::new(Value::List(list), span)
}

fn entry(key: &str, node: &Node) -> Vec<Node> {
    let pair = |node: &Node| {
        let text = node.scalar_text().unwrap_or_default();
        Node::string(format!("{key}={text}"), node.span)
    };
    match &node.value {
        Value::Null => vec![Node::string(key, node.span)],
        Value::List(list) => list.iter().map(pair).collect(),
        _ => vec![pair(node)],
    }
}

/// A list of names as a mapping.
pub(super) fn named(node: Node, default: Default) -> Node {
    let span = node.span;
    let Value::List(list) = node.value else { return node };
    let mut map = Map::default();
    for item in list {
        if let Some(name) = item.as_str() {
            map.insert(name, item.span, default_value(default, item.span));
        }
    }
    Node::new(Value::Map(map), span)
}

fn default_value(default: Default, span: Span) -> Node {
    match default {
        Default::Nothing => Node::new(Value::Null, span),
        Default::Started => {
            let mut map = Map::default();
            map.insert("condition", span, Node::string("service_started", span));
            map.insert("required", span, Node::new(Value::Bool(true), span));
            Node::new(Value::Map(map), span)
        }
    }
}

pub(super) fn build(node: Node) -> Node {
    let span = node.span;
    if node.as_str().is_none() {
        return node;
    }
    let mut map = Map::default();
    map.insert("context", span, node);
    Node::new(Value::Map(map), span)
}

/// Whether both name a driver, and not the same.
pub(super) fn other_driver(base: &Node, over: &Node) -> bool {
    match (base.get("driver"), over.get("driver")) {
        (Some(base), Some(over)) => base.value != over.value,
        _ => false,
    }
}
