//! Whatever a word and the values of its variables are: it is expanded or refused, in memory that fits its size.
//!
//! The first line is the word, the others are variables (`NAME=value`).
#![allow(unreachable_pub)] // tests and fuzz targets take it in

use std::collections::BTreeMap;

use parser::expand::{self, Expanded, Lookup};
use parser::pattern::{Length, Pattern};
use parser::{Span, expose, heredoc, mount};

pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (word, lines) = text.split_once('\n').unwrap_or((text, ""));
    let variables: BTreeMap<String, String> = lines
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let span = Span::new(7, 7 + word.len());
    for escape in ['\\', '`'] {
        let expanded = expand::expand_word(word, span, escape, &variables);
        look_at(word, span, &variables, expanded);
        let _ = expand::expand_for_display(word, escape, &variables);
    }
    look_at(word, span, &variables, expand::expand_heredoc(word, span, &variables));
    variables.values().take(2).for_each(|value| patterns(word, value));
    let _ = heredoc::parse_word(word);
    let _ = expose::parse(word);
    let identity = |text: &str| Ok::<_, mount::MountError>(text.to_owned());
    let _ = mount::parse(word, identity);
    let _ = parser::duration::parse(word);
}

fn look_at(
    word: &str,
    span: Span,
    variables: &BTreeMap<String, String>,
    expanded: Result<Expanded, expand::ExpandError>,
) {
    match expanded {
        Ok(expanded) => {
            assert!(expanded.used.iter().all(|name| variables.contains_key(name)));
            assert!(!expanded.unmatched.iter().any(|name| variables.contains_key(name)));
            let length: usize = expanded.words.iter().map(String::len).sum();
            assert!(length <= expanded.value.len(), "words out of nothing");
            if !word.contains(['$', '\\', '`', '"', '\'']) {
                assert_eq!(expanded.value, word, "nothing was to be expanded");
            }
        }
        Err(error) => {
            assert!(span.start <= error.span.start && error.span.end <= span.end, "{}", error.span);
            assert!(!error.to_string().is_empty());
        }
    }
}

/// What is left after a part was removed is a part; what is replaced by itself stays.
fn patterns(pattern: &str, value: &str) {
    let Ok(pattern) = Pattern::parse(pattern) else { return };
    for length in [Length::Shortest, Length::Longest] {
        assert!(value.ends_with(&pattern.trim_prefix(value, length)));
        assert!(value.starts_with(&pattern.trim_suffix(value, length)));
    }
    assert_eq!(pattern.replace_all(value, "$0"), value);
    let shortest = pattern.trim_prefix(value, Length::Shortest);
    assert!(shortest.len() >= pattern.trim_prefix(value, Length::Longest).len());
    let _ = pattern.replace_first(value, "x");
    assert!(variables_see(value), "a list of lines is searched from its end");
}

fn variables_see(value: &str) -> bool {
    let lines = ["A=first".to_owned(), format!("A={value}")];
    lines[..].lookup("A") == Some(value)
}
