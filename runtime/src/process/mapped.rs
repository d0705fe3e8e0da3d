//! What is mounted in a container with a user namespace of its own, prepared by a process that may do so.
//!
//! A file that belongs to the container's user 5 on the disk belongs to its user 5 inside, whoever that is outside: layers,
//! volumes and images are copies of mounts with mapped IDs. Directories of the host's are shown as they are.
use std::collections::HashMap;
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat};
use sys::RootDir;
use sys::mount::{MountChange, attach, change_mount, clone_mount, detach, map_owners};

use super::listed::mounts::open_sources;
use super::{Launch, filesystem, open_place, overlay, propagation, user_mounts};
use crate::spec::{ContainerSpec, Listed, MountSource, Owners, Rootfs, Submounts};
use crate::user_namespace::{UserNamespace, become_its_root};
use crate::zygote::message::{Step, StepError};

#[derive(Debug)]
pub(crate) struct Prepared {
    /// Mounted nowhere yet.
    pub(super) rootfs: OwnedFd,
    /// Its writable layer, as the container sees it.
    pub(super) upper: Option<OwnedFd>,
    /// Sources of mounts, by position.
    sources: HashMap<usize, OwnedFd>,
}

/// Where directories are mounted for as long as it takes to look into them: an overlay takes its layers only from there.
const PLACES: [&str; 3] = ["tree", "files", "root"];
/// Where the overlay itself is, on kernels that mount it somewhere first.
const ASIDE: &str = "empty";

impl Prepared {
    pub(crate) fn of(launch: &Launch<'_>, user: &UserNamespace) -> Result<Prepared, StepError> {
        let spec = launch.spec;
        let (rootfs, upper) = tree(launch, &spec.rootfs, user)?;
        let mut sources = propagation::open_all(&spec.mounts)?;
        for (position, mount) in spec.mounts.iter().enumerate() {
            let step = || format!("mount `{}`", mount.target.display());
            let source = match &mount.source {
                MountSource::Path { source, subpath, options } => {
                    let recursive = options.submounts != Submounts::Left;
                    let copy = match sources.remove(&position) {
                        Some(copy) => copy,
                        None => user_mounts::bind_source(source, subpath.as_deref(), recursive)?,
                    };
                    if options.owners == Owners::Mapped {
                        mapped_for(&copy, user, recursive).step(step())?;
                    }
                    copy
                }
                MountSource::Tree { tree: wanted, subpath } => {
                    let (root, _) = tree(launch, wanted, user)?;
                    user_mounts::part_of(launch, root, subpath.as_deref())?
                }
                MountSource::Filesystem { filesystem: wanted, subpath } => {
                    let mounted = filesystem::mount(wanted).step(step())?;
                    mapped_for(&mounted, user, false).step(step())?;
                    user_mounts::part_of(launch, mounted, subpath.as_deref())?
                }
                MountSource::Tmpfs(_) | MountSource::File { .. } | MountSource::Own => continue,
            };
            sources.insert(position, source);
        }
        Ok(Prepared { rootfs, upper, sources })
    }

    /// Of a container whose maker lists everything, and has given the files of its root to whom they belong to.
    pub(crate) fn of_listed(spec: &ContainerSpec, listed: &Listed) -> Result<Prepared, StepError> {
        let Rootfs::Directory { path, .. } = &spec.rootfs else {
            return Err("it is no directory").step("mount the root");
        };
        let step = || format!("mount directory `{}`", path.display());
        let rootfs = clone_mount(open_place(path)?, true).step(step())?;
        Ok(Prepared { rootfs, upper: None, sources: open_sources(&listed.mounts)? })
    }

    pub(super) fn upper(&self) -> Result<Option<RootDir>, StepError> {
        let copy = self.upper.as_ref().map(OwnedFd::try_clone).transpose();
        Ok(copy.step("use the upper layer")?.map(RootDir::from_fd))
    }

    /// Copies for a process that is about to mount them.
    pub(super) fn sources(&self) -> Result<HashMap<usize, OwnedFd>, StepError> {
        let copies = self.sources.iter().map(|(position, source)| {
            let copy = source.as_fd().try_clone_to_owned();
            copy.map(|copy| (*position, copy))
        });
        copies.collect::<std::io::Result<_>>().step("use the mounts")
    }
}

