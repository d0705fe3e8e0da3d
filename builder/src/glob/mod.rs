//! Patterns for paths as COPY and ADD sources use them: Go's `filepath.Match`.
//!
//! [`PathPattern`] is the other kind, with `**`, of .dockerignore, `--exclude` and `--parents`.
//! Paths are bytes separated by `/`.

mod path_pattern;
mod regex;

pub use path_pattern::PathPattern;

/// A pattern that neither Go nor we can read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern `{pattern}`")]
pub struct BadPattern {
    pub pattern: String,
}

impl BadPattern {
    fn new(pattern: &[u8]) -> BadPattern {
        BadPattern { pattern: String::from_utf8_lossy(pattern).into_owned() }
    }
}

/// A pattern of `*`, `?`, `[a-z]`, `[^a]` and `\x`. Neither `*` nor `?` matches a `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`
    Any,
    /// `*`
    Star,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    pub fn parse(pattern: impl AsRef<[u8]>) -> Result<Glob, BadPattern> {
        let pattern = pattern.as_ref();
        let mut rest = pattern;
        let mut tokens = Vec::new();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            tokens.push(match first {
                b'*' => Token::Star,
                b'?' => Token::Any,
                b'[' => parse_class(&mut rest).ok_or_else(|| BadPattern::new(pattern))?,
                b'\\' => {
                    let (escaped, after) =
                        rest.split_first().ok_or_else(|| BadPattern::new(pattern))?;
                    rest = after;
                    Token::Byte(*escaped)
                }
                byte => Token::Byte(*byte),
            });
        }
        Ok(Glob(tokens))
    }

    /// Whether the whole of `name` matches.
    pub fn matches(&self, name: impl AsRef<[u8]>) -> bool {
        let mut name = name.as_ref();
        let mut tokens = self.0.as_slice();
        while !tokens.is_empty() {
            let stars = tokens.iter().take_while(|token| **token == Token::Star).count();
            let length = tokens[stars..].iter().take_while(|token| **token != Token::Star).count();
            let (chunk, after) = tokens[stars..].split_at(length);
            if chunk.is_empty() {
                return !name.contains(&b'/');
            }
            let last = after.is_empty();
            match find_chunk(chunk, name, stars > 0, last) {
                Some(rest) => name = rest,
                None => return false,
            }
            tokens = after;
        }
        name.is_empty()
    }
}

/// What follows the first place where the chunk matches: at the start, or after a star also later in this path
/// component. The last chunk has to reach the end.
fn find_chunk<'a>(chunk: &[Token], name: &'a [u8], star: bool, last: bool) -> Option<&'a [u8]> {
    let component = name.iter().position(|byte| *byte == b'/').unwrap_or(name.len());
    let skips = if star { component } else { 0 };
    (0..=skips).find_map(|skip| {
        let rest = match_chunk(chunk, &name[skip..])?;
        (!last || rest.is_empty()).then_some(rest)
    })
}

/// What follows a chunk (tokens other than stars) at the start of `name`.
fn match_chunk<'a>(chunk: &[Token], mut name: &'a [u8]) -> Option<&'a [u8]> {
    for token in chunk {
        let (first, length) = first_char(name)?;
        let (accepted, length) = match token {
            Token::Byte(byte) => (name[0] == *byte, 1),
            Token::Any => (name[0] != b'/', length),
            Token::Class { negated, ranges } => {
                let within = ranges.iter().any(|(low, high)| (*low..=*high).contains(&first));
                (within != *negated, length)
            }
            Token::Star => (false, 0),
        };
        if !accepted {
            return None;
        }
        name = &name[length..];
    }
    Some(name)
}

/// The rest of a character class after `[`.
fn parse_class(rest: &mut &[u8]) -> Option<Token> {
    let negated = rest.first() == Some(&b'^');
    if negated {
        *rest = &rest[1..];
    }
    let mut ranges = Vec::new();
    loop {
        if rest.first() == Some(&b']') && !ranges.is_empty() {
            *rest = &rest[1..];
            return Some(Token::Class { negated, ranges });
        }
        let low = class_char(rest)?;
        let mut high = low;
        if rest.first() == Some(&b'-') {
            *rest = &rest[1..];
            high = class_char(rest)?;
        }
        ranges.push((low, high));
    }
}

/// One possibly escaped character of a class; something has to follow it.
fn class_char(rest: &mut &[u8]) -> Option<char> {
    if matches!(rest.first()?, b'-' | b']') {
        return None;
    }
    if rest.first() == Some(&b'\\') {
        *rest = &rest[1..];
    }
    let (found, length) = first_char(rest)?;
    if found == char::REPLACEMENT_CHARACTER && length == 1 {
        return None;
    }
    *rest = &rest[length..];
    (!rest.is_empty()).then_some(found)
}

/// The first character and its length; a byte that is not UTF-8 counts as U+FFFD of length 1, as in Go.
fn first_char(bytes: &[u8]) -> Option<(char, usize)> {
    let first = *bytes.first()?;
    let length = match first {
        0..=0x7f => return Some((char::from(first), 1)),
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    let decoded = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
    match decoded.and_then(|text| text.chars().next()) {
        Some(decoded) => Some((decoded, length)),
        None => Some((char::REPLACEMENT_CHARACTER, 1)),
    }
}

/// All characters of a path, decoded as [`first_char`] does.
fn chars(mut bytes: &[u8]) -> Vec<char> {
    let mut chars = Vec::with_capacity(bytes.len());
    while let Some((next, length)) = first_char(bytes) {
        chars.push(next);
        bytes = &bytes[length..];
    }
    chars
}

/// Whether a source is a pattern rather than a plain path.
pub fn has_wildcards(path: impl AsRef<[u8]>) -> bool {
    let mut bytes = path.as_ref().iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'*' | b'?' | b'[' => return true,
            _ => {}
        }
    }
    false
}

/// Splits a source before its first component with a wildcard: the directory to search below (cleaned, `.` when
/// empty) and the pattern relative to it, if there is one.
pub fn split_wildcards(path: impl AsRef<[u8]>) -> (Vec<u8>, Option<Vec<u8>>) {
    let path = clean(path);
    let mut start = 0;
    for component in path.split(|byte| *byte == b'/') {
        if has_wildcards(component) {
            let pattern = path[start..].to_vec();
            let directory = match start {
                0 => b".".to_vec(),
                1 => b"/".to_vec(),
                _ => path[..start - 1].to_vec(),
            };
            return (directory, Some(pattern));
        }
        start += component.len() + 1;
    }
    (path, None)
}

/// The shortest path that says the same, as Go's `filepath.Clean`: no `//`, no `.`, `..` taken back where possible.
pub fn clean(path: impl AsRef<[u8]>) -> Vec<u8> {
    let path = path.as_ref();
    let rooted = path.first() == Some(&b'/');
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(&last) if last != b".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(part),
            },
            _ => parts.push(part),
        }
    }
    let joined = parts.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}
