//! The places that files are mounted on wherever a program runs, as the lowest layer of its overlay.
//!
//! An image without /etc/hosts or /etc/resolv.conf shows these, so that nothing has to be made in the layer that the program
//! writes, and removed from it afterwards. What an image has at these paths lies above and is what is seen. The layer is
//! no snapshot: nothing that is kept leads to it, and what a program has changed is seen against its image alone.
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::RootfsMount;
use crate::error::{Result, io_error};
use crate::open::{Store, remove_any};

/// Who has files mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountTargets {
    /// A step of a build.
    Step,
    Container,
}

impl MountTargets {
    /// No snapshot has a name with this sign in it; that of the steps is from before there were others.
    fn directory(self) -> &'static str {
        match self {
            MountTargets::Step => "snapshots/targets",
            MountTargets::Container => "snapshots/container-targets",
        }
    }

    fn files(self) -> &'static [&'static str] {
        match self {
            MountTargets::Step => &["etc/hosts", "etc/resolv.conf"],
            MountTargets::Container => &["etc/hosts", "etc/resolv.conf", "etc/hostname"],
        }
    }
}

impl RootfsMount {
    /// The same with these targets below the snapshots of an overlay that is written to.
    pub fn with_targets(mut self, store: &Store, targets: MountTargets) -> Result<RootfsMount> {
        if let RootfsMount::Overlay { lowers, upper: Some(_), .. } = &mut self {
            lowers.push(directory(store, targets)?);
        }
        Ok(self)
    }
}

fn directory(store: &Store, targets: MountTargets) -> Result<PathBuf> {
    let path = store.sub(targets.directory());
    if path.exists() {
        return Ok(path);
    }
    let temp = store.temp_path()?;
    make(&temp, targets.files()).map_err(io_error("make the mount targets in", &temp))?;
    match fs::rename(&temp, &path) {
        Ok(()) => Ok(path),
        // Another process was quicker.
        Err(_) if path.exists() => {
            let _left_to_the_next_command = remove_any(&temp);
            Ok(path)
        }
        Err(source) => Err(io_error("make", &path)(source)),
    }
}

fn make(at: &Path, files: &[&str]) -> std::io::Result<()> {
    for directory in [at.to_owned(), at.join("etc")] {
        DirBuilder::new().create(&directory)?;
        // Whatever the umask says.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
    }
    for file in files {
        File::create(at.join(file))?.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}
