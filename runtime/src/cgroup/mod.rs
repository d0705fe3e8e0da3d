//! Control groups: device rules, limits, accounting, and a name to kill by.
//!
//! Each container gets `/rbuild/<engine>/<owner>.<id>`, or `<parent>/rbuild-<engine>-<owner>.<id>`, in every hierarchy that controls something
//! we use, v1 or v2 by what the machine offers per controller; on a hybrid also in the (empty) v2
//! hierarchy. Never below the caller's own group, which others may kill.
//!
//! Where v2 can enforce device rules, v1 is used only for containers with limits ([`Cgroups::uses_v1`]): v2 freezes, kills
//! and counts processor time without controllers, and joining v1 groups takes longer than the rest of a start.
//!
//! Where no hierarchy can be written (inside another container), containers run without: limits
//! are errors then, and devices are kept away by mounting everything `nodev` and withholding
//! CAP_MKNOD. That is stricter than the device rules, not weaker.
mod ahead;
mod bare;
mod devices;
mod freeze;
mod hierarchy;
mod leaf;
mod limits;
mod removal;
mod usage;
mod usual;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::Access;
use serde::{Deserialize, Serialize};

use crate::engine::EngineId;
use crate::spec::{ContainerSpec, Limits, MachineAccess};
pub use ahead::expect_joins;
pub(crate) use bare::BareGroups;
pub(crate) use hierarchy::{Hierarchy, Version, detect};
pub(crate) use leaf::Leaf;
pub use usage::Usage;
use usual::UsualRules;

/// What enforces the device rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DeviceRules {
    V1,
    V2,
    /// Nothing: mounts are `nodev` and nobody may make nodes.
    NoDevices,
    /// Nothing: every device may be used.
    AllDevices,
}

/// The usable hierarchies of this machine, for one engine.
#[derive(Clone, Debug)]
pub(crate) struct Cgroups {
    pub(crate) hierarchies: Vec<Hierarchy>,
    pub(crate) devices: DeviceRules,
    /// v2's program for containers without rules of their own, if it can be used. Then nobody needs v1 but for limits.
    usual_rules: Option<Arc<UsualRules>>,
    /// `rbuild/<engine>`, below each hierarchy's mount.
    parent: PathBuf,
    engine: String,
    /// A file with the other parents that were asked for, a line each.
    other_parents: PathBuf,
    pub(crate) warnings: Vec<String>,
}

fn parent_name(engine: &EngineId) -> PathBuf {
    Path::new("rbuild").join(engine.to_string())
}

/// Each is lost only to another process of the engine that ends in just that moment.
const ATTEMPTS: usize = 1000;

/// With those above it, which such a process removes whenever it sees them empty.
fn create_dirs(path: &Path) -> io::Result<()> {
    unless_removed(|| directories().create(path))
}

fn directories() -> fs::DirBuilder {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o755);
    builder
}

/// Does it again while something it needs has just gone.
fn unless_removed(act: impl Fn() -> io::Result<()>) -> io::Result<()> {
    for _ in 1..ATTEMPTS {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            done => return done,
        }
    }
    act()
}

/// Writes to a control file, which must exist.
fn put(path: &Path, value: &str) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

impl Cgroups {
    /// Finds out what works of this machine's hierarchies by creating the engine's group everywhere.
    pub(crate) fn prepare(
        hierarchies: Vec<Hierarchy>,
        engine: &EngineId,
        owner: &str,
        state: &Path,
    ) -> Cgroups {
        let parent = parent_name(engine);
        let prepared = Cgroups::prepare_in(hierarchies, parent, owner, Some(state));
        Cgroups { engine: engine.to_string(), other_parents: other_parents(state), ..prepared }
    }

    /// The same for groups below a parent that somebody else has chosen, who looks for them in every hierarchy. `owner` is
    /// a name that nobody else uses there.
    pub(crate) fn prepare_at(parent: PathBuf, owner: &str) -> Cgroups {
        let prepared = Cgroups::prepare_in(detect(), parent, owner, None);
        // Else v1 would be for limits only.
        Cgroups { usual_rules: None, ..prepared }
    }

