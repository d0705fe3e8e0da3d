//! The process that a running container belongs to. See `docs/decisions/0007`.
//!
//! ```text
//! rbuild run, start ──fork, `container-shim`───────▶ shim: PID 1 of a namespace, one thread, poll
//!     │  ▲ attach, begin                              │ ▲                    │
//!     └──┘ pipes of the client ◀──────────────────────┘ └── pidfd, pipes ────┴─▶ the container
//! ```
//!
//! | file            | what                                              |
//! |-----------------|---------------------------------------------------|
//! | `begin.rs`      | how the process comes to be                        |
//! | `maker.rs`      | a process that forks shims for one with threads     |
//! | `place.rs`      | its lock and its socket                            |
//! | `protocol.rs`   | requests and replies                               |
//! | `connection.rs` | the client's side of them                          |
//! | `client.rs`     | a client as the shim sees it                       |
//! | `supervisor.rs` | what the shim knows; starting and ending           |
//! | `turn.rs`       | waiting for what happens, and doing what follows   |
//! | `pause.rs`      | standing still; other limits                       |
//! | `network.rs`    | its networks, or another container's                |
//! | `streams.rs`    | output and input                                   |
//! | `log.rs`        | docker's json-file                                 |
//! | `restart.rs`    | whether and when to start again                    |
//! | `health.rs`     | states of health; `probe.rs` a check that runs     |
mod begin;
mod client;
mod connection;
mod health;
mod log;
mod maker;
mod network;
mod pause;
mod place;
mod probe;
mod protocol;
mod restart;
mod streams;
mod supervisor;
mod turn;

use std::io;

pub use begin::{Seed, ShimOrder, VERB};
pub use connection::{AttachStreams, Connection, Ended, NewShim, ToldPhases};
pub use log::files as log_files;
pub use maker::ShimMaker;
pub(crate) use place::lock;
pub use restart::starts_at_boot;
pub use supervisor::Finished;

use supervisor::Supervisor;

/// The main function of a shim. Returns when the container has ended for good: then its caller removes it, if it is to be
/// removed, and ends the process.
pub fn main(seed: Seed) -> io::Result<Option<Finished>> {
    match Supervisor::begin(seed.socket, &seed.told)? {
        Some(supervisor) => supervisor.run().map(Some),
        None => Ok(None),
    }
}
