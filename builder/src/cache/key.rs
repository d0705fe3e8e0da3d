//! [`Key`]: what a step depends on, as one number.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A BLAKE3 hash over labelled parts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Key([u8; 32]);

/// Hashes parts so that no two lists of parts look the same.
#[derive(Debug)]
pub(crate) struct KeyBuilder(blake3::Hasher);

#[derive(Debug, thiserror::Error)]
#[error("`{text}` is no cache key")]
pub(crate) struct BadKey {
    text: String,
}

impl KeyBuilder {
    /// `domain` says what is being hashed: equal parts of different things have different keys.
    pub(crate) fn new(domain: &str) -> KeyBuilder {
        KeyBuilder(blake3::Hasher::new()).part(domain)
    }

    pub(crate) fn part(mut self, bytes: impl AsRef<[u8]>) -> KeyBuilder {
        let bytes = bytes.as_ref();
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    pub(crate) fn finish(self) -> Key {
        Key(*self.0.finalize().as_bytes())
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Key {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Key, BadKey> {
        let hash = blake3::Hash::from_hex(text).map_err(|_| BadKey { text: text.to_owned() })?;
        Ok(Key(*hash.as_bytes()))
    }
}

impl TryFrom<String> for Key {
    type Error = BadKey;

    fn try_from(text: String) -> Result<Key, BadKey> {
        text.parse()
    }
}

impl From<Key> for String {
    fn from(key: Key) -> String {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_between_parts_count() {
        let key = |domain: &str, parts: &[&str]| {
            parts.iter().fold(KeyBuilder::new(domain), |key, part| key.part(part)).finish()
        };
        let one = key("d", &["ab", "c"]);
        assert_eq!(one, key("d", &["ab", "c"]));
        for other in [key("d", &["a", "bc"]), key("d", &["abc"]), key("da", &["b", "c"])] {
            assert_ne!(one, other);
        }
        assert_eq!(one.to_string().parse::<Key>().unwrap(), one);
    }
}
