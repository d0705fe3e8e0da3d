//! Makes the kernel ready for processes that join v1 cgroups.
//!
//! The first one to do so waits until every processor has left what it was doing (a grace period of RCU, some ten
//! milliseconds, more than all the rest of a start); whoever comes while that is going on, or right after it, waits for
//! what is left of it only. So a small process joins the cgroup in which it is already, as soon as it is known that
//! another one will have to be joined.
use std::fs;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use sys::clone::{close_all_except, spawn_child};

use super::{Version, hierarchy};
use crate::spec::Limits;

/// A container with these limits is about to have one process more. To be called from a process with one thread. What
/// cannot be had here is no loss but of time.
pub fn expect_joins(limits: &Limits) {
    if *limits == Limits::default() {
        return;
    }
    let Some(file) = own_group() else { return };
    // Nobody waits for it: it ends by itself, and init collects what is left.
    let _child = spawn_child(0, None, || join(&file));
}

/// The file to join the group in which this process is, in the first v1 hierarchy that containers use.
fn own_group() -> Option<PathBuf> {
    let hierarchies = hierarchy::detect();
    let first = hierarchies.iter().find(|it| it.version == Version::V1 && !it.is_on_demand())?;
    let controller = first.controllers.first()?;
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| {
        let (names, path) = line.split_once(':')?.1.split_once(':')?;
        names.split(',').any(|name| name == controller).then_some(path)
    })?;
    Some(first.mount.join(path.trim_start_matches('/')).join("cgroup.procs"))
}

/// Meanwhile it keeps nobody's pipe open.
fn join(file: &PathBuf) -> u8 {
    let Ok(group) = rustix::fs::open(file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) else {
        return 1;
    };
    let apart = rustix::stdio::dup2_stdin(&group).is_ok()
        && rustix::stdio::dup2_stdout(&group).is_ok()
        && rustix::stdio::dup2_stderr(&group).is_ok()
        && close_all_except(&[]).is_ok();
    // The group's own descriptor is closed with the others.
    std::mem::forget(group);
    let joined = apart && rustix::io::write(rustix::stdio::stdout(), b"0").is_ok();
    u8::from(!joined)
}
