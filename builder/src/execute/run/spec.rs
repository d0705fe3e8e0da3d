//! From a step to the container that runs it.

use std::ffi::OsString;
use std::path::PathBuf;

use runtime::{
    CapabilitySet, ContainerSpec, EtcFiles, MachineAccess, Mount, MountSource, Rootfs, Seccomp,
    Tmpfs, TmpfsUse,
};
use store::RootfsMount;

use super::etc;
use crate::request::{NetworkMode, Ulimit};
use crate::step::RunStep;

/// What the machine is called inside when nothing else is said; BuildKit's name.
const HOSTNAME: &str = "buildkitsandbox";
/// Where a here-document that starts with `#!` is found.
const SCRIPT_DIR: &str = "/dev/pipes";
const SHM: &str = "/dev/shm";

/// Everything but the mounts of the step.
pub(super) fn container(id: &str, step: &RunStep, rootfs: Rootfs) -> ContainerSpec {
    let args = step.args.iter().map(OsString::from).collect();
    let mut spec = ContainerSpec::new(id, rootfs, args);
    spec.env = step.env.clone();
    for variable in &step.proxy_env {
        set_variable(&mut spec.env, variable);
    }
    spec.cwd = PathBuf::from(&step.cwd);
    spec.user = step.user.clone();
    spec.hostname = step.hostname.clone().unwrap_or_else(|| HOSTNAME.to_owned());
    spec.etc = EtcFiles {
        hosts: Some(etc::hosts(&spec.hostname, &step.add_hosts)),
        resolv_conf: Some(runtime::etc::host_resolv_conf()),
        hostname: None,
        read_only: true,
    };
    spec.network = match step.network {
        NetworkMode::Default | NetworkMode::Host => runtime::NetworkMode::Host,
        NetworkMode::None => runtime::NetworkMode::None,
    };
    if step.insecure {
        spec.capabilities = CapabilitySet::all();
        spec.seccomp = Seccomp::Unconfined;
        spec.machine = MachineAccess::Full;
    }
    if let Some(size) = step.shm_size {
        // With a size of its own it is an ordinary tmpfs, as with BuildKit; the program sees it.
        let source = MountSource::Tmpfs(tmpfs(Some(size)));
        spec.mounts.push(Mount { target: PathBuf::from(SHM), source, read_only: false });
    }
    spec.ulimits = step.ulimits.iter().map(ulimit).collect();
    if let Some(script) = &step.script {
        let content = script.content.clone().into_bytes();
        spec.mounts.push(Mount {
            target: PathBuf::from(SCRIPT_DIR).join(&script.name),
            source: MountSource::File { content, mode: 0o755, uid: 0, gid: 0 },
            read_only: true,
        });
    }
    spec
}

/// As BuildKit's: programs on it can be run.
pub(super) fn tmpfs(size: Option<u64>) -> Tmpfs {
    let forbidden = TmpfsUse { set_user_id: true, ..TmpfsUse::default() };
    Tmpfs { size, mode: Some(0o1777), forbidden, ..Tmpfs::default() }
}

/// `NAME=VALUE`, replacing the variable if it is there.
pub(super) fn set_variable(env: &mut Vec<String>, variable: &str) {
    let name = variable.split('=').next().unwrap_or(variable);
    let same = |known: &&mut String| known.split('=').next() == Some(name);
    match env.iter_mut().find(same) {
        Some(known) => variable.clone_into(known),
        None => env.push(variable.to_owned()),
    }
}

/// The runtime's words for what the store says to mount.
pub(super) fn rootfs(mount: &RootfsMount) -> Rootfs {
    match mount.clone() {
        RootfsMount::Overlay { lowers, upper, work, volatile } => {
            Rootfs::Overlay { lowers, upper, work, volatile }
        }
        RootfsMount::Directory { path, read_only } => Rootfs::Directory { path, read_only },
    }
}

/// A negative limit is none.
fn ulimit(limit: &Ulimit) -> runtime::Ulimit {
    let value = |value: i64| u64::try_from(value).ok();
    runtime::Ulimit { name: limit.name.clone(), soft: value(limit.soft), hard: value(limit.hard) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_there_once() {
        let mut env = vec!["A=1".to_owned(), "AB=2".to_owned()];
        set_variable(&mut env, "AB=3=4");
        set_variable(&mut env, "C=");
        assert_eq!(env, ["A=1", "AB=3=4", "C="]);
    }
}
