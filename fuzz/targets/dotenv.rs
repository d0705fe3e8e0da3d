//! Fuzzes `properties/dotenv.rs`.
#![no_main]

#[path = "../properties/dotenv.rs"]
mod dotenv;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dotenv::check(bytes));
