//! Lengths of time: `1m30s`, also with days and weeks.

use std::fmt;

use super::attribute::{Attribute, Misfit, ValueError};
use crate::render::{Data, Form};
use crate::yaml::{Node, Value};

/// Nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub i64);

const SECOND: i64 = 1_000_000_000;
const UNITS: &[(&str, i64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
    ("d", 24 * 3_600 * SECOND),
    ("w", 7 * 24 * 3_600 * SECOND),
];

impl Duration {
    pub fn parse(text: &str) -> Result<Duration, ValueError> {
        let error = |why| ValueError::Duration { text: text.to_owned(), why };
        let (negative, mut rest) = match text.strip_prefix(['-', '+']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text),
        };
        if rest == "0" {
            return Ok(Duration(0));
        }
        if rest.is_empty() {
            return Err(error("invalid"));
        }
        let mut total = 0u64;
        while !rest.is_empty() {
            let end = rest.find(|char: char| !char.is_ascii_digit() && char != '.');
            let Some(end) = end else { return Err(error("missing unit in")) };
            let (number, tail) = rest.split_at(end);
            let end = tail.find(|char: char| char.is_ascii_digit() || char == '.');
            let (unit, tail) = tail.split_at(end.unwrap_or(tail.len()));
            nanoseconds(number, 1).ok_or_else(|| error("invalid"))?;
            let scale = UNITS.iter().find(|(name, _)| *name == unit);
            let (_, scale) = scale.ok_or_else(|| error("unknown unit in"))?;
            let length = nanoseconds(number, scale.unsigned_abs());
            let sum = length.and_then(|length| total.checked_add(length));
            total = sum.ok_or_else(|| error("invalid"))?;
            rest = tail;
        }
        let total = i64::try_from(total).map_err(|_| error("invalid"))?;
        Ok(Duration(if negative { -total } else { total }))
    }
}

/// So many units, rounded as Go does: whole ones exactly, parts as floating point numbers.
fn nanoseconds(number: &str, unit: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + part.len() == 0 || !digits(part) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // More digits say nothing.
    let part = &part[..part.len().min(18)];
    let scale = 10u64.pow(part.len() as u32);
    let part: u64 = if part.is_empty() { 0 } else { part.parse().ok()? };
    whole.checked_mul(unit)?.checked_add((part as f64 * (unit as f64 / scale as f64)) as u64)
}

/// As Go prints it: `1h0m0s`, `1.5s`, `10ms`.
impl fmt::Display for Duration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            formatter.write_str("-")?;
        }
        let second = SECOND.unsigned_abs();
        match nanos {
            0 => formatter.write_str("0s"),
            1..1_000 => write!(formatter, "{nanos}ns"),
            1_000..1_000_000 => write!(formatter, "{}µs", decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => write!(formatter, "{}ms", decimal(nanos, 1_000_000)),
            _ => {
                let (minutes, rest) = (nanos / (60 * second), nanos % (60 * second));
                let (hours, minutes_left) = (minutes / 60, minutes % 60);
                if hours > 0 {
                    write!(formatter, "{hours}h")?;
                }
                if minutes > 0 {
                    write!(formatter, "{minutes_left}m")?;
                }
                write!(formatter, "{}s", decimal(rest, second))
            }
        }
    }
}

fn decimal(value: u64, unit: u64) -> String {
    let (whole, fraction) = (value / unit, value % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let fraction = format!("{fraction:0width$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

impl Attribute for Duration {
    fn decode(node: &Node) -> Result<Duration, Misfit> {
        match &node.value {
            Value::Null => Ok(Duration(0)),
            Value::String(text) => Duration::parse(text).map_err(|error| Misfit::new(error, node)),
            Value::Int(value) => Ok(Duration(*value)),
            _ => Err(Misfit::expected("a duration like `1m30s`", node)),
        }
    }

    fn encode(&self, _: Form) -> Data {
        Data::text(self.to_string())
    }

    fn is_unset(&self, _: Form) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_judged_before_its_unit() {
        let said = |text: &str| Duration::parse(text).unwrap_err().to_string();
        for text in ["abc", "99999999999999999999x", ".x"] {
            assert!(said(text).contains("invalid duration"), "{text}: {}", said(text));
        }
        assert!(said("1x").contains("unknown unit"), "{}", said("1x"));
        assert!(said("1").contains("missing unit"), "{}", said("1"));
    }
}
