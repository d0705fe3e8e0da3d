//! The untyped layer: instructions cut into keyword, flags and arguments, before their meaning is looked at.
//! It is what the s-expression dump shows, and it exists also for instructions nobody knows.

use crate::argument::{self, Argument};
use crate::ast::{Heredoc, Warning, WarningKind, Word};
use crate::directive::{self, Directive};
use crate::error::{ErrorKind, ParseError};
use crate::heredoc;
use crate::keyword::Keyword;
use crate::line::{self, Logical, Physical};
use crate::span::{Span, Spanned};
use crate::string_array::{self, StringArray};

/// A file cut into nodes, with the errors met on the way.
#[derive(Clone, Debug)]
pub struct Syntax {
    pub nodes: Vec<Node>,
    pub directives: Vec<Directive>,
    pub escape: char,
    pub warnings: Vec<Warning>,
    pub errors: Vec<ParseError>,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// As typed.
    pub keyword: Spanned<String>,
    /// `--name=value`, quotes resolved.
    pub flags: Vec<Word>,
    pub arguments: Arguments,
    pub heredocs: Vec<Heredoc>,
    /// The comment lines above since the last instruction or empty comment, without `#`.
    pub comments: Vec<String>,
    /// The joined line.
    pub original: String,
    pub span: Span,
    /// First and last line, from 1, comments and empty lines at the end of a continuation included.
    pub lines: (usize, usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arguments {
    None,
    /// The rest of the line as it is.
    Text(Word),
    Words(Vec<Word>),
    Json(Vec<Word>),
    /// ENV and LABEL. `legacy` is `key rest of the line`.
    Pairs {
        pairs: Vec<(Word, Word)>,
        legacy: bool,
    },
    /// HEALTHCHECK: its first word and what follows.
    Health {
        kind: Word,
        command: Box<Arguments>,
    },
    /// ONBUILD.
    Trigger(Box<Node>),
    /// Of an unknown instruction.
    Ignored,
}

impl Arguments {
    pub fn is_json(&self) -> bool {
        match self {
            Arguments::Json(_) => true,
            Arguments::Health { command, .. } => command.is_json(),
            _ => false,
        }
    }

    /// The arguments as a flat list of texts; a pair is three, the last being `=` or empty.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Arguments::None => Vec::new(),
            Arguments::Text(word) => vec![word.text.clone()],
            Arguments::Words(words) | Arguments::Json(words) => {
                words.iter().map(|word| word.text.clone()).collect()
            }
            Arguments::Pairs { pairs, legacy } => {
                let equals = if *legacy { "" } else { "=" };
                pairs
                    .iter()
                    .flat_map(|(key, value)| {
                        [key.text.clone(), value.text.clone(), equals.to_owned()]
                    })
                    .collect()
            }
            Arguments::Health { kind, command } => {
                std::iter::once(kind.text.clone()).chain(command.texts()).collect()
            }
            Arguments::Trigger(node) => {
                std::iter::once(node.keyword.value.clone()).chain(node.arguments.texts()).collect()
            }
            Arguments::Ignored => vec![String::new()],
        }
    }
}

/// Cuts a whole file.
pub fn read(source: &str) -> Syntax {
    let lines = line::physical_lines(source);
    let (directives, errors) = directive::directives(source);
    let mut reader = Reader {
        source,
        lines: &lines,
        escape: '\\',
        comments: Vec::new(),
        result: Syntax {
            nodes: Vec::new(),
            directives,
            escape: '\\',
            warnings: Vec::new(),
            errors,
        },
    };
    reader.set_escape();
    reader.check_lines();
    let mut at = 0;
    while at < lines.len() {
        at = reader.instruction(at);
    }
    if reader.result.nodes.is_empty() && reader.result.errors.is_empty() {
        let kind = if source.is_empty() { ErrorKind::EmptyFile } else { ErrorKind::NoInstructions };
        reader.result.errors.push(ParseError::new(kind, Span::new(source.len(), source.len())));
    }
    reader.result
}

struct Reader<'a> {
    source: &'a str,
    lines: &'a [Physical],
    escape: char,
    comments: Vec<String>,
    result: Syntax,
}

