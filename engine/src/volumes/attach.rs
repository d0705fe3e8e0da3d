//! From the volumes that a container asks for to what is mounted in it.

use std::path::{Path, PathBuf};

use runtime::containers::{Containers, VolumeUse};
use runtime::{BindOptions, Mount, MountSource, Owners};
use store::tree::Tree;
use store::{Image, Store};

use super::definition::NewVolume;
use super::directory::{Claim, DATA};
use super::error::Result;
use super::{Backing, Volumes};

/// A volume that a container asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeMount {
    pub target: PathBuf,
    pub volume: NewVolume,
    pub read_only: bool,
    /// If the volume is empty, it takes what the image has at the target.
    pub copy: bool,
    /// A path in the volume to be shown instead of all of it.
    pub subpath: Option<PathBuf>,
    /// It goes with the container when that is removed with its volumes: nobody has named it.
    pub anonymous: bool,
}

impl VolumeMount {
    /// An anonymous one.
    pub fn at(target: impl Into<PathBuf>) -> VolumeMount {
        VolumeMount {
            target: target.into(),
            volume: NewVolume::default(),
            read_only: false,
            copy: true,
            subpath: None,
            anonymous: true,
        }
    }
}

/// Volumes that are there to be mounted. Until this is dropped nobody removes them; by then the container has to be
/// there, or [`Attached::keep`] not to have been called: that removes the anonymous ones that were made for it.
#[derive(Debug)]
pub struct Attached {
    pub mounts: Vec<Mount>,
    pub uses: Vec<VolumeUse>,
    claims: Vec<Claim>,
    made: Vec<String>,
    volumes: Volumes,
    containers: Containers,
}

/// Makes the volumes that do not exist, and fills those that are empty. `durable`: the container is to survive a loss
/// of power.
pub fn attach(
    store: &Store,
    containers: &Containers,
    image: &Image,
    wanted: &[VolumeMount],
    durable: bool,
) -> Result<Attached> {
    let mut attached = Attached {
        mounts: Vec::new(),
        uses: Vec::new(),
        claims: Vec::new(),
        made: Vec::new(),
        volumes: Volumes::of(store)?,
        containers: containers.clone(),
    };
    let mut tree: Option<Tree> = None;
    for mount in wanted {
        attached.add(mount, durable, &mut || {
            if tree.is_none() {
                tree = Some(store.tree(image)?);
            }
            Ok(tree.clone().unwrap_or_default())
        })?;
    }
    Ok(attached)
}

impl Attached {
    fn add(
        &mut self,
        wanted: &VolumeMount,
        durable: bool,
        files: &mut dyn FnMut() -> Result<Tree>,
    ) -> Result<()> {
        let claim = self.volumes.claim(&wanted.volume)?;
        let name = claim.volume.name.clone();
        if wanted.volume.name.is_none() {
            self.made.push(name.clone());
        }
        let backing = Backing::of(&claim.volume.options)?;
        if backing == Backing::Own && wanted.copy && wanted.subpath.is_none() {
            self.volumes.fill(&self.containers, &claim, &wanted.target, durable, files)?;
        }
        self.mounts.push(mount(wanted, &name, backing));
        self.uses.push(VolumeUse {
            name,
            target: wanted.target.clone(),
            anonymous: wanted.anonymous,
        });
        self.claims.push(claim);
        Ok(())
    }

    /// The container can be seen now.
    pub fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.claims.clear();
        for name in &self.made {
            // What is told is why there is no container; `volume prune` finds what is left.
            let _left = self.volumes.remove(&self.containers, name);
        }
    }
}

/// Paths in the store are relative to it, as those of root file systems are.
fn mount(wanted: &VolumeMount, name: &str, backing: Backing) -> Mount {
    let subpath = wanted.subpath.clone();
    let (source, read_only) = match backing {
        Backing::Own => {
            let path = Path::new("volumes").join(name).join(DATA);
            let options = BindOptions { owners: Owners::Mapped, ..BindOptions::default() };
            (MountSource::Path { source: path, subpath, options }, false)
        }
        Backing::Directory { path, read_only } => (MountSource::path(path, subpath), read_only),
        Backing::Filesystem(filesystem) => (MountSource::Filesystem { filesystem, subpath }, false),
    };
    Mount { target: wanted.target.clone(), source, read_only: read_only || wanted.read_only }
}
