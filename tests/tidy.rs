//! Rules of this repository that no compiler checks: the direction of dependencies, where
//! `unsafe` may be, the length of files, module documentation, file names.

use crate::support::Repository;

/// Which crates of the workspace each crate may use (ARCHITECTURE.md, "Code map").
const LAYERS: &[(&str, &[&str])] = &[
    (".", &["builder", "compose", "engine", "parser", "runtime", "store"]),
    ("compose", &["builder", "engine", "parser", "runtime", "store", "sys"]),
    ("engine", &["runtime", "store", "sys"]),
    ("builder", &["parser", "runtime", "store", "sys"]),
    ("parser", &[]),
    ("runtime", &["sys"]),
    ("store", &["sys"]),
    ("sys", &[]),
];

/// `unsafe` lives here only: the crate of system calls and the program that starts a container's
/// first process, which has no standard library to lean on.
const UNSAFE_HOMES: &[&str] = &["sys/", "runtime/launcher/"];

const MAX_LINES: usize = 600;

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "misc", "common", "imp"];

#[test]
fn crates_depend_downwards_only() {
    let repository = Repository::here();
    let crates: Vec<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    let members = members(&repository.read("Cargo.toml"));
    assert_eq!(members, crates_sorted(&crates), "LAYERS must list every workspace member");
    let mut broken = Vec::new();
    for (name, allowed) in LAYERS {
        let manifest = repository.read(&format!("{name}/Cargo.toml"));
        for dependency in dependencies(&manifest) {
            let internal = crates.contains(&dependency.as_str());
            if internal && !allowed.contains(&dependency.as_str()) {
                broken.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn unsafe_stays_in_its_homes() {
    let mut found = Vec::new();
    for (path, text) in Repository::here().rust_files() {
        if UNSAFE_HOMES.iter().any(|home| path.starts_with(home)) || path == "tests/tidy.rs" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let opener = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "allow(unsafe"];
            if opener.iter().any(|word| code.contains(word)) {
                found.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "`unsafe` outside {UNSAFE_HOMES:?}:\n{}", found.join("\n"));
}

#[test]
fn library_crates_forbid_unsafe() {
    let repository = Repository::here();
    let missing: Vec<_> = ["parser", "store", "runtime", "builder", "engine", "compose"]
        .iter()
        .map(|name| format!("{name}/src/lib.rs"))
        .chain(["cli/lib.rs".to_owned()])
        .filter(|path| !repository.read(path).contains("#![forbid(unsafe_code)]"))
        .collect();
    assert!(missing.is_empty(), "no `#![forbid(unsafe_code)]` in {missing:?}");
}

#[test]
fn files_are_short() {
    let long: Vec<_> = Repository::here()
        .rust_files()
        .into_iter()
        .map(|(path, text)| (text.lines().count(), path))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .collect();
    assert!(long.is_empty(), "longer than {MAX_LINES} lines: {long:?}");
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<_> = Repository::here()
        .rust_files()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "no `//!` at the top: {silent:?}");
}

#[test]
fn files_are_named_by_content() {
    let empty: Vec<_> = Repository::here()
        .rust_files()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| {
            path.split('/').any(|part| EMPTY_NAMES.contains(&part.trim_end_matches(".rs")))
        })
        .collect();
    assert!(empty.is_empty(), "a name that says nothing: {empty:?}");
}

#[test]
fn folders_have_a_front_door() {
    let repository = Repository::here();
    let doubled: Vec<_> = repository
        .rust_files()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path.contains("/src/") || path.starts_with("cli/"))
        .filter(|path| repository.path(path.trim_end_matches(".rs")).is_dir())
        .collect();
    assert!(doubled.is_empty(), "`name.rs` beside `name/`; use `name/mod.rs`: {doubled:?}");
}

#[test]
fn every_dependency_has_a_reason() {
    let repository = Repository::here();
    let reasons = repository.read("ARCHITECTURE.md");
    let mut missing = Vec::new();
    for (name, _) in LAYERS {
        for dependency in dependencies(&repository.read(&format!("{name}/Cargo.toml"))) {
            let internal = LAYERS.iter().any(|(layer, _)| *layer == dependency);
            if !internal && !reasons.contains(&format!("`{dependency}`")) {
                missing.push(format!("{name}: {dependency}"));
            }
        }
    }
    assert!(missing.is_empty(), "ARCHITECTURE.md gives no reason for {missing:?}");
}

/// The members listed in the workspace manifest, sorted.
fn members(manifest: &str) -> Vec<String> {
    let line = manifest.lines().find(|line| line.starts_with("members = [")).unwrap();
    let list = line.trim_start_matches("members = [").trim_end_matches(']');
    let names: Vec<&str> = list.split(',').map(|name| name.trim().trim_matches('"')).collect();
    crates_sorted(&names)
}

fn crates_sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

/// The names in `[dependencies]` and `[dev-dependencies]` and their kin.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]") && line != "[workspace.dependencies]";
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            names.extend(line.split(['.', '=', ' ']).next().map(str::to_owned));
        }
    }
    names
}
