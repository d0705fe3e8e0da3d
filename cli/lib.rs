//! The shared front end of `rbuild` and `rcompose`: reports of errors, progress, results, exit
//! statuses. The only crate that prints.
#![forbid(unsafe_code)]

pub mod caches;
pub mod containers;
pub mod copy;
pub mod environment;
pub mod events;
pub mod exit;
pub mod fields;
pub mod format;
pub mod http;
pub mod image_events;
mod log_query;
pub mod manual;
pub mod networks;
pub mod output;
pub mod ports;
pub mod progress;
pub mod refused;
pub mod registries;
pub mod report;
pub mod session;
pub mod shim;
pub mod snapshots;
pub mod stats;
pub mod terminal_text;
pub mod times;
pub mod top;
pub mod zygote;

pub use exit::Exit;
pub use log_query::log_query;
