//! From the flags about what a container sees and may do to its specification.
//!
//! | file         | flags                                                                             |
//! |--------------|-----------------------------------------------------------------------------------|
//! | `volume.rs`  | `--volume`                                                                        |
//! | `mount.rs`   | `--mount`                                                                         |
//! | `tmpfs.rs`   | `--tmpfs`, and the options of tmpfs                                                |
//! | `devices.rs` | `--device`, `--device-cgroup-rule`, `--device-read-bps` and its kin                 |
//! | `security.rs`| `--cap-add`, `--cap-drop`, `--security-opt`, `--privileged`                         |
//! | `limits.rs`  | `--memory`, `--cpus` and the rest of the limits                                     |
//! | `namespaces.rs` | `--pid`, `--ipc`, `--uts`, `--cgroupns`, `--userns`                              |
//! | `resolver.rs`| `--dns`, `--dns-search`, `--dns-option`                                            |

mod devices;
mod limits;
mod mount;
mod namespaces;
mod resolver;
mod security;
mod tmpfs;
mod volume;

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use runtime::{
    ContainerSpec, Limits, Mount, MountSource, NamespaceMode, Namespaces, ProcessView, Sysctl,
};
use store::ImageConfig;

use crate::args::{ConfinementArgs, ContainerArgs};
use devices::Devices;
use security::Security;

/// What the flags say, checked before anything is made.
#[derive(Debug)]
pub(crate) struct Confinement {
    mounts: Vec<Wanted>,
    devices: Devices,
    security: Security,
    groups: Vec<String>,
    sysctls: Vec<Sysctl>,
    namespaces: Namespaces,
    init: bool,
    domainname: Option<String>,
    resolv_conf: Option<Vec<u8>>,
    limits: Limits,
    oom_score_adj: Option<i16>,
    cgroup_parent: Option<PathBuf>,
}

/// A mount that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    mount: Mount,
    /// A source that is not there becomes a directory, as docker's `-v` has it.
    create: bool,
}

