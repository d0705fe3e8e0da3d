//! Fuzzes `properties/compose_files.rs`.
#![no_main]

#[path = "../properties/compose_files.rs"]
mod compose_files;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| compose_files::check(bytes));
