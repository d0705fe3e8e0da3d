//! A container's user namespace, in which its root is nobody of this machine's.
//!
//! It is made before the container's process and outlives it: the network of the container belongs to it as well, and stays
//! from one start to the next. What the container has on the disk keeps the owners that it has inside: every mount of it
//! is one with mapped IDs.
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{setfsgid, setfsuid};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Gid, Uid};
use rustix::thread;
use sys::clone::{Child, close_all_except, spawn_child, spawn_sibling};

use crate::spec::{IdRange, UserIds};
use crate::starter::reap;
use crate::zygote::channel::{receive_with_descriptors, send_with_descriptors};
use crate::zygote::message::{Step, StepError};

#[derive(Debug)]
pub(crate) struct UserNamespace {
    namespace: OwnedFd,
    /// The user and the group that its root is outside.
    root: (u32, u32),
}

impl AsFd for UserNamespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }
}

impl UserNamespace {
    pub(crate) fn make(ids: &UserIds) -> Result<UserNamespace, StepError> {
        let step = "make a user namespace";
        let root = ids.root().ok_or("it has no root").step(step)?;
        Ok(UserNamespace { namespace: new_namespace(ids).step(step)?, root })
    }

    /// Somebody else's, and its maps.
    pub(crate) fn open(path: &Path) -> Result<(UserNamespace, UserIds), StepError> {
        let step = || format!("use the user namespace `{}`", path.display());
        let namespace = OwnedFd::from(File::open(path).step(step())?);
        let ids = maps_of(&namespace).step(step())?;
        let root = ids.root().ok_or("it has no root").step(step())?;
        Ok((UserNamespace { namespace, root }, ids))
    }

    /// A network namespace that its root may do in as it likes.
    pub(crate) fn make_network(&self) -> io::Result<OwnedFd> {
        let enter = || {
            setns(self, CloneFlags::CLONE_NEWUSER)?;
            Ok(unshare(CloneFlags::CLONE_NEWNET)?)
        };
        in_a_child(0, "net", enter, |_| Ok(()))
    }

    /// Who root in it is outside.
    pub(crate) fn root(&self) -> (Uid, Gid) {
        (Uid::from_raw(self.root.0), Gid::from_raw(self.root.1))
    }

    /// Does something with the files of its root as if they were our own, and with all that we may do besides: who mounts an
    /// overlay makes files in it, which have to be somebody's in there.
    pub(crate) fn as_its_root<T>(
        &self,
        act: impl FnOnce() -> Result<T, StepError>,
    ) -> Result<T, StepError> {
        acting_as(self.root, act)?
    }

    /// As [`spawn_child`], of a process in it: its namespaces belong to it too. `before` is done on the way, with all
    /// privileges of ours.
    pub(crate) fn spawn(
        &self,
        flags: i32,
        cgroup: Option<BorrowedFd<'_>>,
        before: impl FnOnce() -> Result<(), StepError>,
        body: impl FnOnce() -> u8,
    ) -> Result<Child, StepError> {
        let step = "make namespaces";
        let (near, far) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .step(step)?;
        let way = spawn_child(0, None, || {
            let made = before().and_then(|()| {
                setns(self, CloneFlags::CLONE_NEWUSER).step("enter the user namespace")?;
                spawn_sibling(flags, cgroup, body).step(step)
            });
            let sent = match made {
                Ok(child) => {
                    let number = child.pid.to_le_bytes();
                    send_with_descriptors(&far, &number, &[child.pidfd.as_fd()])
                }
                Err(error) => {
                    let text = serde_json::to_vec(&error).unwrap_or_default();
                    send_with_descriptors(&far, &text, &[])
                }
            };
            u8::from(sent.is_err())
        });
        let way = way.step(step)?;
        drop(far);
        let mut told = [0; 4096];
        let received = receive_with_descriptors(&near, &mut told).step(step);
        reap(way.pidfd.as_fd()).step(step)?;
        let (length, descriptors) = received?;
        match (descriptors.into_iter().next(), told[..length].try_into()) {
            (Some(pidfd), Ok(number)) => Ok(Child { pid: i32::from_le_bytes(number), pidfd }),
            _ => {
                Err(serde_json::from_slice(&told[..length])
                    .unwrap_or_else(|_| crate::starter::died()))
            }
        }
    }
}

