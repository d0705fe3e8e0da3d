//! Fuzzes `properties/ignore.rs`.
#![no_main]

#[path = "../properties/ignore.rs"]
mod ignore;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ignore::check(bytes));
