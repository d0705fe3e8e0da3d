//! The container's first process, from clone3 to exec.
//!
//! ```text
//! caller (threads) ──spawn request──▶ zygote (one thread, PID 1 of its own PID namespace)
//!                                        │ clone3: new mount, pid, uts, ipc (and net) namespaces
//!                                        ▼
//!                                     this module: cgroups, mounts, root, terminal, privileges
//!                                        │ execveat of the launcher's sealed memfd
//!                                        ▼
//!                                     launcher ──execve──▶ the container's program
//! ```
//! It runs in a copy of the zygote, which has one thread, so ordinary code is safe here. Failures
//! go back over the status socket as `E` and JSON; when all mounts are made it sends `R`, JSON and
//! the terminal; the launcher sends `X` and an errno; success is the socket closing at exec.
pub(crate) mod ahead;
mod aside;
mod base_mounts;
mod devices;
pub(crate) mod filesystem;
mod given_devices;
pub(crate) mod hooks;
mod join;
mod listed;
mod mapped;
mod masks;
mod overlay;
pub(crate) mod pause;
mod privileges;
pub(crate) mod program;
mod propagation;
mod shared_ipc;
mod stubs;
mod sysctls;
mod terminal;
mod user_mounts;

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::net::RecvFlags;
use rustix::process::{DumpableBehavior, Gid, Uid, set_dumpable_behavior};
use sys::RootDir;
use sys::seccomp::Instruction;

use crate::cgroup::{DeviceRules, Leaf};
use crate::error::StartFailure;
use crate::joined::SharedIpc;
use crate::phases::{Phase, Phases};
use crate::spec::{ContainerSpec, MachineAccess, NamespaceMode, NetworkMode, Rootfs};
use crate::user::{self, ResolvedUser};
use crate::zygote::channel::send_with_descriptors;
use crate::zygote::message::{Step, StepError};
pub(crate) use aside::run as look_aside;
pub(crate) use base_mounts::LINKS;
pub(crate) use devices::HARMLESS;
pub(crate) use filesystem::Filesystems;
pub(crate) use join::run as run_in_container;
pub(crate) use mapped::Prepared;
pub(crate) use masks::{MASKED, READ_ONLY, open_null};
pub(crate) use overlay::mount_layers;
pub(crate) use pause::Pause;
pub(crate) use stubs::{Stubs, remove as remove_stubs};

