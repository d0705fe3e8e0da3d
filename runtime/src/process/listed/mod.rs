//! The first process of a container whose maker lists everything ([`Listed`]): an OCI runtime's.
//!
//! ```text
//! sources ─▶ root ─▶ mounts ─▶ devices ─▶ `H`: the maker's hooks ─▶ hooks in here ─▶ masks ─▶ new root ─▶ `R`
//! ```
//! The order is the specification's: whoever answers to `H` sees all mounts made and the host's root still there.
mod copy_up;
mod devices;
pub(super) mod mounts;

use std::os::fd::OwnedFd;

use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::net::{RecvFlags, recv};
use sys::RootDir;
use sys::mount::new_mount;

use super::{
    Launch, Never, become_program, hooks, mapped, masks, overlay, report_ready, resolve_user,
    set_oom_score, stubs, sysctls, terminal, user_mounts,
};
use crate::spec::{Listed, NamespaceMode, NetworkMode, Propagation, PropagationKind};
use crate::zygote::channel::send_with_descriptors;
use crate::zygote::message::{Step, StepError};

pub(super) fn set_up(launch: &Launch<'_>, listed: &Listed) -> Result<Never, StepError> {
    let spec = launch.spec;
    set_oom_score(launch)?;
    // What is to follow the host's mounts is a copy of one that still does.
    let sources = match launch.prepared {
        Some(prepared) => prepared.sources()?,
        None => mounts::open_sources(&listed.mounts)?,
    };
    let everything = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change(c"/", everything).step("make mounts private")?;

    let rootfs = match launch.prepared {
        Some(prepared) => mapped::place(launch, prepared)?,
        None => overlay::mount(launch, &spec.rootfs, "root")?,
    };
    let root = RootDir::from_fd(rootfs.try_clone().step("use the rootfs")?);
    // What has to be made to mount on stays: the root is its maker's, who removes it whole.
    let mut targets = stubs::Targets::new(&root, None);
    let kernel = mounts::mount_all(launch, listed, &root, &mut targets, sources)?;
    if !devices::are_the_hosts(listed) {
        devices::make_all(launch, &root)?;
    }
    let user = resolve_user(&root, spec)?;
    let terminal = match &kernel.devpts {
        Some(devpts) => terminal::open(launch, &root, devpts, user.uid)?,
        None => terminal::none(launch)?,
    };
    let created = targets.into_stubs();

    ask_the_maker(launch)?;
    hooks::run_here(&listed.create_container, &listed.told)?;

    write_sysctls(launch, kernel.proc.as_ref())?;
    let views = masks::Views::new(&root, [("proc", kernel.proc.as_ref()), ("sys", None)])?;
    masks::cover(&views, &listed.masked, &listed.read_only)?;
    root.create_dir_all(&spec.cwd, 0o755).step(format!("create `{}`", spec.cwd.display()))?;
    if spec.read_only_rootfs {
        user_mounts::make_read_only(&rootfs, false).step("make the rootfs read-only")?;
    }
    sys::mount::change_root(&rootfs).step("change root")?;
    if let Some(propagation) = listed.root_propagation {
        mount_change(c"/", flags_of(propagation)).step("set how mounts spread from the root")?;
    }
    drop((root, rootfs, kernel));
    report_ready(launch, &created, terminal.as_ref())?;
    set_names(launch)?;
    become_program(launch, &user, terminal)
}

fn flags_of(propagation: Propagation) -> MountPropagationFlags {
    let kind = match propagation.kind {
        PropagationKind::Private => MountPropagationFlags::PRIVATE,
        PropagationKind::Slave => MountPropagationFlags::DOWNSTREAM,
        PropagationKind::Shared => MountPropagationFlags::SHARED,
    };
    if propagation.recursive { kind | MountPropagationFlags::REC } else { kind }
}

/// Returns when the maker has run its hooks.
fn ask_the_maker(launch: &Launch<'_>) -> Result<(), StepError> {
    let step = "wait for the hooks";
    send_with_descriptors(launch.status, b"H", &[]).step(step)?;
    loop {
        match recv(launch.status, &mut [0; 1], RecvFlags::empty()) {
            Ok((_, 1)) => return Ok(()),
            Ok(_) => return Err("who makes the container has gone").step(step),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno).step(step),
        }
    }
}

fn write_sysctls(launch: &Launch<'_>, proc: Option<&OwnedFd>) -> Result<(), StepError> {
    if launch.spec.sysctls.is_empty() {
        return Ok(());
    }
    match proc {
        Some(proc) => sysctls::write_asked(launch.spec, proc),
        None => {
            let own = new_mount("proc", &[], 0).step("mount /proc for the sysctls")?;
            sysctls::write_asked(launch.spec, &own)
        }
    }
}

fn set_names(launch: &Launch<'_>) -> Result<(), StepError> {
    let spec = launch.spec;
    if spec.namespaces.uts != NamespaceMode::Host {
        if !spec.hostname.is_empty() {
            rustix::system::sethostname(spec.hostname.as_bytes()).step("set hostname")?;
        }
        if let Some(domain) = &spec.domainname {
            rustix::system::setdomainname(domain.as_bytes()).step("set domain name")?;
        }
    }
    if spec.network == NetworkMode::None {
        sys::interface::bring_loopback_up().step("bring up loopback")?;
    }
    Ok(())
}
