//! `rcompose`.
fn main() {}
