//! The OCI face: containers of runtime-spec bundles, as conmon, podman, containerd and dockerd ask for them.
//!
//! ```text
//! caller (conmon, containerd-shim: a subreaper)
//!   │ create ──clone3──▶ the container's first process ──▶ waits at a pipe ···▶ its program
//!   │   └ ends: the process becomes the caller's child            ▲
//!   │ start ──────────────── a byte ──────────────────────────────┘
//!   └ waits for the process itself: no shim of ours is in between
//! ```
//!
//! | file           | what                                                      |
//! |----------------|-----------------------------------------------------------|
//! | `document/`    | config.json as it is written                               |
//! | `translate/`   | from it to a [`ContainerSpec`](crate::ContainerSpec), pure |
//! | `directory.rs` | what is kept of a container while it exists                |
//! | `create.rs`, `start.rs`, `exec.rs`, `change.rs` | the verbs                  |
//!
//! `docs/decisions/0016` has the reasons, `docs/oci.md` what is taken and what is refused.
mod change;
mod create;
mod directory;
mod document;
mod error;
mod exec;
mod group;
mod start;
mod translate;

pub use change::{Signalled, delete, kill, pause, processes, resume, update, usage};
pub use create::{CreateRequest, Created, create};
pub use directory::{OciContainer, OciContainers, OciStatus};
pub use document::{Document, HookDocument, Hooks, ProcessDocument, Resources, UserDocument};
pub use error::{DocumentError, OciError};
pub use exec::{ExecRequest, Executed, exec};
pub use start::start;
pub use translate::{MOUNT_OPTIONS, Plan, translate};

/// The newest version of the runtime specification whose fields are known here.
pub const SPEC_VERSION: &str = "1.2.0";
/// The oldest.
pub const OLDEST_SPEC_VERSION: &str = "1.0.0";
