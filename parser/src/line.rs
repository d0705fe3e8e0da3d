//! Physical lines and logical lines: continuations joined, comments left out, offsets kept.

use std::ops::Range;

use crate::span::Span;

/// Longest physical line, without its line end.
pub(crate) const MAX_LINE: usize = 65_535;

/// One line of the source, without its line end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Physical {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Physical {
    pub(crate) fn text<'a>(&self, source: &'a str) -> &'a str {
        &source[self.start..self.end]
    }

    pub(crate) fn span(&self) -> Span {
        Span::new(self.start, self.end)
    }
}

/// Splits at `\n`; any run of `\r` before it belongs to the line end. A byte-order mark is left out.
pub(crate) fn physical_lines(source: &str) -> Vec<Physical> {
    let mut lines = Vec::new();
    let mut start = if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    while start < source.len() {
        let next = source[start..].find('\n').map_or(source.len(), |at| start + at + 1);
        let end = start + source[start..next].trim_end_matches(['\r', '\n']).len();
        lines.push(Physical { start, end });
        start = next;
    }
    lines
}

/// An instruction in one line of text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logical {
    pub(crate) text: String,
    /// Where pieces of `text` come from: offset in `text`, offset in the source.
    pieces: Vec<(usize, usize)>,
    /// End of the last piece in the source.
    end: usize,
    /// Span of the first empty line within the instruction.
    pub(crate) empty_continuation: Option<Span>,
}

impl Logical {
    fn push(&mut self, text: &str, source_start: usize) {
        self.pieces.push((self.text.len(), source_start));
        self.text.push_str(text);
        self.end = source_start + text.len();
    }

    /// The place in the source of a byte of the text. An offset on a border belongs to the piece after it.
    fn source_offset(&self, offset: usize) -> usize {
        let piece = self.pieces.partition_point(|(start, _)| *start <= offset);
        match piece.checked_sub(1).and_then(|at| self.pieces.get(at)) {
            Some((start, source)) => (source + offset - start).min(self.end),
            None => self.end,
        }
    }

    /// The source bytes of a range of the text; continuations inside it are included.
    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        if range.is_empty() {
            let at = self.source_offset(range.start);
            return Span::new(at, at);
        }
        Span::new(self.source_offset(range.start), self.source_offset(range.end - 1) + 1)
    }
}

/// Joins the instruction that starts at `lines[at]`; returns it and the index of the line after it.
/// `None` when the line is empty or a comment.
pub(crate) fn join(
    source: &str,
    lines: &[Physical],
    at: usize,
    escape: char,
) -> Option<(Logical, usize)> {
    let first = lines[at];
    let text = first.text(source).trim_start();
    let text = if text.starts_with('#') { "" } else { text };
    let (text, mut continues) = cut_continuation(text, escape);
    if text.is_empty() && !continues {
        return None;
    }
    let mut line = Logical::default();
    let indent = first.text(source).len() - first.text(source).trim_start().len();
    line.push(text, first.start + indent);
    let mut next = at + 1;
    while continues && next < lines.len() {
        let physical = lines[next];
        let text = physical.text(source);
        next += 1;
        if is_comment(text) {
            continue;
        }
        if text.trim_start().is_empty() {
            line.empty_continuation.get_or_insert(physical.span());
            continue;
        }
        let (text, more) = cut_continuation(text, escape);
        line.push(text, physical.start);
        continues = more;
    }
    Some((line, next))
}

pub(crate) fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// Takes the escape character at the end (blanks may follow) off a line, unless another one stands before it.
fn cut_continuation(line: &str, escape: char) -> (&str, bool) {
    match line.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        Some(before) if !before.ends_with(escape) => (before, true),
        _ => (line, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(source: &str) -> Logical {
        join(source, &physical_lines(source), 0, '\\').expect("an instruction").0
    }

    #[test]
    fn continuations_join_and_keep_their_places() {
        let source = "RUN a \\\n# no\n\n  b \\  \n c\nRUN d";
        let line = joined(source);
        assert_eq!(line.text, "RUN a   b  c");
        assert_eq!(
            &source[line.empty_continuation.expect("empty line").start..],
            "\n  b \\  \n c\nRUN d"
        );
        let at = line.text.find('b').expect("b");
        assert_eq!(&source[line.span(at..at + 1).start..][..1], "b");
        let all = line.span(0..line.text.len());
        assert_eq!(&source[all.start..all.end], "RUN a \\\n# no\n\n  b \\  \n c");
    }

    #[test]
    fn an_escaped_escape_does_not_continue() {
        assert_eq!(joined("RUN a \\\\\nRUN b").text, "RUN a \\\\");
        assert_eq!(joined("RUN a \\\r\n  b\r\n").text, "RUN a   b");
        assert_eq!(joined("\\\nRUN b").text, "RUN b");
    }

    #[test]
    fn line_ends_and_marks_are_left_out() {
        let texts: Vec<_> =
            physical_lines("\u{feff}a\r\n\nb").iter().map(|l| (l.start, l.end)).collect();
        assert_eq!(texts, [(3, 4), (6, 6), (7, 8)]);
    }
}
