//! The cgroup of one container.
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use sys::bpf::DeviceProgram;

use super::limits::{self, Setting};
use super::{
    Cgroups, DeviceRules, Hierarchy, Version, create_dirs, devices, hand_down, prepare_parent, put,
    removal, remove_parents,
};
use crate::spec::{Amount, ContainerSpec, DeviceRule, Limits};

/// A container's directory in each hierarchy.
#[derive(Debug, Default)]
pub(crate) struct Leaf {
    directories: Vec<(Hierarchy, PathBuf)>,
    /// Parents that had to be made for it, outermost first.
    made: Vec<PathBuf>,
    /// The v2 one, opened.
    v2: Option<File>,
    /// The engine's own group, where it is to go with the last of its containers.
    engine: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum LeafError {
    #[error("cannot limit {controller} to `{value}`: {cause}, says `{file}`{there}")]
    Limit {
        controller: &'static str,
        file: &'static str,
        value: String,
        cause: &'static str,
        /// What could be had instead, if that is known.
        there: String,
    },
    #[error("cannot write `{value}` to `{path}`: {source}")]
    Write { path: PathBuf, value: String, source: io::Error },
    #[error("cannot create `{path}`: {source}")]
    Create { path: PathBuf, source: io::Error },
    #[error("a limit on {controller} is asked for, but no cgroup here controls it")]
    NoController { controller: &'static str },
    #[error("{limit} is asked for, which cgroup v2's {controller} controller does not have")]
    OnlyV1 { controller: &'static str, limit: &'static str },
    #[error("cannot attach the device rules: {source}")]
    Devices { source: sys::SysError },
    #[error("its processes do not stop: `{path}` says `{state}`")]
    NotFrozen { path: PathBuf, state: String },
    #[error("devices are asked for, but no cgroup here controls them")]
    NoDevices,
    #[error("cannot remember the cgroup parent in `{path}`: {source}")]
    Remember { path: PathBuf, source: io::Error },
}

impl Leaf {
    /// Creates it with its rules and limits; no process is in it yet. `name` is the owner's and the
    /// container's.
    pub(crate) fn create(
        cgroups: &Cgroups,
        name: &str,
        spec: &ContainerSpec,
        devices: DeviceRules,
    ) -> Result<Leaf, LeafError> {
        let leaf = Leaf::create_without_rules(cgroups, name, spec)?;
        leaf.or_remove(leaf.apply_device_rules(cgroups, devices, &spec.device_rules))?;
        Ok(leaf)
    }

    /// The same, whose device rules are still to be applied.
    pub(crate) fn create_without_rules(
        cgroups: &Cgroups,
        name: &str,
        spec: &ContainerSpec,
    ) -> Result<Leaf, LeafError> {
        let mut leaf = Leaf::default();
        let filled = leaf.fill(cgroups, name, spec);
        leaf.or_remove(filled)?;
        Ok(leaf)
    }

    fn or_remove(&self, result: Result<(), LeafError>) -> Result<(), LeafError> {
        result.inspect_err(|_| self.remove())
    }

    /// That of a container which runs.
    pub(crate) fn existing(
        cgroups: &Cgroups,
        name: &str,
        spec: &ContainerSpec,
    ) -> Result<Leaf, LeafError> {
        let mut leaf = Leaf::default();
        let place = Place::find(cgroups, name, spec);
        for hierarchy in &cgroups.hierarchies {
            let path = hierarchy.mount.join(&place.parent).join(&place.name);
            match File::open(&path) {
                Ok(group) if hierarchy.version == Version::V2 => leaf.v2 = Some(group),
                Ok(_) => {}
                // The hierarchy is one that could not be used, or was not needed, when the container was started.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(LeafError::Create { path, source }),
            }
            leaf.directories.push((hierarchy.clone(), path));
        }
        Ok(leaf)
    }

    fn fill(
        &mut self,
        cgroups: &Cgroups,
        name: &str,
        spec: &ContainerSpec,
    ) -> Result<(), LeafError> {
        self.create_everywhere(cgroups, &Place::of(cgroups, name, spec)?, spec)?;
        self.apply_limits(&spec.limits)
    }

    /// In each hierarchy that this container needs and that it is not in already.
    fn create_everywhere(
        &mut self,
        cgroups: &Cgroups,
        place: &Place,
        spec: &ContainerSpec,
    ) -> Result<(), LeafError> {
        let on_demand = limits::on_demand(&spec.limits);
        let uses_v1 = cgroups.uses_v1(spec);
        self.engine = cgroups.v1_is_for_limits().then(|| cgroups.parent.clone());
        for hierarchy in &cgroups.hierarchies {
            let asked = on_demand.iter().any(|name| hierarchy.offers(name));
            // Programs that look for limits look for this one's, too, or for none.
            let expected = cgroups.v1_is_for_limits() && hierarchy.has("cpuset");
            let needed = match hierarchy.version {
                Version::V1 => uses_v1 && (asked || expected || !hierarchy.is_on_demand()),
                Version::V2 => true,
            };
            if needed && self.directories.iter().all(|(known, _)| known != hierarchy) {
                self.create_in(hierarchy, place, &on_demand)?;
            }
        }
        Ok(())
    }

    fn create_in(
        &mut self,
        hierarchy: &Hierarchy,
        place: &Place,
        on_demand: &[&'static str],
    ) -> Result<(), LeafError> {
        let path = hierarchy.mount.join(&place.parent).join(&place.name);
        let failed = |source| LeafError::Create { path: path.clone(), source };
        if place.foreign {
            self.made.extend(make_parents(hierarchy, &place.parent).map_err(failed)?);
        }
        create(hierarchy, &place.parent, &path).map_err(failed)?;
        match hierarchy.version {
            Version::V2 => {
                self.v2 = Some(File::open(&path).map_err(failed)?);
                if !on_demand.is_empty() {
                    hand_down(hierarchy, &place.parent, on_demand);
                }
            }
            Version::V1 if hierarchy.has("cpuset") => {
                fill_cpuset(&hierarchy.mount, &place.parent.join(&place.name)).map_err(failed)?;
            }
            Version::V1 => {}
        }
        self.directories.push((hierarchy.clone(), path));
        Ok(())
    }

    pub(super) fn directory(
        &self,
        controller: &'static str,
    ) -> Result<(Version, &Path), LeafError> {
        self.directories
            .iter()
            .find(|(hierarchy, _)| hierarchy.offers(controller))
            .map(|(hierarchy, path)| (hierarchy.version, path.as_path()))
            .ok_or(LeafError::NoController { controller })
    }

    /// Has groups where other limits need them, although it was started without. Memory that is in use already stays
    /// uncounted.
    pub(crate) fn extend(
        &mut self,
        cgroups: &Cgroups,
        name: &str,
        spec: &ContainerSpec,
    ) -> Result<(), LeafError> {
        let known = self.directories.len();
        self.create_everywhere(cgroups, &Place::of(cgroups, name, spec)?, spec)?;
        let added: Vec<PathBuf> =
            self.directories[known..].iter().map(|(_, path)| path.clone()).collect();
        added.iter().try_for_each(|group| self.move_processes(group))
    }

    /// Those that are made meanwhile are in the group of whoever makes them, so none is left behind for long.
    fn move_processes(&self, group: &Path) -> Result<(), LeafError> {
        let mut moved = Vec::new();
        loop {
            let left: Vec<i32> =
                self.processes().into_iter().filter(|pid| !moved.contains(pid)).collect();
            if left.is_empty() {
                return Ok(());
            }
            for pid in left {
                match write(group, "cgroup.procs", &pid.to_string()) {
                    // It has ended.
                    Err(LeafError::Write { source, .. })
                        if source.raw_os_error() == Some(libc::ESRCH) => {}
                    other => other?,
                }
                moved.push(pid);
            }
        }
    }

    /// Its directory in this hierarchy, if it has one there.
    pub(crate) fn directory_in(&self, hierarchy: &Hierarchy) -> Option<&Path> {
        let found = self.directories.iter().find(|(it, _)| it == hierarchy);
        found.map(|(_, path)| path.as_path())
    }

    /// Writes other limits while processes run in it.
    pub(crate) fn change_limits(&self, old: &Limits, limits: &Limits) -> Result<(), LeafError> {
        self.lift(old, limits)?;
        match self.apply_limits(limits) {
            // Of memory alone and memory with swap, v1 wants the larger one first when both grow.
            Err(LeafError::Limit { controller: "memory", .. }) => {
                let mut first = limits.clone();
                first.memory = None;
                if limits.memory_and_swap.is_none() {
                    let both = limits.memory.map(|bytes| bytes.saturating_mul(2));
                    first.memory_and_swap = both.map(Amount::Of);
                }
                self.apply_limits(&first)?;
                self.apply_limits(limits)
            }
            other => other,
        }
    }

    /// Takes away the limits that are no more: for others there is nothing to write.
    fn lift(&self, old: &Limits, new: &Limits) -> Result<(), LeafError> {
        if old.pids.is_some() && new.pids.is_none() {
            write(self.directory("pids")?.1, "pids.max", "max")?;
        }
        let quota = |limits: &Limits| limits.cpu.and_then(|cpu| cpu.quota);
        if quota(old).is_some() && quota(new).is_none() {
            let (version, path) = self.directory("cpu")?;
            match version {
                Version::V1 => write(path, "cpu.cfs_quota_us", "-1")?,
                Version::V2 => write(path, "cpu.max", "max")?,
            }
        }
        let unlimited = Some(Amount::Unlimited);
        if new.memory_and_swap == unlimited && old.memory_and_swap != unlimited {
            let (version, path) = self.directory("memory")?;
            match version {
                Version::V1 => write(path, "memory.memsw.limit_in_bytes", "-1")?,
                Version::V2 => write(path, "memory.swap.max", "max")?,
            }
        }
        Ok(())
    }

    /// The v2 directory's path.
    pub(super) fn v2_path(&self) -> Option<&Path> {
        let found = self.directories.iter().find(|(it, _)| it.version == Version::V2);
        found.map(|(_, path)| path.as_path())
    }

    fn apply_limits(&self, limits: &Limits) -> Result<(), LeafError> {
        let version = |controller: &str| {
            let of = |(hierarchy, _): &&(Hierarchy, _)| hierarchy.offers(controller);
            self.directories.iter().find(of).map_or(Version::V2, |(hierarchy, _)| hierarchy.version)
        };
        let settings = limits::settings(limits, version).map_err(
            |limits::Missing { controller, limit }| LeafError::OnlyV1 { controller, limit },
        )?;
        for setting in settings {
            let (_, path) = self.directory(setting.controller)?;
            apply(path, &setting)?;
        }
        Ok(())
    }

    pub(crate) fn apply_device_rules(
        &self,
        cgroups: &Cgroups,
        by: DeviceRules,
        more: &[DeviceRule],
    ) -> Result<(), LeafError> {
        match by {
            DeviceRules::AllDevices => Ok(()),
            DeviceRules::NoDevices if more.is_empty() => Ok(()),
            DeviceRules::NoDevices => Err(LeafError::NoDevices),
            DeviceRules::V1 => {
                let (_, path) = self.directory("devices")?;
                write(path, "devices.deny", "a")?;
                write_lines(path, "devices.allow", &devices::v1_lines(more))
            }
            DeviceRules::V2 => {
                let Some(group) = self.v2() else {
                    return Err(LeafError::NoController { controller: "devices" });
                };
                let attached = match &cgroups.usual_rules {
                    Some(rules) if more.is_empty() => rules.attach(group),
                    _ => DeviceProgram::load(&devices::v2_program(more))
                        .and_then(|program| program.attach(group)),
                };
                attached.map_err(|source| LeafError::Devices { source })
            }
        }
    }

    /// The v2 directory: a container is born in it.
    pub(crate) fn v2(&self) -> Option<BorrowedFd<'_>> {
        self.v2.as_ref().map(File::as_fd)
    }

    pub(crate) fn v2_hierarchy(&self) -> Option<&Hierarchy> {
        let found = self.directories.iter().find(|(it, _)| it.version == Version::V2);
        found.map(|(hierarchy, _)| hierarchy)
    }

    /// The v1 hierarchies in which it is.
    pub(crate) fn v1(&self) -> impl Iterator<Item = &Hierarchy> {
        let hierarchies = self.directories.iter().map(|(hierarchy, _)| hierarchy);
        hierarchies.filter(|hierarchy| hierarchy.version == Version::V1)
    }

    /// Moves the calling process into every v1 directory.
    pub(crate) fn join_v1(&self) -> Result<(), LeafError> {
        for (hierarchy, path) in &self.directories {
            if hierarchy.version == Version::V1 {
                write(path, "cgroup.procs", "0")?;
            }
        }
        Ok(())
    }

    /// How often the kernel killed a process in it for lack of memory.
    pub(crate) fn oom_kills(&self) -> u64 {
        let Ok((version, path)) = self.directory("memory") else { return 0 };
        let file = match version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        let text = fs::read_to_string(path.join(file)).unwrap_or_default();
        text.lines()
            .find_map(|line| line.strip_prefix("oom_kill "))
            .and_then(|count| count.trim().parse().ok())
            .unwrap_or(0)
    }

    /// Removes it once its processes are gone. Failures leave it to the next reconciliation.
    pub(crate) fn remove(&self) {
        let _ = removal::kill_and_remove(self.directories.iter().map(|(_, path)| path.clone()));
        for parent in self.made.iter().rev() {
            // Stays while others use it.
            let _ = fs::remove_dir(parent);
        }
        for hierarchy in self.v1() {
            self.engine.iter().for_each(|parent| remove_parents(hierarchy, parent));
        }
    }
}

/// Where a container's group is made in every hierarchy.
struct Place {
    parent: PathBuf,
    name: String,
    /// The parent is not the engine's own.
    foreign: bool,
}

impl Place {
    fn of(cgroups: &Cgroups, name: &str, spec: &ContainerSpec) -> Result<Place, LeafError> {
        let place = Place::find(cgroups, name, spec);
        if place.foreign {
            cgroups.remember_parent(&place.parent)?;
        }
        Ok(place)
    }

    fn find(cgroups: &Cgroups, name: &str, spec: &ContainerSpec) -> Place {
        let Some(parent) = &spec.cgroup_parent else {
            let parent = cgroups.parent.clone();
            return Place { parent, name: name.to_owned(), foreign: false };
        };
        let parent = parent.components().filter(|c| matches!(c, Component::Normal(_))).collect();
        Place { parent, name: cgroups.foreign_name(name), foreign: true }
    }
}

/// Those of the parents that were not there before, outermost first.
fn make_parents(hierarchy: &Hierarchy, parent: &Path) -> io::Result<Vec<PathBuf>> {
    let mut path = hierarchy.mount.clone();
    let mut made = Vec::new();
    for name in parent {
        path.push(name);
        match fs::create_dir(&path) {
            Ok(()) => made.push(path.clone()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    prepare_parent(hierarchy, parent)?;
    Ok(made)
}

/// A v1 group takes no process before it has processors and memory nodes: those of the group above.
fn fill_cpuset(mount: &Path, group: &Path) -> io::Result<()> {
    let mut path = mount.to_owned();
    for name in group {
        let above = path.clone();
        path.push(name);
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if fs::read_to_string(path.join(file))?.trim().is_empty() {
                put(&path.join(file), fs::read_to_string(above.join(file))?.trim())?;
            }
        }
    }
    Ok(())
}

/// Writes the first of the setting's files that this kernel has.
fn apply(directory: &Path, setting: &Setting) -> Result<(), LeafError> {
    let mut result = Ok(());
    for (file, value) in &setting.choices {
        let path = directory.join(file);
        result = put(&path, value).map_err(|source| (*file, value.clone(), source));
        if !matches!(&result, Err((.., source)) if source.kind() == io::ErrorKind::NotFound) {
            break;
        }
    }
    match result {
        Err((.., source)) if setting.implied && source.kind() == io::ErrorKind::NotFound => Ok(()),
        Err((file, value, source)) => {
            let cause = match source.raw_os_error() {
                // There are no such processors or nodes.
                Some(libc::EINVAL | libc::ERANGE | libc::EACCES)
                    if setting.controller == "cpuset" =>
                {
                    "this machine or the group above has not all of them"
                }
                Some(libc::ENOENT) => "this kernel has no such limit",
                Some(number) => Errno::from_raw(number).desc(),
                None => "it cannot be written",
            };
            // With v2 a group that has all of them says so in a file of its own.
            let there =
                [format!("{file}.effective"), file.to_owned()].into_iter().find_map(|file| {
                    let text = fs::read_to_string(directory.parent()?.join(file)).ok()?;
                    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
                });
            let there = match there {
                Some(text) if setting.controller == "cpuset" => format!("; there are `{text}`"),
                _ => String::new(),
            };
            Err(LeafError::Limit { controller: setting.controller, file, value, cause, there })
        }
        Ok(()) => Ok(()),
    }
}

/// The parent may have been removed by another process of the engine that ended and saw no group in
/// it. The controllers are handed down anew once this group keeps it.
fn create(hierarchy: &Hierarchy, parent: &Path, path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_dirs(path)?;
            prepare_parent(hierarchy, parent)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Each line in a write of its own, as the kernel wants them.
fn write_lines(directory: &Path, file: &str, lines: &[String]) -> Result<(), LeafError> {
    let path = directory.join(file);
    let failed = |value: &str| {
        let (path, value) = (path.clone(), value.to_owned());
        move |source| LeafError::Write { path, value, source }
    };
    let mut opened = fs::OpenOptions::new().write(true).open(&path).map_err(failed(""))?;
    lines.iter().try_for_each(|line| opened.write_all(line.as_bytes()).map_err(failed(line)))
}

fn write(directory: &Path, file: &str, value: &str) -> Result<(), LeafError> {
    let path = directory.join(file);
    put(&path, value).map_err(|source| LeafError::Write { path, value: value.to_owned(), source })
}
