//! Networks, volumes, configs and secrets.

use super::{Canonical, FormError};
use crate::yaml::{Node, Value};

/// `external: {name: …}` is `external: true` with the name beside it.
pub(super) fn expand(kind: &str, name: &str, node: &mut Node, found: &mut Canonical) {
    let span = node.span;
    let Some(map) = node.as_map_mut() else { return };
    let Some(external) = map.get("external").filter(|it| it.as_map().is_some()) else { return };
    let (outer, inner) = (map.get("name").cloned(), external.get("name").cloned());
    let place = external.span;
    map.set("external", Node::new(Value::Bool(true), place));
    let Some(inner) = inner else { return };
    found.old_external.push(format!("{kind}.{name}"));
    match outer {
        Some(outer) if outer.value != inner.value => {
            let error = FormError::ExternalName { path: format!("{kind}.{name}") };
            found.errors.push((error, span));
        }
        Some(_) => {}
        None => map.set("name", inner),
    }
}
