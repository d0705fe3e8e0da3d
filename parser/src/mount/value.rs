//! Values within mounts and devices: fields, numbers, sizes.

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag};
use nom::character::complete::char;
use nom::combinator::{all_consuming, map, value};
use nom::multi::{fold_many0, separated_list1};
use nom::sequence::delimited;
use nom::{IResult, Parser};

use super::MountError;
use crate::suggest::suggest;

pub(super) fn unknown_key(key: &str, field: &str, known: &'static [&'static str]) -> MountError {
    let suggestion = suggest(key, known.iter().copied());
    MountError::UnknownKey { key: key.to_owned(), field: field.to_owned(), suggestion, known }
}

pub(super) fn bad_value(key: &str, value: &str) -> MountError {
    MountError::BadValue { key: key.to_owned(), value: value.to_owned() }
}

pub(super) fn boolean(key: &str, value: &str) -> Result<bool, MountError> {
    match value {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(bad_value(key, value)),
    }
}

pub(super) fn number(key: &'static str, value: &str, radix: u32) -> Result<u32, MountError> {
    let digits = !value.is_empty() && value.chars().all(|c| c.is_digit(radix));
    let number = u32::from_str_radix(value, radix).ok().filter(|_| digits);
    number.ok_or_else(|| MountError::BadNumber { key, value: value.to_owned() })
}

/// `64m`, `1.5 GiB`, `100`: powers of 1024.
pub(super) fn size(value: &str) -> Option<u64> {
    let digits = value.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')? + 1;
    let (number, suffix) = value.split_at(digits);
    let number: f64 = number.trim_end().parse().ok().filter(|number: &f64| *number >= 0.0)?;
    let suffix = suffix.to_lowercase();
    let power = match suffix.strip_suffix("ib").or(suffix.strip_suffix('b')).unwrap_or(&suffix) {
        "" if suffix != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    Some((number * 1024f64.powi(power)) as u64)
}

/// Comma-separated fields; one may be in double quotes, a quote inside being doubled.
pub(super) fn fields(value: &str) -> Result<Vec<String>, MountError> {
    let csv = |cause: &str| MountError::Csv { value: cause.to_owned() };
    if value.is_empty() {
        return Err(csv(value));
    }
    match all_consuming(separated_list1(char(','), alt((quoted_field, plain_field)))).parse(value) {
        Ok((_, fields)) => Ok(fields),
        Err(_) => Err(csv(value)),
    }
}

fn quoted_field(input: &str) -> IResult<&str, String> {
    let piece = alt((is_not("\""), value("\"", tag("\"\""))));
    let text = fold_many0(piece, String::new, |text, piece: &str| text + piece);
    delimited(char('"'), text, char('"')).parse(input)
}

fn plain_field(input: &str) -> IResult<&str, String> {
    map(nom::combinator::opt(is_not(",\"")), |text: Option<&str>| {
        text.unwrap_or_default().to_owned()
    })
    .parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_commas() {
        assert_eq!(fields("a=1,\"b=2,\"\"3\"\"\",").expect("fields"), ["a=1", "b=2,\"3\"", ""]);
        assert!(fields("a\"b").is_err());
        assert!(fields("\"a").is_err());
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(size("1.5k"), Some(1536));
        assert_eq!(size("2 GiB"), Some(2 << 30));
        assert_eq!(size("7b"), Some(7));
        assert_eq!(size("x"), None);
        assert_eq!(size("1kk"), None);
    }
}
