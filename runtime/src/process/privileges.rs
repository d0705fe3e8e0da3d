//! What the program may do: limits, keyring, user, capabilities, seccomp.
use nix::sys::resource::{Resource as NixResource, getrlimit, setrlimit};
use rustix::process::{Gid, Uid};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

use super::Launch;
use crate::capabilities::Capability;
use crate::error::StartFailure;
use crate::spec::{MachineAccess, Seccomp, Ulimit};
use crate::user::ResolvedUser;
use crate::zygote::message::{Step, StepError};

/// The highest capability number a kernel may have.
const CAPABILITY_NUMBERS: u32 = 63;

pub(super) fn set_ulimits(ulimits: &[Ulimit], open_files: (u64, u64)) -> Result<(), StepError> {
    let (soft, hard) = open_files;
    setrlimit(NixResource::RLIMIT_NOFILE, soft, hard).step("reset the limit on open files")?;
    for ulimit in ulimits {
        let step = || format!("set ulimit `{ulimit}`");
        let resource = resource(&ulimit.name).ok_or("no such limit").step(step())?;
        let value = |limit: Option<u64>| limit.unwrap_or(nix::libc::RLIM_INFINITY);
        setrlimit(resource, value(ulimit.soft), value(ulimit.hard)).step(step())?;
    }
    Ok(())
}

/// Lets who has no privileges set them later: no limit is lower than it will be. None is lowered either, since what is still
/// to be done takes files and time.
pub(super) fn allow_ulimits(ulimits: &[Ulimit], open_files: (u64, u64)) -> Result<(), StepError> {
    let allow = |resource: NixResource, hard: u64| {
        let (soft, now) = getrlimit(resource)?;
        if now >= hard { Ok(()) } else { setrlimit(resource, soft, hard) }
    };
    allow(NixResource::RLIMIT_NOFILE, open_files.1).step("reset the limit on open files")?;
    for ulimit in ulimits {
        let step = || format!("set ulimit `{ulimit}`");
        let resource = resource(&ulimit.name).ok_or("no such limit").step(step())?;
        allow(resource, ulimit.hard.unwrap_or(nix::libc::RLIM_INFINITY)).step(step())?;
    }
    Ok(())
}

fn resource(name: &str) -> Option<NixResource> {
    Some(match name {
        "core" => NixResource::RLIMIT_CORE,
        "cpu" => NixResource::RLIMIT_CPU,
        "data" => NixResource::RLIMIT_DATA,
        "fsize" => NixResource::RLIMIT_FSIZE,
        "locks" => NixResource::RLIMIT_LOCKS,
        "memlock" => NixResource::RLIMIT_MEMLOCK,
        "msgqueue" => NixResource::RLIMIT_MSGQUEUE,
        "nice" => NixResource::RLIMIT_NICE,
        "nofile" => NixResource::RLIMIT_NOFILE,
        "nproc" => NixResource::RLIMIT_NPROC,
        "rss" => NixResource::RLIMIT_RSS,
        "rtprio" => NixResource::RLIMIT_RTPRIO,
        "rttime" => NixResource::RLIMIT_RTTIME,
        "sigpending" => NixResource::RLIMIT_SIGPENDING,
        "stack" => NixResource::RLIMIT_STACK,
        _ => return None,
    })
}

/// While /proc is still the host's.
pub(super) fn set_oom_score(score: i16) -> Result<(), StepError> {
    std::fs::write("/proc/self/oom_score_adj", score.to_string())
        .step(format!("set the OOM score to {score}"))
}

/// Keys of the caller's session stay the caller's. A kernel without keyrings has none to leave.
pub(super) fn leave_keyring() -> Result<(), StepError> {
    match sys::keyring::join_new_session() {
        Err(error) if matches!(error.errno(), Some(libc::ENOSYS | libc::EPERM)) => Ok(()),
        other => other.step("make a session keyring"),
    }
}

