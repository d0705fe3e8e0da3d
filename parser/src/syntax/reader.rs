//! From lines to nodes: comments, here-documents, limits.

use std::cell::OnceCell;

use super::{Arguments, Node, Syntax, cut};
use crate::ast::{Warning, WarningKind};
use crate::directive;
use crate::error::{ErrorKind, ParseError};
use crate::heredoc;
use crate::keyword::Keyword;
use crate::line::{self, Physical};
use crate::span::Span;

/// Cuts a whole file.
pub fn read(source: &str) -> Syntax {
    let lines = line::physical_lines(source);
    let (directives, errors) = directive::directives(source);
    let mut reader = Reader {
        source,
        lines: &lines,
        escape: '\\',
        comments: Vec::new(),
        closers: OnceCell::new(),
        result: Syntax {
            nodes: Vec::new(),
            directives,
            syntax: directive::detect_syntax(source),
            check: directive::detect_check(source),
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
    closers: OnceCell<heredoc::Closers<'a>>,
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
        if let Some(empty) = logical.empty_continuation {
            let kind = WarningKind::EmptyContinuation { line: logical.text.clone() };
            let span = Span::new(empty.start, self.lines[next - 1].end);
            self.result.warnings.push(Warning { kind, span });
        }
        let comments = std::mem::take(&mut self.comments);
        match cut::node(&logical, 0, self.escape, 0) {
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
        if !can_hold_heredocs(node) || !node.original.contains("<<") {
            return next;
        }
        let closers = self.closers.get_or_init(|| heredoc::Closers::new(self.source, self.lines));
        let closes = |opener: &_| closers.any_from(next, opener);
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