impl Reader<'_> {
    fn set_escape(&mut self) {
        let directive = self.result.directives.iter().find(|directive| directive.name == "escape");
        match directive.map(directive::escape_of) {
            Some(Ok(escape)) => self.escape = escape,
            Some(Err(error)) => self.result.errors.push(error),
            None => {}
        }
        self.result.escape = self.escape;
    }

    fn check_lines(&mut self) {
        for line in self.lines {
            let length = line.end - line.start;
            if length > line::MAX_LINE {
                let kind = ErrorKind::LongLine { limit: line::MAX_LINE, length };
                self.result
                    .errors
                    .push(ParseError::new(kind, Span::new(line.start, line.start + 1)));
            }
        }
    }

    /// Reads the instruction at a line, or skips the line; returns the index of the next.
    fn instruction(&mut self, at: usize) -> usize {
        self.note_comment(at);
        let Some((logical, mut next)) = line::join(self.source, self.lines, at, self.escape) else {
            return at + 1;
        };
        if let Some(span) = logical.empty_continuation {
            let kind = WarningKind::EmptyContinuation { line: logical.text.clone() };
            self.result.warnings.push(Warning { kind, span });
        }
        let comments = std::mem::take(&mut self.comments);
        match node(&logical, 0, self.escape, 0) {
            Err(error) => self.result.errors.push(error),
            Ok(mut node) => {
                next = self.heredocs(&mut node, next);
                node.comments = comments;
                node.span.end =
                    node.span.end.max(node.heredocs.last().map_or(0, |_| self.lines[next - 1].end));
                node.lines = (at + 1, next);
                self.result.nodes.push(node);
            }
        }
        next
    }

    /// Comments right above an instruction belong to it; directives do not, and an empty comment separates.
    fn note_comment(&mut self, at: usize) {
        let text = self.lines[at].text(self.source);
        let is_directive = self.result.directives.iter().any(|directive| directive.line == at + 1);
        if !line::is_comment(text) || is_directive {
            return;
        }
        // As BuildKit does, only the first character goes: an indented comment keeps its `#`.
        let mut rest = text.chars();
        rest.next();
        match rest.as_str().trim() {
            "" => self.comments.clear(),
            comment => self.comments.push(comment.to_owned()),
        }
    }

    fn heredocs(&mut self, node: &mut Node, mut next: usize) -> usize {
        if !can_hold_heredocs(node) {
            return next;
        }
        let later = &self.lines[next..];
        let closes = |opener: &_| {
            later.iter().any(|line| heredoc::is_terminator(line.text(self.source), opener))
        };
        let openers = match heredoc::openers(&node.original, closes) {
            Ok(openers) => openers,
            Err(kind) => {
                self.result.errors.push(ParseError::new(kind, node.span));
                return next;
            }
        };
        for opener in openers {
            match heredoc::body(self.source, self.lines, next, &opener) {
                Ok((heredoc, after)) => {
                    node.heredocs.push(heredoc);
                    next = after;
                }
                Err(kind) => {
                    self.result.errors.push(ParseError::new(kind, node.span));
                    return self.lines.len();
                }
            }
        }
        if let Arguments::Trigger(trigger) = &mut node.arguments {
            trigger.heredocs.clone_from(&node.heredocs);
        }
        next
    }
}

fn can_hold_heredocs(node: &Node) -> bool {
    match (Keyword::parse(&node.keyword.value), &node.arguments) {
        (Some(Keyword::Onbuild), Arguments::Trigger(trigger)) => can_hold_heredocs(trigger),
        (Some(Keyword::Run | Keyword::Copy | Keyword::Add), arguments) => !arguments.is_json(),
        _ => false,
    }
}

/// How many ONBUILD may stand behind each other before the rest is left uncut (two are an error already).
const MAX_TRIGGERS: usize = 8;

/// Cuts the joined line from a byte on; `depth` ONBUILDs stand before it.
fn node(line: &Logical, start: usize, escape: char, depth: usize) -> Result<Node, ParseError> {
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
