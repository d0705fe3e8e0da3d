//! The process of a shim: how it comes to be, and what it makes of itself.
use std::collections::HashMap;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use sys::clone::{Child, close_all_except, spawn_child};
use sys::title;

use crate::capabilities::CapabilitySet;
use crate::cgroup::{self, Cgroups};
use crate::engine::{EngineId, Owner, reconcile_in};
use crate::error::RuntimeError;
use crate::network::SandboxSpace;
use crate::phases::{Phase, Phases};
use crate::process::{self, ahead::Shape};
use crate::spare::{Rules, Spare};
use crate::spec::NetworkMode;
use crate::starter::Starter;
use crate::zygote::message::{Step, StepError};
use crate::zygote::{ProcessView, check_machine, child, create_mountpoints, launcher};

/// What the command line of a shim begins with. A program that was executed with it hands the rest to [`Seed::executed`].
pub const VERB: &str = "container-shim";

/// What a shim was told, on its command line where its program was executed for that.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) root: PathBuf,
    pub(super) state: PathBuf,
    pub(super) id: String,
    /// Whoever starts it wants to know what takes how long.
    pub(super) traced: bool,
    /// Of a process that is to be made ahead.
    pub(super) usual: Option<NetworkMode>,
}

/// The last argument then.
const TRACED: &str = "traced";

impl Told {
    pub(super) fn of(arguments: &[OsString]) -> Option<Told> {
        let [root, state, id, more @ ..] = arguments else { return None };
        let id = id.to_str()?.to_owned();
        let traced = more.iter().any(|word| word == TRACED);
        Some(Told { root: root.into(), state: state.into(), id, traced, usual: None })
    }
}

/// A process that is a shim but for what a shim does: hand it to [`super::main`].
#[derive(Debug)]
pub struct Seed {
    pub(super) socket: OwnedFd,
    pub(super) told: Told,
}

impl Seed {
    /// Of a process whose program was executed for that, with what came behind [`VERB`] on its command line. None of any other.
    pub fn executed(arguments: &[OsString]) -> io::Result<Option<Seed>> {
        let Some(told) = Told::of(arguments) else { return Ok(None) };
        let socket = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
        leave_streams()?;
        Ok(Some(Seed { socket, told }))
    }

    pub fn root(&self) -> &Path {
        &self.told.root
    }

    pub fn state(&self) -> &Path {
        &self.told.state
    }
}

/// What a new shim is to be.
#[derive(Clone, Copy)]
pub struct ShimOrder<'a> {
    pub root: &'a Path,
    pub state: &'a Path,
    /// Of a container that need not exist yet: the shim prepares itself meanwhile.
    pub id: &'a str,
    pub processes: ProcessView,
    /// It tells what takes how long.
    pub traced: bool,
    /// The network of a container that seems to ask for nothing special: then its process is made before it is known. A shim whose
    /// program is executed makes none ahead.
    pub usual: Option<NetworkMode>,
    /// What the new process does, a copy of this one, where it need not execute the program anew, which takes longer than all that
    /// it does then. What this returns is the process's exit status.
    pub main: Option<&'a dyn Fn(Seed) -> u8>,
}

impl std::fmt::Debug for ShimOrder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShimOrder").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ShimOrder<'_> {
    fn arguments(&self) -> Result<Vec<CString>, RuntimeError> {
        let words = [
            b"rbuild",
            VERB.as_bytes(),
            self.root.as_os_str().as_bytes(),
            self.state.as_os_str().as_bytes(),
            self.id.as_bytes(),
        ];
        let words = words.into_iter().chain(self.traced.then_some(TRACED.as_bytes()));
        let text = |bytes: &[u8]| {
            CString::new(bytes)
                .map_err(|error| RuntimeError::ShimStart { act: "name it", source: error.into() })
        };
        words.map(text).collect()
    }

    fn told(&self) -> Told {
        let (root, state) = (self.root.to_owned(), self.state.to_owned());
        Told { root, state, id: self.id.to_owned(), traced: self.traced, usual: self.usual }
    }
}

/// Starts a shim. To be called from a process with one thread whose program hands [`VERB`] to [`super::main`].
pub(super) fn fork(order: ShimOrder<'_>) -> Result<(OwnedFd, Child), RuntimeError> {
    check_machine()?;
    let at = |act| move |source: io::Error| RuntimeError::ShimStart { act, source };
    let (near, far) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(|errno| at("make a socket")(errno.into()))?;
    let arguments = order.arguments()?;
    let flags = match order.processes {
        ProcessView::Own => libc::CLONE_NEWPID | libc::CLONE_NEWNS,
        ProcessView::Host => libc::CLONE_NEWNS,
    };
    let child = spawn_child(flags, None, || match order.main {
        // Who cannot rename itself is not to be seen with our command line, which may have secrets in it.
        Some(main) if title::set(&arguments).is_ok() => go_on_as_shim(&far, order, main),
        _ => execute_shim(&far, &arguments),
    })
    .map_err(|error| at("make namespaces (this needs CAP_SYS_ADMIN)")(error.into()))?;
    Ok((near, child))
}

