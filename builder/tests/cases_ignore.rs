//! .dockerignore patterns against moby/patternmatcher's recorded behaviour.

#[path = "../../parser/tests/support/mod.rs"]
mod support;

use builder::context::ignore::{self, Ignore};
use builder::glob::PathPattern;
use serde_json::Value;
use support::{run_table, same, str_of, strings};

/// Whether the path is excluded, or the error as text.
fn excluded(patterns: &[String], path: &str) -> Result<bool, String> {
    Ignore::new(patterns).map(|ignore| ignore.matches(path)).map_err(|error| error.to_string())
}

#[test]
fn cases_ignore_match() {
    run_table("ignore_match", &[], |case| {
        let found = excluded(&strings(case, "patterns"), str_of(case, "path"));
        match case["matches_or_parent"].as_bool() {
            Some(expected) => same(found, Ok(expected)),
            None => found.map_or(Ok(()), |found| Err(format!("found {found}, expected an error"))),
        }
    });
}

#[test]
fn cases_ignore_glob() {
    run_table("ignore_glob", &[], |case| {
        let found = excluded(&[str_of(case, "pattern").to_owned()], str_of(case, "path"));
        match (&case["error"], found) {
            (Value::Null, found) => same(found, Ok(case["match"] == true)),
            (_, Ok(found)) => Err(format!("found {found}, expected an error")),
            (error, Err(found)) => {
                let text = error["s"].as_str().or(error.as_str()).unwrap_or_default();
                if found.contains(text) { Ok(()) } else { Err(format!("`{found}`")) }
            }
        }
    });
}

#[test]
fn cases_ignore_compile() {
    run_table("ignore_compile", &[], |case| {
        let pattern =
            PathPattern::parse(str_of(case, "pattern")).map_err(|error| error.to_string())?;
        same(pattern.kind(), str_of(case, "match_type"))?;
        same(pattern.expression(), str_of(case, "regex").to_owned())
    });
}

#[test]
fn cases_ignorefile_read() {
    run_table("ignorefile_read", &[], |case| {
        let found = ignore::read_patterns(str_of(case, "input"));
        let found = found.into_iter().map(|pattern| String::from_utf8_lossy(&pattern).into_owned());
        same(found.collect::<Vec<_>>(), strings(case, "expected"))
    });
}
