//! The keys that leave a container running: `ctrl-p,ctrl-q`, or what `--detach-keys` says.

use anyhow::{Context, Result, bail};

const DEFAULT: [u8; 2] = [16, 17];

/// Looks for a sequence of keys in what is typed.
#[derive(Clone, Debug)]
pub(super) struct DetachKeys {
    keys: Vec<u8>,
    /// How many of them have been typed.
    seen: usize,
}

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Typed {
    /// What is for the container.
    pub(super) input: Vec<u8>,
    /// Whether the sequence followed it.
    pub(super) detach: bool,
}

impl DetachKeys {
    /// Docker's form: single characters or `ctrl-` with one of `a`-`z`, `@`, `[`, `\`, `]`, `^`, `_`, separated by commas.
    /// None for the empty text: there is no leaving.
    pub(super) fn parse(text: Option<&str>) -> Result<Option<DetachKeys>> {
        let keys = match text {
            None => DEFAULT.to_vec(),
            Some("") => return Ok(None),
            Some(text) => text
                .split(',')
                .map(key)
                .collect::<Result<_>>()
                .with_context(|| format!("`--detach-keys {text}`"))?,
        };
        Ok(Some(DetachKeys { keys, seen: 0 }))
    }

    /// Keys that may be the beginning are kept until it is clear that they are not.
    pub(super) fn take(&mut self, typed: &[u8]) -> Typed {
        let mut input = Vec::new();
        for byte in typed {
            if *byte == self.keys[self.seen] {
                self.seen += 1;
                if self.seen == self.keys.len() {
                    return Typed { input, detach: true };
                }
                continue;
            }
            input.extend_from_slice(&self.keys[..self.seen]);
            self.seen = usize::from(*byte == self.keys[0] && self.keys.len() > 1);
            if self.seen == 0 {
                input.push(*byte);
            }
        }
        Typed { input, detach: false }
    }
}

fn key(text: &str) -> Result<u8> {
    if let Some(letter) = text.strip_prefix("ctrl-") {
        return match letter.as_bytes() {
            [letter @ b'a'..=b'z'] => Ok(letter - b'a' + 1),
            [b'@'] => Ok(0),
            [letter @ b'['..=b'_'] => Ok(letter - b'[' + 27),
            _ => bail!(
                "`ctrl-{letter}` is no key; after `ctrl-` comes a letter or one of @ [ \\ ] ^ _"
            ),
        };
    }
    match text.as_bytes() {
        [byte] => Ok(*byte),
        _ => bail!("`{text}` is no key; write a character or `ctrl-` and a letter"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(bytes: &[u8]) -> Typed {
        Typed { input: bytes.to_vec(), detach: false }
    }

    fn detach(bytes: &[u8]) -> Typed {
        Typed { input: bytes.to_vec(), detach: true }
    }

    #[test]
    fn the_sequence_is_found_wherever_it_is_cut() {
        let mut keys = DetachKeys::parse(None).unwrap().unwrap();
        assert_eq!(keys.take(b"ab"), input(b"ab"));
        assert_eq!(keys.take(&[16]), input(b""));
        assert_eq!(keys.take(b"x"), input(&[16, b'x']));
        assert_eq!(keys.take(&[16, 16]), input(&[16]));
        assert_eq!(keys.take(&[17]), detach(b""));
        let mut keys = DetachKeys::parse(Some("a,ctrl-a,@")).unwrap().unwrap();
        assert_eq!(keys.take(b"za\x01b"), input(b"za\x01b"));
        assert_eq!(keys.take(b"before a\x01@"), detach(b"before "));
        let mut single = DetachKeys::parse(Some("ctrl-]")).unwrap().unwrap();
        assert_eq!(single.take(b"xyz"), input(b"xyz"));
        assert_eq!(single.take(&[29]), detach(b""));
    }

    #[test]
    fn wrong_keys_are_refused() {
        for wrong in ["ctrl-", "ctrl-1", "ab", "ctrl-p,,q", "strg-p"] {
            assert!(DetachKeys::parse(Some(wrong)).is_err(), "{wrong}");
        }
        assert!(DetachKeys::parse(Some("")).unwrap().is_none());
    }
}
