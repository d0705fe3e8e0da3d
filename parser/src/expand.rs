//! Evaluates words against the variables their reader knows. Pure.
//!
//! The rules are those of BuildKit's shell lexer, including that the word of `${v:-word}` is always evaluated,
//! needed or not, so that its errors and its unknown variables are always met.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::ast::Word;
use crate::pattern::{Length, Pattern};
use crate::span::Span;
use crate::word::{self, Modifier, Piece, SyntaxError, Variable};

/// How much longer than its word a value may be: eight times what the kernel takes as one argument. Words that repeat
/// variables that repeat variables would have no end.
const MAX_GROWTH: usize = 1 << 20;
/// Comparisons of a pattern with a value: some milliseconds.
const MAX_WORK: usize = 1 << 24;

/// The variables a word can see.
pub trait Lookup {
    /// The value of a variable; `None` when it is not set (set to nothing is `Some("")`).
    fn lookup(&self, name: &str) -> Option<&str>;
}

impl Lookup for BTreeMap<String, String> {
    fn lookup(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

impl Lookup for HashMap<String, String> {
    fn lookup(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

/// Lines `NAME=value` as an image config has them; the last of a name counts, without `=` it is empty.
impl Lookup for [String] {
    fn lookup(&self, name: &str) -> Option<&str> {
        self.iter().rev().find_map(|line| match line.strip_prefix(name)? {
            "" => Some(""),
            rest => rest.strip_prefix('='),
        })
    }
}

/// What a word became.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    pub value: String,
    /// The value split at white space that neither quotes nor escapes protect; also that from variables.
    pub words: Vec<String>,
    /// Variables that were asked for and set.
    pub used: BTreeSet<String>,
    /// Variables that were asked for and not set.
    pub unmatched: BTreeSet<String>,
}

/// A word that has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to process {word:?}: {kind}")]
pub struct ExpandError {
    pub word: String,
    pub kind: ExpandErrorKind,
    /// Of the part at fault in the source; the whole word where the source has it differently (JSON, continued lines).
    pub span: Span,
}

/// Why a word has no value. The texts are BuildKit's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandErrorKind {
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    #[error("{name}: {}", or(message, "is not allowed to be unset"))]
    Unset { name: String, message: String },
    #[error("{name}: {}", or(message, "is not allowed to be empty"))]
    Empty { name: String, message: String },
    #[error("invalid pattern ({pattern}) in substitution: {source}")]
    InvalidPattern { pattern: String, source: crate::pattern::InvalidEscape },
    #[error("its variables make it longer by more than {} MiB", MAX_GROWTH >> 20)]
    TooLong,
    #[error("the pattern and the value are too long to be compared")]
    TooMuchWork,
}

fn or<'a>(message: &'a str, default: &'a str) -> &'a str {
    if message.is_empty() { default } else { message }
}

/// What happens to quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quotes {
    /// They group, and go.
    Strip,
    /// They group, and stay.
    Keep,
    /// They are ordinary characters.
    Ordinary,
}

#[derive(Clone, Copy, Debug)]
struct Rules {
    escape: char,
    quotes: Quotes,
    keep_escapes: bool,
    /// A variable that is not set stays as it is written.
    keep_unset: bool,
}

/// Expands a word of the tree.
pub fn expand(word: &Word, escape: char, env: &dyn Lookup) -> Result<Expanded, ExpandError> {
    expand_word(&word.text, word.span, escape, env)
}

/// Expands a word: quotes and escapes go, variables are replaced.
pub fn expand_word(
    text: &str,
    base_span: Span,
    escape: char,
    env: &dyn Lookup,
) -> Result<Expanded, ExpandError> {
    let rules = Rules { escape, quotes: Quotes::Strip, keep_escapes: false, keep_unset: false };
    evaluate(text, base_span, rules, env)
}

/// Expands the body of a COPY or ADD heredoc: quotes stay, a backslash escapes (whatever `# escape=` says).
pub fn expand_heredoc(
    text: &str,
    base_span: Span,
    env: &dyn Lookup,
) -> Result<Expanded, ExpandError> {
    let rules =
        Rules { escape: '\\', quotes: Quotes::Ordinary, keep_escapes: false, keep_unset: false };
    evaluate(text, base_span, rules, env)
}

/// An instruction with its variables filled in, to show in progress and history: quotes, escapes and
/// variables that are not set stay as written, and a text that cannot be expanded stays as a whole.
pub fn expand_for_display(text: &str, escape: char, env: &dyn Lookup) -> String {
    let rules = Rules { escape, quotes: Quotes::Keep, keep_escapes: true, keep_unset: true };
    let expanded = evaluate(text, Span::default(), rules, env);
    expanded.map_or_else(|_| text.to_owned(), |expanded| expanded.value)
}

/// The words of a line as a shell would cut it, quotes, escapes and unset variables as written.
pub(crate) fn raw_words(text: &str) -> Result<Vec<String>, ExpandError> {
    heredoc_words(text, Quotes::Keep, true)
}

/// The words of a here-document delimiter: escapes go, unset variables stay.
pub(crate) fn delimiter_words(text: &str, keep_quotes: bool) -> Result<Vec<String>, ExpandError> {
    let quotes = if keep_quotes { Quotes::Keep } else { Quotes::Strip };
    heredoc_words(text, quotes, false)
}

fn heredoc_words(
    text: &str,
    quotes: Quotes,
    keep_escapes: bool,
) -> Result<Vec<String>, ExpandError> {
    let rules = Rules { escape: '\\', quotes, keep_escapes, keep_unset: true };
    let no_variables = BTreeMap::new();
    evaluate(text, Span::default(), rules, &no_variables).map(|expanded| expanded.words)
}

fn evaluate(
    text: &str,
    base_span: Span,
    rules: Rules,
    env: &dyn Lookup,
) -> Result<Expanded, ExpandError> {
    let pieces = word::parse(text, rules.escape, rules.quotes != Quotes::Ordinary);
    let mut evaluator = Evaluator {
        rules,
        env,
        end: text.len(),
        room: MAX_GROWTH,
        used: BTreeSet::new(),
        unmatched: BTreeSet::new(),
    };
    match evaluator.word(&pieces) {
        Ok((value, words)) => {
            let Evaluator { used, unmatched, .. } = evaluator;
            Ok(Expanded { value, words, used, unmatched })
        }
        Err(failure) => Err(ExpandError {
            word: text.to_owned(),
            kind: failure.kind,
            span: locate(failure.span, text, base_span),
        }),
    }
}

/// A span within the text as a span of the source, exact only when the source has the same text.
fn locate(span: Span, text: &str, base: Span) -> Span {
    if base.end.checked_sub(base.start) == Some(text.len()) {
        Span::new(base.start + span.start, base.start + span.end)
    } else {
        base
    }
}

struct Failure {
    kind: ExpandErrorKind,
    span: Span,
}

struct Evaluator<'a> {
    rules: Rules,
    env: &'a dyn Lookup,
    /// Length of the text.
    end: usize,
    /// What variables may still add.
    room: usize,
    used: BTreeSet<String>,
    unmatched: BTreeSet<String>,
}

