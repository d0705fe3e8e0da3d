//! The shared front end of `rbuild` and `rcompose`: reports of errors, progress, results, exit
//! statuses. The only crate that prints.
#![forbid(unsafe_code)]

pub mod environment;
pub mod exit;
pub mod format;
pub mod output;
pub mod progress;
pub mod report;
pub mod terminal_text;

pub use exit::Exit;
