//! Here-documents: which a line opens, and their bodies in the lines after it.

use std::collections::HashMap;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till};
use nom::character::complete::digit0;
use nom::combinator::{eof, opt, verify};
use nom::{IResult, Parser};

use crate::ast::Heredoc;
use crate::error::ErrorKind;
use crate::expand;
use crate::line::Physical;
use crate::span::Span;

/// What stands before the body: `3<<-EOF`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opener {
    pub name: String,
    pub file_descriptor: u32,
    pub expand: bool,
    pub chomp: bool,
}

/// Reads one word as the start of a here-document; `None` when it is an ordinary word.
pub fn parse_word(word: &str) -> Result<Option<Opener>, ErrorKind> {
    let Ok((_, (digits, chomp, delimiter))) = opener(word) else { return Ok(None) };
    let bad = |error: expand::ExpandError| ErrorKind::BadHeredoc {
        word: word.to_owned(),
        cause: error.kind.to_string(),
    };
    let words = expand::delimiter_words(delimiter, false).map_err(bad)?;
    let [name] = words.as_slice() else { return Ok(None) };
    let raw = expand::delimiter_words(delimiter, true).map_err(bad)?.concat();
    let quotes = |text: &str| text.matches(['\'', '"']).count();
    Ok(Some(Opener {
        name: name.clone(),
        file_descriptor: digits.parse().unwrap_or(0),
        expand: quotes(name) == quotes(&raw),
        chomp: chomp.is_some(),
    }))
}

/// Digits, `<<`, maybe `-`, and a delimiter that holds no `<`.
fn opener(word: &str) -> IResult<&str, (&str, Option<&str>, &str)> {
    let delimiter = verify(take_till(|c| c == '<'), |text: &str| !text.trim().is_empty());
    let (rest, (digits, _, chomp, delimiter, _)) =
        (digit0, tag("<<"), opt(tag("-")), delimiter, eof).parse(word)?;
    Ok((rest, (digits, chomp, delimiter)))
}

/// `<<` with its delimiter after a space.
pub(crate) fn is_bare_opener(word: &str) -> bool {
    let bare: IResult<&str, _> = (digit0, alt((tag("<<-"), tag("<<"))), eof).parse(word);
    bare.is_ok()
}

/// The here-documents a joined instruction opens. Text a shell could not cut into words opens none.
/// `closes` tells whether a delimiter stands alone on a later line: `<< word` with a space counts only then,
/// so that the shift of `$((1 << 2))` stays what it is.
pub(crate) fn openers(
    line: &str,
    closes: impl Fn(&Opener) -> bool,
) -> Result<Vec<Opener>, ErrorKind> {
    let words = expand::raw_words(line).unwrap_or_default();
    let mut openers = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        if let Some(opener) = parse_word(word)? {
            openers.push(opener);
            continue;
        }
        let Some(next) = words.peek().filter(|_| is_bare_opener(word)) else { continue };
        let opener = parse_word(&format!("{word} {next}")).unwrap_or_default();
        if let Some(opener) = opener.filter(&closes) {
            openers.push(opener);
            words.next();
        }
    }
    Ok(openers)
}

/// Where each line stands last, to tell quickly whether a delimiter is still to come.
pub(crate) struct Closers<'a> {
    exact: HashMap<&'a str, usize>,
    without_tabs: HashMap<&'a str, usize>,
}

impl<'a> Closers<'a> {
    pub(crate) fn new(source: &'a str, lines: &[Physical]) -> Closers<'a> {
        let texts = || lines.iter().enumerate().map(|(at, line)| (line.text(source), at));
        Closers {
            exact: texts().collect(),
            without_tabs: texts().map(|(text, at)| (text.trim_start_matches('\t'), at)).collect(),
        }
    }

    /// Whether a line from an index on ends the here-document.
    pub(crate) fn any_from(&self, at: usize, opener: &Opener) -> bool {
        let lines = if opener.chomp { &self.without_tabs } else { &self.exact };
        lines.get(opener.name.as_str()).is_some_and(|last| *last >= at)
    }
}

/// Whether a line ends the here-document.
fn is_terminator(line: &str, opener: &Opener) -> bool {
    let line = if opener.chomp { line.trim_start_matches('\t') } else { line };
    line == opener.name
}

/// Reads the body that starts at `lines[at]`; returns it and the index of the line after the delimiter.
pub(crate) fn body(
    source: &str,
    lines: &[Physical],
    at: usize,
    opener: &Opener,
) -> Result<(Heredoc, usize), ErrorKind> {
    let closing = (at..lines.len()).find(|index| is_terminator(lines[*index].text(source), opener));
    let Some(closing) = closing else {
        return Err(ErrorKind::UnterminatedHeredoc { name: opener.name.clone() });
    };
    let span = Span::new(lines[at].start, lines[closing].start);
    let heredoc = Heredoc {
        name: opener.name.clone(),
        file_descriptor: opener.file_descriptor,
        expand: opener.expand,
        chomp: opener.chomp,
        content: source[span.start..span.end].to_owned(),
        span,
    };
    Ok((heredoc, closing + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<String> {
        let openers = openers(line, |opener| opener.name != "2))").expect("no bad delimiter");
        openers.into_iter().map(|opener| opener.name).collect()
    }

    #[test]
    fn quoting_decides_about_expansion() {
        let parsed = |word| {
            parse_word(word).expect("valid").map(|o| (o.name, o.expand, o.chomp, o.file_descriptor))
        };
        assert_eq!(parsed("3<<-EOF"), Some(("EOF".into(), true, true, 3)));
        assert_eq!(parsed("<<eo'f'"), Some(("eof".into(), false, false, 0)));
        assert_eq!(parsed("<<eo\\'f"), Some(("eo'f".into(), true, false, 0)));
        assert_eq!(parsed("<<<EOF"), None);
        assert_eq!(parsed("<<"), None);
        assert!(parse_word("<<'EOF").is_err());
    }

    #[test]
    fn lines_open_several() {
        assert_eq!(names("RUN 3<<A cat <<-'B c' x"), ["A", "B c"]);
        assert_eq!(names("RUN cat <<  EOF > x"), ["EOF"]);
        assert_eq!(names("RUN cat << -EOF"), ["-EOF"]);
        assert_eq!(names("RUN '<<EOF' \"<<E\""), Vec::<String>::new());
        assert_eq!(names("RUN echo $((1 << 2))"), Vec::<String>::new());
        assert_eq!(names("RUN echo \" <<EOF"), Vec::<String>::new());
    }
}
