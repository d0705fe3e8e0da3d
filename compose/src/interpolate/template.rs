//! One text with variables in it.
//!
//! `$$` is a dollar. A dollar that no name and no brace follows stands for itself.

use std::cell::Cell;
use std::collections::BTreeSet;

use thiserror::Error;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    #[error("Invalid template: {template:?}")]
    Invalid { template: String },
    #[error("required variable {name} is missing a value{}", after_colon(message))]
    Required { name: String, message: String },
    #[error("variables are nested deeper than {DEEPEST} levels")]
    TooDeep,
    #[error("variables add more than {MOST} bytes to one text, or {MOST_OF_ALL} to all")]
    TooLong,
    #[error("the text has too many braces that are not closed")]
    Unclosed,
}

/// Of `${A:-${B:-…}}`.
pub(super) const DEEPEST: usize = 100;
/// What the values in one text may add to it. Variables that repeat variables double with each line.
const MOST: usize = 1 << 20;
/// The same of all texts that share a [`Growth`].
const MOST_OF_ALL: usize = 64 << 20;

/// How much values have added so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Growth {
    text: usize,
    all: usize,
}

impl Growth {
    fn add(&mut self, value: &str) -> Result<(), TemplateError> {
        self.text += value.len();
        self.all += value.len();
        let fits = self.text <= MOST && self.all <= MOST_OF_ALL;
        if fits { Ok(()) } else { Err(TemplateError::TooLong) }
    }
}

fn after_colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

/// Where values come from, and which names had none.
#[derive(Debug)]
pub struct Variables<F> {
    lookup: F,
    /// Variables that were not set and had no default.
    pub unset: BTreeSet<String>,
    pub growth: Growth,
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    pub fn new(lookup: F) -> Variables<F> {
        Variables::after(lookup, Growth::default())
    }

    /// For texts that come after others with the same limit.
    pub fn after(lookup: F, growth: Growth) -> Variables<F> {
        Variables { lookup, unset: BTreeSet::new(), growth }
    }

    pub fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }
}

/// Replaces the variables. The first error ends it.
pub fn substitute<F: Fn(&str) -> Option<String>>(
    template: &str,
    variables: &mut Variables<F>,
) -> Result<String, TemplateError> {
    variables.growth.text = 0;
    substitute_at(template, variables, 0)
}

fn substitute_at<F: Fn(&str) -> Option<String>>(
    template: &str,
    variables: &mut Variables<F>,
    depth: usize,
) -> Result<String, TemplateError> {
    if depth > DEEPEST {
        return Err(TemplateError::TooDeep);
    }
    let mut out = String::with_capacity(template.len());
    let (mut rest, search) = (template, Search::of(template));
    while let Some((before, piece, after)) = next_piece(rest, &search)? {
        out.push_str(before);
        match piece {
            Piece::Dollar => out.push('$'),
            Piece::Name(name) | Piece::Braced(name, None) => {
                out.push_str(&plain(name, variables)?);
            }
            Piece::Braced(name, Some((operator, word))) => {
                out.push_str(&operate(name, operator, word, (variables, depth))?);
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn plain<F: Fn(&str) -> Option<String>>(
    name: &str,
    variables: &mut Variables<F>,
) -> Result<String, TemplateError> {
    let Some(value) = variables.get(name) else {
        variables.unset.insert(name.to_owned());
        return Ok(String::new());
    };
    variables.growth.add(&value)?;
    Ok(value)
}

fn operate<F: Fn(&str) -> Option<String>>(
    name: &str,
    operator: Operator,
    word: &str,
    (variables, depth): (&mut Variables<F>, usize),
) -> Result<String, TemplateError> {
    let word = substitute_at(word, variables, depth + 1)?;
    let value = variables.get(name);
    let present = value.as_ref().is_some_and(|it| !operator.or_empty || !it.is_empty());
    Ok(match (operator.kind, present) {
        (Kind::Default, true) | (Kind::Required, true) => {
            let value = value.unwrap_or_default();
            variables.growth.add(&value)?;
            value
        }
        (Kind::Default, false) | (Kind::Alternative, true) => word,
        (Kind::Alternative, false) => String::new(),
        (Kind::Required, false) => {
            return Err(TemplateError::Required { name: name.to_owned(), message: word });
        }
    })
}

/// What follows a name in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) kind: Kind,
    /// With a colon: an empty value counts as none.
    or_empty: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Default,
    Required,
    Alternative,
}

pub(super) enum Piece<'a> {
    Dollar,
    Name(&'a str),
    Braced(&'a str, Option<(Operator, &'a str)>),
}

/// Text before the next piece, the piece, and what follows it.
pub(super) type Split<'a> = (&'a str, Piece<'a>, &'a str);

/// The search for the braces of one text. Words do not overlap, so those that are closed are read once; where one is
/// not, everything behind it is read for each.
pub(super) struct Search<'a> {
    template: &'a str,
    read: Cell<usize>,
}

