//! A container's process that waits to be needed, on the zygote's side; see [`crate::process::ahead`].
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Signal, pidfd_send_signal};
use sys::clone::{Child, spawn_child};

use crate::cgroup::Leaf;
use crate::process::ahead::{self, Shape};
use crate::process::{ChildStdio, Launch};
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
    rules_follow: bool,
}

/// When the device rules of a container are made that has a process already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// With its group: there is time.
    Now,
    /// While the container makes its mounts, if it can wait for them.
    Later,
}

impl Starter {
    /// Makes the process of the next container of this shape, in the group of that name below ours. If its filter is not compiled
    /// yet, that is what it does while it waits.
    pub(crate) fn make_spare(
        &self,
        shape: Shape,
        name: &str,
        rules: Rules,
    ) -> Result<Spare, StepError> {
        let pair = |kind| {
            socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
                .step("make a status socket")
        };
        let (status, far_status) = pair(SocketType::SEQPACKET)?;
        let (control, far_control) = pair(SocketType::STREAM)?;
        let spec = shape.example(name);
        let rules_follow = rules == Rules::Later && self.rules_follow(&spec);
        let leaf = self.create_leaf(&self.group_name(name), &spec, rules_follow)?;
        let filter = self.compiled_filter(&spec);
        let launch =
            Launch { rules_follow, ..self.launch(&spec, &leaf, filter, far_status.as_fd()) };
        let made = spawn_child(ahead::BORN_IN, leaf.v2(), || ahead::run(&launch, &far_control));
        match made {
            Ok(child) => Ok(Spare { shape, child, leaf, status, control, rules_follow }),
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
        starter: &Starter,
        spec: &ContainerSpec,
        stdio: ChildStdio<'_>,
        network: Option<BorrowedFd<'_>>,
    ) -> Option<Result<Running, StepError>> {
        if let ChildStdio::Descriptors(streams) = stdio
            && let descriptors = streams.into_iter().chain(network).collect::<Vec<_>>()
            && send_frame(&self.control, spec, &descriptors).is_ok()
        {
            let Spare { child, leaf, status, rules_follow, .. } = self;
            let running = Running::started(spec.clone(), child, leaf, status);
            return Some(if rules_follow { starter.with_rules(running) } else { Ok(running) });
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