    /// `state` is the engine's own, which looks for its groups where they are needed only.
    fn prepare_in(
        mut hierarchies: Vec<Hierarchy>,
        parent: PathBuf,
        owner: &str,
        state: Option<&Path>,
    ) -> Cgroups {
        let mut warnings = Vec::new();
        let (mut unusable, mut cause) = (Vec::new(), None);
        let mut usual_rules = UsualRules::find(&hierarchies, &parent, owner, state).map(Arc::new);
        let v2_rules = usual_rules.is_some();
        let prepare = |hierarchy: &Hierarchy| match hierarchy.version {
            Version::V1 if hierarchy.is_on_demand() => Ok(()),
            Version::V1 if v2_rules && state.is_some() => {
                Ok(rustix::fs::access(&hierarchy.mount, Access::WRITE_OK)?)
            }
            _ => prepare_parent(hierarchy, &parent),
        };
        hierarchies.retain(|hierarchy| match prepare(hierarchy) {
            Ok(()) => true,
            Err(error) => {
                unusable.push(format!("`{}`", hierarchy.mount.display()));
                cause.get_or_insert(error);
                false
            }
        });
        if let Some(error) = cause {
            warnings.push(format!("cannot use the cgroups of {}: {error}", unusable.join(", ")));
        }
        // What was remembered of v2 is not so any more where its groups cannot be made.
        if hierarchies.iter().all(|hierarchy| hierarchy.version != Version::V2) {
            usual_rules.take().iter().for_each(|rules| rules.forget());
        }
        let devices = match usual_rules.is_some() {
            true => DeviceRules::V2,
            false if hierarchies.iter().any(|h| h.version == Version::V1 && h.has("devices")) => {
                DeviceRules::V1
            }
            false => DeviceRules::NoDevices,
        };
        if devices == DeviceRules::NoDevices {
            warnings.push(
                "no cgroup can enforce device rules: containers get no devices but their own /dev"
                    .to_owned(),
            );
        }
        let (engine, other_parents) = (String::new(), PathBuf::new());
        Cgroups { hierarchies, devices, usual_rules, parent, engine, other_parents, warnings }
    }

    /// Whether a container of this kind has groups in v1 hierarchies, all that programs expect where there are any.
    fn uses_v1(&self, spec: &ContainerSpec) -> bool {
        !self.v1_is_for_limits() || joins_v1(spec)
    }

    fn v1_is_for_limits(&self) -> bool {
        self.usual_rules.is_some()
    }

    /// A container's name below a parent that others use too.
    fn foreign_name(&self, name: &str) -> String {
        format!("{}{name}", foreign_prefix(&self.engine))
    }

    /// So that what a dead process left there is found: see [`reconcile`].
    fn remember_parent(&self, parent: &Path) -> Result<(), leaf::LeafError> {
        let failed =
            |source| leaf::LeafError::Remember { path: self.other_parents.clone(), source };
        let line = format!("{}\n", parent.display());
        let known = fs::read_to_string(&self.other_parents).unwrap_or_default();
        if known.split_inclusive('\n').any(|known| known == line) {
            return Ok(());
        }
        // One write of a line; lines of others stay whole.
        let file = fs::OpenOptions::new().create(true).append(true).open(&self.other_parents);
        file.and_then(|mut file| file.write_all(line.as_bytes())).map_err(failed)
    }

    /// As another process of the engine has prepared them, who knows what enforces device rules.
    pub(crate) fn look(engine: &EngineId, devices: DeviceRules) -> Cgroups {
        Cgroups { engine: engine.to_string(), ..Cgroups::look_at(parent_name(engine), devices) }
    }

    /// The same of [`Cgroups::prepare_at`].
    pub(crate) fn look_at(parent: PathBuf, devices: DeviceRules) -> Cgroups {
        Cgroups {
            hierarchies: detect(),
            devices,
            usual_rules: None,
            parent,
            engine: String::new(),
            other_parents: PathBuf::new(),
            warnings: Vec::new(),
        }
    }

