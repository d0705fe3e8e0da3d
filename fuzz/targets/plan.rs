//! Fuzzes `properties/plan.rs`.
#![no_main]

#[path = "../properties/plan.rs"]
mod plan;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plan::check(bytes));
