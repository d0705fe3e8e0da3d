//! Fuzzes `properties/dockerfile.rs`.
#![no_main]

#[path = "../properties/dockerfile.rs"]
mod dockerfile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dockerfile::check(bytes));
