//! Fuzzes `properties/layer.rs`. A changed header gets a checksum that fits, else nothing behind it would be reached.
#![no_main]

#[path = "../properties/layer.rs"]
mod layer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| layer::check(bytes));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    if seed % 8 != 0 {
        layer::mend(&mut data[..size]);
    }
    size
});
