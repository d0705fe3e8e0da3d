//! From the flags about what a container sees and may do to values.
//!
//! | file         | flags                                                                             |
//! |--------------|-----------------------------------------------------------------------------------|
//! | `volume.rs`  | `--volume`                                                                        |
//! | `mount.rs`   | `--mount`                                                                         |
//! | `limits.rs`  | `--memory`, `--cpus`, `--device-read-bps` and the rest of the limits                |
//! | `namespaces.rs` | `--pid`, `--ipc`, `--uts`, `--cgroupns`, `--userns`                              |
//! | here         | the others, whose values compose files have too (`engine::values`)                 |

pub(crate) mod limits;
mod mount;
mod namespaces;
mod volume;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use engine::values::{self, Devices, Resolver, Security, resolver, tmpfs};
use engine::{Confinement, MountRequest, VolumesFrom};
use runtime::{NamespaceMode, Sysctl};

use crate::args::{ConfinementArgs, ContainerArgs};
use crate::commands::settings;

pub(crate) fn resolve(args: &ContainerArgs) -> Result<Confinement> {
    let given = &args.confinement;
    let namespaces = namespaces::resolve(given)?;
    let own_users = namespaces::own_users(given)?;
    if namespaces.uts == NamespaceMode::Host
        && (args.hostname.is_some() || given.domainname.is_some())
    {
        bail!(
            "`--uts host` shares the host's names: `--hostname` and `--domainname` cannot be set"
        );
    }
    let devices = devices(given)?;
    Ok(Confinement {
        read_only_rootfs: args.read_only,
        shm_size: args.shm_size.as_deref().map(settings::bytes).transpose()?,
        ulimits: args.ulimits.iter().map(|text| Ok(text.parse()?)).collect::<Result<_>>()?,
        sysctls: given.sysctls.iter().map(|text| sysctl(text)).collect::<Result<_>>()?,
        namespaces,
        own_users,
        devices: devices.nodes,
        device_rules: devices.rules,
        security: security(given)?,
        limits: limits::resolve(&given.limits)?,
        oom_score_adj: oom_score(given)?,
        cgroup_parent: cgroup_parent(given)?,
    })
}

fn sysctl(text: &str) -> Result<Sysctl> {
    text.parse().with_context(|| format!("`--sysctl {text}`"))
}

fn oom_score(args: &ConfinementArgs) -> Result<Option<i16>> {
    match args.limits.oom_score_adj {
        Some(score) if !(-1000..=1000).contains(&score) => {
            bail!("`--oom-score-adj {score}`: it must be from -1000 to 1000")
        }
        score => Ok(score),
    }
}

fn cgroup_parent(args: &ConfinementArgs) -> Result<Option<PathBuf>> {
    let Some(path) = args.limits.cgroup_parent.as_deref() else { return Ok(None) };
    let parent = values::cgroup_parent(path);
    Ok(Some(parent.with_context(|| format!("`--cgroup-parent {}`", path.display()))?))
}

fn devices(args: &ConfinementArgs) -> Result<Devices> {
    let mut devices = Devices::default();
    for text in &args.devices {
        devices.add(text).with_context(|| format!("`--device {text}`"))?;
    }
    for text in &args.device_rules {
        let rule = text.parse().with_context(|| format!("`--device-cgroup-rule {text}`"))?;
        devices.rules.push(rule);
    }
    Ok(devices)
}

fn security(args: &ConfinementArgs) -> Result<Security> {
    // One at a time first, to say which flag is wrong.
    for text in &args.cap_add {
        values::capabilities(std::slice::from_ref(text), &[], false)
            .with_context(|| format!("`--cap-add {text}`"))?;
    }
    for text in &args.cap_drop {
        values::capabilities(&[], std::slice::from_ref(text), false)
            .with_context(|| format!("`--cap-drop {text}`"))?;
    }
    let capabilities = values::capabilities(&args.cap_add, &args.cap_drop, args.privileged)?;
    let mut security = Security::new(capabilities, args.privileged);
    for text in &args.security {
        security.set(text).with_context(|| format!("`--security-opt {text}`"))?;
    }
    Ok(security)
}

/// /etc/resolv.conf, if the flags say anything about it.
pub(crate) fn resolv_conf(args: &ConfinementArgs) -> Result<Option<Vec<u8>>> {
    for text in &args.dns {
        resolver::check_server(text).with_context(|| format!("`--dns {text}`"))?;
    }
    for (flag, texts) in [("dns-search", &args.dns_search), ("dns-option", &args.dns_options)] {
        for text in texts {
            resolver::check_word(text).with_context(|| format!("`--{flag} {text}`"))?;
        }
    }
    let resolver = Resolver {
        servers: args.dns.clone(),
        search: args.dns_search.clone(),
        options: args.dns_options.clone(),
    };
    Ok(resolver.file())
}

pub(crate) fn mounts(args: &ContainerArgs) -> Result<Vec<MountRequest>> {
    let given = &args.confinement;
    let volumes = args.volumes.iter().map(|text| volume::parse(text));
    let mounts = given.mounts.iter().map(|text| mount::parse(text));
    let tmpfs = given.tmpfs.iter().map(|text| {
        let mount = tmpfs::parse(text).with_context(|| format!("`--tmpfs {text}`"))?;
        Ok(MountRequest::Mount { mount, create: false })
    });
    let all = volumes.chain(mounts).chain(tmpfs).collect::<Result<Vec<MountRequest>>>()?;
    for (position, wanted) in all.iter().enumerate() {
        let target = wanted.target();
        if all[..position].iter().any(|other| other.target() == target) {
            bail!("two mounts have the same target `{}`", target.display());
        }
    }
    Ok(all)
}

/// `CONTAINER[:ro|rw]`
pub(crate) fn volumes_from(args: &ConfinementArgs) -> Result<Vec<VolumesFrom>> {
    let parse = |text: &String| {
        let (container, options) = text.split_once(':').unwrap_or((text, "rw"));
        let read_only = match options {
            "ro" => true,
            "rw" | "z" | "Z" => false,
            other => bail!("`--volumes-from {text}`: `{other}` is neither `ro` nor `rw`"),
        };
        Ok(VolumesFrom { container: container.to_owned(), read_only })
    };
    args.volumes_from.iter().map(parse).collect()
}

/// A source of this machine: absolute, or relative to where we are.
fn source(text: &str) -> Result<PathBuf> {
    std::path::absolute(text).with_context(|| format!("cannot find `{text}`"))
}
