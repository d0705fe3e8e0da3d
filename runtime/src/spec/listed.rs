//! Containers whose maker lists everything, as documents of the OCI runtime specification do: none of docker's usual
//! mounts, devices and masks is there unless the list has it.
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{CapabilitySet, MountAttributes, Propagation, UserIds};
use crate::bytes;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Made in this order.
    pub mounts: Vec<ListedMount>,
    /// From the root; what is not there needs no cover.
    #[serde(with = "bytes::list")]
    pub masked: Vec<PathBuf>,
    #[serde(with = "bytes::list")]
    pub read_only: Vec<PathBuf>,
    pub capabilities: ExactCapabilities,
    /// No device is kept away.
    pub all_devices: bool,
    pub umask: u32,
    /// What becomes of the root's own mount.
    pub root_propagation: Option<Propagation>,
    /// Run in the container's namespaces before its root is its own.
    pub create_container: Vec<Hook>,
    /// Run in the container just before its program.
    pub start_container: Vec<Hook>,
    pub told: HookState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedMount {
    #[serde(with = "bytes")]
    pub target: PathBuf,
    pub source: ListedSource,
    /// Of the mount itself.
    pub attributes: MountAttributes,
    /// Of the mount and all below it.
    pub below: MountAttributes,
    /// None is private, for all below too.
    pub propagation: Option<Propagation>,
    /// A tmpfs begins with what the directory has that it covers.
    pub copy_up: bool,
    /// Whose the files of a bind mount are, and whether those of mounts below it are too.
    #[serde(default)]
    pub owners: Option<(UserIds, bool)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListedSource {
    Bind {
        #[serde(with = "bytes")]
        source: PathBuf,
        recursive: bool,
    },
    Filesystem {
        kind: String,
        source: String,
        /// `name` or `name=value`
        settings: Vec<String>,
    },
    /// The container's own control groups, whichever version they are.
    Cgroups,
}

/// The kernel's five sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExactCapabilities {
    pub bounding: CapabilitySet,
    pub effective: CapabilitySet,
    pub permitted: CapabilitySet,
    pub inheritable: CapabilitySet,
    pub ambient: CapabilitySet,
}

/// A program that is run at a certain moment, with [`HookState`] as its standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    #[serde(with = "bytes")]
    pub path: PathBuf,
    /// From its name on.
    pub args: Vec<String>,
    pub env: Vec<String>,
    /// In seconds.
    pub timeout: Option<u64>,
}

/// What hooks are told of the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HookState {
    pub oci_version: String,
    pub id: String,
    pub status: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pid: Option<i32>,
    pub bundle: String,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty", default)]
    pub annotations: serde_json::Map<String, serde_json::Value>,
}
