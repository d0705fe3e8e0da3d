//! The mounts of a RUN.

use std::path::PathBuf;

use runtime::{Mount, MountSource};
use store::{ActiveSnapshot, SnapshotId};

use super::cache_mount::CacheDir;
use super::{Setting, rootfs};
use crate::execute::StepError;
use crate::request::{Secret, SecretSource};
use crate::step::{RunMount, RunStep, SecretMount};

/// What the mounts of a step read, in the order of the step's mounts.
#[derive(Debug, Default)]
pub(crate) struct MountPlan {
    pub(crate) sources: Vec<Prepared>,
}

#[derive(Debug)]
pub(crate) enum Prepared {
    /// tmpfs, secrets.
    Nothing,
    /// A bind mount: a stack of snapshots and the path in it.
    Tree {
        stack: Vec<SnapshotId>,
        path: String,
    },
    Cache(CacheDir),
}

/// Mounts ready for the runtime, and what must live as long as they do.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) mounts: Vec<Mount>,
    pub(super) env: Vec<String>,
    _discarded: Vec<ActiveSnapshot>,
    _caches: Vec<CacheDir>,
}

pub(super) fn resolve(
    step: &RunStep,
    plan: MountPlan,
    setting: &Setting<'_>,
) -> Result<Resolved, StepError> {
    let mut resolved = Resolved::default();
    for (mount, prepared) in step.mounts.iter().zip(plan.sources) {
        match (mount, prepared) {
            (RunMount::Bind(bind), Prepared::Tree { stack, path }) => {
                let tree = if bind.read_only {
                    rootfs(&setting.snapshotter.view(&stack)?)
                } else {
                    // What is written goes to an upper directory that nobody keeps.
                    let active = setting.snapshotter.prepare(&stack)?;
                    let tree = rootfs(&active.mount);
                    resolved._discarded.push(active);
                    tree
                };
                let source = MountSource::Tree { tree, subpath: Some(PathBuf::from(path)) };
                resolved.push(&bind.target, source, bind.read_only);
            }
            (RunMount::Cache(cache), Prepared::Cache(dir)) => {
                let source = MountSource::Path {
                    source: dir.path().to_owned(),
                    subpath: Some(PathBuf::from(&cache.source)),
                };
                resolved.push(&cache.target, source, cache.read_only);
                resolved._caches.push(dir);
            }
            (RunMount::Tmpfs { target, size }, _) => {
                resolved.push(target, MountSource::Tmpfs { size: *size, mode: 0o1777 }, false);
            }
            (RunMount::Secret(secret), _) => resolved.secret(secret, setting.secrets)?,
            // The planner and the solver give each mount what it needs.
            (RunMount::Bind(_) | RunMount::Cache(_), _) => {}
        }
    }
    Ok(resolved)
}

impl Resolved {
    fn push(&mut self, target: &str, source: MountSource, read_only: bool) {
        self.mounts.push(Mount { target: PathBuf::from(target), source, read_only });
    }

    fn secret(&mut self, mount: &SecretMount, given: &[Secret]) -> Result<(), StepError> {
        let Some(secret) = given.iter().find(|secret| secret.id == mount.id) else {
            return match mount.required {
                true => Err(StepError::SecretMissing { id: mount.id.clone() }),
                false => Ok(()),
            };
        };
        let value = match &secret.source {
            SecretSource::Value(value) => value.clone(),
            SecretSource::File(path) => std::fs::read(path).map_err(|source| {
                StepError::SecretRead { id: secret.id.clone(), path: path.clone(), source }
            })?,
        };
        if let Some(name) = &mount.env {
            let text = String::from_utf8(value.clone())
                .map_err(|_| StepError::SecretText { id: secret.id.clone() })?;
            self.env.push(format!("{name}={text}"));
        }
        if let Some(target) = &mount.target {
            let (mode, uid, gid) = (mount.mode, mount.uid, mount.gid);
            self.push(target, MountSource::File { content: value, mode, uid, gid }, true);
        }
        Ok(())
    }
}
