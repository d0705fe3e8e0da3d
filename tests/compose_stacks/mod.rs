//! Stacks with the binaries: brought up, changed, looked at, taken down, and cut short.

mod caches;
mod checklist;
mod faults;
mod files;
mod flags;
mod hooks;
mod random;
mod real;
mod recorded;
mod stack;
mod up;
mod watch;
