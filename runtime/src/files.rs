//! The files of a container, whether it runs or not.
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use sys::RootDir;
use sys::clone::spawn_child;

use crate::cgroup::{Cgroups, DeviceRules, Leaf};
use crate::containers::{Container, Containers};
use crate::engine::EngineId;
use crate::error::RuntimeError;
use crate::process::{self, ChildStdio, Launch, Stubs};
use crate::spec::Rootfs;
use crate::starter::reap;
use crate::zygote::create_mountpoints;
use crate::zygote::message::{Step, StepError};

/// Runs `body` with the root of a container that does not run, its volumes and other directories of the host's mounted
/// in it, and says what it returned. `body` runs in a process of its own, with which the mounts go. The caller sees to it
/// that the container is not started meanwhile, and has one thread.
pub fn with_files_of(
    containers: &Containers,
    container: &Container,
    body: impl FnOnce(&RootDir) -> u8,
) -> Result<u8, RuntimeError> {
    let failed = |error: StepError| RuntimeError::Files {
        id: container.short_id().to_owned(),
        step: error.step,
        cause: error.cause,
    };
    prepare_and_run(containers, container, body).map_err(failed)
}

/// What the child says: the stubs it made, then perhaps why it could not go on.
const FAILED: u8 = 255;

fn prepare_and_run(
    containers: &Containers,
    container: &Container,
    body: impl FnOnce(&RootDir) -> u8,
) -> Result<u8, StepError> {
    let spec = container.definition.spec_below(containers.root());
    let mountpoints =
        create_mountpoints(containers.state_directory()).step("create the mount points")?;
    let engine = EngineId::of_root(containers.root()).step("name the engine")?;
    let cgroups = Cgroups::look(&engine, DeviceRules::AllDevices);
    let leaf = Leaf::existing(&cgroups, "none", &spec).step("find the container's cgroup")?;
    let null = File::open("/dev/null").step("open /dev/null")?;
    let launch = Launch {
        spec: &spec,
        stdio: ChildStdio::Descriptors([null.as_fd(), null.as_fd(), null.as_fd()]),
        leaf: &leaf,
        devices: DeviceRules::AllDevices,
        filter: None,
        open_files: (0, 0),
        launcher: null.as_fd(),
        mountpoints: &mountpoints,
        status: null.as_fd(),
        network: None,
        ipc: None,
        others: &[],
        pause: None,
        preserved: 0,
        phases: None,
        rules_follow: false,
        near: None,
        prepared: None,
        filesystems: None,
    };
    let (mut stubs_near, mut stubs_far) = io::pipe().step("make a pipe")?;
    let (mut error_near, mut error_far) = io::pipe().step("make a pipe")?;
    let child = spawn_child(libc::CLONE_NEWNS, None, || {
        match process::look_aside(&launch, &mut stubs_far, body) {
            Ok(code) => code,
            Err(error) => {
                // If nobody listens any more, nobody wants to know.
                let _ = error_far.write_all(&serde_json::to_vec(&error).unwrap_or_default());
                FAILED
            }
        }
    })
    .step("make a process")?;
    drop((stubs_far, error_far));
    let (mut stubs, mut error) = (Vec::new(), Vec::new());
    stubs_near.read_to_end(&mut stubs).step("hear of the mounts")?;
    error_near.read_to_end(&mut error).step("hear of it")?;
    let outcome = reap(child.pidfd.as_fd()).step("wait for the process")?;
    remove(&stubs, &spec.rootfs)?;
    if let Ok(error) = serde_json::from_slice::<StepError>(&error) {
        return Err(error);
    }
    let code = crate::container::ExitStatus { outcome, oom_killed: false }.code();
    Ok(u8::try_from(code).unwrap_or(FAILED))
}

/// Nothing is to show that something was mounted.
fn remove(stubs: &[u8], rootfs: &Rootfs) -> Result<(), StepError> {
    let Ok(stubs) = serde_json::from_slice::<Stubs>(stubs) else { return Ok(()) };
    let changes: &Path = match rootfs {
        Rootfs::Overlay { upper: Some(upper), .. } => upper,
        Rootfs::Directory { path, .. } => path,
        Rootfs::Overlay { upper: None, .. } => return Ok(()),
    };
    if fs::metadata(changes).is_err() {
        return Ok(());
    }
    process::remove_stubs(&stubs, &RootDir::open(changes).step("open the container's layer")?);
    Ok(())
}
