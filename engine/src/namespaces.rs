//! Namespaces of other containers: which containers are meant, and whether they may be joined.

use runtime::containers::Containers;
use runtime::{NamespaceMode, Namespaces};

use crate::{EngineError, Result};

/// Names become IDs: a container may be renamed.
pub(crate) fn resolve(containers: &Containers, asked: &Namespaces) -> Result<Namespaces> {
    let mut namespaces = asked.clone();
    if let NamespaceMode::Container(name) = &asked.pid {
        let id = containers.find(name)?.definition.id;
        namespaces.pid = NamespaceMode::Container(id);
    }
    if let NamespaceMode::Container(name) = &asked.ipc {
        let container = containers.find(name)?;
        let own = &container.definition.spec.namespaces.ipc;
        if *own == NamespaceMode::Own {
            return Err(EngineError::PrivateIpc { name: name.clone() });
        }
        // Whose it is in the end.
        namespaces.ipc = match own {
            NamespaceMode::Shareable => NamespaceMode::Container(container.definition.id),
            other => other.clone(),
        };
    }
    Ok(namespaces)
}
