//! What a start of a container cannot do without, measured here and now, phase by phase: the same system calls, with everything
//! known before and nothing kept, looked up, checked or told.
//!
//! A phase that is not there needs nothing of the kernel.
mod container;

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::AtFlags;
use nix::unistd::execveat;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, shutdown, socketpair};
use sys::clone::spawn_child;
use sys::marks::now;
use sys::seccomp::Instruction;

use crate::capabilities::CapabilitySet;
use crate::cgroup::BareGroups;
use crate::engine::{EngineId, own_name};
use crate::error::RuntimeError;
use crate::phases::{Phase, PhaseEnd, Phases};
use crate::seccomp;
use crate::starter::reap;
use crate::zygote::launcher;

const SHIM: i32 = libc::CLONE_NEWPID | libc::CLONE_NEWNS;
const CONTAINER: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET;
/// The best of so many: what others do meanwhile is no part of it.
const TRIES: usize = 10;

/// What each phase takes at least, in the order of the phases; `at` is how long, in nanoseconds. To be called from a process
/// with one thread that may make namespaces; `scratch` is an empty directory on the file system of the store at `root`, and
/// what is in it afterwards is to be removed with it.
pub fn start_floors(root: &Path, scratch: &Path) -> Result<Vec<PhaseEnd>, RuntimeError> {
    let failed = |source| RuntimeError::Floor { source };
    let kernel = Kernel::prepare(root).map_err(failed)?;
    let best = kernel.best(scratch);
    if let Some(groups) = kernel.groups {
        groups.end(&kernel.group);
    }
    Ok(best.map_err(failed)?.into_iter().map(|(phase, took)| phase.end_at(took)).collect())
}

/// What is made once, as an engine would.
struct Kernel {
    launcher: OwnedFd,
    filter: Vec<Instruction>,
    groups: Option<BareGroups>,
    group: String,
}

/// What is measured, with the moment before.
struct Stopwatch {
    before: u64,
    took: Vec<(Phase, u64)>,
}

impl Stopwatch {
    fn begin() -> Stopwatch {
        Stopwatch { before: now(), took: Vec::new() }
    }

    fn end(&mut self, phase: Phase) {
        self.end_at(phase, now());
    }

    fn end_at(&mut self, phase: Phase, at: u64) {
        self.took.push((phase, at.saturating_sub(self.before)));
        self.before = at;
    }

    /// What went before is no part of what follows.
    fn again(&mut self) {
        self.before = now();
    }
}

impl Kernel {
    fn prepare(root: &Path) -> io::Result<Kernel> {
        let engine = EngineId::of_root(root).map_err(io::Error::other)?;
        Ok(Kernel {
            launcher: launcher::sealed()?,
            filter: seccomp::filter(CapabilitySet::docker_default()),
            groups: BareGroups::prepare(&engine),
            group: format!("{}.floor", own_name()?),
        })
    }

    fn best(&self, scratch: &Path) -> io::Result<Vec<(Phase, u64)>> {
        let mut best: Vec<(Phase, u64)> = Vec::new();
        for number in 0..TRIES {
            for (phase, took) in self.round(&scratch.join(number.to_string()))? {
                match best.iter_mut().find(|(known, _)| *known == phase) {
                    Some((_, least)) => *least = took.min(*least),
                    None => best.push((phase, took)),
                }
            }
        }
        Ok(best)
    }

    fn round(&self, place: &Path) -> io::Result<Vec<(Phase, u64)>> {
        for name in ["dev", "proc", "sys"] {
            fs::create_dir_all(place.with_extension("lower").join(name))?;
        }
        let mut watch = Stopwatch::begin();
        make_directory(place)?;
        watch.end(Phase::Make);
        Kernel::shim(&mut watch)?;
        watch.again();
        self.container(place, &mut watch)?;
        fs::rename(place, place.with_extension("gone"))?;
        watch.end(Phase::Withdrawn);
        Ok(watch.took)
    }

    /// A process in namespaces of its own. That it goes on as a shim needs nothing of the kernel.
    fn shim(watch: &mut Stopwatch) -> io::Result<()> {
        watch.again();
        let child = spawn_child(SHIM, None, || 0)?;
        watch.end(Phase::Fork);
        reap(child.pidfd.as_fd())?;
        Ok(())
    }

    fn container(&self, place: &Path, watch: &mut Stopwatch) -> io::Result<()> {
        let (near, far) = status_pair()?;
        let tree = Tree { lower: place.with_extension("lower"), place: place.to_owned() };
        let phases = Phases::new(true);
        watch.again();
        let mut group = None;
        if let Some(groups) = &self.groups {
            let made = groups.make(&self.group)?;
            watch.end(Phase::Group);
            groups.rule(&made)?;
            watch.end(Phase::Rules);
            group = Some(made);
        }
        let child =
            spawn_child(
                CONTAINER,
                group.as_ref().map(AsFd::as_fd),
                || match container::become_one(&tree, &self.filter, &phases) {
                    Ok(()) => self.execute(far.as_fd()),
                    Err(error) => tell(&far, &error),
                },
            )?;
        drop(far);
        wait_for_exec(&near)?;
        let executed = now();
        for phase in container::PHASES {
            watch.end_at(phase, phases.at(phase).ok_or(io::ErrorKind::UnexpectedEof)?);
        }
        watch.end_at(Phase::Started, executed);
        poll(&mut [PollFd::new(&child.pidfd, PollFlags::IN)], None)?;
        watch.end(Phase::Ended);
        reap(child.pidfd.as_fd())?;
        if let Some(groups) = &self.groups {
            groups.remove(&self.group)?;
            watch.end(Phase::Gone);
        }
        Ok(())
    }

    /// Becomes a program that ends at once. `status` is closed by that.
    fn execute(&self, status: BorrowedFd<'_>) -> u8 {
        let flags = AtFlags::AT_EMPTY_PATH;
        let Err(errno) = execveat(&self.launcher, c"", &[c"floor"], &[c""; 0], flags);
        tell(status, &errno.into())
    }
}

/// As much as a container has in the store: an empty layer, two documents, and the last step of a file that is made whole.
fn make_directory(place: &Path) -> io::Result<()> {
    let hidden = place.with_extension("new");
    for name in ["", "upper", "work"] {
        fs::create_dir(hidden.join(name))?;
    }
    for name in ["definition.json", "state.json"] {
        fs::write(hidden.join(name), [b' '; 1024])?;
    }
    fs::rename(hidden, place)
}

/// What the root of such a container is made of.
struct Tree {
    lower: PathBuf,
    place: PathBuf,
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

fn status_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (kind, flags) = (SocketType::SEQPACKET, SocketFlags::CLOEXEC);
    Ok(socketpair(AddressFamily::UNIX, kind, flags, None)?)
}

/// The other end closes; what it says before that is why it does not.
fn wait_for_exec(status: &OwnedFd) -> io::Result<()> {
    let mut buffer = [0; 256];
    match recv(status, &mut buffer, RecvFlags::empty())? {
        (_, 0) => Ok(()),
        (_, length) => Err(io::Error::other(String::from_utf8_lossy(&buffer[..length]))),
    }
}

fn tell(status: impl AsFd, error: &io::Error) -> u8 {
    let text = error.to_string();
    let _unheard = rustix::io::write(&status, text.as_bytes());
    let _gone = shutdown(status, rustix::net::Shutdown::Both);
    1
}
