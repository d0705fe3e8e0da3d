//! The files of a container that does not run, mounted for one process that looks at them.
use std::io::Write;

use rustix::mount::{MountPropagationFlags, mount_change};
use sys::RootDir;

use super::{Launch, overlay, stubs, upper_directory, user_mounts};
use crate::zygote::message::{Step, StepError};

/// In a mount namespace of its own, which takes the mounts along when the process ends. `created` is told what was made
/// in the container to mount on.
pub(crate) fn run(
    launch: &Launch<'_>,
    created: &mut dyn Write,
    body: impl FnOnce(&RootDir) -> u8,
) -> Result<u8, StepError> {
    let everything = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change(c"/", everything).step("make mounts private")?;
    let rootfs = overlay::mount(launch, &launch.spec.rootfs, "root")?;
    let root = RootDir::from_fd(rootfs.try_clone().step("use the rootfs")?);
    let mut targets = stubs::Targets::new(&root, upper_directory(&launch.spec.rootfs)?);
    user_mounts::mount_files(launch, &mut targets)?;
    if launch.spec.read_only_rootfs {
        user_mounts::make_read_only(&rootfs, false).step("make the rootfs read-only")?;
    }
    let made = serde_json::to_vec(&targets.into_stubs()).step("report mounts")?;
    created.write_all(&made).step("report mounts")?;
    Ok(body(&root))
}
