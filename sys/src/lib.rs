//! System calls behind safe functions: the only crate of the workspace with `unsafe`.
#![allow(unsafe_code)] // this crate exists to hold the system calls that no safe crate offers