impl Evaluator<'_> {
    /// The outermost level: the value, and the value split into words.
    fn word(&mut self, pieces: &[Piece]) -> Result<(String, Vec<String>), Failure> {
        let mut value = String::new();
        let mut words = Words::default();
        for piece in pieces {
            let mut part = String::new();
            self.piece(piece, self.rules.keep_escapes, &mut part)?;
            match piece {
                Piece::Literal(_) | Piece::Variable(_) => words.split(&part),
                _ => words.push(&part),
            }
            value.push_str(&part);
        }
        Ok((value, words.finish()))
    }

    /// The word of a substitution.
    fn nested(&mut self, pieces: &[Piece], keep_escapes: bool) -> Result<String, Failure> {
        let mut value = String::new();
        for piece in pieces {
            self.piece(piece, keep_escapes, &mut value)?;
        }
        Ok(value)
    }

    /// What a variable puts in, for which there must be room yet.
    fn grow(&mut self, variable: &Variable, out: &mut String) -> Result<(), Failure> {
        let value = self.variable(variable)?;
        let room = self.room.checked_sub(value.len());
        self.room = room.ok_or_else(|| too_long(variable))?;
        out.push_str(&value);
        Ok(())
    }

    fn piece(&mut self, piece: &Piece, raw: bool, out: &mut String) -> Result<(), Failure> {
        match piece {
            Piece::Literal(literal) => out.push_str(&literal.value),
            Piece::Escaped(escaped) => {
                if raw {
                    out.push(self.rules.escape);
                }
                out.push(escaped.value);
            }
            Piece::LoneEscape(_) => {
                if raw {
                    out.push(self.rules.escape);
                }
            }
            Piece::Single(single) => self.quoted('\'', out, |_, out| {
                out.push_str(&single.value);
                Ok(())
            })?,
            Piece::Double(double) => self.quoted('"', out, |this, out| {
                double.value.iter().try_for_each(|piece| this.piece_in_double(piece, raw, out))
            })?,
            Piece::Variable(variable) => self.grow(variable, out)?,
            Piece::Broken(broken) => {
                return Err(Failure { kind: broken.value.clone().into(), span: broken.span });
            }
        }
        Ok(())
    }

    fn quoted(
        &mut self,
        quote: char,
        out: &mut String,
        inside: impl FnOnce(&mut Self, &mut String) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let kept = self.rules.quotes == Quotes::Keep;
        if kept {
            out.push(quote);
        }
        inside(self, out)?;
        if kept {
            out.push(quote);
        }
        Ok(())
    }

    /// Between double quotes an escape that escapes nothing stands for itself.
    fn piece_in_double(
        &mut self,
        piece: &Piece,
        raw: bool,
        out: &mut String,
    ) -> Result<(), Failure> {
        if let Piece::LoneEscape(_) = piece {
            out.push(self.rules.escape);
        }
        self.piece(piece, raw, out)
    }

    fn get(&mut self, name: &str) -> Option<String> {
        let value = self.env.lookup(name);
        let seen = if value.is_some() { &mut self.used } else { &mut self.unmatched };
        if !seen.contains(name) {
            seen.insert(name.to_owned());
        }
        value.map(str::to_owned)
    }

    fn variable(&mut self, variable: &Variable) -> Result<String, Failure> {
        let name = &variable.name.value;
        match &variable.modifier {
            None => Ok(match self.get(name) {
                Some(value) => value,
                None if !self.rules.keep_unset => String::new(),
                None if variable.braces => format!("${{{name}}}"),
                None => format!("${name}"),
            }),
            Some(Modifier::Sign { colon, sign, word }) => {
                // Patterns see their escapes; other words are read as words again, also within patterns.
                let word = self.nested(word, matches!(sign, '#' | '%')).map_err(|failure| {
                    self.unclosed(failure, variable, SyntaxError::MissingBrace)
                })?;
                self.sign(variable, *colon, *sign, word)
            }
            Some(Modifier::Replace { all, pattern, replacement }) => {
                let pattern = self.nested(pattern, true).map_err(|failure| {
                    self.unclosed(failure, variable, SyntaxError::MissingSlash)
                })?;
                let replacement = self.nested(replacement, true).map_err(|failure| {
                    self.unclosed(failure, variable, SyntaxError::MissingBrace)
                })?;
                self.replace(variable, *all, &pattern, &replacement)
            }
        }
    }

    /// An error within a substitution that the end of the text cut short is about the missing end.
    fn unclosed(&self, failure: Failure, variable: &Variable, missing: SyntaxError) -> Failure {
        let too_deep = failure.kind == SyntaxError::TooDeep.into();
        if failure.span.end == self.end && !too_deep {
            return Failure { kind: missing.into(), span: variable.span };
        }
        failure
    }

    fn sign(
        &mut self,
        variable: &Variable,
        colon: bool,
        sign: char,
        word: String,
    ) -> Result<String, Failure> {
        let name = &variable.name.value;
        let fail = |kind| Err(Failure { kind, span: variable.span });
        let signs = if colon { format!(":{sign}") } else { sign.to_string() };
        let value = self.get(name);
        if value.is_none() && self.rules.keep_unset {
            return Ok(format!("${{{name}{signs}{word}}}"));
        }
        let missing = match &value {
            Some(value) => colon && value.is_empty(),
            None => true,
        };
        match sign {
            '-' if missing => Ok(word),
            '+' if missing => Ok(String::new()),
            '+' => Ok(word),
            '?' if value.is_none() => {
                fail(ExpandErrorKind::Unset { name: name.clone(), message: word })
            }
            '?' if missing => fail(ExpandErrorKind::Empty { name: name.clone(), message: word }),
            '-' | '?' => Ok(value.unwrap_or_default()),
            '#' | '%' if !colon => {
                let doubled = word.strip_prefix(sign);
                let length = if doubled.is_some() { Length::Longest } else { Length::Shortest };
                let value = value.unwrap_or_default();
                let pattern = parse_pattern(variable, doubled.unwrap_or(&word), &value)?;
                Ok(if sign == '#' {
                    pattern.trim_prefix(&value, length)
                } else {
                    pattern.trim_suffix(&value, length)
                })
            }
            _ => fail(SyntaxError::UnsupportedModifier(signs).into()),
        }
    }

    fn replace(
        &mut self,
        variable: &Variable,
        all: bool,
        pattern: &str,
        replacement: &str,
    ) -> Result<String, Failure> {
        let name = &variable.name.value;
        let value = self.get(name);
        if value.is_none() && self.rules.keep_unset {
            let slashes = if all { "//" } else { "/" };
            return Ok(format!("${{{name}{slashes}{pattern}/{replacement}}}"));
        }
        let value = value.unwrap_or_default();
        let pattern = parse_pattern(variable, pattern, &value)?;
        if !all {
            return Ok(pattern.replace_first(&value, replacement));
        }
        let replaced = pattern.replace_all_within(&value, replacement, MAX_GROWTH);
        replaced.ok_or_else(|| too_long(variable))
    }
}

