//! The syntax of a word: quotes, escapes, `$name` and `${name…}` as a tree with spans.
//!
//! Reading never fails. A place that cannot be read becomes [`Piece::Broken`], the last piece of its level,
//! so that evaluation meets errors in the order of the text. Spans count bytes from the start of the word.

use crate::span::{Span, Spanned};

/// Deeper nesting of `${a:-${b:-…}}` is refused: reading and evaluating recurse.
const MAX_DEPTH: usize = 100;

/// Part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Literal(Spanned<String>),
    /// The character after an escape character.
    Escaped(Spanned<char>),
    /// What stands between single quotes.
    Single(Spanned<String>),
    /// What stands between double quotes: literals, escapes and variables.
    Double(Spanned<Vec<Piece>>),
    Variable(Variable),
    /// An escape character that escapes nothing: the last of the text, or before an ordinary character
    /// between double quotes.
    LoneEscape(Span),
    Broken(Spanned<SyntaxError>),
}

/// `$name`, `${name}` or `${name…}`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    pub name: Spanned<String>,
    pub braces: bool,
    pub modifier: Option<Modifier>,
    pub span: Span,
}

/// What stands between the name and the closing brace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Modifier {
    /// `:-word`, `-word`, `:+word`, `+word`, `:?word`, `?word`, `#word`, `%word`; also `:` with any other sign,
    /// which evaluation refuses. The second sign of `##` and `%%` is the first character of the word.
    Sign { colon: bool, sign: char, word: Vec<Piece> },
    /// `/pattern/replacement`, `//pattern/replacement`
    Replace { all: bool, pattern: Vec<Piece>, replacement: Vec<Piece> },
}

/// Why a word cannot be read. The texts are BuildKit's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    #[error("unexpected end of statement while looking for matching single-quote")]
    SingleQuote,
    #[error("unexpected end of statement while looking for matching double-quote")]
    DoubleQuote,
    #[error("syntax error: missing '}}'")]
    MissingBrace,
    #[error("syntax error: missing '/' in ${{}}")]
    MissingSlash,
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    #[error("unsupported modifier ({0}) in substitution")]
    UnsupportedModifier(String),
    #[error("substitutions nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
}