/// Mounts the root, and becomes the one who makes everything in it: the container's own root. What is the host's is looked
/// for before, by who may; the mount points are where this process is from then on.
pub(super) fn place(launch: &Launch<'_>, prepared: &Prepared) -> Result<OwnedFd, StepError> {
    let step = "mount the root";
    if launch.withhold_devices() {
        let set = libc::MOUNT_ATTR_NODEV;
        let no_devices = MountChange { set, recursive: true, ..MountChange::default() };
        change_mount(&prepared.rootfs, no_devices).step(step)?;
    }
    attach(&prepared.rootfs, open_place(&launch.mountpoint("root"))?).step(step)?;
    // It may be ours alone; there is nothing in it.
    std::fs::set_permissions(launch.mountpoints, Permissions::from_mode(0o755)).step(step)?;
    rustix::process::chdir(launch.mountpoints).step(step)?;
    become_its_root()?;
    prepared.rootfs.try_clone().step(step)
}

/// A tree with mapped IDs, and its upper directory.
fn tree(
    launch: &Launch<'_>,
    wanted: &Rootfs,
    user: &UserNamespace,
) -> Result<(OwnedFd, Option<OwnedFd>), StepError> {
    match wanted {
        Rootfs::Directory { path, read_only } => Ok((directory(path, *read_only, user)?, None)),
        Rootfs::Overlay { lowers, upper: None, .. } if lowers.len() == 1 => {
            Ok((directory(&lowers[0], true, user)?, None))
        }
        Rootfs::Overlay { lowers, upper, work, volatile } => {
            let mut parents = Parents { launch, user, opened: Vec::new() };
            let mounted = parents.overlay(lowers, upper.as_deref(), work.as_deref(), *volatile);
            parents.close()?;
            mounted
        }
    }
}

/// Without maps everything would be nobody's in there.
fn mapped_for(mount: &OwnedFd, user: &UserNamespace, recursive: bool) -> io::Result<()> {
    map_owners(mount, user, recursive).map_err(|error| match error.errno() {
        Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP) => io::Error::other(
            "its file system, or this kernel, cannot map owners, which users of a container's own need",
        ),
        _ => error.into(),
    })
}

fn directory(path: &Path, read_only: bool, user: &UserNamespace) -> Result<OwnedFd, StepError> {
    let step = || format!("mount directory `{}`", path.display());
    let root = clone_mount(open_place(path)?, false).step(step())?;
    mapped_for(&root, user, false).step(step())?;
    if read_only {
        user_mounts::make_read_only(&root, false).step(step())?;
    }
    Ok(root)
}

/// The directories that have the layers, each once.
struct Parents<'a> {
    launch: &'a Launch<'a>,
    user: &'a UserNamespace,
    opened: Vec<(PathBuf, OwnedFd)>,
}

impl Parents<'_> {
    fn overlay(
        &mut self,
        lowers: &[PathBuf],
        upper: Option<&Path>,
        work: Option<&Path>,
        volatile: bool,
    ) -> Result<(OwnedFd, Option<OwnedFd>), StepError> {
        let mut lower_places = Vec::new();
        for lower in lowers {
            lower_places.push(self.open(lower)?);
        }
        let upper = upper.map(|upper| self.open(upper)).transpose()?;
        let work = work.map(|work| self.open(work)).transpose()?;
        let own_upper =
            upper.as_ref().map(OwnedFd::try_clone).transpose().step("use the upper layer")?;
        let layers = overlay::Layers::of_opened(lower_places, upper.zip(work));
        let aside = self.launch.mountpoint(ASIDE);
        let root = self.user.as_its_root(|| overlay::mount_nowhere(&layers, volatile, &aside))?;
        Ok((root, own_upper))
    }

    fn open(&mut self, path: &Path) -> Result<OwnedFd, StepError> {
        let step = || format!("open `{}`", path.display());
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err("it is no layer").step(step());
        };
        let known = self.opened.iter().position(|(known, _)| known == parent);
        let position = match known {
            Some(position) => position,
            None => self.mount(parent)?,
        };
        let directory = &self.opened[position].1;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(directory, name, flags, Mode::empty()).step(step())
    }

    fn mount(&mut self, parent: &Path) -> Result<usize, StepError> {
        let step = || format!("map the owners of `{}`", parent.display());
        let position = self.opened.len();
        let place = PLACES.get(position).ok_or("its layers are in too many places").step(step())?;
        let copy = clone_mount(open_place(parent)?, false).step(step())?;
        mapped_for(&copy, self.user, false).step(step())?;
        attach(&copy, open_place(&self.launch.mountpoint(place))?).step(step())?;
        self.opened.push((parent.to_owned(), copy));
        Ok(position)
    }

    fn close(&self) -> Result<(), StepError> {
        for place in &PLACES[..self.opened.len()] {
            detach(&self.launch.mountpoint(place)).step("unmount the layers")?;
        }
        Ok(())
    }
}
