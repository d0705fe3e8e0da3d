//! Parser directives: `# syntax=`, `# escape=` and `# check=` at the top of the file.

use nom::bytes::complete::{tag, take_while};
use nom::character::complete::{char, satisfy};
use nom::combinator::recognize;
use nom::sequence::{delimited, pair, preceded};
use nom::{IResult, Parser};

use crate::error::{ErrorKind, ParseError};
use crate::line::physical_lines;
use crate::span::{Span, Spanned};

/// `# name=value`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// In lower case.
    pub name: String,
    /// The value to the end of the line.
    pub value: Spanned<String>,
    /// The line, from 1.
    pub line: usize,
}

impl Directive {
    /// The value up to the first space: the image of `# syntax=image arguments`.
    pub fn first_word(&self) -> &str {
        self.value.value.split(' ').next().unwrap_or_default()
    }
}

const NAMES: [&str; 3] = ["syntax", "escape", "check"];

/// The directives of a text. They end at the first line that is none; a repeated one is an error.
pub fn directives(text: &str) -> (Vec<Directive>, Vec<ParseError>) {
    read(text, "#", 0, true)
}

/// The `syntax` directive in any of its forms: `# syntax=`, `// syntax=`, `{"syntax": …}`, each also after a `#!` line.
pub fn detect_syntax(text: &str) -> Option<Directive> {
    find(text, "#", "syntax").or_else(|| find(text, "//", "syntax")).or_else(|| json_syntax(text))
}

/// The `check` directive, also after a `#!` line.
pub fn detect_check(text: &str) -> Option<Directive> {
    find(text, "#", "check")
}

fn find(text: &str, comment: &str, name: &str) -> Option<Directive> {
    let skipped = usize::from(has_shebang(text));
    read(text, comment, skipped, false).0.into_iter().find(|directive| directive.name == name)
}

fn has_shebang(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').starts_with("#!")
}

fn json_syntax(text: &str) -> Option<Directive> {
    let mut start = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut line = 1;
    if has_shebang(text) {
        start += text[start..].find('\n')? + 1;
        line += 1;
    }
    let value = crate::string_array::object_member(&text[start..], "syntax")?;
    let span = Span::new(start, text.len());
    Some(Directive { name: "syntax".to_owned(), value: Spanned::new(value, span), line })
}

/// Indented directives count for `escape` only, as in BuildKit.
fn read(
    text: &str,
    comment: &str,
    skip: usize,
    indented: bool,
) -> (Vec<Directive>, Vec<ParseError>) {
    let mut found: Vec<Directive> = Vec::new();
    let mut errors = Vec::new();
    for (index, line) in physical_lines(text).iter().enumerate().skip(skip) {
        let content = line.text(text);
        let content = if indented { content.trim_start() } else { content };
        let Ok((_, (name, value))) = directive(comment, content) else { break };
        let name = name.to_ascii_lowercase();
        if !NAMES.contains(&name.as_str()) {
            break;
        }
        let start = value.as_ptr() as usize - text.as_ptr() as usize;
        let value = value.trim_end_matches(is_blank);
        if found.iter().any(|other| other.name == name) {
            errors.push(ParseError::new(ErrorKind::RepeatedDirective { name }, line.span()));
            continue;
        }
        let value = Spanned::new(value.to_owned(), Span::new(start, start + value.len()));
        found.push(Directive { name, value, line: index + 1 });
    }
    (found, errors)
}

/// `#` blanks name blanks `=` blanks value; the value is the rest of the line and not empty.
fn directive<'a>(comment: &str, input: &'a str) -> IResult<&'a str, (&'a str, &'a str)> {
    let name = recognize(pair(
        satisfy(|c| c.is_ascii_alphabetic()),
        take_while(|c: char| c.is_ascii_alphanumeric()),
    ));
    let equals = delimited(take_while(is_blank), char('='), take_while(is_blank));
    let value = recognize(pair(satisfy(|c| !is_blank(c)), take_while(|_| true)));
    let start = pair(tag(comment), take_while(char::is_whitespace));
    preceded(start, (name, preceded(equals, value))).parse(input)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

/// The escape character a directive asks for.
pub(crate) fn escape_of(directive: &Directive) -> Result<char, ParseError> {
    match directive.value.value.as_str() {
        "\\" => Ok('\\'),
        "`" => Ok('`'),
        other => {
            let kind = ErrorKind::BadEscape { value: other.to_owned() };
            Err(ParseError::new(kind, directive.value.span))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_end_at_the_first_other_line() {
        let (found, errors) =
            directives("# syntax = a b \n#ESCAPE=`\n# other=1\n# check=skip=all\n");
        let names: Vec<_> =
            found.iter().map(|d| (d.name.as_str(), d.value.value.as_str(), d.line)).collect();
        assert_eq!(names, [("syntax", "a b", 1), ("escape", "`", 2)]);
        assert_eq!(found[0].first_word(), "a");
        assert!(errors.is_empty());
    }

    #[test]
    fn a_repeated_directive_is_an_error() {
        assert_eq!(directives("# escape=\\\n# escape=`\n").1.len(), 1);
    }

    #[test]
    fn syntax_is_found_in_other_clothes() {
        let value = |text| detect_syntax(text).map(|d| (d.value.value, d.line));
        assert_eq!(value("#!/bin/x\n//syntax=foo\n"), Some(("foo".to_owned(), 2)));
        assert_eq!(value("{\"a\": [1], \"syntax\": \"foo\"}"), Some(("foo".to_owned(), 1)));
        assert_eq!(value("{\"syntax\": \"foo\""), None);
        assert_eq!(value("FROM a\n# syntax=x"), None);
    }
}
