//! Whatever a text and the values of its variables are: it is filled in or refused, in memory that fits its size.
//!
//! The first line is the text, the others are variables (`NAME=value`).
#![allow(unreachable_pub)] // tests and fuzz targets take it in

use std::collections::BTreeMap;

use compose::interpolate::{Variables, substitute, variables};
use compose::source::Span;
use compose::yaml::Node;

/// What values may add to one text.
const MOST: usize = 1 << 20;

pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (text, lines) = text.split_once('\n').unwrap_or((text, ""));
    let values: BTreeMap<&str, &str> =
        lines.lines().filter_map(|line| line.split_once('=')).collect();
    let lookup = |name: &str| values.get(name).map(|value| (*value).to_owned());
    let mut known = Variables::new(lookup);
    match substitute(text, &mut known) {
        Ok(filled) => {
            assert!(filled.len() <= text.len() + MOST, "{} bytes", filled.len());
            if !text.contains('$') {
                assert_eq!(filled, text, "nothing was to be filled in");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let asked = variables(&Node::string(text, Span::NOWHERE));
    for name in &known.unset {
        assert!(!values.contains_key(name.as_str()), "`{name}` has a value");
        assert!(asked.contains_key(name), "`{name}` is not in the text");
    }
    let escaped = text.replace('$', "$$");
    assert_eq!(substitute(&escaped, &mut Variables::new(lookup)).as_deref(), Ok(text));
}
