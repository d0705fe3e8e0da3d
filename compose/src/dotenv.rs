//! `.env` files: `NAME=value` a line, with quotes, comments and variables.
//!
//! Unquoted values end at ` #` or the line's end, single quotes keep everything, double quotes know `\n`,
//! `\t`, `\"`, `\\` and variables. A name alone takes its value from the environment.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::interpolate::{Growth, TemplateError, Variables, substitute};
use crate::source::Position;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DotenvError {
    #[error("line {line}: key cannot contain a space")]
    SpaceInKey { line: usize },
    #[error("line {line}: unexpected character {char:?} in variable name {near:?}")]
    BadKey { line: usize, char: char, near: String },
    #[error("line {line}: unterminated quoted value {text}")]
    Unterminated { line: usize, text: String },
    #[error("line {line}: {error}")]
    Template { line: usize, error: TemplateError },
}

impl DotenvError {
    /// The line of the file, from 1.
    pub fn line(&self) -> usize {
        match self {
            DotenvError::SpaceInKey { line }
            | DotenvError::BadKey { line, .. }
            | DotenvError::Unterminated { line, .. }
            | DotenvError::Template { line, .. } => *line,
        }
    }

    /// What of the file's line is wrong: from and to where.
    pub(crate) fn place(&self, text: &str) -> (Position, Position) {
        let line = text.split('\n').nth(self.line() - 1).unwrap_or_default().trim_end();
        let key = || line.find(['=', ':']).unwrap_or(line.len());
        let (from, to) = match self {
            DotenvError::BadKey { char, .. } => {
                let at = line.find(*char).unwrap_or(0);
                (at, at + char.len_utf8())
            }
            DotenvError::SpaceInKey { .. } => (line.len() - line.trim_start().len(), key()),
            DotenvError::Unterminated { .. } => (line.find(['"', '\'']).unwrap_or(0), line.len()),
            DotenvError::Template { .. } => (line.find('$').unwrap_or(0), line.len()),
        };
        let column = |at: usize| line.get(..at).map_or(1, |text| text.chars().count() as u32 + 1);
        let at = |at| Position { line: self.line() as u32, column: column(at) };
        (at(from), at(to.max(from)))
    }
}

/// Adds the variables of a file to `variables`. `environment` is asked first for what values refer to.
pub fn parse(
    text: &str,
    variables: &mut BTreeMap<String, String>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(), DotenvError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut reader = Reader { rest: &text, line: 1 };
    let mut growth = Growth::default();
    while reader.skip_to_statement() {
        let line = reader.line;
        match reader.key()? {
            Key::Inherited(name) => {
                if let Some(value) = environment(&name) {
                    variables.insert(name, value);
                }
            }
            Key::Assigned(name) => {
                let value = reader.value()?.expand(line, variables, environment, &mut growth)?;
                variables.insert(name, value);
            }
        }
    }
    Ok(())
}

/// Lines of a `format: raw` file: nothing in a value means anything.
pub fn parse_raw(
    text: &str,
    variables: &mut BTreeMap<String, String>,
    environment: &dyn Fn(&str) -> Option<String>,
) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for line in text.lines().map(str::trim_start) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once('=') {
            Some((name, value)) => {
                variables.insert(name.to_owned(), value.to_owned());
            }
            None => {
                if let Some(value) = environment(line) {
                    variables.insert(line.to_owned(), value);
                }
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

enum Key {
    /// A name on a line of its own.
    Inherited(String),
    Assigned(String),
}

enum Raw<'a> {
    Literal(&'a str),
    /// Escapes and variables.
    Double(&'a str),
    /// Variables only.
    Plain(&'a str),
}

impl<'a> Reader<'a> {
    fn advance(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    /// Whether there is another statement.
    fn skip_to_statement(&mut self) -> bool {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.advance(blank);
            if !self.rest.starts_with('#') {
                return !self.rest.is_empty();
            }
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.advance(end);
        }
    }

    fn key(&mut self) -> Result<Key, DotenvError> {
        if let Some(rest) = self.rest.strip_prefix("export")
            && rest.starts_with(is_blank)
        {
            let blank = rest.len() - rest.trim_start_matches(is_blank).len();
            self.advance("export".len() + blank);
        }
        let line = self.line;
        let end = self.rest.find(['=', ':', '\n']).unwrap_or(self.rest.len());
        let name = self.rest[..end].trim_end();
        for char in name.chars() {
            let good = char.is_alphanumeric() || matches!(char, '_' | '.' | '-' | '[' | ']');
            if !good && !is_blank(char) {
                let near = self.rest.lines().next().unwrap_or_default().to_owned();
                return Err(DotenvError::BadKey { line, char, near });
            }
        }
        if name.contains(is_blank) {
            return Err(DotenvError::SpaceInKey { line });
        }
        let inherited = self.rest[end..].is_empty() || self.rest[end..].starts_with('\n');
        self.advance(if inherited { end } else { end + 1 });
        let name = name.to_owned();
        Ok(if inherited { Key::Inherited(name) } else { Key::Assigned(name) })
    }

    fn value(&mut self) -> Result<Raw<'a>, DotenvError> {
        let blank = self.rest.len() - self.rest.trim_start_matches(is_blank).len();
        self.advance(blank);
        let Some(quote @ ('\'' | '"')) = self.rest.chars().next() else {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            let line = self.advance(end);
            // A comment starts at a `#` after a blank within the value.
            let comment = line.match_indices('#').find(|(at, _)| line[..*at].ends_with(is_blank));
            let value = comment.map_or(line, |(at, _)| &line[..at]);
            return Ok(Raw::Plain(value.trim_end()));
        };
        let line = self.line;
        let mut escaped = false;
        for (at, char) in self.rest.char_indices().skip(1) {
            if escaped {
                escaped = false;
            } else if char == '\\' {
                escaped = true;
            } else if char == quote {
                let text = self.advance(at + 1);
                let inner = &text[1..at];
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.advance(end);
                return Ok(if quote == '"' { Raw::Double(inner) } else { Raw::Literal(inner) });
            }
        }
        let text = self.rest.lines().next().unwrap_or_default().to_owned();
        Err(DotenvError::Unterminated { line, text })
    }
}

impl Raw<'_> {
    fn expand(
        self,
        line: usize,
        earlier: &BTreeMap<String, String>,
        environment: &dyn Fn(&str) -> Option<String>,
        growth: &mut Growth,
    ) -> Result<String, DotenvError> {
        let text = match self {
            Raw::Literal(text) => return Ok(text.to_owned()),
            Raw::Double(text) => unescape(text),
            Raw::Plain(text) => text.to_owned(),
        };
        let lookup = |name: &str| environment(name).or_else(|| earlier.get(name).cloned());
        let mut variables = Variables::after(lookup, *growth);
        let expanded = substitute(&text, &mut variables);
        *growth = variables.growth;
        expanded.map_err(|error| DotenvError::Template { line, error })
    }
}

fn is_blank(char: char) -> bool {
    matches!(char, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

/// `\$` stays a dollar that starts no variable.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('$') => out.push_str("$$"),
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}
