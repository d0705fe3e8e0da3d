//! One pattern of .dockerignore, `--exclude` and `--parents`, as moby/patternmatcher reads it.
//!
//! `*` and `?` stay within a path component, `**` does not. A pattern must be valid for `filepath.Match` and is then
//! translated, character by character, to a regular expression of Go's; what that makes of unusual patterns
//! (`[*]`, `a\d`) is part of the behaviour. Frequent shapes are compared directly.

use super::regex::Regex;
use super::{BadPattern, Glob};

/// A pattern ready to match.
#[derive(Clone, Debug)]
pub struct PathPattern {
    cleaned: Vec<u8>,
    form: Form,
}

/// How a pattern matches.
#[derive(Clone, Debug)]
enum Form {
    /// No wildcard.
    Exact,
    /// `dir/**`: what starts with this.
    Prefix(Vec<u8>),
    /// `**/name`, `**name`: what ends with this; `**/name` also matches `name`.
    Suffix(Vec<u8>),
    Regex(Regex),
}

/// A form before it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Exact,
    Prefix,
    Suffix,
    Regex,
}

impl PathPattern {
    /// Takes a pattern that is cleaned and has no `!`.
    pub fn parse(cleaned: impl Into<Vec<u8>>) -> Result<PathPattern, BadPattern> {
        let cleaned = cleaned.into();
        Glob::parse(&cleaned)?;
        let (kind, expression) = translate(&cleaned);
        let form = match kind {
            Kind::Exact => Form::Exact,
            Kind::Prefix => Form::Prefix(cleaned[..cleaned.len() - 2].to_vec()),
            Kind::Suffix => Form::Suffix(cleaned[2..].to_vec()),
            Kind::Regex => {
                let regex = Regex::parse(&expression).ok_or_else(|| BadPattern::new(&cleaned))?;
                Form::Regex(regex)
            }
        };
        Ok(PathPattern { cleaned, form })
    }

    /// The pattern as it was given.
    pub fn as_bytes(&self) -> &[u8] {
        &self.cleaned
    }

    /// Whether this very path matches; its parents are not looked at.
    pub fn matches(&self, path: impl AsRef<[u8]>) -> bool {
        let path = path.as_ref();
        match &self.form {
            Form::Exact => path == self.cleaned,
            Form::Prefix(prefix) => path.starts_with(prefix),
            Form::Suffix(suffix) => {
                path.ends_with(suffix) || suffix.strip_prefix(b"/").is_some_and(|name| name == path)
            }
            Form::Regex(regex) => regex.matches(&super::chars(path)),
        }
    }

    /// How it matches, in patternmatcher's words: `exact`, `prefix`, `suffix` or `regexp`.
    pub fn kind(&self) -> &'static str {
        match self.form {
            Form::Exact => "exact",
            Form::Prefix(_) => "prefix",
            Form::Suffix(_) => "suffix",
            Form::Regex(_) => "regexp",
        }
    }

    /// The regular expression in Go's syntax; empty where none is needed.
    pub fn expression(&self) -> String {
        match translate(&self.cleaned) {
            (Kind::Regex, expression) => expression,
            _ => String::new(),
        }
    }
}

/// The kind of a pattern and its regular expression.
fn translate(pattern: &[u8]) -> (Kind, String) {
    let mut expression = String::from("^");
    let mut kind = Kind::Exact;
    let chars = super::chars(pattern);
    let mut chars = chars.into_iter().peekable();
    let mut first = true;
    while let Some(next) = chars.next() {
        match next {
            '*' if chars.next_if_eq(&'*').is_some() => {
                chars.next_if_eq(&'/');
                if chars.peek().is_some() {
                    expression.push_str("(.*/)?");
                    kind = Kind::Regex;
                } else if kind == Kind::Exact {
                    kind = Kind::Prefix;
                } else {
                    expression.push_str(".*");
                    kind = Kind::Regex;
                }
                if first {
                    kind = Kind::Suffix;
                }
            }
            '*' => {
                expression.push_str("[^/]*");
                kind = Kind::Regex;
            }
            '?' => {
                expression.push_str("[^/]");
                kind = Kind::Regex;
            }
            '.' | '+' | '(' | ')' | '|' | '{' | '}' | '$' => expression.extend(['\\', next]),
            '\\' => {
                expression.push('\\');
                if let Some(escaped) = chars.next() {
                    expression.push(escaped);
                    kind = Kind::Regex;
                }
            }
            '[' | ']' => {
                expression.push(next);
                kind = Kind::Regex;
            }
            _ => expression.push(next),
        }
        first = false;
    }
    expression.push('$');
    (kind, expression)
}
