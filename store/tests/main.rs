//! Tests of the store on temporary directories. One binary, because linking costs more than running.
#![allow(clippy::unwrap_used)] // a failed step of a test has nobody else to report to
#![allow(clippy::print_stderr)] // the reason why a test was skipped

mod archives;
mod bad_input;
mod byte_classes;
mod collection;
mod copies;
mod damage;
mod damaged_archives;
mod flat;
mod images;
mod large_layers;
mod leftovers;
mod midstates;
mod platforms;
mod registry;
mod repair;
mod snapshots;
mod support;
