//! No recorded table, and no folder of recorded files, is without a test.

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use support::cases_dir;

#[test]
fn cases_all_have_tests() {
    let Some(dir) = cases_dir() else { return };
    let tests = texts_of_tests();
    let mut missing = BTreeSet::new();
    for name in names(&dir.join("dockerfile/tables")) {
        let table = name.trim_end_matches(".json");
        // Of sources rather than of the language.
        if !tests.contains(&format!("run_table(\"{table}\"")) && !table.starts_with("git_") {
            missing.insert(format!("tables/{name}"));
        }
    }
    for folder in names(&dir.join("dockerfile/parser")) {
        if !tests.contains(&format!("\"{folder}\""))
            && !tests.contains(&format!("parser/{folder}\""))
        {
            missing.insert(format!("parser/{folder}"));
        }
    }
    assert!(missing.is_empty(), "no test reads {missing:?}");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder of cases");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

/// The tests of this crate and of the planner.
fn texts_of_tests() -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [here.join("tests"), here.join("../builder/tests")];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("tests"));
    let paths = files.map(|file| file.expect("an entry").path());
    let rust = paths.filter(|path| path.extension().is_some_and(|name| name == "rs"));
    rust.map(|path| std::fs::read_to_string(path).expect("a test")).collect()
}
