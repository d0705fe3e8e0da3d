//! Fuzzes `properties/short_forms.rs`.
#![no_main]

#[path = "../properties/short_forms.rs"]
mod short_forms;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| short_forms::check(bytes));
