//! `<<: *base` and `<<: [*one, *two]`: what a map already has stays, an earlier source beats a later one.

use super::{Map, Node, Value, YamlError};
use crate::source::Span;

pub(super) const KEY: &str = "<<";

/// Takes the keys of the sources into `map`.
pub(super) fn apply(map: &mut Map, sources: Node) -> Result<(), (YamlError, Span)> {
    let span = sources.span;
    match sources.value {
        Value::Map(source) => take(map, source),
        Value::List(list) => {
            for node in list {
                let Value::Map(source) = node.value else {
                    return Err((YamlError::MergeNotMap, node.span));
                };
                take(map, source);
            }
        }
        _ => return Err((YamlError::MergeNotMap, span)),
    }
    Ok(())
}

fn take(map: &mut Map, source: Map) {
    for (key, span, node) in source.into_entries() {
        if !map.contains(&key) {
            map.insert(key, span, node);
        }
    }
}
