//! Our own files: each folder of `fixtures/dockerfile` holds a Dockerfile and the tree or the errors it gives.
//! `UPDATE_FIXTURES=1 cargo test -p parser --test fixtures` rewrites them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use parser::{ParseError, Source};

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/dockerfile");
    let entries = std::fs::read_dir(root).expect("fixtures/dockerfile");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    folders
}

#[allow(clippy::disallowed_methods)] // a test's own switch
fn update() -> bool {
    std::env::var_os("UPDATE_FIXTURES").is_some()
}

/// The name of the expected file, and what should be in it.
fn outcome(bytes: &[u8]) -> (&'static str, String) {
    match parser::parse(bytes) {
        Ok(file) => ("ast.json", serde_json::to_string_pretty(&file).expect("JSON") + "\n"),
        Err(errors) => {
            let source = Source::new("Dockerfile", String::from_utf8_lossy(bytes));
            let texts: Vec<String> =
                errors.errors.iter().map(|error| report(&source, error)).collect();
            ("error.txt", texts.join("\n"))
        }
    }
}

fn report(source: &Source, error: &ParseError) -> String {
    let position = source.position(error.span.start);
    let line = source.line(position.line).unwrap_or_default();
    let shown: String = line.chars().take(100).collect();
    let end = source.position(error.span.end);
    let carets = if end.line == position.line {
        end.column - position.column
    } else {
        shown.chars().count() + 1 - position.column
    };
    let mut text = format!("{}:{position}: {error}\n", source.name());
    // Writing to a string cannot fail.
    let _ = writeln!(text, "    {}", shown.replace('\t', " "));
    let _ = writeln!(text, "    {}{}", " ".repeat(position.column - 1), "^".repeat(carets.max(1)));
    if let Some(hint) = error.hint() {
        let _ = writeln!(text, "  hint: {hint}");
    }
    text
}

#[test]
fn dockerfiles_give_what_is_recorded() {
    let mut failures = Vec::new();
    for folder in folders() {
        let bytes = std::fs::read(folder.join("Dockerfile")).expect("a Dockerfile");
        let (file, found) = outcome(&bytes);
        let other = if file == "ast.json" { "error.txt" } else { "ast.json" };
        if update() {
            let _ = std::fs::remove_file(folder.join(other));
            std::fs::write(folder.join(file), found).expect("a writable fixture");
            continue;
        }
        let expected = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        if found != expected || folder.join(other).exists() {
            failures.push(format!("{}/{file}: found\n{found}", folder.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
