//! [`StepKey`]: what a step's result is found by.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Inputs;

/// Identity of the file system after a step, by how it was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StepKey(pub(super) [u8; 32]);

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl StepKey {
    pub(crate) fn parse(text: &str) -> Option<StepKey> {
        blake3::Hash::from_hex(text).ok().map(|hash| StepKey(*hash.as_bytes()))
    }

    /// What stands for it where keys are locked: 62 bits are enough for no two to meet.
    pub(super) fn lock_byte(self) -> u64 {
        self.0.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)) >> 2
    }
}

impl Serialize for StepKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StepKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<StepKey, D::Error> {
        let text = String::deserialize(deserializer)?;
        StepKey::parse(&text).ok_or_else(|| serde::de::Error::custom("not a step key"))
    }
}

impl fmt::Debug for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StepKey({self})")
    }
}

/// The parts of a key; each is preceded by its length, so that no two lists of parts are alike.
#[derive(Debug)]
pub(crate) struct KeyBuilder {
    /// What is to be hashed next: BLAKE3 is several times faster on large pieces, and most keys are one small piece.
    fresh: Vec<u8>,
    /// Of all before, if there is any. It has 2 KB.
    hasher: Option<Box<blake3::Hasher>>,
}

impl KeyBuilder {
    /// Changes whenever the meaning of a key does.
    const VERSION: &'static [u8] = b"rbuild step key 1";
    /// Hashed at a time.
    const PIECE: usize = 64 << 10;

    pub(crate) fn new(what: &str) -> KeyBuilder {
        let fresh = Vec::with_capacity(256);
        KeyBuilder { fresh, hasher: None }.part(Self::VERSION).part(what.as_bytes())
    }

    pub(crate) fn part(mut self, bytes: &[u8]) -> KeyBuilder {
        put(&mut self.fresh, bytes);
        self.hashed_in_pieces()
    }

    /// Parts that were [`put`] together elsewhere.
    pub(super) fn parts(mut self, parts: &[u8]) -> KeyBuilder {
        self.fresh.extend_from_slice(parts);
        self.hashed_in_pieces()
    }

    fn hashed_in_pieces(mut self) -> KeyBuilder {
        if self.fresh.len() >= Self::PIECE {
            self.hasher.get_or_insert_default().update(&self.fresh);
            self.fresh.clear();
        }
        self
    }

    pub(crate) fn key(self, key: StepKey) -> KeyBuilder {
        self.part(&key.0)
    }

    pub(crate) fn inputs(self, inputs: &Inputs) -> KeyBuilder {
        inputs.add_to(self)
    }

    pub(crate) fn finish(self) -> StepKey {
        let hash = match self.hasher {
            Some(mut hasher) => hasher.update(&self.fresh).finalize(),
            None => blake3::hash(&self.fresh),
        };
        StepKey(*hash.as_bytes())
    }
}

/// A part as it is hashed.
pub(super) fn put(parts: &mut Vec<u8>, bytes: &[u8]) {
    parts.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    parts.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        let key = |parts: &[&str]| {
            parts.iter().fold(KeyBuilder::new("t"), |b, p| b.part(p.as_bytes())).finish()
        };
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["a"]), key(&["a", ""]));
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
    }

    /// Stores of versions before have keys that were hashed part by part.
    #[test]
    fn keys_are_the_hash_of_all_parts_however_many() {
        for (count, length) in [(0, 0), (1, 0), (3, 5), (2, 1 << 16), (1, 1 << 18), (9000, 40)] {
            let part = vec![7; length];
            let mut hasher = blake3::Hasher::new();
            for part in [KeyBuilder::VERSION, b"t"].into_iter().chain((0..count).map(|_| &part[..]))
            {
                hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
            }
            let key = (0..count).fold(KeyBuilder::new("t"), |key, _| key.part(&part)).finish();
            assert_eq!(key.0, *hasher.finalize().as_bytes(), "{count} {length}");
        }
        let key = KeyBuilder::new("t").part(b"a").finish().to_string();
        assert_eq!(key, "f173547525259206f2cd238f0402acf4a1a41a0a38a29d32b480b34e46c3d1d0");
    }
}
