//! `create`: everything but the program itself.
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sched::CloneFlags;
use nix::sys::resource::{Resource, getrlimit};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Signal, pidfd_send_signal};

use super::directory::{
    BEGIN, Kept, OciContainer, OciContainers, REPORT, read_document, write_whole,
};
use super::error::{DocumentError, OciError};
use super::group;
use super::translate::{Plan, translate};
use crate::cgroup::DeviceRules;
use crate::clock;
use crate::containers::ProcessName;
use crate::engine::EngineId;
use crate::exec::Execution;
use crate::joined::Joined;
use crate::phases::Phases;
use crate::process::{ChildStdio, hooks};
use crate::spec::{ContainerSpec, HookState, NamespaceMode, Rootfs};
use crate::starter::{PausePipes, Progress, Running, Starter, reap};
use crate::user_namespace::UserNamespace;
use crate::zygote::message::{Step, StepError};
use crate::zygote::{check_machine, create_mountpoints, launcher};

/// What `create` was asked for.
#[derive(Clone, Copy, Debug)]
pub struct CreateRequest<'a> {
    pub id: &'a str,
    /// The directory with config.json.
    pub bundle: &'a Path,
    pub pid_file: Option<&'a Path>,
    /// A socket of somebody who takes the terminal.
    pub console_socket: Option<&'a Path>,
    /// So many descriptors from 3 on are the program's.
    pub preserved: u32,
    /// Who calls keeps the terminal, if there is one.
    pub keep_terminal: bool,
}

/// A container that waits to be started.
#[derive(Debug)]
pub struct Created {
    /// Its first process, and its terminal if that is kept.
    pub process: Execution,
    /// What the machine, or this program, cannot do of what was asked for.
    pub warnings: Vec<String>,
}

const ACT: &str = "create";

/// To be called from a process with one thread, whose standard streams become the container's.
pub fn create(
    containers: &OciContainers,
    request: &CreateRequest<'_>,
) -> Result<Created, OciError> {
    check_machine()?;
    let bundle = std::path::absolute(request.bundle)
        .map_err(|source| OciError::Read { path: request.bundle.to_owned(), source })?;
    let path = bundle.join("config.json");
    let (document, text) = read_document(&path)?;
    let mut plan = translate(&document, &bundle, request.id)
        .map_err(|source| OciError::Document { path, source })?;
    check(&plan, request)?;
    let failed = |error| OciError::of_step(ACT, request.id, error);
    let users = users(&mut plan).map_err(failed)?;
    let (directory, lock) = containers.claim(request.id)?;
    let root = EngineId::of_root(containers.root())?;
    let cgroup = group::path_of(plan.cgroup.as_deref(), &root, request.id);
    let kept = Kept {
        id: request.id.to_owned(),
        oci_version: document.oci_version.clone(),
        bundle,
        rootfs: root_of(&plan.spec).to_owned(),
        created: clock::now(),
        process: None,
        cgroup,
        devices: DeviceRules::NoDevices,
        annotations: document.annotations.clone(),
        limits: None,
    };
    let mut container = OciContainer::new(directory, kept, lock);
    let made = container
        .save()
        .and_then(|()| container.save_document(&text))
        .and_then(|()| make(&mut container, plan, users, request));
    if made.is_err() {
        // The first error is the one to tell.
        let _left = container.remove();
    }
    made
}

fn root_of(spec: &ContainerSpec) -> &Path {
    match &spec.rootfs {
        Rootfs::Directory { path, .. } => path,
        Rootfs::Overlay { .. } => Path::new(""),
    }
}

/// What can be found wrong before anything is made.
fn check(plan: &Plan, request: &CreateRequest<'_>) -> Result<(), OciError> {
    let root = root_of(&plan.spec);
    if !fs::metadata(root).is_ok_and(|found| found.is_dir()) {
        return Err(OciError::Root { path: root.to_owned() });
    }
    check_console(plan, request.console_socket, request.keep_terminal)?;
    check_preserved(request.preserved)
}

pub(super) fn check_console(
    plan: &Plan,
    socket: Option<&Path>,
    keep_terminal: bool,
) -> Result<(), OciError> {
    match (plan.terminal, socket) {
        (Some(_), None) if !keep_terminal => Err(OciError::NoConsole),
        (None, Some(_)) => Err(OciError::NeedlessConsole),
        _ => Ok(()),
    }
}

