//! Short forms become long ones: `80:80`, `./data:/data`, a list of dependencies.

mod forms;
mod mount;
mod port;
mod resource;
mod service;

use thiserror::Error;

pub use mount::{MountError, parse_mount};
pub use port::{PortError, parse_port};

use crate::path::TreePath;
use crate::source::Span;
use crate::yaml::{Map, Node, Value};

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormError {
    #[error("{path}: {error}")]
    Port { path: String, error: PortError },
    #[error("{path}: {error}")]
    Mount { path: String, error: MountError },
    #[error("{path}: confusing device mapping, please use long syntax: {text}")]
    Device { path: String, text: String },
    #[error("{path}: short forms stand for more than {limit} values")]
    TooMany { path: String, limit: usize },
    #[error("{path}: name and external.name conflict; only use name")]
    ExternalName { path: String },
}

impl FormError {
    pub fn hint(&self) -> Option<String> {
        match self {
            FormError::Port { error, .. } => Some(error.hint()),
            FormError::Mount { .. } => {
                Some("expected `SOURCE:TARGET[:ro]`, like `./data:/data`".to_owned())
            }
            FormError::Device { .. } => Some("expected `/dev/fuse[:/dev/fuse[:rwm]]`".to_owned()),
            FormError::ExternalName { .. } | FormError::TooMany { .. } => None,
        }
    }
}

/// What was found on the way.
#[derive(Clone, Debug, Default)]
pub struct Canonical {
    pub errors: Vec<(FormError, Span)>,
    /// Resources with the old `external: {name: …}`, by path.
    pub old_external: Vec<String>,
    /// Values that nobody wrote.
    added: usize,
}

/// Values that short forms may stand for: `1-65535` is a line, and 65,535 ports.
const MAX_ADDED: usize = 1_000_000;

impl Canonical {
    /// Whether too many were added already.
    fn is_full(&self) -> bool {
        self.added > MAX_ADDED
    }

    /// Whether so many more may be added; else that is an error.
    fn add(&mut self, values: usize, path: &TreePath, span: Span) -> bool {
        let before = self.added;
        self.added = self.added.saturating_add(values);
        if self.added <= MAX_ADDED {
            return true;
        }
        if before <= MAX_ADDED {
            let path = path.to_string();
            self.errors.push((FormError::TooMany { path, limit: MAX_ADDED }, span));
        }
        false
    }
}

/// Rewrites a tree. With `lenient`, what cannot be parsed stays: variables were not replaced.
pub fn canonical(root: &mut Node, lenient: bool) -> Canonical {
    let mut found = Canonical::default();
    let Some(root) = root.as_map_mut() else { return found };
    if let Some(services) = root.get_mut("services").and_then(Node::as_map_mut) {
        for (name, service) in services.iter_mut() {
            service::expand(name, service, lenient, &mut found);
        }
    }
    for kind in ["volumes", "networks", "secrets", "configs"] {
        if let Some(resources) = root.get_mut(kind).and_then(Node::as_map_mut) {
            for (name, node) in resources.iter_mut() {
                resource::expand(kind, name, node, &mut found);
            }
        }
    }
    if let Some(Value::List(list)) = root.get_mut("include").map(|node| &mut node.value) {
        list.iter_mut().for_each(|node| wrap(node, "path"));
    }
    found
}

/// A string becomes a mapping with it below `key`.
fn wrap(node: &mut Node, key: &str) {
    if node.as_str().is_some() {
        let span = node.span;
        let inner = std::mem::replace(node, Node::map(span));
        if let Some(map) = node.as_map_mut() {
            map.insert(key, span, inner);
        }
    }
}

/// A mapping that nobody wrote, in the place of `span`.
fn fields(span: Span, fields: impl IntoIterator<Item = (&'static str, Value)>) -> Node {
    let mut map = Map::default();
    for (key, value) in fields {
        map.insert(key, span, Node::new(value, span));
    }
    Node::new(Value::Map(map), span)
}
