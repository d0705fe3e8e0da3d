//! How the rest of an instruction is cut into arguments.

use std::ops::Range;

use nom::branch::alt;
use nom::bytes::complete::{take_till, take_while, take_while1};
use nom::character::complete::{anychar, char, none_of};
use nom::combinator::{eof, opt, recognize, value, verify};
use nom::multi::many0_count;
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

/// An argument and the bytes of the logical line it stands at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Argument {
    pub(crate) text: String,
    pub(crate) range: Range<usize>,
}

/// What separates arguments. Other Unicode spaces only count between words that may be quoted.
fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r')
}

/// Cuts `text` at the first run of separators.
pub(crate) fn split_first(text: &str) -> (&str, Option<&str>) {
    match text.find(is_separator) {
        Some(at) => (&text[..at], Some(text[at..].trim_start_matches(is_separator))),
        None => (text, None),
    }
}

/// Arguments between runs of separators, quotes meaning nothing.
pub(crate) fn split_all(text: &str, offset: usize) -> Vec<Argument> {
    let mut arguments = Vec::new();
    let mut rest = Some(text);
    while let Some(current) = rest.filter(|_| !text.is_empty()) {
        let (word, next) = split_first(current);
        let start = offset + (word.as_ptr() as usize - text.as_ptr() as usize);
        arguments.push(Argument { text: word.to_owned(), range: start..start + word.len() });
        rest = next;
    }
    arguments
}

/// Words as ENV, LABEL and ARG have them: quotes and escapes keep spaces together and stay in the word.
pub(crate) fn quoted_words(text: &str, offset: usize, escape: char) -> Vec<Argument> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Ok((next, word)) = quoted_word(rest, escape) else { return words };
        let start = offset + (text.len() - rest.len());
        let word = without_lone_escape(word, next, escape);
        if !word.is_empty() {
            words.push(Argument { text: word.to_owned(), range: start..start + word.len() });
        }
        rest = next;
    }
}

fn quoted_word(input: &str, escape: char) -> IResult<&str, &str> {
    let escaped = move |i| recognize((char(escape), opt(anychar))).parse(i);
    let single = recognize((char('\''), take_till(|c| c == '\''), opt(char('\''))));
    let in_double = alt((escaped, recognize(none_of("\""))));
    let double = recognize((char('"'), many0_count(in_double), opt(char('"'))));
    let plain = verify(recognize(anychar), |c: &str| !c.starts_with(char::is_whitespace));
    let word = many0_count(alt((single, double, escaped, plain)));
    verify(recognize(word), |word: &str| !word.is_empty()).parse(input)
}

/// An escape character that ends the text escapes nothing and is dropped.
fn without_lone_escape<'a>(word: &'a str, rest: &str, escape: char) -> &'a str {
    if !rest.is_empty() {
        return word;
    }
    let mut chars = word.char_indices();
    let mut quote = None;
    while let Some((at, c)) = chars.next() {
        match (c, quote) {
            (c, None | Some('"')) if c == escape && chars.next().is_none() => return &word[..at],
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    word
}

/// A flag as written, `--name=value`, with its quotes and escapes resolved.
pub(crate) fn leading_flags(text: &str, offset: usize) -> (Vec<Argument>, &str) {
    let mut flags = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Ok((next, flag)) =
            preceded(nom::combinator::peek(nom::bytes::complete::tag("--")), flag_word).parse(rest)
        else {
            return (flags, rest);
        };
        if flag == "--" {
            return (flags, next);
        }
        let start = offset + (text.len() - rest.len());
        flags.push(Argument { text: flag, range: start..start + (rest.len() - next.len()) });
        rest = next;
    }
}

fn flag_word(input: &str) -> IResult<&str, String> {
    let mut word = String::new();
    let mut rest = input;
    while let Ok((next, piece)) = flag_piece(rest) {
        word.push_str(&piece);
        rest = next;
    }
    Ok((rest, word))
}

/// Quoted text, an escaped character, or plain text. In flags the escape character is always a backslash.
fn flag_piece(input: &str) -> IResult<&str, String> {
    let escaped = |i| preceded(char('\\'), alt((recognize(anychar), eof))).parse(i);
    let quoted = |quote: char| {
        let plain = take_while1(move |c| c != quote && c != '\\');
        let pieces = nom::multi::fold_many0(
            alt((escaped, plain)),
            String::new,
            |mut text: String, piece: &str| {
                text.push_str(piece);
                text
            },
        );
        delimited(char(quote), pieces, alt((value((), char(quote)), value((), eof))))
    };
    let plain = take_while1(|c: char| !c.is_whitespace() && !matches!(c, '\\' | '"' | '\''));
    alt((quoted('"'), quoted('\''), escaped.map(str::to_owned), plain.map(str::to_owned)))
        .parse(input)
}

/// The first word and what follows it, for `HEALTHCHECK`.
pub(crate) fn first_word(text: &str) -> (&str, &str) {
    let parsed: IResult<&str, &str> = take_while(|c: char| !c.is_whitespace()).parse(text);
    match parsed {
        Ok((rest, word)) => (word, rest.trim_start()),
        Err(_) => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        quoted_words(text, 0, '\\').into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn quotes_and_escapes_hold_words_together() {
        assert_eq!(
            words(r#"a  b\ c 'd e'f "g\" h" """#),
            ["a", r"b\ c", "'d e'f", r#""g\" h""#, "\"\""]
        );
        assert_eq!(words("föo bàr\\"), ["föo", "bàr"]);
        assert_eq!(words("a \\"), ["a"]);
        assert_eq!(words("a\\\\"), ["a\\\\"]);
        assert_eq!(words("'a b"), ["'a b"]);
        assert_eq!(words("\"a b\\"), ["\"a b"]);
        assert_eq!(words("'a\\"), ["'a\\"]);
    }

    #[test]
    fn flags_stop_at_the_first_other_word() {
        let flags = |text| {
            let (flags, rest) = leading_flags(text, 0);
            (flags.into_iter().map(|flag| flag.text).collect::<Vec<_>>(), rest.to_owned())
        };
        assert_eq!(
            flags("--a --b=\"c d\"e x --y"),
            (vec!["--a".into(), "--b=c de".into()], "x --y".into())
        );
        assert_eq!(flags("--a -- --b"), (vec!["--a".into()], " --b".into()));
        assert_eq!(flags("--"), (vec![], String::new()));
        assert_eq!(flags("--a='x\\' y"), (vec!["--a=x' y".into()], String::new()));
        assert_eq!(flags("-a b"), (vec![], "-a b".into()));
    }

    #[test]
    fn plain_splitting_keeps_places() {
        let all = split_all("a \t bc", 4);
        assert_eq!(all[1], Argument { text: "bc".into(), range: 8..10 });
        assert!(split_all("", 0).is_empty());
    }
}