/// Nothing of ours but the socket, and what is in memory.
fn go_on_as_shim(socket: &OwnedFd, order: ShimOrder<'_>, main: &dyn Fn(Seed) -> u8) -> u8 {
    let seed = || -> io::Result<Seed> {
        rustix::process::setsid()?;
        let socket = rustix::io::fcntl_dupfd_cloexec(socket, 3)?;
        close_all_except(&[socket.as_fd()])?;
        leave_streams()?;
        Ok(Seed { socket, told: order.told() })
    };
    seed().map_or(127, main)
}

/// Nothing of ours but the socket, as standard input.
fn execute_shim(socket: &OwnedFd, arguments: &[CString]) -> u8 {
    let done = rustix::process::setsid().is_ok()
        && rustix::stdio::dup2_stdin(socket).is_ok()
        && close_all_except(&[]).is_ok();
    if done {
        // No variables: what they say has been decided.
        let environment: [CString; 0] = [];
        let _failed = nix::unistd::execve(c"/proc/self/exe", arguments, &environment);
    }
    127
}

fn leave_streams() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

/// What a shim has once it is one.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) socket: OwnedFd,
    pub(super) starter: Starter,
    pub(super) owner: Owner,
    /// The container's process, if it could be made ahead.
    pub(super) spare: Option<Spare>,
    /// The namespace of its interfaces, likewise.
    pub(super) space: Option<OwnedFd>,
}

impl Ready {
    /// Nobody wants the container any more.
    pub(super) fn give_up(self) {
        self.spare.into_iter().for_each(Spare::end);
        self.owner.remove();
        self.starter.cgroups.remove_parents();
    }
}

pub(super) fn prepare(socket: OwnedFd, told: &Told) -> Result<Ready, StepError> {
    let phases = Phases::new(told.traced);
    phases.end(Phase::Begin);
    sys::signal::reset_all().step("reset signals")?;
    let ignored = [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGTERM, libc::SIGPIPE];
    sys::signal::ignore(&ignored);
    let following = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change(c"/", following).step("separate mounts from the host's (is `/` a mount?)")?;
    rustix::process::chdir(c"/").step("enter /")?;
    rustix::process::umask(Mode::from_raw_mode(0o077));
    process::open_null().step("open /dev/null")?;
    child::reset_oom_score();
    let engine = EngineId::of_root(&told.root).step("name the engine")?;
    let mountpoints = create_mountpoints(&told.state).step("create the mount points")?;
    let hierarchies = cgroup::detect();
    // What cannot be removed today is no reason to start nothing; the next start tries again.
    let reconcile = |hierarchies: &[_]| drop(reconcile_in(hierarchies, &engine, &told.state));
    if told.usual.is_none() {
        reconcile(&hierarchies);
    }
    let owner = Owner::create(&told.state).step("create the owner file")?;
    let open_files = child::raise_open_files().step("raise the limit on open files")?;
    let mut starter = Starter {
        owner: owner.name.clone(),
        launcher: launcher::sealed().step("make the launcher")?,
        cgroups: Cgroups::prepare(hierarchies.clone(), &engine, &owner.name, &told.state),
        mountpoints,
        open_files,
        filters: HashMap::new(),
        joined: crate::joined::Joined::default(),
        pipes: None,
        preserved: 0,
        user: None,
        phases,
    };
    let socket = socket.as_fd().try_clone_to_owned().step("keep the socket")?;
    let spare = told.usual.and_then(|network| {
        // What fails now is told when it fails again.
        starter.make_spare(Shape::usual(network), &told.id, Rules::Later).ok()
    });
    match told.usual {
        // While the container's process makes its namespaces.
        Some(_) => reconcile(&hierarchies),
        // Most have it, and there is time: the container is still being made.
        None => starter.compile_filter(CapabilitySet::docker_default()),
    }
    // What fails now is told when it fails again, here too.
    let on_networks = told.usual == Some(NetworkMode::Sandbox);
    let space = on_networks.then(SandboxSpace::ahead).and_then(Result::ok);
    starter.phases.end(Phase::Prepare);
    Ok(Ready { socket, starter, owner, spare, space })
}
