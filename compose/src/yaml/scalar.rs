//! What a plain scalar means, by the rules of Go's yaml.v3.

use super::{Value, YamlError};

/// The value of an unquoted scalar.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let value = match text.as_bytes()[0] {
        b'0'..=b'9' | b'+' | b'-' => timestamp(text).or_else(|| number(text)),
        b'.' => float(text).map(Value::Float),
        _ => None,
    };
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The value of a scalar with a tag of YAML's own.
pub(super) fn tagged(text: &str, tag: &str) -> Result<Value, YamlError> {
    let value = match tag {
        "str" => Some(Value::String(text.to_owned())),
        "null" => Some(Value::Null),
        "int" => number(text).filter(|it| matches!(it, Value::Int(_) | Value::Uint(_))),
        "float" => match resolve(text) {
            Value::Int(value) => Some(Value::Float(value as f64)),
            Value::Float(value) => Some(Value::Float(value)),
            _ => None,
        },
        "bool" => boolean(text).map(Value::Bool),
        "timestamp" => timestamp(text),
        "binary" => {
            decode_base64(text).and_then(|it| String::from_utf8(it).ok()).map(Value::String)
        }
        _ => Some(Value::String(text.to_owned())),
    };
    value.ok_or_else(|| YamlError::BadTag {
        text: text.to_owned(),
        wanted: match tag {
            "int" => "!!int",
            "float" => "!!float",
            "bool" => "!!bool",
            "timestamp" => "!!timestamp",
            _ => "!!binary",
        },
    })
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => match resolve(text) {
            Value::Bool(value) => Some(value),
            _ => None,
        },
    }
}

/// A whole number in any base, or a float. Underscores between digits mean nothing.
fn number(text: &str) -> Option<Value> {
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.as_bytes().first()? {
        b'-' => (true, &plain[1..]),
        b'+' => (false, &plain[1..]),
        _ => (false, &plain[..]),
    };
    if let Some(magnitude) = magnitude(digits) {
        return whole(magnitude, negative).or_else(|| float(&plain).map(Value::Float));
    }
    float(&plain).map(Value::Float)
}

fn whole(magnitude: u64, negative: bool) -> Option<Value> {
    match (i64::try_from(magnitude), negative) {
        (Ok(value), false) => Some(Value::Int(value)),
        (Ok(value), true) => Some(Value::Int(-value)),
        (Err(_), true) if magnitude == i64::MIN.unsigned_abs() => Some(Value::Int(i64::MIN)),
        (Err(_), true) => None,
        (Err(_), false) => Some(Value::Uint(magnitude)),
    }
}

/// `0x1f`, `0o17`, `017`, `0b11` or decimal.
fn magnitude(digits: &str) -> Option<u64> {
    let parse = |digits: &str, base| {
        let clean = !digits.is_empty() && !digits.starts_with(['+', '-']);
        if clean { u64::from_str_radix(digits, base).ok() } else { None }
    };
    let lower = digits.to_ascii_lowercase();
    match lower.get(..2) {
        Some("0x") => parse(&lower[2..], 16),
        Some("0o") => parse(&lower[2..], 8),
        Some("0b") => parse(&lower[2..], 2),
        Some(_) if lower.starts_with('0') => parse(&lower[1..], 8),
        _ => parse(digits, 10),
    }
}

/// `[-+]? ( .digits | digits [.digits] ) [exponent]`
fn float(text: &str) -> Option<f64> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let good_mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let good_exponent = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['-', '+']).unwrap_or(text);
        !text.is_empty() && digits(text)
    });
    let value = if good_mantissa && good_exponent { text.parse().ok() } else { None };
    // What is too large for a number is text, as with yaml.v3.
    value.filter(|value: &f64| value.is_finite())
}