/// Becomes the user with the capabilities of the specification and nothing more. Without
/// no_new_privileges the filter needs CAP_SYS_ADMIN, so it is installed before that is gone; the
/// profile allows the calls that follow.
pub(super) fn apply(launch: &Launch<'_>, user: &ResolvedUser) -> Result<(), StepError> {
    let spec = launch.spec;
    let install = |wanted: bool| match launch.filter {
        Some(filter) if wanted => {
            let flags = match &spec.seccomp {
                Seccomp::Profile(profile) => profile.install_flags(),
                _ => sys::seccomp::Flags::default(),
            };
            sys::seccomp::install(filter, flags).step("install the seccomp filter")
        }
        _ => Ok(()),
    };
    let held = thread::capabilities(None).step("read capabilities")?.permitted;
    if spec.no_new_privileges {
        thread::set_no_new_privs(true).step("set no_new_privileges")?;
    }
    install(!spec.no_new_privileges)?;

    let sets = Sets::of(launch, user, held);
    limit_bounding_set(sets.bounding)?;
    thread::set_keep_capabilities(!sets.kept().is_empty()).step("keep capabilities")?;
    become_user(user)?;
    thread::set_capabilities(None, sets.usable).step("set capabilities")?;
    set_ambient(sets.ambient)?;
    install(spec.no_new_privileges)
}

/// What the process has in the end.
struct Sets {
    bounding: CapabilitySet,
    usable: CapabilitySets,
    ambient: CapabilitySet,
}

impl Sets {
    /// What this machine does not have itself it cannot give.
    fn of(launch: &Launch<'_>, user: &ResolvedUser, held: CapabilitySet) -> Sets {
        let spec = launch.spec;
        let given = |wanted: crate::capabilities::CapabilitySet| {
            let wanted = match launch.withhold_devices() {
                true => wanted.without(Capability::MKNOD),
                false => wanted,
            };
            CapabilitySet::from_bits_retain(wanted.bits()) & held
        };
        if let Some(listed) = &spec.listed {
            let exact = &listed.capabilities;
            let usable = CapabilitySets {
                effective: given(exact.effective),
                permitted: given(exact.permitted),
                inheritable: given(exact.inheritable),
            };
            return Sets { bounding: given(exact.bounding), usable, ambient: given(exact.ambient) };
        }
        let kept = given(spec.capabilities);
        // Where nothing is withheld, users other than root have the capabilities as well.
        let ambient =
            if spec.machine == MachineAccess::Full { kept } else { CapabilitySet::empty() };
        let usable = if user.uid == 0 { kept } else { ambient };
        let usable = CapabilitySets { effective: usable, permitted: usable, inheritable: ambient };
        Sets { bounding: kept, usable, ambient }
    }

    /// What has to survive becoming the user.
    fn kept(&self) -> CapabilitySet {
        self.ambient | self.usable.permitted
    }
}

fn limit_bounding_set(kept: CapabilitySet) -> Result<(), StepError> {
    for number in 0..CAPABILITY_NUMBERS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(capability) {
            continue;
        }
        match thread::remove_capability_from_bounding_set(capability) {
            // Beyond the last one that this kernel knows.
            Err(rustix::io::Errno::INVAL) => return Ok(()),
            other => other.step("limit the capability bounding set")?,
        }
    }
    Ok(())
}

fn set_ambient(capabilities: CapabilitySet) -> Result<(), StepError> {
    thread::clear_ambient_capability_set().step("clear ambient capabilities")?;
    for capability in capabilities.iter() {
        thread::configure_capability_in_ambient_set(capability, true)
            .step("raise ambient capabilities")?;
    }
    Ok(())
}

fn become_user(user: &ResolvedUser) -> Result<(), StepError> {
    let failed = |error: rustix::io::Errno| {
        let step = format!("become user {}:{}", user.uid, user.gid);
        StepError::new(step, error, StartFailure::Setup)
    };
    let groups: Vec<Gid> = user.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    thread::set_thread_groups(&groups).map_err(failed)?;
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    thread::set_thread_res_gid(gid, gid, gid).map_err(failed)?;
    thread::set_thread_res_uid(uid, uid, uid).map_err(failed)
}