pub(crate) fn resolve(args: &ContainerArgs) -> Result<Confinement> {
    let given = &args.confinement;
    let namespaces = namespaces::resolve(given)?;
    if namespaces.uts == NamespaceMode::Host
        && (args.hostname.is_some() || given.domainname.is_some())
    {
        bail!(
            "`--uts host` shares the host's names: `--hostname` and `--domainname` cannot be set"
        );
    }
    Ok(Confinement {
        mounts: mounts(args)?,
        devices: devices::resolve(given)?,
        security: security::resolve(given)?,
        groups: given.groups.clone(),
        sysctls: given.sysctls.iter().map(|text| sysctl(text)).collect::<Result<_>>()?,
        namespaces,
        init: given.init,
        domainname: given.domainname.clone().filter(|name| !name.is_empty()),
        resolv_conf: resolver::resolve(given)?,
        limits: limits::resolve(&given.limits)?,
        oom_score_adj: oom_score(given)?,
        cgroup_parent: given.limits.cgroup_parent.as_deref().map(cgroup_parent).transpose()?,
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

/// systemd's `a-b.slice` lies in `a.slice`.
fn cgroup_parent(path: &Path) -> Result<PathBuf> {
    let about = || format!("`--cgroup-parent {}`", path.display());
    if path.as_os_str().is_empty() || path.components().any(|c| c == Component::ParentDir) {
        bail!("{}: write a path from the root of the cgroups, without `..`", about());
    }
    let Some(slice) = path.to_str().and_then(|text| text.strip_suffix(".slice")) else {
        return Ok(path.to_owned());
    };
    if slice.contains('/') {
        return Ok(path.to_owned());
    }
    let ends = slice.match_indices('-').map(|(end, _)| end).chain([slice.len()]);
    Ok(ends.map(|end| format!("{}.slice", &slice[..end])).collect())
}

/// In the order of docker: those nearer to the root first.
fn mounts(args: &ContainerArgs) -> Result<Vec<Wanted>> {
    let given = &args.confinement;
    let volumes = args.volumes.iter().map(|text| volume::parse(text));
    let mounts = given.mounts.iter().map(|text| mount::parse(text));
    let tmpfs = given.tmpfs.iter().map(|text| tmpfs::parse(text));
    let mut all = volumes.chain(mounts).chain(tmpfs).collect::<Result<Vec<Wanted>>>()?;
    for (position, wanted) in all.iter().enumerate() {
        let target = &wanted.mount.target;
        if all[..position].iter().any(|other| other.mount.target == *target) {
            bail!("two mounts have the same target `{}`", target.display());
        }
    }
    all.sort_by_key(|wanted| wanted.mount.target.components().count());
    Ok(all)
}

impl Confinement {
    /// Makes the container's specification say so.
    pub(crate) fn apply(&self, spec: &mut ContainerSpec, image: &ImageConfig) -> Result<()> {
        spec.mounts = self.mounts.iter().map(real_mount).collect::<Result<_>>()?;
        spec.mounts.extend(self.image_volumes(image)?);
        spec.mounts.sort_by_key(|mount| mount.target.components().count());
        spec.devices = self.devices.nodes.clone();
        spec.device_rules = self.devices.rules.clone();
        self.security.apply(spec);
        spec.groups = self.groups.clone();
        spec.sysctls = self.sysctls.clone();
        spec.namespaces = self.namespaces;
        spec.init = self.init;
        spec.domainname = self.domainname.clone();
        if let Some(content) = &self.resolv_conf {
            spec.etc.resolv_conf = Some(content.clone());
        }
        spec.limits = self.limits.clone();
        spec.oom_score_adj = self.oom_score_adj;
        spec.cgroup_parent = self.cgroup_parent.clone();
        spec.check()?;
        Ok(())
    }

    /// The name of the domain, for /etc/hosts.
    pub(crate) fn domainname(&self) -> Option<&str> {
        self.domainname.as_deref()
    }

    pub(crate) fn process_view(&self) -> ProcessView {
        match self.namespaces.pid {
            NamespaceMode::Own => ProcessView::Own,
            NamespaceMode::Host => ProcessView::Host,
        }
    }

    pub(crate) fn shares_names(&self) -> bool {
        self.namespaces.uts == NamespaceMode::Host
    }

    /// What VOLUME names stays writable and goes with the container, as an anonymous volume would with `--rm`.
    fn image_volumes(&self, image: &ImageConfig) -> Result<Vec<Mount>> {
        let mut volumes = Vec::new();
        for path in &image.config.volumes {
            let target = target(path).context("the image's VOLUME")?;
            if self.mounts.iter().all(|wanted| wanted.mount.target != target) {
                volumes.push(Mount { target, source: MountSource::Own, read_only: false });
            }
        }
        Ok(volumes)
    }
}

/// With its source as it is now, made if docker would make it.
fn real_mount(wanted: &Wanted) -> Result<Mount> {
    let mut mount = wanted.mount.clone();
    let MountSource::Path { source, .. } = &mut mount.source else { return Ok(mount) };
    if wanted.create && fs::symlink_metadata(&source).is_err() {
        fs::create_dir_all(&source)
            .with_context(|| format!("cannot create the directory `{}`", source.display()))?;
    }
    *source = source.canonicalize().with_context(|| {
        format!(
            "cannot mount `{}` on `{}`: it does not exist",
            source.display(),
            mount.target.display()
        )
    })?;
    Ok(mount)
}

/// An absolute path, without dots and slashes too many, that is not the root.
fn target(text: &str) -> Result<PathBuf> {
    if !text.starts_with('/') {
        bail!("the target `{text}` is not an absolute path");
    }
    let mut target = PathBuf::from("/");
    for component in Path::new(text).components() {
        match component {
            Component::Normal(name) => target.push(name),
            Component::ParentDir => {
                target.pop();
            }
            _ => {}
        }
    }
    if target == Path::new("/") {
        bail!("the target cannot be `/`");
    }
    Ok(target)
}

/// A source of this machine: absolute, or relative to where we are.
fn source(text: &str) -> Result<PathBuf> {
    std::path::absolute(text).with_context(|| format!("cannot find `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_absolute_and_clean() {
        assert_eq!(target("/a//b/./c/../d/").unwrap(), Path::new("/a/b/d"));
        for wrong in ["", "a", "./a", "/", "/..", "/a/.."] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn slices_lie_in_slices() {
        for (given, expected) in [
            ("/a/b", "/a/b"),
            ("a", "a"),
            ("a.slice", "a.slice"),
            ("a-b.slice", "a.slice/a-b.slice"),
            ("/a-b.slice", "/a-b.slice"),
        ] {
            assert_eq!(cgroup_parent(Path::new(given)).unwrap(), Path::new(expected));
        }
        assert!(cgroup_parent(Path::new("/a/../b")).is_err());
        assert!(cgroup_parent(Path::new("")).is_err());
    }
}