/// Reads a word. With `quotes` false, quotes are ordinary characters (heredoc bodies).
pub fn parse(text: &str, escape: char, quotes: bool) -> Vec<Piece> {
    // BuildKit's scanner drops a byte order mark at the start of a word.
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reader = Reader { text, at, escape, quotes, depth: 0, broken: false };
    reader.pieces(None).0
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    escape: char,
    quotes: bool,
    depth: usize,
    /// A broken piece was made: every level ends with it.
    broken: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn since(&self, start: usize) -> Span {
        Span::new(start, self.at)
    }

    fn broken(&mut self, start: usize, error: SyntaxError) -> Piece {
        self.broken = true;
        Piece::Broken(Spanned::new(error, self.since(start)))
    }

    /// Pieces up to and including `stop`, or to the end of the text. True when `stop` was found.
    fn pieces(&mut self, stop: Option<char>) -> (Vec<Piece>, bool) {
        let mut pieces = Vec::new();
        while !self.broken {
            let start = self.at;
            let Some(next) = self.next() else { break };
            match next {
                _ if Some(next) == stop => return (pieces, true),
                '$' => pieces.push(self.dollar(start)),
                '\'' if self.quotes => pieces.push(self.single(start)),
                '"' if self.quotes => pieces.push(self.double(start)),
                _ if next == self.escape => pieces.push(match self.next() {
                    Some(escaped) => Piece::Escaped(Spanned::new(escaped, self.since(start))),
                    None => Piece::LoneEscape(self.since(start)),
                }),
                _ => push_literal(&mut pieces, next, self.since(start)),
            }
        }
        (pieces, false)
    }

    fn single(&mut self, start: usize) -> Piece {
        let inside = self.at;
        let Some(length) = self.text[inside..].find('\'') else {
            self.at = self.text.len();
            return self.broken(start, SyntaxError::SingleQuote);
        };
        self.at = inside + length + 1;
        let text = self.text[inside..inside + length].to_owned();
        Piece::Single(Spanned::new(text, self.since(start)))
    }

    fn double(&mut self, start: usize) -> Piece {
        let mut pieces = Vec::new();
        while !self.broken {
            let at = self.at;
            match self.next() {
                None => pieces.push(self.broken(start, SyntaxError::DoubleQuote)),
                Some('"') => break,
                Some('$') => pieces.push(self.dollar(at)),
                Some(next) if next == self.escape => pieces.push(self.escape_in_double(at)),
                Some(next) => push_literal(&mut pieces, next, self.since(at)),
            }
        }
        Piece::Double(Spanned::new(pieces, self.since(start)))
    }

    /// After an escape character between double quotes: there it escapes only `"`, `$` and itself.
    fn escape_in_double(&mut self, start: usize) -> Piece {
        match self.peek() {
            Some(escaped) if escaped == '"' || escaped == '$' || escaped == self.escape => {
                self.next();
                Piece::Escaped(Spanned::new(escaped, self.since(start)))
            }
            _ => Piece::LoneEscape(self.since(start)),
        }
    }

    /// After a `$`.
    fn dollar(&mut self, start: usize) -> Piece {
        if self.eat('{') {
            if self.depth == MAX_DEPTH {
                self.at = self.text.len();
                return self.broken(start, SyntaxError::TooDeep);
            }
            self.depth += 1;
            let piece = self.braced(start);
            self.depth -= 1;
            return piece;
        }
        let name = self.name();
        if name.value.is_empty() {
            return Piece::Literal(Spanned::new("$".to_owned(), self.since(start)));
        }
        let span = self.since(start);
        Piece::Variable(Variable { name, braces: false, modifier: None, span })
    }

    /// After `${`.
    fn braced(&mut self, start: usize) -> Piece {
        match self.peek() {
            None => return self.broken(start, SyntaxError::MissingBrace),
            Some('{' | '}' | ':') => return self.broken(start, SyntaxError::BadSubstitution),
            Some(_) => {}
        }
        let name = self.name();
        let modifier = match self.next() {
            Some('}') => None,
            Some('/') => Some(self.replace(start)),
            Some(':') => match self.next() {
                Some(sign) => Some(self.sign(start, true, sign)),
                None => return self.broken(start, SyntaxError::MissingBrace),
            },
            Some(sign @ ('+' | '-' | '?' | '#' | '%')) => Some(self.sign(start, false, sign)),
            Some(other) => {
                return self.broken(start, SyntaxError::UnsupportedModifier(other.to_string()));
            }
            None => return self.broken(start, SyntaxError::MissingBrace),
        };
        Piece::Variable(Variable { name, braces: true, modifier, span: self.since(start) })
    }

    fn sign(&mut self, start: usize, colon: bool, sign: char) -> Modifier {
        let word = self.until('}', start, SyntaxError::MissingBrace);
        Modifier::Sign { colon, sign, word }
    }

    fn replace(&mut self, start: usize) -> Modifier {
        let all = self.eat('/');
        let pattern = self.until('/', start, SyntaxError::MissingSlash);
        let replacement = match self.broken {
            true => Vec::new(),
            false => self.until('}', start, SyntaxError::MissingBrace),
        };
        Modifier::Replace { all, pattern, replacement }
    }

    /// Pieces up to `stop`; without it the last piece is broken.
    fn until(&mut self, stop: char, start: usize, missing: SyntaxError) -> Vec<Piece> {
        let (mut pieces, closed) = self.pieces(Some(stop));
        if !closed && !self.broken {
            pieces.push(self.broken(start, missing));
        }
        pieces
    }

    /// Digits, one special parameter, or letters, digits and underscores; possibly nothing.
    fn name(&mut self) -> Spanned<String> {
        let start = self.at;
        match self.peek() {
            Some(digit) if is_digit(digit) => {
                while self.peek().is_some_and(is_digit) {
                    self.next();
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => {
                self.next();
            }
            _ => {
                while self.peek().is_some_and(|c| c == '_' || is_digit(c) || is_letter(c)) {
                    self.next();
                }
            }
        }
        Spanned::new(self.text[start..self.at].to_owned(), self.since(start))
    }
}

/// Joins a literal just before it.
fn push_literal(pieces: &mut Vec<Piece>, character: char, span: Span) {
    match pieces.last_mut() {
        Some(Piece::Literal(literal)) => {
            literal.value.push(character);
            literal.span.end = span.end;
        }
        _ => pieces.push(Piece::Literal(Spanned::new(character.to_string(), span))),
    }
}

fn is_letter(character: char) -> bool {
    character.is_alphabetic() && !character.is_numeric()
}

/// A decimal digit of any script (Unicode category Nd). Each script's ten digits are consecutive.
fn is_digit(character: char) -> bool {
    const ZEROS: [u32; 37] = [
        0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
        0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
        0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0,
        0xff10,
    ];
    let code = u32::from(character);
    ZEROS.iter().any(|zero| (*zero..zero + 10).contains(&code))
}
