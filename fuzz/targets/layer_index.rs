//! Fuzzes `properties/layer_index.rs`.
#![no_main]

#[path = "../properties/layer_index.rs"]
mod layer_index;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| layer_index::check(bytes));
