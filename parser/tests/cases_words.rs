//! Words, expansion and patterns against BuildKit's recorded behaviour.

mod support;

use std::collections::BTreeMap;

use parser::Span;
use parser::expand::{self, Lookup};
use parser::pattern::{Pattern, Token};
use serde_json::Value;
use support::{run_table, same, str_of, strings};

/// Variables as recorded: an object, or lines `NAME=value`.
struct Env {
    values: BTreeMap<String, String>,
    ignore_case: bool,
}

impl Env {
    fn of(case: &Value) -> Env {
        let values = match &case["env"] {
            Value::Object(pairs) => {
                let text = |value: &Value| value.as_str().expect("a string").to_owned();
                pairs.iter().map(|(name, value)| (name.clone(), text(value))).collect()
            }
            _ => strings(case, "env")
                .iter()
                .map(|line| line.split_once('=').unwrap_or((line, "")))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        };
        Env { values, ignore_case: case["platform"] == "W" }
    }
}

impl Lookup for Env {
    fn lookup(&self, name: &str) -> Option<&str> {
        let same = |known: &str| match self.ignore_case {
            true => known.eq_ignore_ascii_case(name),
            false => known == name,
        };
        self.values.iter().find(|(known, _)| same(known)).map(|(_, value)| value.as_str())
    }
}

fn expand(case: &Value) -> Result<expand::Expanded, expand::ExpandError> {
    let text = str_of(case, "input");
    expand::expand_word(text, Span::new(0, text.len()), '\\', &Env::of(case))
}

/// Compares a value with `expected`, an error with `error` or `error_contains`.
fn check_value(case: &Value) -> Result<(), String> {
    match (expand(case), case["expected"].as_str()) {
        (Ok(found), Some(expected)) => same(found.value.as_str(), expected),
        (Ok(found), None) => Err(format!("found {:?}, expected an error", found.value)),
        (Err(error), Some(_)) => Err(error.to_string()),
        (Err(error), None) => match case["error_contains"].as_str() {
            Some(part) if !error.to_string().contains(part) => {
                Err(format!("`{error}` does not contain `{part}`"))
            }
            _ => Ok(()),
        },
    }
}

#[test]
fn cases_shell_process_word() {
    run_table("shell_process_word", &[], check_value);
}

#[test]
fn cases_shell_mandatory() {
    run_table("shell_mandatory", &[], check_value);
}

#[test]
fn cases_shell_process_words() {
    run_table("shell_process_words", &[], |case| match expand(case) {
        Ok(found) if case["expected"].is_array() => same(found.words, strings(case, "expected")),
        Ok(found) => Err(format!("found {:?}, expected an error", found.words)),
        Err(error) if case["expected"].is_array() => Err(error.to_string()),
        Err(_) => Ok(()),
    });
}

#[test]
fn cases_shell_matches() {
    run_table("shell_matches", &[], |case| {
        check_value(case)?;
        let Ok(found) = expand(case) else { return Ok(()) };
        for (key, set) in [("matched", found.used), ("unmatched", found.unmatched)] {
            if case[key].is_array() {
                same(set.into_iter().collect::<Vec<_>>(), strings(case, key))?;
            }
        }
        Ok(())
    });
}

/// Our tokens in the notation of the recorded expressions.
fn expression(pattern: &Pattern) -> String {
    let mut expression = "^".to_owned();
    for token in pattern.tokens() {
        match token {
            Token::Star => expression.push_str(".*"),
            Token::Any => expression.push('.'),
            Token::Char(special) if "*?\\[]{}.+()|^$".contains(*special) => {
                expression.extend(['\\', *special]);
            }
            Token::Char(ordinary) => expression.push(*ordinary),
        }
    }
    expression
}

#[test]
fn cases_shell_pattern_to_regex() {
    run_table("shell_pattern_to_regex", &[], |case| {
        match (Pattern::parse(str_of(case, "pattern")), case["regex"].as_str()) {
            (Ok(pattern), Some(expected)) => same(expression(&pattern).as_str(), expected),
            (Ok(pattern), None) => Err(format!("found {pattern:?}, expected an error")),
            (Err(error), Some(_)) => Err(error.to_string()),
            (Err(_), None) => Ok(()),
        }
    });
}
