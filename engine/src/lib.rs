//! Containers of images: from a request to a definition on disk, to a process that runs, and away again.
//!
//! | file           | what                                                                |
//! |----------------|---------------------------------------------------------------------|
//! | `request.rs`   | [`ContainerRequest`]: everything that is asked for, as values        |
//! | `define.rs`    | request and image configuration to a [`runtime::containers::Definition`] |
//! | `make.rs`      | a container on disk: writable layer, definition, name, lease         |
//! | `remove.rs`    | the way back; `recover.rs` what crashes have left                    |
//! | `run.rs`       | start, stop, kill, wait                                             |
//! | `networks.rs`  | containers come to networks and go                                  |
//! | `exec.rs`      | another program in a container; `apart.rs` for those with threads    |
//! | `logs.rs`      | what a container wrote                                              |
//! | `mounts.rs`    | what is mounted in it; `volumes/` what outlives it                   |
//! | `changes.rs`   | what it has changed; `commit.rs` makes an image of that              |
//! | `copy/`        | files in and out                                                    |
//! | `values/`      | docker's spellings of values, shared by flags and compose files      |
//!
//! Who calls it decides where the store is and what is printed: this crate reads no environment.
#![forbid(unsafe_code)]

pub mod apart;
mod changes;
mod commit;
pub mod copy;
mod define;
mod error;
pub mod exec;
mod health;
mod hosts;
pub mod logs;
mod make;
mod mounts;
pub mod names;
mod namespaces;
mod networks;
pub mod recover;
mod remove;
mod request;
mod run;
mod stillness;
pub mod time;
mod users;
pub mod values;
pub mod volumes;

use runtime::containers::Containers;
use store::Store;

pub use changes::{ChangeKind, Changes, changes_of};
pub use commit::{CommitRequest, commit, committed_config};
pub use error::EngineError;
pub use make::make;
pub use networks::{connect, disconnect, networks_of};
pub use remove::{Withdrawn, lease_name, remove, remove_unstarted, remove_with_volumes, withdraw};
pub use request::{
    Confinement, ContainerRequest, HealthRequest, HostNames, ImageMount, LogRequest, MountRequest,
    Program, Variable, VolumesFrom, set_variable,
};
pub use run::{at_rest_or_alive, end, fork_shim, kill, start, stop, wait};
pub use stillness::Stillness;

type Result<T, E = EngineError> = std::result::Result<T, E>;

/// The containers of a store.
pub fn containers_of(store: &Store) -> Containers {
    Containers::open(store.root(), store.state())
}

/// The same, brought in line with the facts.
pub fn recovered_containers(store: &Store) -> Result<Containers> {
    let containers = containers_of(store);
    recover::run(store, &containers)?;
    Ok(containers)
}
