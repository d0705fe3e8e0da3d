//! `rbuild`.
fn main() {}
