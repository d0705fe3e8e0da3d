//! Fuzzes `properties/cache.rs`.
#![no_main]

#[path = "../properties/cache.rs"]
mod cache;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cache::check(bytes));
