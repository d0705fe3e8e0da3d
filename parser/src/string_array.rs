//! The JSON form of arguments: an array of strings, read as strictly as BuildKit reads it.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while_m_n, take_while1};
use nom::character::complete::{char, one_of, satisfy};
use nom::combinator::{all_consuming, cut, map, opt, recognize, value, verify};
use nom::multi::{fold_many0, separated_list0};
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

/// How deep arrays and objects may nest before the text counts as not being strings.
const MAX_DEPTH: usize = 64;

/// One element: its decoded text and the bytes of the input it takes.
pub(crate) type Element = (String, std::ops::Range<usize>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StringArray {
    Strings(Vec<Element>),
    /// Valid JSON that holds something else than strings.
    NotStrings,
    /// No JSON array at all: the shell form.
    NotJson,
}

/// Reads text that may be a JSON array.
pub(crate) fn parse(text: &str) -> StringArray {
    let input = text.trim_start();
    if !input.starts_with('[') {
        return StringArray::NotJson;
    }
    match all_consuming(terminated(|i| array(i, 0), blanks)).parse(input) {
        Ok((_, items)) => strings(text, items),
        Err(nom::Err::Failure(_)) => StringArray::NotStrings,
        Err(_) => StringArray::NotJson,
    }
}

fn strings(text: &str, items: Vec<Json<'_>>) -> StringArray {
    let mut strings = Vec::with_capacity(items.len());
    for item in items {
        let Json::String { value, raw } = item else { return StringArray::NotStrings };
        let start = raw.as_ptr() as usize - text.as_ptr() as usize;
        strings.push((value, start..start + raw.len()));
    }
    StringArray::Strings(strings)
}

/// A string member of a JSON object that is the whole text.
pub(crate) fn object_member(text: &str, name: &str) -> Option<String> {
    let parsed = all_consuming(delimited(blanks, |i| object(i, 0), blanks)).parse(text);
    let (_, members) = parsed.ok()?;
    let (_, member) = members.into_iter().rev().find(|(key, _)| key == name)?;
    match member {
        Json::String { value, .. } => Some(value),
        Json::Other => None,
    }
}

#[derive(Clone, Debug)]
enum Json<'a> {
    String { value: String, raw: &'a str },
    Other,
}

fn blanks(input: &str) -> IResult<&str, &str> {
    take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r')).parse(input)
}

fn json(input: &str, depth: usize) -> IResult<&str, Json<'_>> {
    let literal = alt((tag("true"), tag("false"), tag("null")));
    delimited(
        blanks,
        alt((
            raw_string,
            value(Json::Other, |i| array(i, depth + 1)),
            value(Json::Other, |i| object(i, depth + 1)),
            value(Json::Other, alt((literal, number))),
        )),
        blanks,
    )
    .parse(input)
}

fn array(input: &str, depth: usize) -> IResult<&str, Vec<Json<'_>>> {
    let (input, _) = char('[').parse(input)?;
    let (input, ()) = limit(input, depth)?;
    let items = separated_list0(char(','), move |i| json(i, depth));
    terminated(alt((value(Vec::new(), (blanks, char(']'))), terminated(items, char(']')))), blanks)
        .parse(input)
}

fn object(input: &str, depth: usize) -> IResult<&str, Vec<(String, Json<'_>)>> {
    let (input, _) = char('{').parse(input)?;
    let (input, ()) = limit(input, depth)?;
    let key = delimited(blanks, string, (blanks, char(':')));
    let members = separated_list0(char(','), (key, move |i| json(i, depth)));
    delimited(blanks, members, (blanks, char('}'))).parse(input)
}

fn limit(input: &str, depth: usize) -> IResult<&str, ()> {
    if depth > MAX_DEPTH {
        return cut(nom::combinator::fail()).parse(input);
    }
    Ok((input, ()))
}

fn number(input: &str) -> IResult<&str, &str> {
    let digits = || take_while1(|c: char| c.is_ascii_digit());
    let integer = alt((tag("0"), digits()));
    let fraction = opt(preceded(char('.'), digits()));
    let exponent = opt((one_of("eE"), opt(one_of("+-")), digits()));
    recognize((opt(char('-')), integer, fraction, exponent)).parse(input)
}

fn raw_string(input: &str) -> IResult<&str, Json<'_>> {
    let (rest, value) = string(input)?;
    Ok((rest, Json::String { value, raw: &input[..input.len() - rest.len()] }))
}

fn string(input: &str) -> IResult<&str, String> {
    let plain = take_while1(|c: char| c != '"' && c != '\\' && c >= ' ');
    let piece = alt((map(plain, Piece::Text), map(escape, Piece::Char)));
    let text = fold_many0(piece, String::new, |mut text, piece| {
        match piece {
            Piece::Text(part) => text.push_str(part),
            Piece::Char(c) => text.push(c),
        }
        text
    });
    delimited(char('"'), text, char('"')).parse(input)
}

enum Piece<'a> {
    Text(&'a str),
    Char(char),
}

/// `\n`, `\u0041`; half of a surrogate pair becomes the replacement character.
fn escape(input: &str) -> IResult<&str, char> {
    let simple = map(one_of("\"\\/bfnrt"), |c| match c {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        other => other,
    });
    preceded(char('\\'), alt((simple, surrogates, unicode))).parse(input)
}

fn surrogates(input: &str) -> IResult<&str, char> {
    let high = verify(hex, |code| (0xD800..0xDC00).contains(code));
    let low = preceded(char('\\'), verify(hex, |code| (0xDC00..0xE000).contains(code)));
    map((high, low), |(high, low)| {
        let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
    })
    .parse(input)
}

fn unicode(input: &str) -> IResult<&str, char> {
    map(hex, |code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)).parse(input)
}

fn hex(input: &str) -> IResult<&str, u32> {
    let digits = take_while_m_n(4, 4, |c: char| c.is_ascii_hexdigit());
    preceded(
        satisfy(|c| c == 'u'),
        map(digits, |text| u32::from_str_radix(text, 16).unwrap_or(0xFFFD)),
    )
    .parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(input: &str) -> Option<Vec<String>> {
        match parse(input) {
            StringArray::Strings(items) => Some(items.into_iter().map(|(text, _)| text).collect()),
            _ => None,
        }
    }

    #[test]
    fn strings_are_decoded() {
        assert_eq!(
            texts(r#"[ "a" ,"\u00e9\ud83d\ude00\ud83d","\/\n" ] "#),
            Some(vec!["a".into(), "é😀\u{fffd}".into(), "/\n".into()])
        );
        assert_eq!(texts("[ ]"), Some(vec![]));
        assert_eq!(texts("[]"), Some(vec![]));
    }

    #[test]
    fn anything_else_is_told_apart() {
        for text in ["[\"a\"", "[\"a\",]", "['a']", "[01]", "[a]", "x", "", "[\"a\"] b", "[\"\t\"]"]
        {
            assert_eq!(parse(text), StringArray::NotJson, "{text}");
        }
        for text in ["[1]", "[\"a\", [\"b\"]]", "[null]", "[{\"a\": [1.5e3]}]", "[[]]"] {
            assert_eq!(parse(text), StringArray::NotStrings, "{text}");
        }
        assert_eq!(parse(&"[".repeat(60_000)), StringArray::NotStrings);
    }

    #[test]
    fn elements_know_their_place() {
        let StringArray::Strings(items) = parse(" [\"a\", \"bc\"]") else { panic!("strings") };
        assert_eq!(items[1].1, 7..11);
    }
}
