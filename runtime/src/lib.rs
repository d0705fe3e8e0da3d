//! Runs a locked-down process tree in a root filesystem.
//!
//! [`Zygote::start`] forks a helper before any thread exists; [`Zygote::spawn`] starts a
//! [`ContainerSpec`] in it and returns a [`Container`]; [`Container::wait`] gives its
//! [`ExitStatus`]. When this process dies, however it dies, the zygote and everything it
//! started die with it, and their mounts vanish with the zygote's mount namespace.
//!
//! This crate knows no images, layers, Dockerfiles or services. See `docs/decisions/0004`.
#![forbid(unsafe_code)]

mod bytes;
mod capabilities;
mod cgroup;
pub mod clock;
mod container;
pub mod containers;
mod emulators;
mod engine;
mod error;
pub mod etc;
pub mod events;
mod exec;
mod files;
mod floor;
mod inside;
mod joined;
pub mod network;
pub mod oci;
mod phases;
mod process;
mod seccomp;
pub mod shim;
mod spare;
mod spec;
mod starter;
pub mod user;
mod user_namespace;
mod zygote;

pub use capabilities::{Capability, CapabilitySet, UnknownCapability};
pub use cgroup::{Usage, expect_joins};
pub use container::{Container, ExitStatus, Outcome, Stdio};
pub use emulators::{Emulators, NoEmulator};
pub use engine::{EngineId, reconcile, reconcile_if_one_died};
pub use error::{RuntimeError, StartFailure};
pub use exec::{Execution, exec};
pub use files::with_files_of;
pub use floor::start_floors;
pub use inside::{processes_of, usage_of, with_root_of};
pub use phases::{Phase, PhaseEnd};
pub use seccomp::{Profile, ProfileError};
pub use spec::{
    AccessTimes, Amount, BindOptions, ContainerSpec, CpuTime, Device, DeviceAccess, DeviceKind,
    DeviceRate, DeviceRule, DeviceRuleError, EtcFiles, ExactCapabilities, Hook, HookState, IdRange,
    LimitError, Limits, Listed, ListedMount, ListedSource, MachineAccess, Mount, MountAttributes,
    MountSource, MountedFilesystem, NamespaceMode, Namespaces, NetworkMode, Owners, Propagation,
    PropagationKind, RateKind, Rootfs, Seccomp, SpecError, Submounts, Sysctl, SysctlError, Tmpfs,
    TmpfsUse, Ulimit, UlimitError, UserIds,
};
pub use sys::marks::now as monotonic;
pub use sys::memory::share_allocations;
pub use zygote::{ProcessView, Zygote};
