//! Fuzzes `properties/words.rs`.
#![no_main]

#[path = "../properties/words.rs"]
mod words;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| words::check(bytes));
