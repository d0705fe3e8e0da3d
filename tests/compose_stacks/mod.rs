//! Stacks with the binaries: brought up, changed, looked at, taken down, and cut short.

mod faults;
mod recorded;
mod stack;
mod up;
