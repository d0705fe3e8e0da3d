//! The process that starts all containers, forked before this one has any thread.
//!
//! It is the first process of a PID namespace of its own, so that nothing it started outlives it,
//! and has a mount namespace of its own, so that no mount does. When this process ends, for
//! whatever reason, its end of the socket closes and the zygote ends everything.
pub(crate) mod channel;
pub(crate) mod child;
pub(crate) mod launcher;
pub(crate) mod message;
mod serve;
pub(crate) mod streams;

use std::collections::HashMap;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use serde::{Deserialize, Serialize};
use sys::clone::{Child, spawn_child, thread_count};

use crate::container::{Container, ExitCell, Stdio};
use crate::engine::{EngineId, Owner, reconcile};
use crate::error::{RuntimeError, StartFailure};
use crate::spec::{ContainerSpec, NamespaceMode, Namespaces};
use channel::{receive_frame, send_frame};
use message::{Event, SpawnRequest, StepError};

/// A running zygote. Dropping it ends it and every container. Any thread may use it.
#[derive(Debug)]
pub struct Zygote {
    /// Written under the lock, whole messages at a time. `None` once it is being ended.
    socket: Mutex<Option<OwnedFd>>,
    child: Child,
    next_request: AtomicU64,
    waiting: Arc<Mutex<Waiting>>,
    prepared: Arc<Prepared>,
}

/// What became of its preparation, once that is known: warnings, or the step that failed. It goes on while the caller
/// does other things.
type Prepared = OnceLock<Result<Vec<String>, StepError>>;

/// Which PID namespace containers are started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessView {
    /// One of the zygote's own: the kernel ends all containers with it.
    Own,
    /// The caller's, for containers that share it. After a `kill -9` of the zygote their processes are ended by
    /// the next reconciliation.
    Host,
}

impl ProcessView {
    pub fn needed_by(spec: &ContainerSpec) -> ProcessView {
        ProcessView::of(&spec.namespaces)
    }

    pub fn of(namespaces: &Namespaces) -> ProcessView {
        match &namespaces.pid {
            NamespaceMode::Own | NamespaceMode::Shareable => ProcessView::Own,
            NamespaceMode::Host | NamespaceMode::Container(_) | NamespaceMode::At(_) => {
                ProcessView::Host
            }
        }
    }
}

/// Who gets the zygote's answers, by request.
#[derive(Debug, Default)]
struct Waiting {
    starts: HashMap<u64, Sender<Answer>>,
    exits: HashMap<u64, Arc<ExitCell>>,
    gone: bool,
}

type Answer = Result<Vec<OwnedFd>, StepError>;

impl Zygote {
    /// Forks the zygote: call it first thing in `main`, before any thread exists. `state` is the
    /// run-time state directory; it is created when absent.
    pub fn start(engine: &EngineId, state: &Path) -> Result<Zygote, RuntimeError> {
        Zygote::start_with(engine, state, ProcessView::Own)
    }

    /// The same, for containers that may share the host's PID namespace.
    pub fn start_with(
        engine: &EngineId,
        state: &Path,
        processes: ProcessView,
    ) -> Result<Zygote, RuntimeError> {
        check_machine()?;
        // What cannot be removed today is no reason to start nothing; the next start tries again.
        let leftovers = reconcile(engine, state).err().map(|error| error.to_string());
        let at = |act| move |source: io::Error| RuntimeError::ZygoteStart { act, source };
        let mountpoints = create_mountpoints(state).map_err(at("create the mount points"))?;
        let owner = Owner::create(state).map_err(at("create the owner file"))?;
        let (near, far) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .map_err(|errno| at("make a socket")(errno.into()))?;
        let flags = match processes {
            ProcessView::Own => libc::CLONE_NEWPID | libc::CLONE_NEWNS,
            ProcessView::Host => libc::CLONE_NEWNS,
        };
        let child =
            spawn_child(flags, None, || child::main(far.as_fd(), &owner, engine, &mountpoints))
                .map_err(|error| at("make namespaces (this needs CAP_SYS_ADMIN)")(error.into()))?;
        drop((far, owner));
        let (waiting, prepared) = (Arc::<Mutex<Waiting>>::default(), Arc::<Prepared>::default());
        let listener = near.try_clone().map_err(at("make a socket"))?;
        let (shared, told) = (Arc::clone(&waiting), Arc::clone(&prepared));
        std::thread::Builder::new()
            .name("zygote listener".to_owned())
            .spawn(move || listen(&listener, leftovers, &told, &shared))
            .map_err(at("start a thread"))?;
        Ok(Zygote {
            socket: Mutex::new(Some(near)),
            child,
            next_request: AtomicU64::new(0),
            waiting,
            prepared,
        })
    }

