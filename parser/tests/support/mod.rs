//! Reading recorded cases: `RBUILD_CASES` names their folder, else `../shared/cases` beside the workspace.
#![allow(dead_code, unreachable_pub)] // each test file uses a part
#![allow(clippy::print_stdout)] // tallies and skips are for people

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder of the cases, or `None` after saying why the test is skipped.
pub fn cases_dir() -> Option<PathBuf> {
    #[allow(clippy::disallowed_methods)] // a test's own switch
    let named = std::env::var_os("RBUILD_CASES").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases");
    let dir = named.unwrap_or_else(beside);
    if dir.is_dir() {
        return Some(dir);
    }
    println!("skipped: no recorded cases in {} (set RBUILD_CASES)", dir.display());
    None
}

/// The cases of one kind and how they went.
pub struct Tally {
    kind: String,
    /// Ids that are known to differ, each for a reason given where they are listed.
    different: Vec<String>,
    passed: usize,
    total: usize,
    failed: Vec<String>,
}

impl Tally {
    pub fn new(kind: &str, different: &[&str]) -> Tally {
        let different = different.iter().map(|id| (*id).to_owned()).collect();
        Tally { kind: kind.to_owned(), different, passed: 0, total: 0, failed: Vec::new() }
    }

    pub fn add(&mut self, id: &str, outcome: Result<(), String>) {
        self.total += 1;
        match outcome {
            Ok(()) => self.passed += 1,
            Err(_) if self.different.iter().any(|known| known == id) => {
                println!("{id}: differs as listed");
            }
            Err(why) => self.failed.push(format!("{id}: {why}")),
        }
    }

    /// Prints `KIND: N passed of M` and fails when something unlisted failed.
    pub fn finish(self) {
        println!("{}: {} passed of {}", self.kind, self.passed, self.total);
        assert!(self.failed.is_empty(), "{}:\n{}", self.kind, self.failed.join("\n"));
    }
}

/// Runs every case of `dockerfile/tables/NAME.json`.
pub fn run_table(name: &str, different: &[&str], check: impl Fn(&Value) -> Result<(), String>) {
    let Some(dir) = cases_dir() else { return };
    let path = dir.join("dockerfile/tables").join(format!("{name}.json"));
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no {}", path.display());
        return;
    };
    let cases: Vec<Value> = serde_json::from_str(&text).expect("a list of cases");
    let mut tally = Tally::new(name, different);
    for case in &cases {
        tally.add(str_of(case, "id"), check(case));
    }
    tally.finish();
}

pub fn str_of<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("`{key}` is a string in {case}"))
}

pub fn strings(case: &Value, key: &str) -> Vec<String> {
    let list = case[key].as_array().unwrap_or_else(|| panic!("`{key}` is a list in {case}"));
    list.iter().map(|item| item.as_str().expect("a string").to_owned()).collect()
}

/// `Ok` when both are equal.
pub fn same<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("found {found:?}, expected {expected:?}"))
}
