//! Fuzzes `properties/interpolation.rs`.
#![no_main]

#[path = "../properties/interpolation.rs"]
mod interpolation;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| interpolation::check(bytes));