    /// Waits until it is prepared: what this machine cannot do, in words for the user; the same for every container.
    pub fn warnings(&self) -> Result<&[String], RuntimeError> {
        match self.prepared.wait() {
            Ok(warnings) => Ok(warnings),
            Err(_) => Err(self.ended()),
        }
    }

    /// Lets it end while the caller goes on: no container is started from now on, and those that run are killed.
    pub fn dismiss(&self) {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(socket) = socket {
            // The listener holds a copy, so closing this one would not hang up.
            let _ = rustix::net::shutdown(&socket, rustix::net::Shutdown::Both);
        }
    }

    /// Why there is none any more.
    fn ended(&self) -> RuntimeError {
        match self.prepared.get() {
            Some(Err(StepError { step, cause, .. })) => {
                RuntimeError::ZygotePrepare { step: step.clone(), cause: cause.clone() }
            }
            _ => RuntimeError::ZygoteEnded,
        }
    }

    /// Starts a container and returns once its program has been executed.
    pub fn spawn(&self, spec: &ContainerSpec, stdio: Stdio) -> Result<Container, RuntimeError> {
        self.spawn_before(spec, stdio, None, 0)
    }

    /// The same, in this network namespace if the specification asks for [`crate::NetworkMode::Sandbox`]; if others of
    /// the kind are `following`, the next ones' processes are made meanwhile.
    pub fn spawn_before(
        &self,
        spec: &ContainerSpec,
        stdio: Stdio,
        network: Option<BorrowedFd<'_>>,
        following: usize,
    ) -> Result<Container, RuntimeError> {
        check_id(&spec.id)?;
        spec.check()?;
        let start = |error: io::Error| RuntimeError::Start {
            id: spec.id.clone(),
            step: "connect standard streams".to_owned(),
            cause: error.to_string(),
            failure: StartFailure::Setup,
        };
        let streams = streams::Streams::new(stdio).map_err(start)?;
        let request = self.next_request.fetch_add(1, Ordering::Relaxed);
        let (exit, answer) = self.expect(request)?;
        let message = SpawnRequest { request, spec: spec.clone(), stdio: streams.kind, following };
        let descriptors = streams.theirs.iter().map(AsFd::as_fd).chain(network);
        self.send(&message, &descriptors.collect::<Vec<_>>())?;
        // Ours must be closed, or their readers would never see an end.
        drop(streams.theirs);
        let descriptors = match answer.recv() {
            Ok(Ok(descriptors)) => descriptors,
            Ok(Err(StepError { step, cause, failure })) => {
                return Err(RuntimeError::Start { id: spec.id.clone(), step, cause, failure });
            }
            Err(_) => return Err(self.ended()),
        };
        let mut descriptors = descriptors.into_iter();
        let pidfd = descriptors.next().ok_or(RuntimeError::ZygoteEnded)?;
        Ok(Container {
            id: spec.id.clone(),
            pidfd,
            stdin: streams.stdin,
            stdout: streams.stdout,
            stderr: streams.stderr,
            terminal: descriptors.next().map(File::from),
            exit,
        })
    }

