//! The ordinary tests' way to the properties: every case of `fuzz/cases`, then seeded changes of them.
//!
//! `RBUILD_TEST_CASES` says how many changed cases (the default is chosen for seconds), `RBUILD_TEST_SEED` where to
//! begin: a failure prints the seed that repeats it alone, and the bytes, made as short as they still fail.
#![allow(dead_code, unreachable_pub)] // each test file uses a part

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

mod random;

use random::{Random, number};

/// Checks a property against the cases of `fuzz/cases/FOLDER` and the files `more`, then against `default` changes.
pub fn check(
    folder: &str,
    dictionary: &str,
    more: Vec<PathBuf>,
    default: u64,
    property: fn(&[u8]),
) {
    let cases = cases(folder, more);
    assert!(!cases.is_empty(), "no cases in fuzz/cases/{folder}");
    let first = number("RBUILD_TEST_SEED");
    if first.is_none() {
        for (path, bytes) in &cases {
            let failed = failure(bytes, property);
            assert!(failed.is_none(), "{}: {}", path.display(), failed.unwrap_or_default());
        }
    }
    let words = words(dictionary);
    let count = number("RBUILD_TEST_CASES").unwrap_or(if first.is_some() { 1 } else { default });
    let first = first.unwrap_or(0);
    for seed in first..first + count {
        let bytes = changed(&cases, &words, &mut Random(seed));
        if failure(&bytes, property).is_some() {
            let bytes = shorter(bytes, property);
            let why = failure(&bytes, property).unwrap_or_default();
            panic!("RBUILD_TEST_SEED={seed} fails: {why}\n\"{}\"", bytes.escape_ascii());
        }
    }
}

/// Files called `Dockerfile` one level below folders of `fixtures`.
pub fn dockerfiles(folders: &[&str]) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| {
            fs::read_dir(repository().join("fixtures").join(folder)).expect("fixtures")
        })
        .map(|entry| entry.expect("an entry").path().join("Dockerfile"))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().find(|dir| dir.join("fuzz/cases").is_dir()).expect("fuzz/cases").to_owned()
}

fn cases(folder: &str, more: Vec<PathBuf>) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(repository().join("fuzz/cases").join(folder)).expect("cases");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.extend(more);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let bytes = fs::read(&path).expect("a case");
            (path, bytes)
        })
        .collect()
}

/// The quoted words of a dictionary, in libFuzzer's notation.
fn words(name: &str) -> Vec<Vec<u8>> {
    let path = repository().join("fuzz/dictionaries").join(name).with_extension("dict");
    let text = fs::read_to_string(path).expect("a dictionary");
    let quoted = |line: &str| Some(unescaped(line.strip_prefix('"')?.strip_suffix('"')?));
    text.lines().filter_map(quoted).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        (rest, bytes) = match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low].map(char::from).iter().collect::<String>();
                bytes.push(u8::from_str_radix(&digits, 16).expect("two digits"));
                (after, bytes)
            }
            (b'\\', [escaped, after @ ..]) => (after, [bytes, vec![*escaped]].concat()),
            (byte, after) => (after, [bytes, vec![*byte]].concat()),
        };
    }
    bytes
}

fn changed(cases: &[(PathBuf, Vec<u8>)], words: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = cases[random.below(cases.len())].1.clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(40)).min(bytes.len());
        match random.below(7) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            2 => bytes.truncate(at.max(1)),
            3 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            4 => {
                let other = &cases[random.below(cases.len())].1;
                let from = random.below(other.len() + 1);
                let part = &other[from..(from + random.below(80)).min(other.len())];
                bytes.splice(at..at, part.iter().copied());
            }
            5 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).expect("a byte"),
            _ => {
                let word = words[random.below(words.len())].iter().copied();
                bytes.splice(at..at, word);
            }
        }
    }
    bytes
}

fn failure(bytes: &[u8], property: fn(&[u8])) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(|| property(bytes))).err()?;
    Some(match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => {
            other.downcast::<&str>().map_or("a panic".to_owned(), |text| (*text).to_owned())
        }
    })
}

/// Leaves out what is not needed for the failure: halves first, single bytes last.
fn shorter(mut bytes: Vec<u8>, property: fn(&[u8])) -> Vec<u8> {
    let mut length = bytes.len() / 2;
    while length > 0 {
        let mut at = 0;
        while at + length <= bytes.len() {
            let without = [&bytes[..at], &bytes[at + length..]].concat();
            match failure(&without, property) {
                Some(_) => bytes = without,
                None => at += length,
            }
        }
        length /= 2;
    }
    bytes
}