/// Everything the process needs, found out before it exists.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) spec: &'a ContainerSpec,
    pub(crate) stdio: ChildStdio<'a>,
    pub(crate) leaf: &'a Leaf,
    pub(crate) devices: DeviceRules,
    pub(crate) filter: Option<&'a [Instruction]>,
    /// Soft and hard limit on open files, unless the specification has one.
    pub(crate) open_files: (u64, u64),
    /// The memfd with the launcher.
    pub(crate) launcher: BorrowedFd<'a>,
    /// A directory with the empty directories that are mounted on while setting up.
    pub(crate) mountpoints: &'a Path,
    pub(crate) status: BorrowedFd<'a>,
    /// The network namespace to join, for [`NetworkMode::Sandbox`].
    pub(crate) network: Option<BorrowedFd<'a>>,
    /// The IPC namespace to join.
    pub(crate) ipc: Option<&'a SharedIpc>,
    /// Other namespaces to join.
    pub(crate) others: &'a [(CloneFlags, OwnedFd)],
    /// The program does not begin before it is told to.
    pub(crate) pause: Option<Pause<'a>>,
    /// So many descriptors from 3 on are the program's.
    pub(crate) preserved: u32,
    pub(crate) phases: Option<&'a Phases>,
    /// Its device rules are made while it sets itself up: it waits for them.
    pub(crate) rules_follow: bool,
    /// Our end of `status`, unless it has no copy of that.
    pub(crate) near: Option<BorrowedFd<'a>>,
    /// What is mounted in a container with a user namespace of its own.
    pub(crate) prepared: Option<&'a Prepared>,
    /// File systems of its own that are mounted already.
    pub(crate) filesystems: Option<&'a Filesystems>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ChildStdio<'a> {
    Descriptors([BorrowedFd<'a>; 3]),
    Terminal { rows: u16, columns: u16 },
}

impl Launch<'_> {
    fn has_machine(&self) -> bool {
        self.spec.machine != MachineAccess::Confined
    }

    fn end(&self, phase: Phase) {
        if let Some(phases) = self.phases {
            phases.end(phase);
        }
    }

    /// Namespaces of files belong to the machine's root, those that we make to the container's own.
    fn gives_namespaces_ahead(&self) -> bool {
        self.prepared.is_some() && self.spec.listed.is_some()
    }

    fn withhold_devices(&self) -> bool {
        self.devices == DeviceRules::NoDevices
    }

    /// The first descriptor that is ours.
    fn first_own(&self) -> u32 {
        3 + self.preserved
    }

    fn mountpoint(&self, name: &str) -> PathBuf {
        self.mountpoints.join(name)
    }
}

/// The namespaces to be made by clone3; the cgroup namespace comes after the v1 cgroups are joined.
pub(crate) fn clone_flags(spec: &ContainerSpec) -> i32 {
    let own = |mode: &NamespaceMode, flag| if mode.is_own() { flag } else { 0 };
    let flags = libc::CLONE_NEWNS
        | own(&spec.namespaces.pid, libc::CLONE_NEWPID)
        | own(&spec.namespaces.uts, libc::CLONE_NEWUTS)
        | own(&spec.namespaces.ipc, libc::CLONE_NEWIPC);
    match spec.network {
        NetworkMode::Host | NetworkMode::Sandbox => flags,
        NetworkMode::None => flags | libc::CLONE_NEWNET,
    }
}

/// The body of the new process. Returns only if the program could not be started.
pub(crate) fn run(launch: &Launch<'_>) -> u8 {
    let Err(failure) = start(launch);
    report_failure(launch.status, &failure)
}

fn report_failure(status: BorrowedFd<'_>, failure: &StepError) -> u8 {
    let mut message = b"E".to_vec();
    message.extend(serde_json::to_vec(failure).unwrap_or_default());
    // If nobody listens any more, nobody wants to know.
    let sent = send_with_descriptors(status, &message, &[]);
    if sent.is_err_and(|error| error.raw_os_error() == Some(libc::ENOTSOCK)) {
        let _ = rustix::io::write(status, &message);
    }
    127
}

enum Never {}

fn start(launch: &Launch<'_>) -> Result<Never, StepError> {
    launch.end(Phase::Clone);
    if !launch.gives_namespaces_ahead() {
        join_given(launch)?;
    }
    leave_the_caller(launch.leaf, &launch.spec.namespaces.cgroup)?;
    launch.end(Phase::Apart);
    match &launch.spec.listed {
        Some(listed) => listed::set_up(launch, listed),
        None => set_up(launch),
    }
}

/// The namespaces that are there already.
pub(crate) fn join_given(launch: &Launch<'_>) -> Result<(), StepError> {
    join_network(launch)?;
    for (kind, namespace) in launch.others {
        setns(namespace, *kind).step("join a namespace")?;
    }
    Ok(())
}

/// Before /sys is mounted, which shows the interfaces of the namespace in which that is done.
fn join_network(launch: &Launch<'_>) -> Result<(), StepError> {
    match launch.network {
        Some(network) => {
            setns(network, CloneFlags::CLONE_NEWNET).step("join the network namespace")
        }
        None => Ok(()),
    }
}

/// What does not depend on what the container is, but for its kind ([`ahead`]). Joining cgroups waits for the kernel
/// for as long as all the rest takes together.
fn leave_the_caller(leaf: &Leaf, cgroup_namespace: &NamespaceMode) -> Result<(), StepError> {
    sys::signal::reset_all().step("reset signals")?;
    rustix::process::setsid().step("start a session")?;
    rustix::process::umask(Mode::empty());
    leaf.join_v1().step("join cgroup")?;
    if cgroup_namespace.is_own() {
        unshare(CloneFlags::CLONE_NEWCGROUP).step("make cgroup namespace")?;
    }
    Ok(())
}

fn set_up(launch: &Launch<'_>) -> Result<Never, StepError> {
    let spec = launch.spec;
    set_oom_score(launch)?;
    let shared_memory = launch.ipc.map(shared_ipc::join).transpose()?;
    let mut followed = match launch.prepared {
        Some(prepared) => prepared.sources()?,
        None => propagation::open_all(&spec.mounts)?,
    };
    let everything = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change(c"/", everything).step("make mounts private")?;

    let (rootfs, upper, launch) = match launch.prepared {
        Some(prepared) => {
            let rootfs = mapped::place(launch, prepared)?;
            (rootfs, prepared.upper()?, &Launch { mountpoints: Path::new("."), ..*launch })
        }
        None => {
            let rootfs = overlay::mount(launch, &spec.rootfs, "root")?;
            (rootfs, upper_directory(&spec.rootfs)?, launch)
        }
    };
    launch.end(Phase::Rootfs);
    user_mounts::take_filesystems(launch, &mut followed)?;
    let root = RootDir::from_fd(rootfs.try_clone().step("use the rootfs")?);
    let user = resolve_user(&root, spec)?;
    let mut targets = stubs::Targets::new(&root, upper);
    let base = base_mounts::mount_all(launch, &root, shared_memory)?;
    launch.end(Phase::Base);
    let terminal = terminal::open(launch, &root, &base.devpts, user.uid)?;
    user_mounts::mount_all(launch, &mut targets, followed)?;
    given_devices::make_all(launch, &root)?;
    sysctls::write_all(spec, &base.proc)?;
    if !launch.has_machine() && !spec.open_system_paths {
        masks::mask_all(&root, &base)?;
    }
    launch.end(Phase::Cover);
    root.create_dir_all(&spec.cwd, 0o755).step(format!("create `{}`", spec.cwd.display()))?;
    if spec.read_only_rootfs {
        user_mounts::make_read_only(&rootfs, false).step("make the rootfs read-only")?;
    }
    sys::mount::change_root(&rootfs).step("change root")?;
    launch.end(Phase::Root);

    let created = targets.into_stubs();
    drop((root, rootfs, base));
    report_ready(launch, &created, terminal.as_ref())?;
    enter(launch, &user, terminal)
}

/// Unless that was done before.
fn set_oom_score(launch: &Launch<'_>) -> Result<(), StepError> {
    match launch.spec.oom_score_adj.filter(|_| launch.prepared.is_none()) {
        Some(score) => privileges::set_oom_score(score),
        None => Ok(()),
    }
}

fn upper_directory(rootfs: &Rootfs) -> Result<Option<RootDir>, StepError> {
    match rootfs {
        Rootfs::Overlay { upper: Some(upper), .. } => {
            Ok(Some(RootDir::from_fd(open_place(upper)?)))
        }
        _ => Ok(None),
    }
}

/// Tells the zygote what to clean up later, and hands it the terminal.
fn report_ready(
    launch: &Launch<'_>,
    created: &Stubs,
    terminal: Option<&terminal::Terminal>,
) -> Result<(), StepError> {
    let mut message = b"R".to_vec();
    message.extend(serde_json::to_vec(created).step("report mounts")?);
    let near: Vec<BorrowedFd<'_>> = terminal.iter().map(|t| t.near.as_fd()).collect();
    send_with_descriptors(launch.status, &message, &near).step("report mounts")
}

/// From the new root on: names, limits, standard streams, privileges, exec.
fn enter(
    launch: &Launch<'_>,
    user: &ResolvedUser,
    terminal: Option<terminal::Terminal>,
) -> Result<Never, StepError> {
    let spec = launch.spec;
    wait_for_rules(launch)?;
    if spec.namespaces.uts.is_own() {
        rustix::system::sethostname(spec.hostname.as_bytes()).step("set hostname")?;
        if let Some(domain) = &spec.domainname {
            rustix::system::setdomainname(domain.as_bytes()).step("set domain name")?;
        }
    }
    if spec.network == NetworkMode::None {
        sys::interface::bring_loopback_up().step("bring up loopback")?;
    }
    become_program(launch, user, terminal)
}

/// A byte says that they are in force. Whoever starts it may be killed, and does not take it along where it has the host's
/// processes: the end of its socket says so, once nobody else has that.
fn wait_for_rules(launch: &Launch<'_>) -> Result<(), StepError> {
    if !launch.rules_follow {
        return Ok(());
    }
    let step = "wait for device rules";
    launch.near.map_or(Ok(()), sys::clone::close_copy).step(step)?;
    match rustix::net::recv(launch.status, &mut [0; 1], RecvFlags::empty()).step(step)? {
        (1, _) => Ok(()),
        _ => Err("who starts it has gone").step(step),
    }
}

/// What a program of the container needs, its first or another one: limits, standard streams, privileges, exec.
fn become_program(
    launch: &Launch<'_>,
    user: &ResolvedUser,
    terminal: Option<terminal::Terminal>,
) -> Result<Never, StepError> {
    let spec = launch.spec;
    conceal()?;
    privileges::set_ulimits(&spec.ulimits, launch.open_files)?;
    privileges::leave_keyring()?;
    change_directory(&spec.cwd)?;
    terminal::connect(launch.stdio, terminal.map(|t| t.far), user.uid)?;
    let environment = program::environment(&spec.env, user)?;
    privileges::apply(launch, user)?;
    let umask = spec.listed.as_ref().map_or(0o022, |listed| listed.umask);
    rustix::process::umask(Mode::from_raw_mode(umask));
    let path = program::find(spec)?;
    launch.end(Phase::Privileges);
    match &launch.pause {
        Some(pause) => pause::then_execute(launch, pause, &path, &environment),
        None => Err(program::execute(launch, &path, &environment)),
    }
}

/// What the first process in a user namespace needs somebody for who is not in it yet.
pub(crate) fn before_entering(launch: &Launch<'_>, root: (Uid, Gid)) -> Result<(), StepError> {
    // Others in the namespace may trace whom they like there, and this one still has what is the host's.
    conceal()?;
    if let Some(score) = launch.spec.oom_score_adj {
        privileges::set_oom_score(score)?;
    }
    before_mapping(launch, root)?;
    match launch.gives_namespaces_ahead() {
        true => join_given(launch),
        false => Ok(()),
    }
}

/// What nobody in a user namespace of their own may do: limits above those of before, and pipes that are somebody else's.
pub(crate) fn before_mapping(launch: &Launch<'_>, root: (Uid, Gid)) -> Result<(), StepError> {
    privileges::allow_ulimits(&launch.spec.ulimits, launch.open_files)?;
    terminal::give_pipes(launch.stdio, root)
}

/// From here to the next exec nobody in the container may trace this process or look at its files, even as root.
pub(crate) fn conceal() -> Result<(), StepError> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).step("hide from the container")
}