pub(super) fn check_preserved(preserved: u32) -> Result<(), OciError> {
    for number in 3..3 + preserved {
        if fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_err() {
            return Err(OciError::Preserved { number });
        }
    }
    Ok(())
}

/// The container's user namespace, if it has one: made, or opened.
fn users(plan: &mut Plan) -> Result<Option<UserNamespace>, StepError> {
    if let Some(path) = &plan.users {
        let (namespace, ids) = UserNamespace::open(path)?;
        if plan.spec.user_namespace.as_ref().is_some_and(|given| *given != ids) {
            let step = format!("use the user namespace `{}`", path.display());
            return Err("its maps are not linux.uidMappings and linux.gidMappings").step(step);
        }
        plan.spec.user_namespace = Some(ids);
        return Ok(Some(namespace));
    }
    plan.spec.user_namespace.as_ref().map(UserNamespace::make).transpose()
}

fn make(
    container: &mut OciContainer,
    plan: Plan,
    users: Option<UserNamespace>,
    request: &CreateRequest<'_>,
) -> Result<Created, OciError> {
    let failed = |error| OciError::of_step(ACT, request.id, error);
    let (mut cgroups, name) = group::prepare(&container.kept.cgroup, request.id)?;
    let mut warnings = plan.warnings.clone();
    warnings.extend(cgroups.warnings.iter().cloned());
    if plan.spec.listed.as_ref().is_some_and(|it| it.all_devices) {
        cgroups.devices = DeviceRules::AllDevices;
    }
    container.kept.devices = cgroups.devices;
    let mut starter = Starter {
        owner: String::new(),
        launcher: launcher::sealed().step("make the launcher").map_err(failed)?,
        cgroups,
        mountpoints: create_mountpoints(&container.directory)
            .step("create the mount points")
            .map_err(failed)?,
        open_files: getrlimit(Resource::RLIMIT_NOFILE)
            .step("read the limit on open files")
            .map_err(failed)?,
        filters: HashMap::new(),
        joined: joined(&plan.spec).map_err(failed)?,
        pipes: Some(pipes(&container.directory).map_err(failed)?),
        preserved: request.preserved,
        user: users,
        phases: Phases::default(),
    };
    let network = plan.network.as_deref().map(open_namespace).transpose().map_err(failed)?;
    let standard: [OwnedFd; 3] = own_streams().step("use the standard streams").map_err(failed)?;
    let stdio = match plan.terminal {
        Some((rows, columns)) => ChildStdio::Terminal { rows, columns },
        None => ChildStdio::Descriptors(std::array::from_fn(|n| standard[n].as_fd())),
    };
    let running = starter
        .spawn_in(&name, plan.spec.clone(), stdio, network.as_ref().map(AsFd::as_fd))
        .map_err(failed)?;
    drop((starter, standard));
    finish(container, &plan, request, running)
        .map(|process| Created { process, warnings })
        .inspect_err(|_| {
            let told = told(&plan, "stopped", None);
            // What failed first is told.
            let _later = hooks::run_all(&plan.poststop, &told);
        })
}

/// From a process that sets itself up to one that waits.
fn finish(
    container: &mut OciContainer,
    plan: &Plan,
    request: &CreateRequest<'_>,
    mut running: Running,
) -> Result<Execution, OciError> {
    match settle(container, plan, request, &mut running) {
        Ok(terminal) => Ok(Execution::of_child(running.child, terminal)),
        Err(error) => {
            // It may have ended by itself.
            let _ended = pidfd_send_signal(&running.child.pidfd, Signal::KILL);
            let _status = reap(running.child.pidfd.as_fd());
            running.leaf.remove();
            Err(error)
        }
    }
}

