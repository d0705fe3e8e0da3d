//! The mounts of a RUN: what stands behind each, in the order they are made.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use runtime::{Mount, MountSource};
use store::{ActiveSnapshot, SnapshotId};
use sys::RootDir;

use super::cache_mount::CacheDir;
use super::{RunError, Setting, command, secret, spec, ssh};
use crate::execute::StepError;
use crate::step::{BindMount, CacheMount, RunMount, RunStep, SshMount};

/// What the mounts of a step read, in the order of the step's mounts.
#[derive(Debug, Default)]
pub(crate) struct MountPlan {
    pub(crate) sources: Vec<Prepared>,
}

#[derive(Clone, Debug)]
pub(crate) enum Prepared {
    /// tmpfs, secrets, agents, and mounts that another one replaces.
    Nothing,
    /// A bind mount: a stack of snapshots, at least one, and the path in it.
    Tree {
        stack: Vec<SnapshotId>,
        path: String,
    },
    /// A bind mount of files that were copied, and the path in the copy.
    Copy {
        copy: Arc<ActiveSnapshot>,
        path: String,
    },
    Cache(CacheDir),
}

/// Mounts ready for the runtime, and what must live as long as they do.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) list: Vec<Mount>,
    /// Secrets as `NAME=VALUE`.
    pub(super) variables: Vec<String>,
    writable: Vec<ActiveSnapshot>,
    copies: Vec<Arc<ActiveSnapshot>>,
    caches: Vec<CacheDir>,
    agents: Vec<ssh::Forwarding>,
}

/// Which of the mounts are made: of several on one target only the last.
pub(crate) fn is_made(mounts: &[RunMount], number: usize) -> bool {
    let target = target(&mounts[number]);
    target.is_none() || mounts[number + 1..].iter().all(|later| self::target(later) != target)
}

fn target(mount: &RunMount) -> Option<&str> {
    match mount {
        RunMount::Bind(bind) => Some(&bind.target),
        RunMount::Cache(cache) => Some(&cache.target),
        RunMount::Tmpfs { target, .. } => Some(target),
        RunMount::Secret(secret) => secret.target.as_deref(),
        RunMount::Ssh(ssh) => Some(&ssh.target),
    }
}

/// Outer mounts come before those within them, whatever the order in the Dockerfile.
fn in_order(mounts: &[RunMount]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..mounts.len()).filter(|&n| is_made(mounts, n)).collect();
    order.sort_by_key(|&number| target(&mounts[number]).map(Path::new));
    order
}

pub(super) fn resolve(
    step: &RunStep,
    mut plan: MountPlan,
    setting: &Setting<'_>,
) -> Result<Resolved, StepError> {
    let mut resolved = Resolved::default();
    for number in in_order(&step.mounts) {
        let prepared = std::mem::replace(&mut plan.sources[number], Prepared::Nothing);
        match (&step.mounts[number], prepared) {
            (RunMount::Bind(bind), Prepared::Tree { stack, path }) => {
                resolved.bind(bind, &stack, &path, setting)?;
            }
            (RunMount::Bind(bind), Prepared::Copy { copy, path }) => {
                resolved.copy(bind, copy, &path, setting)?;
            }
            (RunMount::Cache(cache), Prepared::Cache(dir)) => {
                resolved.cache(cache, dir, step)?;
            }
            (RunMount::Tmpfs { target, size, read_only }, _) => {
                let source = MountSource::Tmpfs(spec::tmpfs(*size));
                resolved.push(target, source, *read_only);
            }
            (RunMount::Secret(secret), _) => {
                let given = secret::give(secret, setting.secrets)?;
                resolved.list.extend(given.file);
                resolved.variables.extend(given.variable);
            }
            (RunMount::Ssh(ssh), _) => resolved.agent(ssh, setting)?,
            // The solver gives each mount that is made what it needs.
            (RunMount::Bind(_) | RunMount::Cache(_), _) => {}
        }
    }
    Ok(resolved)
}

/// The whole tree or what an untrusted path leads to, found at the time of mounting.
fn subpath(path: &str) -> Option<PathBuf> {
    (path != "/").then(|| PathBuf::from(path))
}

impl Resolved {
    fn push(&mut self, target: &str, source: MountSource, read_only: bool) {
        self.list.push(Mount { target: PathBuf::from(target), source, read_only });
    }

    fn bind(
        &mut self,
        bind: &BindMount,
        stack: &[SnapshotId],
        path: &str,
        setting: &Setting<'_>,
    ) -> Result<(), StepError> {
        let tree = if bind.read_only {
            spec::rootfs(&setting.snapshotter.view(stack)?)
        } else {
            // What is written goes to a directory that nobody keeps.
            let active = setting.snapshotter.prepare(stack)?;
            let tree = spec::rootfs(&active.mount);
            self.writable.push(active);
            tree
        };
        let source = MountSource::Tree { tree, subpath: subpath(path) };
        self.push(&bind.target, source, bind.read_only);
        Ok(())
    }

    fn copy(
        &mut self,
        bind: &BindMount,
        copy: Arc<ActiveSnapshot>,
        path: &str,
        setting: &Setting<'_>,
    ) -> Result<(), StepError> {
        let (directory, subpath) = (copy.upper_path().to_owned(), subpath(path));
        let source = if bind.read_only {
            MountSource::path(directory, subpath)
        } else {
            let active = setting.snapshotter.prepare_above(&copy)?;
            let tree = spec::rootfs(&active.mount);
            self.writable.push(active);
            MountSource::Tree { tree, subpath }
        };
        self.push(&bind.target, source, bind.read_only);
        self.copies.push(copy);
        Ok(())
    }

    fn agent(&mut self, mount: &SshMount, setting: &Setting<'_>) -> Result<(), StepError> {
        let directory = setting.store.temp_path()?;
        let Some(forwarding) = ssh::forward(mount, setting.ssh, directory)? else { return Ok(()) };
        let source = MountSource::path(forwarding.socket(), None);
        // A socket on a read-only mount can be connected to, but its owner and mode stay.
        self.push(&mount.target, source, true);
        self.agents.push(forwarding);
        Ok(())
    }

    fn cache(&mut self, cache: &CacheMount, dir: CacheDir, step: &RunStep) -> Result<(), RunError> {
        let found = RootDir::open(dir.path()).and_then(|root| root.metadata_follow(&cache.source));
        if let Err(error) = found {
            let cause = format!("open {} in the cache {}: {error}", cache.source, cache.id);
            return Err(RunError::Start { command: command(step), cause });
        }
        let (source, subpath) = (dir.path().to_owned(), subpath(&cache.source));
        self.push(&cache.target, MountSource::path(source, subpath), cache.read_only);
        self.caches.push(dir);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outer_mounts_come_first_and_the_last_of_a_target_wins() {
        let tmpfs = |target: &str, size| RunMount::Tmpfs {
            target: target.to_owned(),
            size: Some(size),
            read_only: false,
        };
        let mounts = [tmpfs("/a/b", 1), tmpfs("/a-b", 2), tmpfs("/a", 3), tmpfs("/a/b", 4)];
        assert_eq!(in_order(&mounts), [2, 3, 1]);
    }
}
