//! The zygote's own beginning: apart from the caller in every way that matters.
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::mount::{MountPropagationFlags, mount_change};
use sys::clone::close_all_except;

use super::channel::send_frame;
use super::launcher;
use super::message::{Event, Step, StepError};
use super::serve::Server;
use crate::cgroup::{self, Cgroups};
use crate::engine::{EngineId, Owner};
use crate::process;
use crate::starter::Starter;

/// The zygote's main function.
pub(super) fn main(
    socket: BorrowedFd<'_>,
    owner: &Owner,
    engine: &EngineId,
    mountpoints: &Path,
) -> u8 {
    let result = match prepare(socket, owner, engine, mountpoints) {
        Ok(mut server) => server.run(),
        Err(StepError { step, cause, .. }) => {
            send_frame(socket, &Event::Refused { step, cause }, &[])
        }
    };
    owner.remove();
    u8::from(result.is_err())
}

fn prepare(
    socket: BorrowedFd<'_>,
    owner: &Owner,
    engine: &EngineId,
    mountpoints: &Path,
) -> Result<Server, StepError> {
    close_all_except(&[socket, owner.lock.as_fd()]).step("close descriptors")?;
    // Inherited from the caller's caller: with SIGCHLD ignored no child could be waited for.
    sys::signal::reset_all().step("reset signals")?;
    // Ctrl-C and hang-ups are for the caller; it decides what happens to containers.
    sys::signal::ignore(&[libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGTSTP, libc::SIGTTOU]);
    sys::signal::ignore(&[libc::SIGPIPE]);
    rustix::process::setsid().step("start a session")?;
    // What the host mounts and unmounts later is seen here; what is mounted here stays here.
    let following = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change(c"/", following).step("separate mounts from the host's (is `/` a mount?)")?;
    rustix::process::chdir(c"/").step("enter /")?;
    let null = process::open_null().step("open /dev/null")?;
    rustix::stdio::dup2_stdin(&null).step("replace standard input")?;
    rustix::stdio::dup2_stdout(&null).step("replace standard output")?;
    reset_oom_score();
    let open_files = raise_open_files().step("raise the limit on open files")?;
    let starter = Starter {
        owner: owner.name.clone(),
        launcher: launcher::sealed().step("make the launcher")?,
        cgroups: Cgroups::prepare(
            cgroup::detect(),
            engine,
            &owner.name,
            mountpoints.parent().unwrap_or(mountpoints),
        ),
        mountpoints: mountpoints.to_owned(),
        open_files,
        filters: HashMap::new(),
        joined: crate::joined::Joined::default(),
        pipes: None,
        preserved: 0,
        user: None,
        phases: crate::phases::Phases::default(),
    };
    let socket = socket.try_clone_to_owned().step("keep the socket")?;
    Ok(Server { socket, starter, containers: Vec::new(), spares: Vec::new(), made_ahead: 0 })
}

/// Many containers, and overlays of many layers, take many descriptors. Containers themselves get
/// the limits we were started with, which are returned.
pub(crate) fn raise_open_files() -> nix::Result<(u64, u64)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok((soft, hard))
}

/// Containers are not to be spared because the caller is.
pub(crate) fn reset_oom_score() {
    let path = "/proc/self/oom_score_adj";
    let spared = std::fs::read_to_string(path).is_ok_and(|score| score.starts_with('-'));
    if spared {
        // Raising it needs no privilege.
        let _ = std::fs::write(path, "0");
    }
}
