//! PAX records: `LENGTH KEY=VALUE\n`.

use std::collections::HashSet;

use super::Problem;

/// Records in their order. A key may repeat (sparse maps of format 0.0 do); the last one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Records(Vec<(Vec<u8>, Vec<u8>)>);

impl Records {
    pub(crate) fn parse(mut bytes: &[u8]) -> Result<Records, Problem> {
        let damaged = || "has damaged PAX records".to_owned();
        let mut records = Vec::new();
        while !bytes.is_empty() {
            let space = bytes.iter().position(|&byte| byte == b' ').ok_or_else(damaged)?;
            let digits = std::str::from_utf8(&bytes[..space]).map_err(|_| damaged())?;
            let length = digits.parse::<usize>().map_err(|_| damaged())?;
            if length <= space + 1 || length > bytes.len() || bytes[length - 1] != b'\n' {
                return Err(damaged());
            }
            let record = &bytes[space + 1..length - 1];
            let equals = record.iter().position(|&byte| byte == b'=').ok_or_else(damaged)?;
            records.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
            bytes = &bytes[length..];
        }
        Ok(Records(records))
    }

    /// The value that counts. An empty one takes back what a global header said.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let found = self.0.iter().rev().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_slice()).filter(|value| !value.is_empty())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.0.push((key.to_vec(), value.to_vec()));
    }

    pub(crate) fn extend(&mut self, other: Records) {
        self.0.extend(other.0);
    }

    /// Keeps of each key the last value only.
    pub(crate) fn forget_overridden(&mut self) {
        let mut seen = HashSet::new();
        let mut keep: Vec<bool> = self.0.iter().rev().map(|(key, _)| seen.insert(key)).collect();
        self.0.retain(|_| keep.pop().unwrap_or(true));
    }

    /// About how many bytes of memory the records take.
    pub(crate) fn memory(&self) -> u64 {
        self.0.iter().map(|(key, value)| (key.len() + value.len() + 32) as u64).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (key, value) in &self.0 {
            bytes.extend_from_slice(record_length(key, value).to_string().as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(key);
            bytes.push(b'=');
            bytes.extend_from_slice(value);
            bytes.push(b'\n');
        }
        bytes
    }

    /// A whole number, or none when the key is absent.
    pub(crate) fn integer(&self, key: &str) -> Result<Option<i64>, Problem> {
        let Some(value) = self.get(key.as_bytes()) else { return Ok(None) };
        let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        number.map(Some).ok_or_else(|| damaged_value(key, value))
    }

    /// A time in whole seconds; fractions are rounded down.
    pub(crate) fn seconds(&self, key: &str) -> Result<Option<i64>, Problem> {
        let Some(value) = self.get(key.as_bytes()) else { return Ok(None) };
        let damaged = || damaged_value(key, value);
        let text = std::str::from_utf8(value).map_err(|_| damaged())?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(damaged());
        }
        let seconds: i64 = whole.parse().map_err(|_| damaged())?;
        let below = whole.starts_with('-') && fraction.bytes().any(|byte| byte != b'0');
        seconds.checked_sub(i64::from(below)).map(Some).ok_or_else(damaged)
    }
}

fn damaged_value(key: &str, value: &[u8]) -> Problem {
    format!("has a damaged PAX `{key}` of `{}`", value[..value.len().min(80)].escape_ascii())
}

/// The length counts its own digits.
fn record_length(key: &[u8], value: &[u8]) -> usize {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length.to_string().len() + rest != length {
        length = length.to_string().len() + rest;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_itself() {
        for size in 0..1200 {
            let mut records = Records::default();
            records.push(b"k", &vec![b'\n'; size]);
            assert_eq!(Records::parse(&records.encode()), Ok(records));
        }
    }

    #[test]
    fn only_the_last_value_of_a_key_counts() {
        let parse = |text: &str| Records::parse(text.as_bytes()).unwrap();
        let mut records = parse("6 a=1\n6 b=2\n6 a=3\n");
        records.forget_overridden();
        assert_eq!(records, parse("6 b=2\n6 a=3\n"));
    }

    #[test]
    fn refuses_damaged_records() {
        for bytes in ["x", "5 a=b", "6 a=b", "99 a=b\n", "6 abc\n", "0 a=b\n", "-6 a=b\n", " a=b\n"]
        {
            assert!(Records::parse(bytes.as_bytes()).is_err(), "{bytes}");
        }
    }

    #[test]
    fn seconds_round_down() {
        let check = |text: &str, expected: Option<i64>| {
            let mut records = Records::default();
            records.push(b"mtime", text.as_bytes());
            assert_eq!(records.seconds("mtime").ok().flatten(), expected, "{text}");
        };
        check("12.9", Some(12));
        check("-1.5", Some(-2));
        check("-1.0", Some(-1));
        check("-0.5", Some(-1));
        check("7", Some(7));
        check("1.x", None);
        check("", None);
    }
}
