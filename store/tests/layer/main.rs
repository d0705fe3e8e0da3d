//! Layers on real directories: round trips, hostile archives, other programs' archives.
//!
//! These make devices, owners and trusted attributes, so they need root and say so otherwise.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests count as tests

mod gnu_tar;
mod hostile;
mod kinds;
mod many;
mod merge;
mod random;
mod round_trip;
mod scale;
mod support;
mod trees;
