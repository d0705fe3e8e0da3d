//! The cgroup of one container.
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Cgroups, DeviceRules, Hierarchy, Version, create_dirs, devices, prepare_parent, put};
use crate::spec::Limits;

/// A container's directory in each hierarchy.
#[derive(Debug)]
pub(crate) struct Leaf {
    directories: Vec<(Hierarchy, PathBuf)>,
    /// The v2 one, opened.
    v2: Option<File>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum LeafError {
    #[error("cannot write `{value}` to `{path}`: {source}")]
    Write { path: PathBuf, value: String, source: io::Error },
    #[error("cannot create `{path}`: {source}")]
    Create { path: PathBuf, source: io::Error },
    #[error("a limit on {controller} is asked for, but no cgroup here controls it")]
    NoController { controller: &'static str },
    #[error("cannot attach the device rules: {source}")]
    Devices { source: sys::SysError },
}

impl Leaf {
    /// Creates it with its rules and limits; no process is in it yet.
    pub(crate) fn create(
        cgroups: &Cgroups,
        name: &str,
        limits: &Limits,
        devices: DeviceRules,
    ) -> Result<Leaf, LeafError> {
        let mut leaf = Leaf { directories: Vec::new(), v2: None };
        let filled = leaf.fill(cgroups, name, limits);
        match filled.and_then(|()| leaf.apply_device_rules(devices)) {
            Ok(()) => Ok(leaf),
            Err(error) => {
                leaf.remove();
                Err(error)
            }
        }
    }

    fn fill(&mut self, cgroups: &Cgroups, name: &str, limits: &Limits) -> Result<(), LeafError> {
        for hierarchy in &cgroups.hierarchies {
            let path = hierarchy.mount.join(&cgroups.parent).join(name);
            let failed = |source| LeafError::Create { path: path.clone(), source };
            create(hierarchy, &cgroups.parent, &path).map_err(failed)?;
            if hierarchy.version == Version::V2 {
                self.v2 = Some(File::open(&path).map_err(failed)?);
            }
            self.directories.push((hierarchy.clone(), path));
        }
        self.apply_limits(limits)
    }

    fn directory(&self, controller: &'static str) -> Result<(Version, &Path), LeafError> {
        self.directories
            .iter()
            .find(|(hierarchy, _)| hierarchy.has(controller))
            .map(|(hierarchy, path)| (hierarchy.version, path.as_path()))
            .ok_or(LeafError::NoController { controller })
    }

    fn apply_limits(&self, limits: &Limits) -> Result<(), LeafError> {
        if let Some(bytes) = limits.memory {
            let (version, path) = self.directory("memory")?;
            let swap = bytes.saturating_mul(2);
            match version {
                Version::V1 => {
                    write(path, "memory.limit_in_bytes", &bytes.to_string())?;
                    write_if_there(path, "memory.memsw.limit_in_bytes", &swap.to_string())?;
                }
                Version::V2 => {
                    write(path, "memory.max", &bytes.to_string())?;
                    write_if_there(path, "memory.swap.max", &bytes.to_string())?;
                }
            }
        }
        if let Some(cpus) = limits.cpus {
            let (version, path) = self.directory("cpu")?;
            let quota = (cpus * 100_000.0) as u64;
            match version {
                Version::V1 => {
                    write(path, "cpu.cfs_period_us", "100000")?;
                    write(path, "cpu.cfs_quota_us", &quota.to_string())?;
                }
                Version::V2 => write(path, "cpu.max", &format!("{quota} 100000"))?,
            }
        }
        if let Some(count) = limits.pids {
            let (_, path) = self.directory("pids")?;
            write(path, "pids.max", &count.to_string())?;
        }
        Ok(())
    }

    fn apply_device_rules(&self, rules: DeviceRules) -> Result<(), LeafError> {
        match rules {
            DeviceRules::NoDevices | DeviceRules::AllDevices => Ok(()),
            DeviceRules::V1 => {
                let (_, path) = self.directory("devices")?;
                write(path, "devices.deny", "a")?;
                devices::v1_lines().iter().try_for_each(|line| write(path, "devices.allow", line))
            }
            DeviceRules::V2 => match self.v2() {
                Some(group) => sys::bpf::attach_device_program(group, &devices::v2_program())
                    .map_err(|source| LeafError::Devices { source }),
                None => Err(LeafError::NoController { controller: "devices" }),
            },
        }
    }

    /// The v2 directory: a container is born in it.
    pub(crate) fn v2(&self) -> Option<BorrowedFd<'_>> {
        self.v2.as_ref().map(File::as_fd)
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
        for (_, path) in &self.directories {
            let _ = kill_and_remove(path);
        }
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

/// Kills what is in the group and removes it. Processes that are dying keep it for a moment.
pub(super) fn kill_and_remove(path: &Path) -> io::Result<()> {
    let mut result = Ok(());
    for _ in 0..200 {
        result = match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other,
        };
        if result.is_ok() {
            return Ok(());
        }
        kill(path);
        std::thread::sleep(Duration::from_millis(5));
    }
    result
}

/// By the v2 file when there is one, else process by process, frozen where that is possible.
fn kill(path: &Path) {
    if put(&path.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    let freezer = path.join("freezer.state");
    let frozen = put(&freezer, "FROZEN").is_ok();
    let processes = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    for pid in processes.lines().filter_map(|line| line.parse().ok()).filter_map(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
    if frozen {
        let _ = put(&freezer, "THAWED");
    }
}

fn write(directory: &Path, file: &str, value: &str) -> Result<(), LeafError> {
    let path = directory.join(file);
    put(&path, value).map_err(|source| LeafError::Write { path, value: value.to_owned(), source })
}

/// Swap accounting may be compiled out; there is nothing to limit then.
fn write_if_there(directory: &Path, file: &str, value: &str) -> Result<(), LeafError> {
    match write(directory, file, value) {
        Err(LeafError::Write { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