fn too_long(variable: &Variable) -> Failure {
    Failure { kind: ExpandErrorKind::TooLong, span: variable.span }
}

/// A pattern that is not too long for the value it is to be compared with.
fn parse_pattern(variable: &Variable, pattern: &str, value: &str) -> Result<Pattern, Failure> {
    let fail = |kind| Failure { kind, span: variable.span };
    let parsed = Pattern::parse(pattern).map_err(|source| {
        fail(ExpandErrorKind::InvalidPattern { pattern: pattern.to_owned(), source })
    })?;
    match parsed.tokens().len().saturating_mul(value.len()) > MAX_WORK {
        true => Err(fail(ExpandErrorKind::TooMuchWork)),
        false => Ok(parsed),
    }
}

/// Splits at white space while taking in parts that are split and parts that are not.
#[derive(Default)]
struct Words {
    words: Vec<String>,
    word: String,
}

impl Words {
    fn split(&mut self, part: &str) {
        for character in part.chars() {
            if !character.is_whitespace() {
                self.word.push(character);
            } else if !self.word.is_empty() {
                self.words.push(std::mem::take(&mut self.word));
            }
        }
    }

    fn push(&mut self, part: &str) {
        self.word.push_str(part);
    }

    fn finish(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.words.push(self.word);
        }
        self.words
    }
}