/// Dates and times in the four layouts yaml.v3 knows.
fn timestamp(text: &str) -> Option<Value> {
    let bytes = text.as_bytes();
    let digits_before = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits_before != 4 || bytes.get(4) != Some(&b'-') {
        return None;
    }
    let (date, rest) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts[..] else { return None };
    let (year, month, day) = (small(year, 4)?, small(month, 2)?, small(day, 2)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let clock = match rest {
        None if date.len() == 10 => "00:00:00Z".to_owned(),
        None => return None,
        Some(rest) => clock(rest)?,
    };
    Some(Value::Timestamp(format!("{year:04}-{month:02}-{day:02}T{clock}")))
}

fn clock(text: &str) -> Option<String> {
    let (time, zone) = match text.find(['Z', '+', '-']) {
        Some(at) => (text[..at].trim_end(), &text[at..]),
        None => (text, "Z"),
    };
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    let parts: Vec<&str> = seconds.split(':').collect();
    let [hour, minute, second] = parts[..] else { return None };
    let (hour, minute, second) = (small(hour, 2)?, small(minute, 2)?, small(second, 2)?);
    if hour > 23 || minute > 59 || second > 59 || !fraction.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    Some(format!("{hour:02}:{minute:02}:{second:02}{fraction}{zone}"))
}

fn small(text: &str, longest: usize) -> Option<u32> {
    let good =
        !text.is_empty() && text.len() <= longest && text.bytes().all(|it| it.is_ascii_digit());
    if good { text.parse().ok() } else { None }
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

/// Whether the text, written without quotes, is read back as itself: the test before quotes are left out.
pub(crate) fn looks_like_string(text: &str) -> bool {
    if text.is_empty() || text == super::merge_key::KEY {
        return text == super::merge_key::KEY;
    }
    matches!(resolve(text), Value::String(_)) && !is_base60(text) && !is_old_boolean(text)
}

/// YAML 1.1 reads `1:20` as 80.
fn is_base60(text: &str) -> bool {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !body.starts_with(|first: char| first.is_ascii_digit()) || !body.contains(':') {
        return false;
    }
    let mut parts = body.split(':');
    let head = parts.next().unwrap_or_default();
    let tail: Vec<&str> = parts.collect();
    let Some((last, middle)) = tail.split_last() else { return false };
    let sixty = |part: &str| {
        let good = matches!(part.len(), 1 | 2) && part.bytes().all(|it| it.is_ascii_digit());
        good && (part.len() == 1 || part.as_bytes()[0] <= b'5')
    };
    let last = last.split_once('.').map_or(*last, |(whole, fraction)| {
        if fraction.bytes().all(|it| it.is_ascii_digit() || it == b'_') { whole } else { "" }
    });
    head.bytes().all(|it| it.is_ascii_digit() || it == b'_')
        && middle.iter().all(|part| sixty(part))
        && sixty(last)
}

fn is_old_boolean(text: &str) -> bool {
    const OLD: &[&str] = &[
        "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off",
        "OFF",
    ];
    OLD.contains(&text)
}

/// Go's `%v` of a float: shortest digits, an exponent below 1e-4 and from 1e6 on.
pub(crate) fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    go_float(value, -4, 6)
}

/// Shortest digits, with an exponent below 10^`low` and from 10^`high` on.
pub(crate) fn go_float(value: f64, low: i32, high: i32) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < low || exponent >= high {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_go_makes_of_them() {
        let table = [
            ("017", Value::Int(15)),
            ("0o17", Value::Int(15)),
            ("08", Value::Float(8.0)),
            ("4e34444", Value::String("4e34444".to_owned())),
            ("0x1f", Value::Int(31)),
            ("0b11", Value::Int(3)),
            ("-0b11", Value::Int(-3)),
            ("1_000", Value::Int(1000)),
            ("+1", Value::Int(1)),
            ("12345678901234567890", Value::Uint(12_345_678_901_234_567_890)),
            ("-12345678901234567890", Value::Float(-12_345_678_901_234_567_890.0)),
            ("1e3", Value::Float(1000.0)),
            (".5", Value::Float(0.5)),
            ("1.", Value::Float(1.0)),
            ("2020-01-02", Value::Timestamp("2020-01-02T00:00:00Z".to_owned())),
        ];
        for (text, value) in table {
            assert_eq!(resolve(text), value, "{text}");
        }
        for text in
            ["yes", "on", "22:22", "1e", "0x", "1.2.3", "2020-13-01", "8080:80", "-", ".", "+"]
        {
            assert_eq!(resolve(text), Value::String(text.to_owned()));
        }
    }

    #[test]
    fn what_would_change_is_quoted() {
        for text in ["", "1:20", "y", "0x1f", "null", "~", "1e3", "2020-01-01", ".5"] {
            assert!(!looks_like_string(text), "{text}");
        }
        for text in ["a", "80:80:80a", "1.2.3", "<<", "12e", "8080:80", "1:2:3:99"] {
            assert!(looks_like_string(text), "{text}");
        }
    }

    #[test]
    fn floats_are_printed_as_go_does() {
        assert_eq!(float_text(1e22), "1e+22");
        assert_eq!(float_text(1.5), "1.5");
        assert_eq!(float_text(1000.0), "1000");
        assert_eq!(float_text(0.00001), "1e-05");
        assert_eq!(float_text(1_234_567.0), "1.234567e+06");
        assert_eq!(go_float(1_234_567.0, -6, 21), "1234567");
    }
}