fn resolve_user(root: &RootDir, spec: &ContainerSpec) -> Result<ResolvedUser, StepError> {
    let passwd = program::read_small(root, "/etc/passwd")?;
    let group = program::read_small(root, "/etc/group")?;
    let failed = |error| StepError::new("find user", error, StartFailure::User);
    let mut user = user::lookup(&passwd, &group, &spec.user).map_err(failed)?;
    for name in &spec.groups {
        let gid = user::lookup_group(&group, name).map_err(failed)?;
        if !user.groups.contains(&gid) {
            user.groups.push(gid);
        }
    }
    Ok(user)
}

/// By its path in the new root; then checks that it is below that root, not a directory of the
/// host that a descriptor held open.
fn change_directory(path: &Path) -> Result<(), StepError> {
    let step = || format!("enter `{}`", path.display());
    let absolute = Path::new("/").join(path);
    rustix::process::chdir(&absolute).step(step())?;
    let current = rustix::process::getcwd(Vec::new()).step(step())?;
    if current.to_bytes().starts_with(b"/") {
        return Ok(());
    }
    Err(StepError::new(step(), "it is outside the container", StartFailure::Setup))
}

/// A place of the host, opened without opening what it is.
fn open_place(path: &Path) -> Result<OwnedFd, StepError> {
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .step(format!("open `{}`", path.display()))
}

fn c_string(text: impl Into<Vec<u8>>) -> Result<CString, StepError> {
    CString::new(text).step("pass arguments and environment")
}
