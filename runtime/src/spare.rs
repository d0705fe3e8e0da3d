//! A container's process that waits to be needed, on the zygote's side; see [`crate::process::ahead`].
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Signal, pidfd_send_signal};
use sys::clone::{Child, spawn_child};

use crate::cgroup::Leaf;
use crate::process::ahead::{self, Shape};
use crate::process::{self, ChildStdio};
use crate::spec::ContainerSpec;
use crate::starter::{Running, Starter, reap};
use crate::zygote::channel::send_frame;
use crate::zygote::message::{Step, StepError};

#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) shape: Shape,
    child: Child,
    leaf: Leaf,
    status: OwnedFd,
    control: OwnedFd,
}

impl Starter {
    /// Makes the process of the next container of this shape.
    pub(crate) fn make_spare(&mut self, shape: Shape) -> Result<Spare, StepError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let pair = |kind| {
            socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
                .step("make a status socket")
        };
        let (status, far_status) = pair(SocketType::SEQPACKET)?;
        let (control, far_control) = pair(SocketType::STREAM)?;
        // No container has a name with this sign in it.
        let name = format!("ahead+{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let spec = shape.example(&name);
        self.compile_filter(spec.capabilities);
        let leaf = self.create_leaf(&self.group_name(&spec.id), &spec)?;
        let filter = self.compiled_filter(&spec);
        let launch = self.launch(&spec, &leaf, filter, far_status.as_fd());
        let made = spawn_child(process::clone_flags(&spec), leaf.v2(), || {
            ahead::run(&launch, &far_control)
        });
        match made {
            Ok(child) => Ok(Spare { shape, child, leaf, status, control }),
            Err(error) => {
                leaf.remove();
                Err(error).step("make namespaces")
            }
        }
    }
}

impl Spare {
    /// Becomes this container. None if it cannot any more; then nothing is left of it.
    pub(crate) fn start(
        self,
        spec: &ContainerSpec,
        stdio: ChildStdio<'_>,
        network: Option<BorrowedFd<'_>>,
    ) -> Option<Running> {
        if let ChildStdio::Descriptors(streams) = stdio
            && let descriptors = streams.into_iter().chain(network).collect::<Vec<_>>()
            && send_frame(&self.control, spec, &descriptors).is_ok()
        {
            let Spare { child, leaf, status, .. } = self;
            return Some(Running::started(spec.clone(), child, leaf, status));
        }
        self.end();
        None
    }

    /// Nobody needs it.
    pub(crate) fn end(self) {
        // It may have ended by itself.
        let _ = pidfd_send_signal(&self.child.pidfd, Signal::KILL);
        let _ = reap(self.child.pidfd.as_fd());
        self.leaf.remove();
    }
}