/// As [`UserNamespace::as_its_root`], of a thread that only knows who that is outside.
pub(crate) fn acting_as<T>(
    (user, group): (u32, u32),
    act: impl FnOnce() -> T,
) -> Result<T, StepError> {
    let step = "act as root of the user namespace";
    let own = thread::capabilities(None).step(step)?;
    // These tell who it was before, and nothing of success: what follows fails then.
    setfsgid(nix::unistd::Gid::from_raw(group));
    setfsuid(nix::unistd::Uid::from_raw(user));
    // Those about files go with the change.
    let done = thread::set_capabilities(None, own).step(step).map(|()| act());
    setfsuid(nix::unistd::Uid::from_raw(0));
    setfsgid(nix::unistd::Gid::from_raw(0));
    done
}

/// A namespace that nobody is in, for mounts whose files are to belong to others.
pub(crate) fn new_namespace(ids: &UserIds) -> io::Result<OwnedFd> {
    in_a_child(libc::CLONE_NEWUSER, "user", || Ok(()), |pid| map(pid, ids))
}

/// As who is in it sees them: in relation to ours.
fn maps_of(namespace: &OwnedFd) -> io::Result<UserIds> {
    let (mut near, mut far) = io::pipe()?;
    let child = spawn_child(0, None, || {
        let read = || -> io::Result<String> {
            setns(namespace, CloneFlags::CLONE_NEWUSER)?;
            let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}"));
            Ok(serde_json::to_string(&[read("uid_map")?, read("gid_map")?])?)
        };
        u8::from(read().and_then(|text| far.write_all(text.as_bytes())).is_err())
    })?;
    drop(far);
    let mut text = String::new();
    let read = near.read_to_string(&mut text);
    reap(child.pidfd.as_fd())?;
    read?;
    let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
    let [users, groups]: [String; 2] = serde_json::from_str(&text).map_err(|_| denied())?;
    let parse = |text: &str| UserIds::parse_map(text).ok_or(io::ErrorKind::InvalidData);
    Ok(UserIds { users: parse(&users)?, groups: parse(&groups)? })
}

/// Root of the namespace that this process is in, and nobody else: what it makes from now on is that one's.
pub(crate) fn become_its_root() -> Result<(), StepError> {
    let step = "become root of the user namespace";
    thread::set_thread_groups(&[]).step(step)?;
    thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).step(step)?;
    thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).step(step)
}

/// The file of a namespace that a child has, which lives no longer than that takes.
fn in_a_child(
    flags: i32,
    kind: &str,
    enter: impl FnOnce() -> io::Result<()>,
    prepare: impl FnOnce(i32) -> io::Result<()>,
) -> io::Result<OwnedFd> {
    let (mut ready, mut tell) = io::pipe()?;
    let (mut wait, release) = io::pipe()?;
    let child = spawn_child(flags, None, || {
        let entered = enter();
        // Among the rest our own of the other's ends, or it would wait for itself, and locks of whoever waits for it.
        let entered = entered.and_then(|()| Ok(close_all_except(&[tell.as_fd(), wait.as_fd()])?));
        let code = entered.as_ref().err().and_then(io::Error::raw_os_error).unwrap_or(0);
        let told = tell.write_all(&code.to_le_bytes());
        if entered.is_ok() && told.is_ok() {
            // It ends by a signal.
            let _ended = wait.read(&mut [0; 1]);
        }
        0
    })?;
    drop(tell);
    let opened = opened_of(&child, &mut ready, kind, prepare);
    // It may have ended by itself.
    let _ended = rustix::process::pidfd_send_signal(&child.pidfd, rustix::process::Signal::KILL);
    reap(child.pidfd.as_fd())?;
    drop(release);
    opened
}

fn opened_of(
    child: &Child,
    ready: &mut impl Read,
    kind: &str,
    prepare: impl FnOnce(i32) -> io::Result<()>,
) -> io::Result<OwnedFd> {
    let mut code = [0; 4];
    ready.read_exact(&mut code)?;
    match i32::from_le_bytes(code) {
        0 => {}
        errno => return Err(io::Error::from_raw_os_error(errno)),
    }
    let pid = number_in_proc(child)?;
    prepare(pid)?;
    Ok(File::open(format!("/proc/{pid}/ns/{kind}"))?.into())
}

/// /proc is that of the machine, and we may have other numbers.
fn number_in_proc(child: &Child) -> io::Result<i32> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", child.pidfd.as_raw_fd()))?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    pid.ok_or(io::ErrorKind::InvalidData.into())
}

fn map(pid: i32, ids: &UserIds) -> io::Result<()> {
    let text = |ranges: &[IdRange]| -> String {
        let line = |range: &IdRange| {
            let IdRange { inside, outside, count } = range;
            format!("{inside} {outside} {count}\n")
        };
        ranges.iter().map(line).collect()
    };
    fs::write(format!("/proc/{pid}/uid_map"), text(&ids.users))?;
    fs::write(format!("/proc/{pid}/gid_map"), text(&ids.groups))
}
