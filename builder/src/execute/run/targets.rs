//! The places that every RUN mounts files on, as the lowest layer of its overlay.
//!
//! An image without /etc/hosts or /etc/resolv.conf shows these, so that nothing has to be made in the layer that the step
//! writes, and removed from it afterwards. What an image has at these paths lies above and is what is seen. The layer is
//! no snapshot: nothing that is kept leads to it.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use runtime::Rootfs;
use store::Store;

use crate::execute::{StepError, io_error};

const DIRECTORY: &str = "snapshots";
const NAME: &str = "targets";
const FILES: [&str; 2] = ["etc/hosts", "etc/resolv.conf"];

/// Puts them below the snapshots of an overlay that is written to.
pub(super) fn add(rootfs: &mut Rootfs, store: &Store) -> Result<(), StepError> {
    if let Rootfs::Overlay { lowers, upper: Some(_), .. } = rootfs {
        lowers.push(directory(store)?);
    }
    Ok(())
}

fn directory(store: &Store) -> Result<PathBuf, StepError> {
    let path = store.directory(DIRECTORY)?.join(NAME);
    if path.exists() {
        return Ok(path);
    }
    let temp = store.temp_path()?;
    make(&temp).map_err(io_error("make the mount targets in", &temp))?;
    match fs::rename(&temp, &path) {
        Ok(()) => Ok(path),
        // Another build was quicker.
        Err(_) if path.exists() => {
            let _left_to_the_next_command = fs::remove_dir_all(&temp);
            Ok(path)
        }
        Err(source) => Err(io_error("make", &path)(source)),
    }
}

fn make(at: &Path) -> std::io::Result<()> {
    for directory in [at.to_owned(), at.join("etc")] {
        DirBuilder::new().create(&directory)?;
        // Whatever the umask says.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
    }
    for file in FILES {
        File::create(at.join(file))?.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}
