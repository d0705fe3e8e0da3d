//! The raw env files: those that say so are refused, all others are read.

use std::collections::BTreeMap;
use std::fs;

use compose::dotenv;

use crate::{folder, report};

#[test]
fn files() {
    let Some(folder) = folder() else { return };
    let Ok(entries) = fs::read_dir(folder.join("dotenv-files")) else {
        println!("skipped: no env files");
        return;
    };
    let (mut count, mut failed) = (0, Vec::new());
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        count += 1;
        let text = fs::read_to_string(&path).unwrap();
        let mut found = BTreeMap::new();
        let result = dotenv::parse(&text, &mut found, &|_| None);
        let refused = name.starts_with("invalid");
        match result {
            Ok(()) if !refused => failed.extend(check(&text, &found, &name)),
            Err(_) if refused => {}
            other => failed.push(format!("{name}: {other:?}")),
        }
    }
    report("dotenv-files", count, &failed);
}

/// Every name that a line begins with was found, unless it is inherited.
fn check(text: &str, found: &BTreeMap<String, String>, name: &str) -> Option<String> {
    let missing = text.lines().find(|line| {
        let line = line.trim_start_matches('\u{feff}');
        let line = line.strip_prefix("export ").unwrap_or(line);
        let key = line.split('=').next().unwrap_or_default().trim();
        let assigned = line.contains('=') && line.starts_with(|first: char| first.is_alphabetic());
        assigned && !key.contains(' ') && !found.contains_key(key)
    });
    missing.map(|line| format!("{name}: nothing was found of {line:?} in {found:?}"))
}