    fn expect(&self, request: u64) -> Result<(Arc<ExitCell>, Receiver<Answer>), RuntimeError> {
        let (sender, answer) = channel();
        let exit = Arc::<ExitCell>::default();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.gone {
            return Err(self.ended());
        }
        waiting.starts.insert(request, sender);
        waiting.exits.insert(request, Arc::clone(&exit));
        Ok((exit, answer))
    }

    fn send(
        &self,
        message: &SpawnRequest,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), RuntimeError> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = socket.as_ref().ok_or(RuntimeError::ZygoteEnded)?;
        send_frame(socket, message, descriptors).map_err(|_| self.ended())
    }
}

impl Drop for Zygote {
    /// Hangs up, which ends the zygote, and waits until everything is cleaned up.
    fn drop(&mut self) {
        self.dismiss();
        let ended = waitid(WaitId::PidFd(self.child.pidfd.as_fd()), WaitIdOptions::EXITED);
        if ended.is_err() {
            let _ = pidfd_send_signal(&self.child.pidfd, Signal::KILL);
        }
    }
}

pub(crate) fn check_machine() -> Result<(), RuntimeError> {
    if !cfg!(target_arch = "x86_64") {
        return Err(RuntimeError::Architecture { architecture: std::env::consts::ARCH });
    }
    if !rustix::process::geteuid().is_root() {
        return Err(RuntimeError::NotRoot);
    }
    let failed =
        |error: sys::SysError| RuntimeError::ZygoteStart { act: "fork", source: error.into() };
    match thread_count().map_err(failed)? {
        1 => Ok(()),
        threads => Err(RuntimeError::Threads { threads }),
    }
}

/// Container names become names of cgroups.
fn check_id(id: &str) -> Result<(), RuntimeError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if (1..=64).contains(&id.len()) && !id.starts_with('.') && id.bytes().all(allowed) {
        return Ok(());
    }
    Err(RuntimeError::BadId { id: id.to_owned() })
}

/// Empty directories to mount on; each container does so in a mount namespace of its own.
pub(crate) fn create_mountpoints(state: &Path) -> io::Result<PathBuf> {
    let directory = std::path::absolute(state)?.join("mountpoints");
    for name in ["root", "tree", "files", "empty"] {
        let path = directory.join(name);
        DirBuilder::new().recursive(true).mode(0o755).create(&path).map_err(|error| {
            io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
        })?;
    }
    Ok(directory)
}

/// The thread that hands the zygote's answers to those who wait for them.
fn listen(
    socket: &OwnedFd,
    mut leftovers: Option<String>,
    prepared: &Prepared,
    waiting: &Mutex<Waiting>,
) {
    while let Ok(Some((event, descriptors))) = receive_frame::<Event>(socket) {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (request, answer) = match event {
            Event::Ready { mut warnings } => {
                warnings.extend(leftovers.take());
                // It is told once.
                let _ = prepared.set(Ok(warnings));
                continue;
            }
            Event::Refused { step, cause } => {
                let _ = prepared.set(Err(StepError { step, cause, failure: StartFailure::Setup }));
                continue;
            }
            Event::Started { request } => (request, Ok(descriptors)),
            Event::Failed { request, failure } => {
                waiting.exits.remove(&request);
                (request, Err(failure))
            }
            Event::Ended { request, status } => {
                if let Some(exit) = waiting.exits.remove(&request) {
                    exit.set(Some(status));
                }
                continue;
            }
        };
        if let Some(start) = waiting.starts.remove(&request) {
            // Nobody waits if the spawning thread has panicked.
            let _ = start.send(answer);
        }
    }
    let died = || StepError::new("prepare", "its process died", StartFailure::Setup);
    let _ = prepared.get_or_init(|| Err(died()));
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.gone = true;
    waiting.starts.clear();
    for (_, exit) in waiting.exits.drain() {
        exit.set(None);
    }
}
