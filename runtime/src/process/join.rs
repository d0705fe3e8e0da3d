//! Another program in a container that runs: its namespaces, cgroups, filter and capabilities.
//!
//! The process is born in the container's PID namespace and v2 cgroup; what is left to join is joined here, by
//! the descriptor of the container's first process.
use std::os::fd::BorrowedFd;

use nix::sched::{CloneFlags, setns};
use rustix::fs::Mode;
use rustix::process::{Gid, Uid};
use sys::RootDir;

use super::{
    ChildStdio, Launch, Never, become_program, before_mapping, conceal, report_failure,
    report_ready, resolve_user, terminal,
};
use crate::process::Stubs;
use crate::spec::UserIds;
use crate::user_namespace::become_its_root;
use crate::zygote::message::{Step, StepError};

/// The body of the new process. Returns only if the program could not be started.
pub(crate) fn run(launch: &Launch<'_>, first: BorrowedFd<'_>) -> u8 {
    let Err(failure) = start(launch, first);
    report_failure(launch.status, &failure)
}

/// Descriptors of the host's lead out of the container for whoever can look at ours in /proc (CVE-2016-9962).
fn hide(launch: &Launch<'_>, first: BorrowedFd<'_>) -> Result<(), StepError> {
    conceal()?;
    let mut needed = vec![launch.status, launch.launcher, first];
    if let ChildStdio::Descriptors(streams) = launch.stdio {
        needed.extend(streams);
    }
    sys::clone::close_from_except(launch.first_own(), &needed).step("close the host's files")
}

fn start(launch: &Launch<'_>, first: BorrowedFd<'_>) -> Result<Never, StepError> {
    let spec = launch.spec;
    sys::signal::reset_all().step("reset signals")?;
    rustix::process::setsid().step("start a session")?;
    rustix::process::umask(Mode::empty());
    launch.leaf.join_v1().step("join cgroup")?;
    let mapped = spec.user_namespace.as_ref();
    if let Some((user, group)) = mapped.and_then(UserIds::root) {
        before_mapping(launch, (Uid::from_raw(user), Gid::from_raw(group)))?;
    }
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWCGROUP;
    // In there this is a process like any other of the container's, so nothing of the host's may be found in it.
    hide(launch, first)?;
    // With the mount namespace come its root as root and working directory.
    let own_user = if mapped.is_some() { CloneFlags::CLONE_NEWUSER } else { CloneFlags::empty() };
    setns(first, namespaces | own_user).step("enter the container's namespaces")?;
    if mapped.is_some() {
        become_its_root()?;
    }

    let root = RootDir::open("/").step("use the rootfs")?;
    let user = resolve_user(&root, spec)?;
    let terminal = match launch.stdio {
        ChildStdio::Terminal { rows, columns } => {
            let devpts = root.subdir_nofollow("dev/pts").step("open a terminal")?;
            let size = (rows, columns);
            Some(terminal::open_in(devpts.place_fd(".").step("open a terminal")?, size, user.uid)?)
        }
        ChildStdio::Descriptors(_) => None,
    };
    drop(root);
    report_ready(launch, &Stubs::default(), terminal.as_ref())?;
    become_program(launch, &user, terminal)
}
