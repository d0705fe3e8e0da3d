//! What exists on this host, as the plan needs to know it: a value that whoever looks at the engine fills in.

use std::collections::{BTreeMap, BTreeSet};

use super::Record;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedState {
    /// Image IDs by the names that services use; a name without an image is absent.
    pub images: BTreeMap<String, String>,
    /// Digests of what configs hold now, by their keys in the project.
    pub configs: BTreeMap<String, String>,
    /// The same of secrets.
    pub secrets: BTreeMap<String, String>,
    /// By real name.
    pub networks: BTreeMap<String, ObservedObject>,
    /// By real name.
    pub volumes: BTreeMap<String, ObservedObject>,
    /// Those of the project, whether it still knows their services or not.
    pub containers: Vec<ObservedContainer>,
}

/// A network or a volume.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedObject {
    /// The project that made it, if one did.
    pub project: Option<String>,
    /// What it was made from.
    pub record: Record,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ObservedContainer {
    pub id: String,
    pub name: String,
    pub service: String,
    /// Which replica.
    pub number: u32,
    /// Made by `run`, not by `up`.
    pub one_off: bool,
    pub status: Status,
    pub health: Option<Health>,
    /// Image ID.
    pub image: String,
    /// What it was made from.
    pub record: Record,
    /// IDs of the containers of the project's services whose namespaces or volumes it uses; those that the file names
    /// as `container:…` are not among them.
    pub joins: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Created,
    Running,
    Paused,
    Restarting,
    Exited(i32),
    Dead,
}

impl ObservedContainer {
    /// Whether it was made with a network, by real name.
    pub fn uses_network(&self, name: &str) -> bool {
        self.record.attributes.contains_key(&format!("networks.{name}"))
    }
}

impl Status {
    /// Whether there are processes, or soon will be again.
    pub fn is_up(self) -> bool {
        matches!(self, Status::Running | Status::Restarting | Status::Paused)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Starting,
    Healthy,
    Unhealthy,
}
