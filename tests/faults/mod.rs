//! What happens when a command is killed, or the disk refuses, at each single step that changes the store.
//!
//! `tracer` makes every system call that changes a file or a mount a point to kill at. After each: no process and
//! no mount is left, `system check` finds nothing, images that were there are there byte for byte, the command
//! repeated succeeds, and `system prune -a` leaves an empty store.
//!
//! `containers` kills the processes of containers' lives in the same way: command, shim, first process.
//!
//! `moments` kills the commands at random moments, which need not be at a system call.
//!
//! By default some points of each command are tried, evenly spread; with `RBUILD_TEST_FAULTS=all`, all.
#![cfg(target_arch = "x86_64")] // The tracer reads registers.

mod calls;
mod containers;
mod errors;
mod kills;
mod moments;
mod operations;
mod tracer;

use crate::support::all_faults;

/// Points tried of each command unless all are.
const POINTS: usize = 16;

/// Some of the points 1 to `count`, or all.
fn points(count: usize) -> impl Iterator<Item = usize> {
    let stride = if all_faults() { 1 } else { count.div_ceil(POINTS).max(1) };
    (1..=count).step_by(stride)
}
