//! System calls behind safe functions: the only crate of the workspace with `unsafe`.
//!
//! Failures are [`SysError`]: the call with its arguments and the kernel's answer. What was being
//! attempted, and for whom, is added by the callers.
#![allow(unsafe_code)] // this crate exists to hold the system calls that no safe crate offers

pub mod bpf;
mod call;
pub mod clone;
mod error;
pub mod interface;
pub mod iptables;
pub mod keyring;
pub mod lock;
pub mod marks;
pub mod memory;
pub mod mount;
pub mod netlink;
pub mod root_dir;
pub mod seccomp;
pub mod signal;
pub mod title;
pub mod writeback;
mod xattr;

pub use call::Call;
pub use error::{Result, SysError};
pub use root_dir::RootDir;
