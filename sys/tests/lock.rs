//! A lock of a byte goes with the last copy of its file. A binary of its own: whoever starts a process holds copies of all
//! files until that one executes its program, and the tests beside would.
#![allow(clippy::unwrap_used)] // helpers of tests count as tests

use std::fs::File;

use sys::lock::try_lock_byte;

#[test]
fn each_byte_is_a_lock_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("locks");
    let open = || File::options().create(true).append(true).open(&path).unwrap();
    let (first, second) = (open(), open());
    for byte in [0, 7, u64::MAX / 2] {
        assert!(try_lock_byte(&first, byte).unwrap());
        assert!(!try_lock_byte(&second, byte).unwrap(), "{byte}");
    }
    assert!(try_lock_byte(&second, 8).unwrap());
    let copy = first.try_clone().unwrap();
    drop(first);
    assert!(!try_lock_byte(&second, 7).unwrap());
    drop(copy);
    assert!(try_lock_byte(&second, 7).unwrap());
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
}