/// What may be read besides, of short texts.
const READ_BESIDES: usize = 1 << 20;

impl<'a> Search<'a> {
    pub(super) fn of(template: &'a str) -> Search<'a> {
        Search { template, read: Cell::new(0) }
    }

    fn invalid(&self) -> TemplateError {
        TemplateError::Invalid { template: self.template.to_owned() }
    }

    fn closing_brace(&self, word: &str) -> Result<usize, TemplateError> {
        let (close, read) = closing_brace(word);
        self.read.set(self.read.get() + read);
        if self.read.get() > 2 * self.template.len() + READ_BESIDES {
            return Err(TemplateError::Unclosed);
        }
        close.ok_or_else(|| self.invalid())
    }
}

/// The next variable or `$$`; none when the rest is text.
pub(super) fn next_piece<'a>(
    text: &'a str,
    search: &Search<'_>,
) -> Result<Option<Split<'a>>, TemplateError> {
    let mut from = 0;
    while let Some(found) = text[from..].find('$') {
        let at = from + found;
        let after = &text[at + 1..];
        let before = &text[..at];
        match after.as_bytes().first() {
            Some(b'$') => return Ok(Some((before, Piece::Dollar, &after[1..]))),
            Some(b'{') => {
                let (piece, rest) = braced(&after[1..], search)?;
                return Ok(Some((before, piece, rest)));
            }
            _ => {
                let end = name_end(after);
                if end > 0 {
                    return Ok(Some((before, Piece::Name(&after[..end]), &after[end..])));
                }
                from = at + 1;
            }
        }
    }
    Ok(None)
}

/// After `${`.
fn braced<'a>(text: &'a str, search: &Search<'_>) -> Result<(Piece<'a>, &'a str), TemplateError> {
    let end = name_end(text);
    if end == 0 {
        return Err(search.invalid());
    }
    let (name, rest) = text.split_at(end);
    if let Some(rest) = rest.strip_prefix('}') {
        return Ok((Piece::Braced(name, None), rest));
    }
    let (or_empty, rest) = match rest.strip_prefix(':') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let kind = match rest.as_bytes().first() {
        Some(b'-') => Kind::Default,
        Some(b'?') => Kind::Required,
        Some(b'+') => Kind::Alternative,
        _ => return Err(search.invalid()),
    };
    let word = &rest[1..];
    let close = search.closing_brace(word)?;
    let operator = Operator { kind, or_empty };
    Ok((Piece::Braced(name, Some((operator, &word[..close]))), &word[close + 1..]))
}

fn name_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(|it| it.is_ascii_alphabetic() || *it == b'_') {
        return 0;
    }
    bytes.iter().position(|it| !it.is_ascii_alphanumeric() && *it != b'_').unwrap_or(bytes.len())
}

/// The brace that ends a word. Braces of variables within it are skipped; so are braces that were opened
/// without a dollar, as long as they are closed. With it how much was read.
fn closing_brace(text: &str) -> (Option<usize>, usize) {
    let bytes = text.as_bytes();
    let (mut variables, mut plain) = (0usize, 0usize);
    let mut first = None;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if at > 0 && bytes[at - 1] == b'$' => variables += 1,
            b'{' if variables == 0 => plain += 1,
            b'}' if variables > 0 => variables -= 1,
            b'}' if plain == 0 => return (Some(at), at),
            b'}' => {
                plain -= 1;
                first.get_or_insert(at);
            }
            _ => {}
        }
    }
    (first, text.len())
}
