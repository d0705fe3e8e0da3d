//! The parts of docs/compose.md that are made from tables are what the tables say.
//!
//! `UPDATE_FIXTURES=1` writes them.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use compose::findings::RULES;
use compose::unsupported;

#[test]
fn tables_of_the_page() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compose.md");
    let page = fs::read_to_string(&path).unwrap();
    let mut rules = "| rule | what it finds |\n|---|---|\n".to_owned();
    for rule in RULES {
        writeln!(rules, "| `{}` | {} |", rule.name, rule.description).unwrap();
    }
    let new = replace(&page, "rules", &rules);
    let new = replace(&new, "unsupported", &unsupported::page());
    if std::env::vars_os().any(|(name, _)| name == "UPDATE_FIXTURES") {
        fs::write(&path, &new).unwrap();
    } else {
        assert!(page == new, "docs/compose.md is old; run with UPDATE_FIXTURES=1");
    }
}

fn replace(page: &str, name: &str, table: &str) -> String {
    let start = format!("<!-- {name}: generated -->\n");
    let (before, rest) = page.split_once(&start).unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}{start}{table}<!-- end -->{after}")
}
