//! Durations as Go writes them: `1h30m`, `1.5s`, `500ms`.

use nom::branch::alt;
use nom::bytes::complete::take_till1;
use nom::character::complete::{char, digit0, digit1, one_of};
use nom::combinator::{opt, recognize};
use nom::sequence::preceded;
use nom::{IResult, Parser};

/// The texts are those of Go's `time.ParseDuration`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("time: invalid duration {0:?}")]
    Invalid(String),
    #[error("time: missing unit in duration {0:?}")]
    NoUnit(String),
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit { unit: String, text: String },
}

const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Nanoseconds.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let sign: IResult<&str, Option<char>> = opt(one_of("+-")).parse(text);
    let (mut rest, sign) = sign.map_err(|_| invalid())?;
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let (after, number) = number(rest).map_err(|_| invalid())?;
        let (next, unit) = unit(after).map_err(|_| DurationError::NoUnit(text.to_owned()))?;
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::UnknownUnit {
                unit: unit.to_owned(),
                text: text.to_owned(),
            });
        };
        total += number.parse::<f64>().map_err(|_| invalid())? * scale;
        rest = next;
    }
    if total >= i64::MAX as f64 {
        return Err(invalid());
    }
    let nanoseconds = total.round() as i64;
    Ok(if sign == Some('-') { -nanoseconds } else { nanoseconds })
}

fn number(input: &str) -> IResult<&str, &str> {
    let fraction = || preceded(char('.'), digit1);
    alt((recognize((digit1, opt((char('.'), digit0)))), recognize(fraction()))).parse(input)
}

fn unit(input: &str) -> IResult<&str, &str> {
    take_till1(|c: char| c == '.' || c.is_ascii_digit()).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        assert_eq!(parse("1h30m"), Ok(5_400_000_000_000));
        assert_eq!(parse("1.5s"), Ok(1_500_000_000));
        assert_eq!(parse("-.5ms"), Ok(-500_000));
        assert_eq!(parse("0"), Ok(0));
    }

    #[test]
    fn errors_are_gos() {
        let message = |text| parse(text).map_err(|error| error.to_string());
        assert_eq!(message("5"), Err("time: missing unit in duration \"5\"".into()));
        assert_eq!(message("5x"), Err("time: unknown unit \"x\" in duration \"5x\"".into()));
        assert_eq!(message("x"), Err("time: invalid duration \"x\"".into()));
        assert_eq!(message("."), Err("time: invalid duration \".\"".into()));
    }
}
