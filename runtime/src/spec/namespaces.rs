//! Which namespaces a container has for itself.
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The network has its own: [`super::NetworkMode`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Namespaces {
    pub pid: NamespaceMode,
    pub ipc: NamespaceMode,
    pub uts: NamespaceMode,
    pub cgroup: NamespaceMode,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamespaceMode {
    #[default]
    Own,
    /// Its own, which other containers may join.
    Shareable,
    Host,
    /// That of the container with this ID, which has to run. For processes and IPC only.
    Container(String),
    /// That which this file of the host's stands for.
    At(#[serde(with = "crate::bytes")] PathBuf),
}

impl NamespaceMode {
    /// Whether one is made for it.
    pub fn is_own(&self) -> bool {
        matches!(self, NamespaceMode::Own | NamespaceMode::Shareable)
    }
}
