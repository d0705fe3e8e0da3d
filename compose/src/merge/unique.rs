//! Lists whose entries have a key: of two with the same key the later stays, in the place of the earlier.

use std::collections::HashMap;
use std::sync::LazyLock;

use thiserror::Error;

use crate::canonical::parse_mount;
use crate::path::{PathTable, TreePath};
use crate::source::Span;
use crate::yaml::{Node, Value};

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UniqueError {
    #[error("{path}: unexpected type, expected a string")]
    NotText { path: String },
    #[error("service {what} {path} is missing a mount target")]
    NoTarget { path: String, what: &'static str },
    #[error("{error}")]
    Mount { error: crate::canonical::MountError },
}

#[derive(Clone, Copy, Debug)]
enum Key {
    /// What stands before `=`.
    Name,
    Mount,
    Device,
    /// The target, or the source below a directory.
    File(&'static str),
    Text,
    Port,
    EnvFile,
}

const KEYS: &[(&str, Key)] = &[
    ("networks.*.labels", Key::Name),
    ("networks.*.ipam.options", Key::Name),
    ("services.*.annotations", Key::Name),
    ("services.*.build.args", Key::Name),
    ("services.*.build.additional_contexts", Key::Name),
    ("services.*.build.platforms", Key::Name),
    ("services.*.build.tags", Key::Name),
    ("services.*.build.labels", Key::Name),
    ("services.*.cap_add", Key::Name),
    ("services.*.cap_drop", Key::Name),
    ("services.*.configs", Key::File("")),
    ("services.*.deploy.labels", Key::Name),
    ("services.*.devices", Key::Device),
    ("services.*.dns", Key::Name),
    ("services.*.dns_opt", Key::Name),
    ("services.*.dns_search", Key::Name),
    ("services.*.environment", Key::Name),
    ("services.*.env_file", Key::EnvFile),
    ("services.*.expose", Key::Text),
    ("services.*.labels", Key::Name),
    ("services.*.links", Key::Name),
    ("services.*.networks.*.aliases", Key::Name),
    ("services.*.networks.*.link_local_ips", Key::Name),
    ("services.*.ports", Key::Port),
    ("services.*.profiles", Key::Name),
    ("services.*.secrets", Key::File("/run/secrets")),
    ("services.*.sysctls", Key::Name),
    ("services.*.tmpfs", Key::Name),
    ("services.*.volumes", Key::Mount),
];

/// Drops the earlier of entries with the same key, in every list that has keys.
pub fn unique(node: &mut Node) -> Vec<(UniqueError, Span)> {
    let mut errors = Vec::new();
    walk(node, &mut TreePath::root(), &mut errors);
    errors
}

fn walk(node: &mut Node, path: &mut TreePath, errors: &mut Vec<(UniqueError, Span)>) {
    match &mut node.value {
        Value::Map(map) if path.parts().len() < 5 => {
            for (key, node) in map.iter_mut() {
                if matches!(node.value, Value::Map(_) | Value::List(_)) {
                    path.push(key);
                    walk(node, path, errors);
                    path.pop();
                }
            }
        }
        Value::List(list) => {
            static TABLE: LazyLock<PathTable<Key>> = LazyLock::new(|| PathTable::new(KEYS));
            if list.len() > 1
                && let Some(key) = TABLE.get(path)
                && let Err(error) = only_last(list, key, path)
            {
                errors.push(error);
            }
        }
        _ => {}
    }
}

fn only_last(list: &mut Vec<Node>, key: Key, path: &TreePath) -> Result<(), (UniqueError, Span)> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut names = Vec::with_capacity(list.len());
    for (at, node) in list.iter().enumerate() {
        names.push(key.of(node, &|| path.at(at)).map_err(|error| (error, node.span))?);
    }
    let mut kept: Vec<Node> = Vec::with_capacity(list.len());
    for (name, node) in names.into_iter().zip(std::mem::take(list)) {
        match places.get(&name) {
            Some(place) => kept[*place] = node,
            None => {
                places.insert(name, kept.len());
                kept.push(node);
            }
        }
    }
    *list = kept;
    Ok(())
}

impl Key {
    fn of(self, node: &Node, path: &dyn Fn() -> TreePath) -> Result<String, UniqueError> {
        let text = |key: &str| node.get(key).and_then(Node::scalar_text);
        let no_target = |what| UniqueError::NoTarget { path: path().to_string(), what };
        let own = node.scalar_text();
        Ok(match self {
            Key::Name => {
                let own = own.ok_or_else(|| UniqueError::NotText { path: path().to_string() })?;
                own.split('=').next().unwrap_or_default().to_owned()
            }
            Key::Text => own.unwrap_or_default(),
            Key::Mount => match own {
                Some(own) => {
                    parse_mount(&own).map_err(|error| UniqueError::Mount { error })?.target
                }
                None => text("target").ok_or_else(|| no_target("volume"))?,
            },
            Key::Device => match own {
                Some(own) => own.split(':').nth(1).unwrap_or(&own).to_owned(),
                None => text("target").ok_or_else(|| no_target("device"))?,
            },
            Key::File(directory) => match own {
                Some(own) => format!("{directory}/{own}"),
                None => text("target").unwrap_or_else(|| {
                    format!("{directory}/{}", text("source").unwrap_or_default())
                }),
            },
            Key::Port => match own {
                Some(own) => own,
                None => format!(
                    "{}:{}:{}/{}",
                    text("host_ip").unwrap_or_else(|| "0.0.0.0".to_owned()),
                    text("published").unwrap_or_default(),
                    text("target").ok_or_else(|| no_target("port"))?,
                    text("protocol").unwrap_or_else(|| "tcp".to_owned()),
                ),
            },
            Key::EnvFile => own.or_else(|| text("path")).unwrap_or_default(),
        })
    }
}
