//! One joined line cut into keyword, flags and arguments.

use super::{Arguments, Node};
use crate::argument::{self, Argument};
use crate::ast::Word;
use crate::error::{ErrorKind, ParseError};
use crate::keyword::Keyword;
use crate::line::Logical;
use crate::span::{Span, Spanned};
use crate::string_array::{self, StringArray};

/// How many ONBUILD may stand behind each other before the rest is left uncut (two are an error already).
const MAX_TRIGGERS: usize = 8;

/// Cuts the joined line from a byte on; `depth` ONBUILDs stand before it.
pub(super) fn node(
    line: &Logical,
    start: usize,
    escape: char,
    depth: usize,
) -> Result<Node, ParseError> {
    let is_whole = start == 0;
    let text = &line.text[start..];
    let start = start + (text.len() - text.trim_start().len());
    let text = text.trim();
    let (keyword, rest) = argument::split_first(text);
    let keyword_range = start..start + keyword.len();
    let rest = rest.unwrap_or_default();
    let rest_start = start + (text.len() - rest.len());
    let (flags, rest) = argument::leading_flags(rest, rest_start);
    let rest = rest.trim();
    let rest_start = if rest.is_empty() { start + text.len() } else { offset_in(&line.text, rest) };
    let cut = Cut { line, text: rest, start: rest_start, escape, depth };
    Ok(Node {
        keyword: Spanned::new(keyword.to_owned(), line.span(keyword_range)),
        flags: cut.words(flags),
        arguments: cut.arguments(Keyword::parse(keyword))?,
        heredocs: Vec::new(),
        comments: Vec::new(),
        original: if is_whole { line.text.clone() } else { text.to_owned() },
        span: line.span(start..start + text.len()),
        lines: (0, 0),
    })
}

fn offset_in(whole: &str, part: &str) -> usize {
    part.as_ptr() as usize - whole.as_ptr() as usize
}

/// The arguments of one instruction, uncut.
struct Cut<'a> {
    line: &'a Logical,
    text: &'a str,
    start: usize,
    escape: char,
    depth: usize,
}

impl Cut<'_> {
    fn word(&self, argument: Argument) -> Word {
        Word::new(argument.text, self.line.span(argument.range))
    }

    fn words(&self, arguments: Vec<Argument>) -> Vec<Word> {
        arguments.into_iter().map(|argument| self.word(argument)).collect()
    }

    fn slice(&self, text: &str) -> Word {
        let start = if text.is_empty() {
            self.start + self.text.len()
        } else {
            offset_in(&self.line.text, text)
        };
        Word::new(text, self.line.span(start..start + text.len()))
    }

    fn whole(&self) -> Span {
        self.line.span(self.start..self.start + self.text.len())
    }

    fn error(&self, kind: ErrorKind) -> ParseError {
        ParseError::new(kind, self.whole())
    }

    fn arguments(&self, keyword: Option<Keyword>) -> Result<Arguments, ParseError> {
        use Keyword::*;
        let Some(keyword) = keyword else { return Ok(Arguments::Ignored) };
        if self.text.is_empty() {
            return Ok(Arguments::None);
        }
        match keyword {
            Add | Copy | Volume => Ok(self.json(self.text)?.unwrap_or_else(|| self.list())),
            Run | Cmd | Entrypoint | Shell => self.command(self.text),
            From | Expose => Ok(self.list()),
            Arg => Ok(Arguments::Words(self.words(argument::quoted_words(
                self.text,
                self.start,
                self.escape,
            )))),
            Env | Label => self.pairs(keyword),
            Healthcheck => self.health(),
            Onbuild if self.depth == MAX_TRIGGERS => Ok(Arguments::Text(self.slice(self.text))),
            Onbuild => self.trigger(),
            Maintainer | Stopsignal | User | Workdir => Ok(Arguments::Text(self.slice(self.text))),
        }
    }

    fn trigger(&self) -> Result<Arguments, ParseError> {
        let trigger = node(self.line, self.start, self.escape, self.depth + 1)?;
        Ok(Arguments::Trigger(Box::new(trigger)))
    }

    fn list(&self) -> Arguments {
        Arguments::Words(self.words(argument::split_all(self.text, self.start)))
    }

    fn json(&self, text: &str) -> Result<Option<Arguments>, ParseError> {
        match string_array::parse(text) {
            StringArray::NotJson => Ok(None),
            StringArray::NotStrings => Err(self.error(ErrorKind::NotStrings)),
            StringArray::Strings(items) => {
                let base = offset_in(&self.line.text, text);
                let place = |range: std::ops::Range<usize>| {
                    self.line.span(base + range.start..base + range.end)
                };
                Ok(Some(Arguments::Json(
                    items.into_iter().map(|(item, range)| Word::new(item, place(range))).collect(),
                )))
            }
        }
    }

    fn command(&self, text: &str) -> Result<Arguments, ParseError> {
        if text.is_empty() {
            return Ok(Arguments::None);
        }
        Ok(self.json(text)?.unwrap_or_else(|| Arguments::Text(self.slice(text))))
    }

    fn health(&self) -> Result<Arguments, ParseError> {
        let (kind, rest) = argument::first_word(self.text);
        Ok(Arguments::Health { kind: self.slice(kind), command: Box::new(self.command(rest)?) })
    }

    /// `name=value …` when the first word holds a `=`, else `name rest of the line`.
    fn pairs(&self, keyword: Keyword) -> Result<Arguments, ParseError> {
        let words = argument::quoted_words(self.text, self.start, self.escape);
        if !words.first().is_some_and(|word| word.text.contains('=')) {
            return self.legacy_pair(keyword);
        }
        let pairs: Result<Vec<_>, _> = words.into_iter().map(|word| self.pair(word)).collect();
        Ok(Arguments::Pairs { pairs: pairs?, legacy: false })
    }

    fn pair(&self, word: Argument) -> Result<(Word, Word), ParseError> {
        let Some((key, value)) = word.text.split_once('=') else {
            let span = self.line.span(word.range);
            return Err(ParseError::new(ErrorKind::NoEquals { word: word.text }, span));
        };
        let value_start = word.range.start + key.len() + 1;
        let key_span = self.line.span(word.range.start..word.range.start + key.len());
        let value_span = self.line.span(value_start..value_start + value.len());
        Ok((Word::new(key, key_span), Word::new(value, value_span)))
    }

    fn legacy_pair(&self, keyword: Keyword) -> Result<Arguments, ParseError> {
        let (key, value) = argument::split_first(self.text);
        let Some(value) = value else {
            return Err(self.error(ErrorKind::TwoArguments { instruction: keyword.name() }));
        };
        Ok(Arguments::Pairs { pairs: vec![(self.slice(key), self.slice(value))], legacy: true })
    }
}
