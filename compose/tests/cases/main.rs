//! The recorded cases of Compose: each kind prints `KIND: N passed of M`.
//!
//! `RBUILD_CASES` names the folder of the cases, else `../shared/cases` beside the repository. Without it the
//! tests are skipped.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "the figures, and why a test is skipped")]

mod disk;
mod dotenv_files;
mod json;
mod load;
mod merging;
mod recorded;
mod short_forms;
mod texts;
mod trees;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder of the Compose cases.
fn folder() -> Option<PathBuf> {
    let named = std::env::vars_os().find(|(name, _)| name == "RBUILD_CASES");
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases");
    let folder = named.map_or_else(beside, |(_, value)| PathBuf::from(value));
    let folder = folder.join("compose");
    if let Ok(folder) = folder.canonicalize() {
        return Some(folder);
    }
    println!("skipped: no recorded cases in {} (set RBUILD_CASES)", folder.display());
    None
}

/// Runs every case of a kind; the test fails with all that failed.
fn unit(kind: &str, check: impl Fn(&Value) -> Result<(), String>) {
    unit_but(kind, |_| false, check);
}

/// The same, where some results differ on purpose.
fn unit_but(
    kind: &str,
    differs: impl Fn(&Value) -> bool,
    check: impl Fn(&Value) -> Result<(), String>,
) {
    let Some(folder) = folder() else { return };
    let path = folder.join(format!("unit/{kind}.json"));
    let Ok(text) = fs::read(&path) else {
        println!("skipped: no {}", path.display());
        return;
    };
    let document: Value = serde_json::from_slice(&text).unwrap();
    let cases = document["cases"].as_array().unwrap();
    let (mut failed, mut different) = (Vec::new(), 0);
    for case in cases {
        let id = case["id"].as_str().unwrap_or("?");
        match check(case) {
            Ok(()) => {}
            Err(_) if differs(case) => different += 1,
            Err(why) => failed.push(format!("{id} ({}): {why}", case["test"])),
        }
    }
    if different > 0 {
        println!("{kind}: {different} differ on purpose");
    }
    report(kind, cases.len() - different, &failed);
}

fn report(kind: &str, count: usize, failed: &[String]) {
    println!("{kind}: {} passed of {count}", count - failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// A result beside what was recorded: the same value, or an error that says at least as much.
fn compare(result: Result<Value, String>, output: &Value, error: &Value) -> Result<(), String> {
    match (result, error.as_str()) {
        (Ok(value), None) if json::same(&value, output) => Ok(()),
        (Ok(value), None) => Err(format!("expected {output}\n     got {value}")),
        (Ok(value), Some(error)) => Err(format!("expected error {error}\n     got {value}")),
        (Err(own), None) => Err(format!("expected {output}\n     got error {own}")),
        (Err(own), Some(error)) => says_as_much(&own, error),
    }
}

/// Every path, name and quoted word of the recorded error is in ours.
fn says_as_much(own: &str, recorded: &str) -> Result<(), String> {
    let missing: Vec<&str> = words(recorded).filter(|word| !own.contains(word)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("the error does not say {missing:?}\nexpected {recorded}\n     got {own}"))
}

/// The words that carry a meaning: paths, names in quotes, numbers.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let quoted = |word: &str| word.starts_with(['"', '\'', '`']);
    text.split([' ', '\n', ','])
        .filter(move |word| quoted(word) || word.contains(['.', '_']))
        .map(|word| word.trim_matches(['"', '\'', '`', ':', '.']))
        .filter(|word| word.len() > 2 && !word.contains("filename0") && !word.contains("${ROOT}"))
}
