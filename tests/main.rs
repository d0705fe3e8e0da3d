//! End-to-end tests of the binaries and of the repository itself.
//!
//! One binary, so that it links once. Every test has its own store below a temporary directory.
//! Tests that need root are skipped with a printed reason when they cannot run.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "a skipped test says why")]

mod add_url;
mod archive_contexts;
mod archives;
mod build;
mod build_cache;
mod build_fixtures;
mod buildkit_behaviours;
mod cache_bounds;
mod cache_inputs;
mod cases_again;
mod check;
mod command_line;
mod compose_graph;
mod compose_stacks;
mod concurrency;
mod convert;
mod copies;
mod crash;
mod entitlements;
mod error_reports;
mod explain;
mod faults;
mod full_disk;
mod git;
mod guest;
mod interop;
mod lifecycle;
mod looking;
mod networks;
mod nobody_waits;
mod oci;
mod outline;
mod pieces;
mod platforms;
mod power_loss;
mod prune;
mod quick_start;
mod rcompose_config;
mod real_input;
mod registry;
mod reproducible;
mod run;
mod run_flags;
mod second_chance;
mod secrets;
mod sources;
mod ssh;
mod store_check;
mod support;
mod tidy;
