//! Whatever a .dockerignore says: it is refused or answers every question, the same each time.
//!
//! Lines before the first NUL are the file, the lines after it are paths.
#![allow(unreachable_pub)] // tests and fuzz targets take it in

use builder::context::ignore::{Covered, Ignore, read_patterns};
use builder::glob::{self, Glob};

pub fn check(bytes: &[u8]) {
    let cut = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (file, paths) = (&bytes[..cut], bytes.get(cut + 1..).unwrap_or_default());
    let paths: Vec<&[u8]> = paths.split(|byte| *byte == b'\n').take(8).collect();
    paths.iter().for_each(|path| clean(path));
    if let Ok(ignore) = Ignore::parse(file) {
        let overlooked = read_patterns(file).iter().any(|pattern| is_overlooked(pattern));
        paths.iter().for_each(|path| judge(&ignore, path, overlooked));
    }
    for line in file.split(|byte| *byte == b'\n').take(8) {
        clean(line);
        if let Ok(pattern) = Glob::parse(line) {
            let _ = paths.iter().filter(|path| pattern.matches(path)).count();
        }
        let (fixed, rest) = glob::split_wildcards(line);
        assert_eq!(rest.is_some(), glob::has_wildcards(glob::clean(line)));
        assert!(!glob::has_wildcards(&fixed));
    }
}

/// With `!a/*/**` BuildKit looks at what lies in `a`, and not below that.
fn is_overlooked(pattern: &[u8]) -> bool {
    pattern.starts_with(b"!") && pattern.ends_with(b"/*/**")
}

/// A walk never sees below a directory that may be skipped, so nothing there may be wanted.
fn judge(ignore: &Ignore, path: &[u8], overlooked: bool) {
    let path = glob::clean(path);
    let _ = ignore.matches(&path);
    if path.starts_with(b"/") || path.starts_with(b"..") || path == b"." {
        return;
    }
    let mut covered = Covered::default();
    let mut skipped = false;
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    for end in ends.chain([path.len()]) {
        let verdict = ignore.enter(&path[..end], &covered);
        let seen = verdict.excluded || !skipped || overlooked;
        assert!(seen, "wanted below a directory that may be skipped");
        skipped |= verdict.excluded && ignore.can_skip(&path[..end]);
        covered = verdict.covered;
    }
}

fn clean(path: &[u8]) {
    let once = glob::clean(path);
    assert_eq!(glob::clean(&once), once, "cleaning a clean path");
    assert!(!once.is_empty());
}
