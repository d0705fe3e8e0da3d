//! Whatever a `.env` file holds: its variables, or an error at one of its lines.
#![allow(unreachable_pub)] // tests and fuzz targets take it in

use std::collections::BTreeMap;

use compose::dotenv::{parse, parse_raw};

pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let outer = |name: &str| (name == "A").then(|| "v$v".to_owned());
    let mut found = BTreeMap::new();
    match parse(&text, &mut found, &outer) {
        Ok(()) => found.iter().for_each(|(name, value)| written_again(name, value)),
        Err(error) => {
            let lines = text.split('\n').count();
            assert!((1..=lines).contains(&error.line()), "line {} of {lines}", error.line());
            assert!(!error.to_string().is_empty());
        }
    }
    let mut raw = BTreeMap::new();
    parse_raw(&text, &mut raw, &outer);
    assert!(raw.len() <= text.lines().count());
}

/// In single quotes a value is what it is.
fn written_again(name: &str, value: &str) {
    if value.contains(['\'', '\\', '\r']) || name.is_empty() {
        return;
    }
    let mut found = BTreeMap::new();
    let text = format!("{name}='{value}'\n");
    let result = parse(&text, &mut found, &|_| None);
    assert_eq!(result, Ok(()), "{text}");
    assert_eq!(found.get(name).map(String::as_str), Some(value), "{text}");
}