fn settle(
    container: &mut OciContainer,
    plan: &Plan,
    request: &CreateRequest<'_>,
    running: &mut Running,
) -> Result<Option<File>, OciError> {
    let failed = |error| OciError::of_step(ACT, request.id, error);
    let pid = running.child.pid;
    let terminal = loop {
        match running.read_status().step("hear of it").map_err(failed)? {
            Progress::Going => {}
            Progress::Asks => {
                let told = told(plan, "creating", Some(pid));
                hooks::run_all(&plan.prestart, &told).map_err(failed)?;
                hooks::run_all(&plan.create_runtime, &told).map_err(failed)?;
                running.answer().step("go on").map_err(failed)?;
            }
            Progress::Started(terminal) => break terminal,
            Progress::Failed => return Err(failed(running.failure())),
        }
    };
    let terminal = match (terminal, request.console_socket) {
        (Some(terminal), Some(socket)) => {
            give_terminal(socket, terminal.as_fd())?;
            None
        }
        (terminal, _) => terminal.map(File::from),
    };
    let process = ProcessName::of(pid).step("look at the process").map_err(failed)?;
    container.kept.process = Some(process);
    container.save()?;
    if let Some(path) = request.pid_file {
        write_whole(path, pid.to_string().as_bytes())?;
    }
    Ok(terminal)
}

pub(super) fn told(plan: &Plan, status: &str, pid: Option<i32>) -> HookState {
    let told = plan.spec.listed.as_ref().map(|listed| listed.told.clone()).unwrap_or_default();
    HookState { status: status.to_owned(), pid, ..told }
}

fn joined(spec: &ContainerSpec) -> Result<Joined, StepError> {
    let mut joined = Joined::default();
    if let NamespaceMode::At(path) = &spec.namespaces.pid {
        joined.pid = Some(open_namespace(path)?);
    }
    for (mode, kind) in [
        (&spec.namespaces.ipc, CloneFlags::CLONE_NEWIPC),
        (&spec.namespaces.uts, CloneFlags::CLONE_NEWUTS),
        (&spec.namespaces.cgroup, CloneFlags::CLONE_NEWCGROUP),
    ] {
        if let NamespaceMode::At(path) = mode {
            joined.others.push((kind, open_namespace(path)?));
        }
    }
    Ok(joined)
}

fn open_namespace(path: &Path) -> Result<OwnedFd, StepError> {
    let opened = File::open(path).step(format!("open the namespace `{}`", path.display()))?;
    Ok(opened.into())
}

/// Both are held for as long as the process waits; it is the only one that writes to `report`.
fn pipes(directory: &Path) -> Result<PausePipes, StepError> {
    let open = |name: &str, access: OFlags| -> Result<OwnedFd, StepError> {
        rustix::fs::open(directory.join(name), access | OFlags::CLOEXEC, Mode::empty())
            .step(format!("open `{name}`"))
    };
    for name in [BEGIN, REPORT] {
        mknodat(CWD, directory.join(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .step(format!("make `{name}`"))?;
    }
    let begin = open(BEGIN, OFlags::RDWR)?;
    // To open it for writing waits for a reader.
    let reader = open(REPORT, OFlags::RDWR)?;
    let report = open(REPORT, OFlags::WRONLY)?;
    drop(reader);
    Ok(PausePipes { begin, report })
}

/// Copies, because the numbers 0 to 2 are about to be others'.
pub(super) fn own_streams() -> std::io::Result<[OwnedFd; 3]> {
    let copy = |from: BorrowedFd<'_>| rustix::io::fcntl_dupfd_cloexec(from, 3);
    let (input, output, errors) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    Ok([copy(input.as_fd())?, copy(output.as_fd())?, copy(errors.as_fd())?])
}

/// One message with the descriptor, as runc sends it.
pub(super) fn give_terminal(path: &Path, terminal: BorrowedFd<'_>) -> Result<(), OciError> {
    let failed = |source| OciError::Console { path: PathBuf::from(path), source };
    let socket = UnixStream::connect(path).map_err(failed)?;
    let descriptors = [terminal];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(failed(std::io::ErrorKind::InvalidInput.into()));
    }
    let name = [IoSlice::new(b"/dev/ptmx")];
    sendmsg(&socket, &name, &mut control, SendFlags::NOSIGNAL)
        .map(drop)
        .map_err(|errno| failed(errno.into()))
}

/// A document that a caller gave, not a bundle.
pub(super) fn given<T>(result: Result<T, DocumentError>) -> Result<T, OciError> {
    result.map_err(|source| OciError::Given { source })
}
