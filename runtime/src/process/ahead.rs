//! A container's process that is made before it is known which container it will be.
//!
//! Moving a process into v1 cgroups makes the kernel wait until no processor looks at the old ones: some ten
//! milliseconds, more than everything else about a start takes. Where one container comes after the other, as with the
//! RUN steps of a build, the next one's process is made while the one before runs. It has its namespaces and cgroups
//! then, and nothing else: the specification decides about all that follows.
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sched::{CloneFlags, unshare};
use sys::clone::close_all_except;
use sys::seccomp::Instruction;

use super::{
    ChildStdio, Launch, clone_flags, filesystem, join_network, leave_the_caller, report_failure,
    set_up,
};
use crate::capabilities::CapabilitySet;
use crate::error::StartFailure;
use crate::phases::Phase;
use crate::seccomp;
use crate::spec::{
    ContainerSpec, Limits, MachineAccess, NamespaceMode, Namespaces, NetworkMode, Seccomp,
};
use crate::zygote::channel::receive_frame;
use crate::zygote::message::{Step, StepError};

/// What has to be known of a container before its process is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    network: NetworkMode,
}

impl Shape {
    /// Of a container that asks for nothing special.
    pub(crate) fn usual(network: NetworkMode) -> Shape {
        Shape { network }
    }

    /// None for containers that ask for anything special about namespaces, cgroups or devices.
    pub(crate) fn of(spec: &ContainerSpec) -> Option<Shape> {
        let usual = spec.namespaces == Namespaces::default()
            && spec.machine == MachineAccess::Confined
            && spec.seccomp == Seccomp::Default
            && spec.capabilities == CapabilitySet::docker_default()
            && spec.limits == Limits::default()
            && spec.device_rules.is_empty()
            && spec.oom_score_adj.is_none()
            && spec.user_namespace.is_none()
            && !filesystem::has_any(spec)
            && spec.cgroup_parent.is_none();
        usual.then_some(Shape { network: spec.network })
    }

    /// A container of this shape, for what is decided by the shape alone.
    pub(crate) fn example(self, id: &str) -> ContainerSpec {
        let nothing = crate::spec::Rootfs::Directory { path: "/".into(), read_only: true };
        ContainerSpec { network: self.network, ..ContainerSpec::new(id, nothing, Vec::new()) }
    }
}

/// The namespaces that it is born in. The others it makes itself, while who has made it goes on.
pub(crate) const BORN_IN: i32 = libc::CLONE_NEWPID;

/// The body of such a process. `launch` is that of the example, `control` brings the real one.
pub(crate) fn run(launch: &Launch<'_>, control: &OwnedFd) -> u8 {
    let mut compiled = Vec::new();
    match wait(launch, control, &mut compiled) {
        // It was not needed.
        Ok(None) => 0,
        Ok(Some(Told { spec, streams: [stdin, stdout, stderr], network })) => {
            let stdio = ChildStdio::Descriptors([stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]);
            let network = network.as_ref().map(AsFd::as_fd);
            let filter = launch.filter.or(Some(&compiled));
            let launch = Launch { spec: &spec, stdio, network, filter, ..*launch };
            let Err(failure) = join_network(&launch).and_then(|()| set_up(&launch));
            report_failure(launch.status, &failure)
        }
        Err(failure) => report_failure(launch.status, &failure),
    }
}

/// Which container it is to be.
struct Told {
    spec: ContainerSpec,
    streams: [OwnedFd; 3],
    network: Option<OwnedFd>,
}

/// `filter` is compiled, if that was not done.
fn wait(
    launch: &Launch<'_>,
    control: &OwnedFd,
    filter: &mut Vec<Instruction>,
) -> Result<Option<Told>, StepError> {
    // It may be there for long, and is to keep nobody's pipe or socket open.
    let keep: [BorrowedFd<'_>; 3] = [launch.status, control.as_fd(), launch.launcher];
    close_all_except(&keep).step("close descriptors")?;
    let others = CloneFlags::from_bits_retain(clone_flags(launch.spec) & !BORN_IN);
    unshare(others).step("make namespaces")?;
    launch.end(Phase::Clone);
    leave_the_caller(launch.leaf, &NamespaceMode::Own)?;
    launch.end(Phase::Apart);
    if launch.filter.is_none() {
        *filter = seccomp::filter(launch.spec.capabilities);
    }
    let told = receive_frame::<ContainerSpec>(control).step("hear what to start")?;
    launch.end(Phase::Told);
    match told {
        None => Ok(None),
        Some((spec, descriptors)) => {
            let mut descriptors = descriptors.into_iter();
            let streams = [descriptors.next(), descriptors.next(), descriptors.next()];
            match streams {
                [Some(stdin), Some(stdout), Some(stderr)] => {
                    let streams = [stdin, stdout, stderr];
                    Ok(Some(Told { spec, streams, network: descriptors.next() }))
                }
                _ => Err(StepError::new(
                    "connect standard streams",
                    "it needs three descriptors",
                    StartFailure::Setup,
                )),
            }
        }
    }
}