    /// A group of this name that has processes, wherever it has them.
    pub(crate) fn busy(&self, name: &str) -> Option<PathBuf> {
        let groups = self.hierarchies.iter().map(|it| it.mount.join(&self.parent).join(name));
        let has_processes = |group: &PathBuf| {
            fs::read_to_string(group.join("cgroup.procs")).is_ok_and(|text| !text.is_empty())
        };
        groups.into_iter().find(has_processes)
    }

    /// Removes the engine's group where nobody else of the engine uses it.
    pub(crate) fn remove_parents(&self) {
        for hierarchy in &self.hierarchies {
            // Else it went with the last container that had limits.
            if hierarchy.version == Version::V2 || !self.v1_is_for_limits() {
                remove_parents(hierarchy, &self.parent);
            }
        }
    }
}

fn other_parents(state: &Path) -> PathBuf {
    state.join("cgroup-parents")
}

fn foreign_prefix(engine: &str) -> String {
    format!("rbuild-{engine}-")
}

fn remove_parents(hierarchy: &Hierarchy, parent: &Path) {
    for parent in parent.ancestors().filter(|p| !p.as_os_str().is_empty()) {
        match fs::remove_dir(hierarchy.mount.join(parent)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Another process of the engine, or another engine, has groups in it.
            Err(_) => break,
            Ok(()) => {}
        }
    }
}

/// Creates the parent group, and on v2 hands the controllers down to it.
fn prepare_parent(hierarchy: &Hierarchy, parent: &Path) -> io::Result<()> {
    let directory = hierarchy.mount.join(parent);
    unless_removed(|| {
        directories().create(&directory)?;
        // It may be there from before and yet on a mount that is read-only for us.
        Ok(rustix::fs::access(&directory, Access::WRITE_OK)?)
    })?;
    if hierarchy.version == Version::V1 {
        return Ok(());
    }
    let always = hierarchy.controllers.iter().map(String::as_str);
    let always: Vec<&str> = always.filter(|name| !hierarchy::on_demand(name)).collect();
    hand_down(hierarchy, parent, &always);
    Ok(())
}

/// Lets the groups below `parent` have these v2 controllers.
fn hand_down(hierarchy: &Hierarchy, parent: &Path, controllers: &[&str]) {
    for controller in controllers {
        let mut group = hierarchy.mount.clone();
        // Without it a limit fails when it is asked for, with the file's name.
        let enable = |group: &Path| {
            let _ = put(&group.join("cgroup.subtree_control"), &format!("+{controller}"));
        };
        enable(&group);
        for name in parent {
            group.push(name);
            enable(&group);
        }
    }
}

/// Whether a container of this kind joins v1 groups wherever there are any.
pub(crate) fn joins_v1(spec: &ContainerSpec) -> bool {
    let manages_groups = spec.machine != MachineAccess::Confined || spec.writable_cgroups;
    spec.limits != Limits::default() || spec.cgroup_parent.is_some() || manages_groups
}

/// Kills and removes the engine's groups whose owner `is_alive` denies.
pub(crate) fn reconcile(
    hierarchies: &[Hierarchy],
    engine: &EngineId,
    state: &Path,
    is_alive: impl Fn(&str) -> bool,
) -> io::Result<()> {
    let parent = parent_name(engine);
    let others = fs::read_to_string(other_parents(state)).unwrap_or_default();
    let prefix = foreign_prefix(&engine.to_string());
    let mut dead = Vec::new();
    for hierarchy in hierarchies {
        dead.extend(dead_groups(&hierarchy.mount.join(&parent), "", &is_alive));
        for other in others.lines() {
            dead.extend(dead_groups(&hierarchy.mount.join(other), &prefix, &is_alive));
        }
    }
    let result = removal::kill_and_remove(dead);
    for hierarchy in hierarchies.iter().filter(|it| it.mount.join(&parent).exists()) {
        remove_parents(hierarchy, &parent);
    }
    result
}

/// The groups `<prefix><owner>.<id>` in a directory whose owner is dead.
fn dead_groups(directory: &Path, prefix: &str, is_alive: &impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let groups = entries.filter(|entry| {
        let is_group = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(prefix).and_then(|name| name.split('.').next());
        is_group && owner.is_some_and(|owner| !is_alive(owner))
    });
    groups.map(|entry| entry.path()).collect()
}
